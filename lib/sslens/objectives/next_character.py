"""The language model's objective: predict each next character from those before it."""

from typing import Annotated, final

from torch import nn
from torch.nn.functional import cross_entropy

from sslens.objectives.objective import Objective
from sslens.types import InputError, Outputs, Range, Scalar, checked_dataclass


@final
@checked_dataclass
class NextCharacter(Objective):
    """Cross-entropy of the next character, in nats, over all places of a text but its last.

    >>> import torch
    >>> z, ids = torch.zeros(1, 2, 5, 47), torch.zeros(2, 5, dtype=torch.int64)
    >>> round(NextCharacter().loss(Outputs(z, z, z, z, inputs=ids)).item(), 3)  # log 47
    3.85
    """

    vocabulary: Annotated[int, Range(2, 10**6)] = 47

    @property
    def views(self) -> int:
        """The text itself."""
        return 1

    def logits(self, classes: int) -> int:
        """One for each character of the vocabulary, whatever classes of texts there are."""
        return self.vocabulary

    def terms(self, outputs: Outputs, state: nn.Module | None = None) -> dict[str, Scalar]:
        """One term, ``cross-entropy``.

        Raises:
            InputError: outputs of a model that reads images.
        """
        if outputs.inputs is None or outputs.embedding.ndim != 4:
            raise InputError("Config.objective", "NextCharacter()", "an objective of images, or the data texts")
        (logits,) = outputs.embedding
        return {"cross-entropy": cross_entropy(logits[:, :-1].flatten(0, 1), outputs.inputs[:, 1:].flatten())}
