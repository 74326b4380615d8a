"""Directions of embeddings: what is left where their length does not count."""

from jaxtyping import Float
from torch import Tensor

HUGE = 2.0**40
"""Numbers above it are divided by the largest of their row before they are squared."""


def of_ordinary_size(z: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """Rows with an entry above ``HUGE`` divided by their largest one, which counts as a constant; others as they are.

    A row beyond 1e19 has no length in float32, its square is infinite: ``normalize`` gives zeros, and a loss of cosines
    stops to learn without a word. Every view goes through here once, before anything is made of it: the gradients of
    rows of ordinary size are then added up in the order in which they would be without, and keep their bits.

    >>> import torch
    >>> of_ordinary_size(torch.tensor([[2e30, -4e30], [3.0, 4.0]]))
    tensor([[ 0.5000, -1.0000],
            [ 3.0000,  4.0000]])
    """
    largest = z.detach().abs().amax(1, keepdim=True)
    return z / largest.where(largest > HUGE, 1.0)
