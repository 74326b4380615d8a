"""Which place of each window of a max-pool is the largest: what decides on which affine piece of it a point lies.

Within a cell the places of a window are affine functions, so where one of them is the largest is a convex part of it.
The cell is cut along the borders of these parts alone: not where two places are equal below a third.
"""

from collections.abc import Callable
from typing import NamedTuple, final

import torch
from jaxtyping import Bool, Float64, Int, Int64
from torch import Tensor

from sslens.measures.regions._exact.nonlinearities import FLOOR, RELATIVE, demand_finite

Together = Callable[[Bool[Tensor, "v w"]], Bool[Tensor, "some w"]]
"""Which points must agree that a place is the largest: each on its own, two neighbours, all."""


@final
class Windows(NamedTuple):
    """Some windows of a max-pool, in which not the same place is the largest everywhere.

    >>> Windows(torch.tensor([[0, 1]]), torch.tensor([1e-12]), units=torch.tensor([[67, 68]])).bits
    1
    """

    places: Int64[Tensor, "w k"]
    """Which of the numbers that enter the pool are in each window, −1 for padding."""
    tolerance: Float64[Tensor, "w"]
    """Differences of this size and below are zero."""
    units: Int64[Tensor, "w k"]
    """The same places as units, counted through all layers."""

    @property
    def bits(self) -> int:
        """How many bits say which of a window's places is the largest."""
        return max(1, (self.places.shape[1] - 1).bit_length())


@final
class Standings(NamedTuple):
    """The windows of a max-pool at some points.

    >>> z, windows = torch.tensor([[1.0, 3.0, 3.0], [1.0, 0.0, 0.0]]).double(), torch.tensor([[0, 1], [1, 2]])
    >>> standings = Standings.of(z, windows, layer="pool")
    >>> standings.largest(lambda near: near), standings.largest(lambda near: near.all(0, keepdim=True))
    (tensor([[1, 0],
            [0, 0]]), tensor([[-1,  0]]))
    """

    values: Float64[Tensor, "n v"]
    """What enters the pool: a row for each number, so that what a window reads lies together."""
    windows: Int[Tensor, "w k"]
    enough: Float64[Tensor, "w v"]
    """What a place of a window must have to be one of its largest."""
    tolerance: Float64[Tensor, "w"]
    """Up to what size differences within each window count as zero."""

    @classmethod
    def of(cls, z: Float64[Tensor, "v n"], windows: Int[Tensor, "w k"], *, layer: str) -> "Standings":
        """How these values stand in these windows.

        Raises:
            InputError: values that are not finite.
        """
        values, windows = z.T.contiguous(), windows.to(z.device)
        size = values.abs().amax()
        demand_finite(size, layer)
        tops, lows = _column(values, windows, 0), _column(values, windows, 0, padding=torch.inf)
        for slot in range(1, windows.shape[1]):
            torch.maximum(tops, _column(values, windows, slot), out=tops)
            torch.minimum(lows, _column(values, windows, slot, padding=torch.inf), out=lows)
        tolerance = torch.maximum(RELATIVE * (tops - lows).amax(1), FLOOR * size)
        return cls(values, windows, tops - tolerance[:, None], tolerance)

    def largest(self, together: Together) -> Int64[Tensor, "some w"]:
        """The first of each window's places that are largest at all points that belong together; −1 where none is."""
        found: Tensor | None = None
        for slot in reversed(range(self.windows.shape[1])):
            agreed = together((_column(self.values, self.windows, slot) >= self.enough).T)
            found = torch.full_like(agreed, -1, dtype=torch.int64) if found is None else found
            found = found.masked_fill_(agreed, slot)
        assert found is not None
        return found


def _column(
    values: Float64[Tensor, "n v"], windows: Int[Tensor, "w k"], slot: int, *, padding: float = -torch.inf
) -> Float64[Tensor, "w v"]:
    """The values of one place of every window; padding is never the largest, or never the smallest."""
    places = windows[:, slot]
    found = values.index_select(0, places.clamp_min(0))
    return found.masked_fill_((places < 0)[:, None], padding) if (places < 0).any() else found
