"""Squared error: the embedding holds logits and is held against one-hot labels."""

from typing import final

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import mse_loss, one_hot

from sslens.objectives.objective import Objective, labels_of
from sslens.types import Outputs, Scalar, checked_dataclass


@final
@checked_dataclass
class SquaredError(Objective):
    """Mean squared distance of the logits of one view from one-hot labels, over samples and classes.

    >>> import torch
    >>> z = torch.zeros(1, 8, 10)
    >>> round(SquaredError().loss(Outputs(z, z, z, z, torch.arange(8))).item(), 3)
    0.1
    """

    @property
    def views(self) -> int:
        """One is enough: it is held against the label."""
        return 1

    def logits(self, classes: int) -> int:
        """One for each class."""
        return classes

    def terms(self, outputs: Outputs, state: nn.Module | None = None) -> dict[str, Scalar]:
        """One term, ``squared error``."""
        (logits,), labels = outputs.embedding, labels_of(outputs)
        return {"squared error": squared_error(logits, labels)}


def squared_error(logits: Float[Tensor, "n c"], labels: Int[Tensor, "n"]) -> Scalar:
    """Mean of (logit - 1 for the label's class, - 0 for the others) squared.

    >>> import torch
    >>> squared_error(torch.eye(3), torch.tensor([0, 1, 2])).item()
    0.0
    """
    return mse_loss(logits, one_hot(labels, logits.shape[1]).to(logits.dtype))
