"""Polygons that lie one after the other: whose corner, what comes next, areas and centres."""

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from sslens.measures.regions.cells import Cells


def owners(cells: Cells) -> Int64[Tensor, "s"]:
    """The cell of every corner.

    >>> owners(Cells(torch.tensor([0, 3, 7]), torch.arange(7), torch.arange(7)))
    tensor([0, 0, 0, 1, 1, 1, 1])
    """
    return torch.arange(len(cells.starts) - 1, device=cells.starts.device).repeat_interleave(cells.starts.diff())


def following(cells: Cells) -> Int64[Tensor, "s"]:
    """The corner that comes after each corner, around its cell.

    >>> following(Cells(torch.tensor([0, 3]), torch.tensor([7, 8, 9]), torch.zeros(3)))
    tensor([8, 9, 7])
    """
    after = cells.corners.roll(-1)
    after[cells.starts[1:] - 1] = cells.corners[cells.starts[:-1]]
    return after


def areas(cells: Cells, points: Float64[Tensor, "v 2"]) -> Float64[Tensor, "r"]:
    """Area of each cell, positive when its corners go around counter-clockwise.

    >>> corners = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 3.0]]).double()
    >>> areas(Cells(torch.tensor([0, 3]), torch.arange(3), torch.arange(3)), corners)
    tensor([3.], dtype=torch.float64)
    """
    owner = owners(cells)
    origin = points[cells.corners[cells.starts[:-1]]][owner]
    a, b = (points[cells.corners] - origin).unbind(1), (points[following(cells)] - origin).unbind(1)
    halves = torch.zeros(len(cells.starts) - 1, dtype=points.dtype, device=points.device)
    return halves.index_add_(0, owner, (a[0] * b[1] - a[1] * b[0]) / 2)


def centres(cells: Cells, points: Float64[Tensor, "v 2"]) -> Float64[Tensor, "r 2"]:
    """A point inside each cell: the mean of its corners.

    >>> corners = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]]).double()
    >>> centres(Cells(torch.tensor([0, 3]), torch.arange(3), torch.arange(3)), corners)
    tensor([[1., 1.]], dtype=torch.float64)
    """
    total = torch.zeros(len(cells.starts) - 1, 2, dtype=points.dtype, device=points.device)
    return total.index_add_(0, owners(cells), points[cells.corners]) / cells.starts.diff()[:, None]
