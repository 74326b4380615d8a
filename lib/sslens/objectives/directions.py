"""Directions of embeddings: what is left where their length does not count."""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

HUGE = 2.0**40
"""Numbers above it are divided by the largest of their row before they are squared."""


def unit(z: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """Rows of length 1, however long the embedding: a row beyond 1e19 has no length in float32, its square is infinite.

    Then ``normalize`` gives zeros, and a loss of cosines stops to learn without a word. Rows of ordinary size come out
    in the bits of ``normalize``, which leaves those below 1e-12 shorter than 1.

    >>> import torch
    >>> unit(torch.tensor([[3e30, 4e30], [3.0, 4.0]]))
    tensor([[0.6000, 0.8000],
            [0.6000, 0.8000]])
    """
    return normalize(of_ordinary_size(z), dim=1)


def of_ordinary_size(z: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """Rows with an entry above ``HUGE`` divided by their largest one, which counts as a constant; others as they are.

    >>> import torch
    >>> of_ordinary_size(torch.tensor([[2e30, -4e30], [3.0, 4.0]]))
    tensor([[ 0.5000, -1.0000],
            [ 3.0000,  4.0000]])
    """
    largest = z.detach().abs().amax(1, keepdim=True)
    return z / largest.where(largest > HUGE, 1.0)
