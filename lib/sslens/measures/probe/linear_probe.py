"""A linear probe: one matrix that reads classes, or real numbers, from frozen features."""

from dataclasses import dataclass
from typing import final

from jaxtyping import Float, Int
from torch import Tensor

from sslens.measures.features import checked_queries
from sslens.types import Features


@final
@dataclass(frozen=True, eq=False)
class LinearProbe:
    """A linear classifier on features: scores = h · weight + bias.

    >>> import torch
    >>> LinearProbe(torch.eye(2).double(), torch.zeros(2).double()).predict(torch.tensor([[1.0, 3.0]]))
    tensor([1])
    """

    weight: Float[Tensor, "d c"]
    bias: Float[Tensor, "c"]

    def scores(self, h: Features) -> Float[Tensor, "n c"]:
        """One score per sample and class, or per sample and number where the probe was fitted to real numbers.

        Raises:
            InputError: no finite (n, d) matrix, or another d than the probe was fitted on.
        """
        return checked_queries(h, len(self.weight), name="features") @ self.weight + self.bias

    def predict(self, h: Features) -> Int[Tensor, "n"]:
        """The class of the largest score; among equal ones the smallest.

        Raises:
            InputError: as for ``scores``.
        """
        return self.scores(h).argmax(1)
