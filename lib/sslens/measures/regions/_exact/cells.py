"""The records between the cutting of cells and those who do it, and the geometry of polygons that lie in a row.

The compiled loops use the same records with arrays in place of the tensors.
"""

from typing import NamedTuple, Protocol, final, runtime_checkable

import torch
from jaxtyping import Float64, Int64
from torch import Tensor


@final
class Polygons(NamedTuple):
    """Convex polygons one after the other: cell c has the corners ``starts[c]`` up to ``starts[c + 1]``.

    >>> Polygons(torch.tensor([0, 3]), torch.tensor([0, 1, 2]), torch.tensor([-1, -2, -3])).starts
    tensor([0, 3])
    """

    starts: Int64[Tensor, "_"]
    corners: Int64[Tensor, "s"]
    """Numbers of vertices, counter-clockwise."""
    side_ids: Int64[Tensor, "s"]
    """What made the side that begins at the corner: a unit, counted through all layers; the border's sides −1, −2 …"""


@final
class NewVertices(NamedTuple):
    """New vertices in the order of their making: each lies between two earlier ones.

    >>> NewVertices(torch.tensor([0]), torch.tensor([1]), torch.tensor([0.25])).weight
    tensor([0.2500])
    """

    first: Int64[Tensor, "b"]
    second: Int64[Tensor, "b"]
    weight: Float64[Tensor, "b"]
    """Share of the second in the mean of both."""


@final
class Lines(NamedTuple):
    """Up to 64 units of a fold, whose zero lines are to cut.

    >>> Lines(torch.tensor([3]), torch.tensor([1e-12]), side_ids=torch.tensor([67])).side_ids
    tensor([67])
    """

    columns: Int64[Tensor, "k"]
    """Which units of the fold."""
    tolerance: Float64[Tensor, "k"]
    """Values of this size and below are zero."""
    side_ids: Int64[Tensor, "k"]
    """The same units, counted through all layers: what a side is called that one of them makes."""


@final
class Signs(NamedTuple):
    """Units at the vertices: values, and which are above and below zero by more than rounding, a bit each.

    >>> Signs(torch.tensor([[0.5, -2.0]]), torch.tensor([0b01]), torch.tensor([0b10]), torch.zeros(2), torch.arange(2))
    Signs(values=tensor([[ 0.5000, -2.0000]]), positive=tensor([1]), negative=tensor([2]), ...)
    """

    values: Float64[Tensor, "v k"]
    positive: Int64[Tensor, "v"]
    negative: Int64[Tensor, "v"]
    tolerance: Float64[Tensor, "k"]
    side_ids: Int64[Tensor, "k"]


@final
class Cut(NamedTuple):
    """What became of cells that units have cut.

    >>> halves = Polygons(torch.tensor([0, 4, 8]), torch.tensor([4, 1, 2, 5, 5, 3, 0, 4]), torch.zeros(8))
    >>> Cut(halves, torch.tensor([0, 0]), torch.tensor([1, 0]), no_new_vertices()).parents
    tensor([0, 0])
    """

    polygons: Polygons
    parents: Int64[Tensor, "r"]
    """The cell that each cell is a part of."""
    patterns: Int64[Tensor, "r"]
    """The units above zero inside: one bit each, the first unit the lowest."""
    new_vertices: NewVertices


@runtime_checkable
class Engine(Protocol):
    """Who cuts: compiled loops (``numba_engine``) or batched operations (``torch_engine``). Both make the same cells.

    >>> from sslens.measures.regions._exact import numba_engine
    >>> engine: Engine = numba_engine
    """

    @staticmethod
    def interpolated(rows: Float64[Tensor, "v n"], new_vertices: NewVertices) -> Float64[Tensor, "more n"]:
        """The rows of vertices, and then of the new ones between them."""
        ...

    @staticmethod
    def signs_of(z: Float64[Tensor, "v n"], lines: Lines, *, new_vertices: NewVertices) -> Signs:
        """Values and signs of the lines' units, at the vertices that have a row and at the new ones."""
        ...

    @staticmethod
    def most_pieces(polygons: Polygons, signs: Signs) -> Int64[Tensor, "r"]:
        """Into how many pieces each cell can fall at most: 1 + k (k + 1) / 2 for k units that cut it."""
        ...

    @staticmethod
    def cut(polygons: Polygons, signs: Signs) -> Cut:
        """Cut every cell along the zero lines of the units, one unit after the other."""
        ...

    @staticmethod
    def count(polygons: Polygons, signs: Signs) -> int:
        """How many parts the units cut all cells into, without keeping them."""
        ...


def no_new_vertices(device: torch.device | str = "cpu") -> NewVertices:
    """Nothing new yet.

    >>> len(no_new_vertices().first)
    0
    """
    empty = torch.zeros(0, dtype=torch.int64, device=device)
    return NewVertices(empty, empty, empty.double())


def owners(polygons: Polygons) -> Int64[Tensor, "s"]:
    """The cell of every corner.

    >>> owners(Polygons(torch.tensor([0, 3, 7]), torch.arange(7), torch.arange(7)))
    tensor([0, 0, 0, 1, 1, 1, 1])
    """
    starts = polygons.starts
    return torch.arange(len(starts) - 1, device=starts.device).repeat_interleave(starts.diff())


def following(polygons: Polygons) -> Int64[Tensor, "s"]:
    """The corner that comes after each corner, around its cell.

    >>> following(Polygons(torch.tensor([0, 3]), torch.tensor([7, 8, 9]), torch.zeros(3)))
    tensor([8, 9, 7])
    """
    after = polygons.corners.roll(-1)
    after[polygons.starts[1:] - 1] = polygons.corners[polygons.starts[:-1]]
    return after


def areas(polygons: Polygons, points: Float64[Tensor, "v 2"]) -> Float64[Tensor, "r"]:
    """Area of each cell, positive when its corners go around counter-clockwise.

    >>> corners = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 3.0]]).double()
    >>> areas(Polygons(torch.tensor([0, 3]), torch.arange(3), torch.arange(3)), corners)
    tensor([3.], dtype=torch.float64)
    """
    owner = owners(polygons)
    origin = points[polygons.corners[polygons.starts[:-1]]][owner]
    a, b = (points[polygons.corners] - origin).unbind(1), (points[following(polygons)] - origin).unbind(1)
    halves = torch.zeros(len(polygons.starts) - 1, dtype=points.dtype, device=points.device)
    return halves.index_add_(0, owner, (a[0] * b[1] - a[1] * b[0]) / 2)


def centres(polygons: Polygons, points: Float64[Tensor, "v 2"]) -> Float64[Tensor, "r 2"]:
    """A point inside each cell: the mean of its corners.

    >>> corners = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]]).double()
    >>> centres(Polygons(torch.tensor([0, 3]), torch.arange(3), torch.arange(3)), corners)
    tensor([[1., 1.]], dtype=torch.float64)
    """
    total = torch.zeros(len(polygons.starts) - 1, 2, dtype=points.dtype, device=points.device)
    return total.index_add_(0, owners(polygons), points[polygons.corners]) / polygons.starts.diff()[:, None]
