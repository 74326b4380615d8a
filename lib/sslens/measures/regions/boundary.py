"""Where a classifier changes its mind: exactly on a plane, cell by cell, and at points on the way between samples."""

from dataclasses import dataclass
from itertools import combinations
from typing import final

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from sslens.measures.regions._exact.cells import Polygons, following, owners
from sslens.measures.regions._exact.nonlinearities import RELATIVE
from sslens.measures.regions.inputs import checked_inputs, still
from sslens.types import InputError

HALVINGS = 40
"""Of the way from a sample to another: the boundary is known to 1e-12 of it."""


@final
@dataclass(frozen=True, eq=False)
class Boundary:
    """Segments of the plane along which two classes are first together.

    >>> Boundary(torch.zeros(1, 2, 2).double(), torch.tensor([4]), torch.tensor([[0, 1]])).classes
    tensor([[0, 1]])
    """

    segments: Float64[Tensor, "s 2 2"]
    """Both ends of each, in plane coordinates."""
    cells: Int64[Tensor, "s"]
    """The cell that each lies in."""
    classes: Int64[Tensor, "s 2"]
    """The two classes, the lower first. A network of one output has the classes 0 (below zero) and 1."""


def decision_boundary(
    polygons: Polygons, points: Float64[Tensor, "v 2"], *, logits: Float64[Tensor, "v out"]
) -> Boundary:
    """Segments along which two logits are equal and no other is larger, cell by cell.

    Logits that are equal on a whole cell have no boundary there; a boundary along a side of cells is found where one
    of the two logits is larger inside, so that it may be found from both sides.

    >>> square = Polygons(torch.tensor([0, 4]), torch.arange(4), -torch.arange(1, 5))
    >>> points = torch.tensor([[0.0, 0.0], [1, 0], [1, 1], [0, 1]]).double()
    >>> decision_boundary(square, points, logits=points[:, :1] - 0.25).segments.tolist()
    [[[0.25, 1.0], [0.25, 0.0]]]
    """
    if logits.shape[1] == 1:
        logits = torch.cat([torch.zeros_like(logits), logits], 1)
    sides, owner = _sides_of_mixed_cells(polygons, logits)
    ends, values = points[sides], logits[sides]
    parts = [_where_equal(ends, values, owner, pair) for pair in combinations(range(logits.shape[1]), 2)]
    segments, cell, classes = (torch.cat(column) for column in zip(*parts, strict=True))
    return Boundary(segments, cell, classes)


@torch.no_grad()
def boundary_points(
    net: nn.Module, starts: Float[Tensor, "n *shape"], *, ends: Float[Tensor, "_m *_shape"]
) -> Float64[Tensor, "m *shape"]:
    """Points of the decision boundary: where the network first is of two minds on the way from each start to its end.

    By bisection: of the two halves the one is kept whose ends are not both of the start's class. A pair that the
    network gives one class has no such point here and is left out, so m ≤ n. On a way that crosses the boundary several
    times it is one of the crossings. A network of one output has the classes 0 (below zero) and 1. Asked in float64.

    Raises:
        InputError: samples that are not finite or of different shapes, or a net that does not answer with scores
            (n, k).

    >>> net = nn.Linear(1, 1)
    >>> _ = net.weight.data.fill_(1.0), net.bias.data.fill_(-0.25)
    >>> boundary_points(net, torch.zeros(2, 1), ends=torch.tensor([[1.0], [0.1]])).round(decimals=9)
    tensor([[0.2500]], dtype=torch.float64)
    """
    near, far, judge = checked_inputs(net, starts, name="starts"), checked_inputs(net, ends, name="ends"), still(net)
    if near.shape != far.shape:
        raise InputError("ends", tuple(far.shape), f"one for each start: {tuple(near.shape)}")
    first = _classes(judge, near)
    parted = first != _classes(judge, far)
    near, far, first = near[parted], far[parted], first[parted]
    for _ in range(HALVINGS if len(near) else 0):
        middle = torch.lerp(near, far, 0.5)
        same = (_classes(judge, middle) == first).reshape(-1, *[1] * (near.ndim - 1))
        near, far = torch.where(same, middle, near), torch.where(same, far, middle)
    return torch.lerp(near, far, 0.5)


