"""Softmax cross-entropy: the embedding holds logits and is held against the labels."""

from typing import final

from torch import nn
from torch.nn.functional import cross_entropy

from sslens.objectives.objective import Objective, labels_of
from sslens.types import Outputs, Scalar, checked_dataclass


@final
@checked_dataclass
class CrossEntropy(Objective):
    """Softmax cross-entropy of one view, on the whole representation or on each of its nested prefixes.

    Nested, the heads of the prefixes 2, 4, 8, ... d weigh alike (Kusupati et al. 2022, "Matryoshka representation
    learning", equation 1 with c_m = 1), and every prefix is a term of its own.

    >>> import torch
    >>> z, labels = torch.zeros(1, 8, 10), torch.arange(8)
    >>> {name: round(term.item(), 3) for name, term in CrossEntropy().terms(Outputs(z, z, z, z, labels)).items()}
    {'cross-entropy': 2.303}
    """

    nested: bool = False

    @property
    def views(self) -> int:
        """One is enough: it is held against the label."""
        return 1

    def logits(self, classes: int) -> int:
        """One for each class."""
        return classes

    def prefixes(self, dimensions: int) -> tuple[int, ...]:
        """The powers of two below ``dimensions``, and ``dimensions`` itself; that alone if not nested.

        >>> CrossEntropy(nested=True).prefixes(20)
        (2, 4, 8, 16, 20)
        """
        shorter = [2**power for power in range(1, dimensions.bit_length()) if 2**power < dimensions]
        return (*(shorter if self.nested else []), dimensions)

    def terms(self, outputs: Outputs, state: nn.Module | None = None) -> dict[str, Scalar]:
        """``cross-entropy``, or ``cross-entropy of m`` for each prefix length m."""
        (logits,), labels = outputs.embedding, labels_of(outputs)
        if not self.nested:
            return {"cross-entropy": cross_entropy(logits, labels)}
        lengths = self.prefixes(outputs.representation.shape[-1])
        parts = logits.chunk(len(lengths), 1)
        names = [f"cross-entropy of {length}" for length in lengths]
        return {name: cross_entropy(part, labels) for name, part in zip(names, parts, strict=True)}
