"""Supervised baselines: the embedding holds logits and is held against the labels."""

from dataclasses import dataclass
from typing import final

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss, one_hot

from sslens.objectives.objective import Objective
from sslens.types import InputError, Outputs, Scalar


@final
@dataclass(frozen=True)
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
    def supervised(self) -> bool:
        """Always."""
        return True

    def prefixes(self, dimensions: int) -> tuple[int, ...]:
        """The powers of two below ``dimensions``, and ``dimensions`` itself; that alone if not nested.

        >>> CrossEntropy(nested=True).prefixes(20)
        (2, 4, 8, 16, 20)
        """
        shorter = [2**power for power in range(1, dimensions.bit_length()) if 2**power < dimensions]
        return (*(shorter if self.nested else []), dimensions)

    def terms(self, outputs: Outputs) -> dict[str, Scalar]:
        """``cross-entropy``, or ``cross-entropy of m`` for each prefix length m."""
        (logits,), labels = outputs.embedding, _labels(outputs)
        if not self.nested:
            return {"cross-entropy": cross_entropy(logits, labels)}
        lengths = self.prefixes(outputs.representation.shape[-1])
        parts = logits.chunk(len(lengths), 1)
        names = [f"cross-entropy of {length}" for length in lengths]
        return {name: cross_entropy(part, labels) for name, part in zip(names, parts, strict=True)}


@final
@dataclass(frozen=True)
class SquaredError(Objective):
    """Mean squared distance of the logits of one view from one-hot labels, over samples and classes.

    >>> import torch
    >>> z = torch.zeros(1, 8, 10)
    >>> round(SquaredError().loss(Outputs(z, z, z, z, torch.arange(8))).item(), 3)
    0.1
    """

    @property
    def supervised(self) -> bool:
        """Always."""
        return True

    def terms(self, outputs: Outputs) -> dict[str, Scalar]:
        """One term, ``squared error``."""
        (logits,), labels = outputs.embedding, _labels(outputs)
        return {"squared error": squared_error(logits, labels)}


def squared_error(logits: Float[Tensor, "n c"], labels: Int[Tensor, "n"]) -> Scalar:
    """Mean of (logit - 1 for the label's class, - 0 for the others) squared.

    >>> import torch
    >>> squared_error(torch.eye(3), torch.tensor([0, 1, 2])).item()
    0.0
    """
    return mse_loss(logits, one_hot(labels, logits.shape[1]).to(logits.dtype))


def _labels(outputs: Outputs) -> Int[Tensor, "n"]:
    if outputs.labels is None:
        raise InputError("Outputs.labels", None, "given to a supervised objective")
    return outputs.labels