def _classes(net: nn.Module, x: Float64[Tensor, "n *shape"]) -> Int64[Tensor, "n"]:
    scores = net(x)
    if not isinstance(scores, Tensor) or scores.ndim != 2 or not scores.isfinite().all():
        got = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise InputError("net", got, "a classifier with finite scores (n, k)")
    return scores.argmax(1) if scores.shape[1] > 1 else (scores[:, 0] > 0).long()


def _sides_of_mixed_cells(polygons: Polygons, logits: Float64[Tensor, "v out"]) -> tuple[Tensor, Tensor]:
    """Sides (s 2) of the cells whose corners are not all of one class, and the cell of each.

    A logit that is largest at every corner of a convex cell is largest in all of it.
    """
    owner, count = owners(polygons), len(polygons.starts) - 1
    classes = logits.argmax(1)[polygons.corners]
    low = torch.full((count,), logits.shape[1], device="cpu").scatter_reduce(0, owner, classes, "amin")
    high = torch.zeros(count, dtype=torch.int64, device="cpu").scatter_reduce(0, owner, classes, "amax")
    mixed = (low < high)[owner]
    return torch.stack([polygons.corners, following(polygons)], 1)[mixed], owner[mixed]


def _where_equal(
    ends: Float64[Tensor, "s 2 2"], values: Float64[Tensor, "s 2 out"], owner: Int64[Tensor, "s"], pair: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Segments (n 2 2) where both classes of a pair are first, their cells, and the pair for each."""
    difference = values[..., pair[0]] - values[..., pair[1]]
    difference = difference.where(difference.abs() > RELATIVE * values.abs().amax((1, 2))[:, None], 0.0)
    above = difference > 0
    # Around a convex cell the sign changes twice, once in each direction, or not at all.
    into, out = ((above[:, 0] != above[:, 1]) & (above[:, side]) for side in (1, 0))
    into, out = into.nonzero().flatten(), out.nonzero().flatten()
    crossing = torch.stack([into, out], 1)  # both lists are in the order of the cells
    share = (difference[..., 0] / (difference[..., 0] - difference[..., 1]))[crossing][..., None]
    along = torch.lerp(ends[crossing][:, :, 0], ends[crossing][:, :, 1], share)
    heights = torch.lerp(values[crossing][:, :, 0], values[crossing][:, :, 1], share)
    low, high = _leading(heights, pair)
    kept = high - low > RELATIVE
    span = torch.stack([low, high], 1)[kept, :, None]
    segments = torch.lerp(along[kept, :1], along[kept, 1:], span)
    apart = (segments[:, 0] != segments[:, 1]).any(1)
    cells = owner[into][kept][apart]
    return segments[apart], cells, torch.tensor(pair, device="cpu").expand(len(cells), 2)


def _leading(heights: Float64[Tensor, "n 2 out"], pair: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """From where to where, as shares of each segment, no other logit is above the pair's."""
    others = [each for each in range(heights.shape[2]) if each not in pair]
    lead = heights[..., pair[:1]] - heights[..., others]  # (n 2 others)
    start, end = lead.unbind(1)
    zero = (start / (start - end)).nan_to_num(0.0)
    low = torch.where(start < 0, torch.where(end > 0, zero, 1.0), 0.0)
    high = torch.where(end < 0, torch.where(start > 0, zero, 0.0), 1.0)
    edge = torch.zeros(len(heights), 1, dtype=heights.dtype, device="cpu")
    return torch.cat([low, edge], 1).amax(1), torch.cat([high, edge + 1], 1).amin(1)
