"""The engine for any device: cuts all cells that a unit cuts at once, unit after unit, with tensors only."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, final

import torch
from jaxtyping import Bool, Float64, Int64, Shaped
from torch import Tensor
from torch.nn.functional import pad

from sslens.measures.regions._exact.cells import Cut, Lines, NewVertices, Polygons, Signs, no_new_vertices, owners


@final
class PaddedPolygons(NamedTuple):
    """Cells as rows, filled up to the longest.

    >>> PaddedPolygons(torch.tensor([[0, 1, 2, 0]]), torch.zeros(1, 4), torch.tensor([3]), torch.tensor([0])).sizes
    tensor([3])
    """

    corners: Int64[Tensor, "r m"]
    side_ids: Int64[Tensor, "r m"]
    sizes: Int64[Tensor, "r"]
    parents: Int64[Tensor, "r"]


@final
class GrowingTable:
    """Columns of one length, with room at their end, so that new rows seldom copy old ones.

    >>> table = GrowingTable([torch.tensor([[1], [2]]), torch.tensor([1, 1])])
    >>> table.append([torch.tensor([[3, 4]]), torch.tensor([2])])
    >>> table.rows[0].tolist()
    [[1, 0], [2, 0], [3, 4]]
    """

    def __init__(self, columns: Iterable[Shaped[Tensor, "n ..."]]) -> None:
        self.columns = list(columns)
        self.count = len(self.columns[0])

    @property
    def rows(self) -> list[Shaped[Tensor, "n ..."]]:
        """The columns as far as they are filled."""
        return [column[: self.count] for column in self.columns]

    def append(self, rows: Sequence[Shaped[Tensor, "m ..."]]) -> None:
        """New rows at the end, column by column."""
        begin, self.count = self.count, self.count + len(rows[0])
        if self.count > len(self.columns[0]):
            rooms = (column.new_zeros(self.count, *column.shape[1:]) for column in self.columns)
            self.columns = [torch.cat(pair) for pair in zip(self.columns, rooms, strict=True)]
        self.replace(slice(begin, self.count), rows)

    def replace(self, index: Int64[Tensor, "m"] | slice, rows: Sequence[Shaped[Tensor, "m ..."]]) -> None:
        """Rows in place of others; a column becomes wider where they are, and keeps what is right of narrower ones."""
        for place, new in enumerate(rows):
            if new.ndim == 2 and new.shape[1] > self.columns[place].shape[1]:
                self.columns[place] = pad(self.columns[place], (0, new.shape[1] - self.columns[place].shape[1]))
            where = (index, slice(new.shape[1])) if new.ndim == 2 else index
            self.columns[place][where] = new


def interpolated(rows: Float64[Tensor, "v n"], new_vertices: NewVertices) -> Float64[Tensor, "more n"]:
    """The rows of vertices, and then of the new ones between them.

    >>> new = NewVertices(torch.tensor([0, 2]), torch.tensor([1, 1]), torch.tensor([0.25, 0.5]).double())
    >>> interpolated(torch.tensor([[0.0], [4.0]]).double(), new).flatten()
    tensor([0.0000, 4.0000, 1.0000, 2.5000], dtype=torch.float64)
    """
    old, count = len(rows), len(new_vertices.first)
    values = torch.cat([rows, rows.new_empty(count, rows.shape[1])])
    latest, begin = torch.maximum(new_vertices.first, new_vertices.second) - old, 0
    while begin < count:  # as many at a time as lie between vertices that are there
        waiting = (latest[begin:] >= begin).nonzero()
        end = begin + int(waiting[0]) if len(waiting) else count
        some = slice(begin, end)
        first, second = values[new_vertices.first[some]], values[new_vertices.second[some]]
        values[old + begin : old + end] = first + new_vertices.weight[some, None] * (second - first)
        begin = end
    return values


def signs_of(z: Float64[Tensor, "v n"], lines: Lines, *, new_vertices: NewVertices) -> Signs:
    """Values and signs of the lines' units, at the vertices that have a row and at the new ones.

    >>> one = Lines(torch.tensor([0]), torch.zeros(1).double(), torch.tensor([0]))
    >>> signs = signs_of(torch.tensor([[1.0], [-1.0]]).double(), one, new_vertices=no_new_vertices())
    >>> signs.positive, signs.negative
    (tensor([1, 0]), tensor([0, 1]))
    """
    values, tolerance = interpolated(z[:, lines.columns], new_vertices), lines.tolerance
    return Signs(values, _word(values > tolerance), _word(values < -tolerance), tolerance, lines.side_ids)


def most_pieces(polygons: Polygons, signs: Signs) -> Int64[Tensor, "r"]:
    """Into how many pieces each cell can fall at most: 1 + k (k + 1) / 2 for k units that cut it.

    >>> triangle = Polygons(torch.tensor([0, 3]), torch.tensor([0, 1, 2]), torch.tensor([-1, -2, -3]))
    >>> above = torch.tensor([1, 3, 0])
    >>> most_pieces(triangle, Signs(torch.zeros(3, 2), above, ~above & 3, torch.zeros(2), torch.arange(2)))
    tensor([4])
    """
    above, below = _sides(_padded(polygons), signs)
    units = torch.arange(signs.values.shape[1], device=above.device)
    count = ((above & below)[:, None] >> units & 1).sum(1)
    return 1 + count * (count + 1) // 2


def count(polygons: Polygons, signs: Signs) -> int:
    """How many parts the units cut all cells into.

    >>> square = Polygons(torch.tensor([0, 4]), torch.arange(4), -torch.arange(1, 5))
    >>> lines = Lines(torch.arange(2), torch.zeros(2).double(), torch.arange(2))
    >>> z = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]]).double()
    >>> count(square, signs_of(z, lines, new_vertices=no_new_vertices()))
    4
    """
    return len(cut(polygons, signs).parents)


def cut(polygons: Polygons, signs: Signs) -> Cut:
    """Cut every cell along the zero lines of the units, one unit after the other.

    Rules and result are those of ``numba_engine.cut``; only the order of the vertices and of the parts differs.

    >>> square = Polygons(torch.tensor([0, 4]), torch.arange(4), -torch.arange(1, 5))
    >>> line = Lines(torch.tensor([0]), torch.zeros(1).double(), torch.tensor([7]))
    >>> z = torch.tensor([[-1.0], [1], [1], [-1]]).double()
    >>> parts = cut(square, signs_of(z, line, new_vertices=no_new_vertices()))
    >>> parts.polygons.corners.tolist(), parts.new_vertices.weight.tolist()
    ([4, 1, 2, 5, 5, 3, 0, 4], [0.5, 0.5])
    """
    cells, points = GrowingTable(_padded(polygons)), GrowingTable(signs[:3])
    crossing = GrowingTable(_crossing(PaddedPolygons._make(cells.rows), signs))
    new_vertices = [no_new_vertices(signs.values.device)]
    for unit in range(signs.values.shape[1]):
        crossed = (crossing.rows[0] >> unit & 1).nonzero().flatten()
        if not len(crossed):
            continue
        near, rest, made = _halved(PaddedPolygons(*(column[crossed] for column in cells.rows)), signs, unit)
        new_vertices.append(made)
        points.append(_between(made, signs, unit))
        signs = Signs(*points.rows, tolerance=signs.tolerance, side_ids=signs.side_ids)
        cells.replace(crossed, near)
        cells.append(rest)
        crossing.replace(crossed, _crossing(near, signs))
        crossing.append(_crossing(rest, signs))
    padded, above = PaddedPolygons._make(cells.rows), crossing.rows[1]
    order = padded.parents.argsort(stable=True)
    all_new = NewVertices(*(torch.cat(column) for column in zip(*new_vertices, strict=True)))
    return Cut(_in_a_row(padded, order), padded.parents[order], above[order], all_new)


def _word(bits: Bool[Tensor, "v k"]) -> Int64[Tensor, "v"]:
    return (bits.long() << torch.arange(bits.shape[1], device=bits.device)).sum(1)


def _padded(polygons: Polygons) -> PaddedPolygons:
    sizes = polygons.starts.diff()
    count, longest = len(sizes), int(sizes.max())
    place = torch.arange(len(polygons.corners), device=sizes.device) - polygons.starts[:-1].repeat_interleave(sizes)
    rows = polygons.corners.new_zeros(2, count, longest)
    owner = owners(polygons)
    rows[0][owner, place], rows[1][owner, place] = polygons.corners, polygons.side_ids
    return PaddedPolygons(rows[0], rows[1], sizes, torch.arange(count, device=sizes.device))


def _in_a_row(padded: PaddedPolygons, order: Int64[Tensor, "r"]) -> Polygons:
    """The same polygons one after the other, in this order."""
    sizes = padded.sizes[order]
    inside = torch.arange(padded.corners.shape[1], device=order.device) < sizes[:, None]
    return Polygons(pad(sizes.cumsum(0), (1, 0)), padded.corners[order][inside], padded.side_ids[order][inside])


def _sides(polygons: PaddedPolygons, signs: Signs) -> tuple[Int64[Tensor, "r"], Int64[Tensor, "r"]]:
    """The units above and below zero at some corner."""
    above = below = torch.zeros_like(polygons.sizes)
    for place in range(polygons.corners.shape[1]):
        corner, there = polygons.corners[:, place], place < polygons.sizes
        above = above | signs.positive[corner].where(there, 0)
        below = below | signs.negative[corner].where(there, 0)
    return above, below


def _crossing(polygons: PaddedPolygons, signs: Signs) -> tuple[Int64[Tensor, "r"], Int64[Tensor, "r"]]:
    """The units that cut each polygon, and those above zero at some corner."""
    above, below = _sides(polygons, signs)
    return above & below, above


def _halved(polygons: PaddedPolygons, signs: Signs, unit: int) -> tuple[PaddedPolygons, PaddedPolygons, NewVertices]:
    """The part of each polygon above zero, the rest, and the new vertices between them."""
    turned, run = _turned(polygons, signs.positive >> unit & 1)
    last = polygons.sizes - 1
    inner = torch.cat([turned.corners[:, 0], _at(turned.corners, run - 1)])
    outer = torch.cat([_at(turned.corners, last), _at(turned.corners, run)])
    between = (signs.negative[outer] >> unit & 1).bool()  # else the outer one lies on the line
    edges, which = (outer[between] << 32 | inner[between]).unique(return_inverse=True)
    below, above = edges >> 32, edges & (2**32 - 1)
    low, high = signs.values[below, unit], signs.values[above, unit]
    ends = outer.masked_scatter(between, len(signs.values) + which)
    made = signs.side_ids[unit].expand(len(run))
    near = _near(turned, ends, run, made)
    return near, _rest(turned, ends, run, made, between), NewVertices(below, above, low / (low - high))


def _turned(polygons: PaddedPolygons, bits: Int64[Tensor, "v"]) -> tuple[PaddedPolygons, Int64[Tensor, "r"]]:
    """Polygons that begin with their run of corners above zero, and how long it is."""
    corners, sizes = polygons.corners, polygons.sizes[:, None]
    place = torch.arange(corners.shape[1], device=corners.device)
    above = bits[corners].bool() & (place < sizes)
    begins = above & ~above.gather(1, (place - 1) % sizes)
    index = (begins.long().argmax(1, keepdim=True) + place) % sizes
    run = (above.gather(1, index) & (place < sizes)).long().cumprod(1).sum(1)
    return polygons._replace(corners=corners.gather(1, index), side_ids=polygons.side_ids.gather(1, index)), run


def _near(
    turned: PaddedPolygons, ends: Int64[Tensor, "twice"], run: Int64[Tensor, "r"], made: Int64[Tensor, "r"]
) -> PaddedPolygons:
    enter, leave = ends.chunk(2)
    corners = torch.cat([enter[:, None], pad(turned.corners, (0, 1))], 1)
    side_ids = torch.cat([_at(turned.side_ids, turned.sizes - 1)[:, None], pad(turned.side_ids, (0, 1))], 1)
    corners, side_ids = _with(corners, run + 1, leave), _with(side_ids, run + 1, made)
    return _trimmed(corners, side_ids, run + 2, turned.parents)


def _rest(
    turned: PaddedPolygons,
    ends: Int64[Tensor, "twice"],
    run: Int64[Tensor, "r"],
    made: Int64[Tensor, "r"],
    new: Bool[Tensor, "twice"],
) -> PaddedPolygons:
    enter, leave = ends.chunk(2)
    entered, left = new.long().chunk(2)
    corners = _with(_with(pad(turned.corners, (0, 1)), run - 1, leave), turned.sizes, enter)
    place = torch.arange(corners.shape[1], device=corners.device)
    index = ((run - left)[:, None] + place).clamp(max=corners.shape[1] - 1)
    sizes = turned.sizes - run + left + entered
    side_ids = _with(pad(turned.side_ids, (0, 1)).gather(1, index), sizes - 1, made)
    return _trimmed(corners.gather(1, index), side_ids, sizes, turned.parents)


def _trimmed(corners: Tensor, side_ids: Tensor, sizes: Tensor, parents: Tensor) -> PaddedPolygons:
    longest = int(sizes.max())
    return PaddedPolygons(corners[:, :longest], side_ids[:, :longest], sizes, parents)


def _at(rows: Int64[Tensor, "r m"], place: Int64[Tensor, "r"]) -> Int64[Tensor, "r"]:
    return rows.gather(1, place[:, None]).squeeze(1)


def _with(rows: Int64[Tensor, "r m"], place: Int64[Tensor, "r"], value: Int64[Tensor, "r"]) -> Int64[Tensor, "r m"]:
    return rows.scatter(1, place[:, None], value[:, None])


def _between(new_vertices: NewVertices, signs: Signs, unit: int) -> tuple[Tensor, Tensor, Tensor]:
    """The new vertices' values and signs: those of both neighbours where these agree, else those of the values."""
    start = signs.values[new_vertices.first]
    values = start + new_vertices.weight[:, None] * (signs.values[new_vertices.second] - start)
    values[:, unit] = 0.0
    above, below = (word[new_vertices.first] & word[new_vertices.second] for word in (signs.positive, signs.negative))
    open_ = ~(above | below)
    above = above | _word(values > signs.tolerance) & open_
    below = below | _word(values < -signs.tolerance) & open_
    return values, above, below
