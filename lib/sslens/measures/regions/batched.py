"""The engine for any device: cuts all cells that a unit cuts at once, unit after unit, with tensors only."""

from typing import NamedTuple, final

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor
from torch.nn.functional import pad

from sslens.measures.regions.cells import Births, Cells, Cut, Lines, no_births
from sslens.measures.regions.polygons import owners
from sslens.measures.regions.tables import Table


@final
class Signs(NamedTuple):
    """Units at the vertices: values, and which are above and below zero by more than rounding, a bit each.

    >>> lines = Lines(torch.arange(2), torch.zeros(2), torch.arange(2))
    >>> Signs(torch.tensor([[0.5, -2.0]]), torch.tensor([0b01]), torch.tensor([0b10]), lines).negative
    tensor([2])
    """

    values: Float64[Tensor, "v k"]
    positive: Int64[Tensor, "v"]
    negative: Int64[Tensor, "v"]
    lines: Lines


@final
class Polygons(NamedTuple):
    """Cells as rows, filled up to the longest.

    >>> Polygons(torch.tensor([[0, 1, 2, 0]]), torch.zeros(1, 4), torch.tensor([3]), torch.tensor([0])).sizes
    tensor([3])
    """

    corners: Int64[Tensor, "r m"]
    labels: Int64[Tensor, "r m"]
    sizes: Int64[Tensor, "r"]
    parents: Int64[Tensor, "r"]


def extended(rows: Float64[Tensor, "v n"], births: Births) -> Float64[Tensor, "more n"]:
    """The rows of vertices, and then of those born between them.

    >>> births = Births(torch.tensor([0, 2]), torch.tensor([1, 1]), torch.tensor([0.25, 0.5]).double())
    >>> extended(torch.tensor([[0.0], [4.0]]).double(), births).flatten()
    tensor([0.0000, 4.0000, 1.0000, 2.5000], dtype=torch.float64)
    """
    old, count = len(rows), len(births.first)
    values = torch.cat([rows, rows.new_empty(count, rows.shape[1])])
    latest, begin = torch.maximum(births.first, births.second) - old, 0
    while begin < count:  # as many at a time as lie between vertices that are there
        waiting = (latest[begin:] >= begin).nonzero()
        end = begin + int(waiting[0]) if len(waiting) else count
        some = slice(begin, end)
        start, end_ = values[births.first[some]], values[births.second[some]]
        values[old + begin : old + end] = start + births.weight[some, None] * (end_ - start)
        begin = end
    return values


def read(z: Float64[Tensor, "v n"], lines: Lines, *, births: Births) -> Signs:
    """Values and signs of the lines' units, at the vertices that have a row and at those born since.

    >>> one = Lines(torch.tensor([0]), torch.zeros(1).double(), torch.tensor([0]))
    >>> signs = read(torch.tensor([[1.0], [-1.0]]).double(), one, births=no_births())
    >>> signs.positive, signs.negative
    (tensor([1, 0]), tensor([0, 1]))
    """
    values = extended(z[:, lines.columns], births)
    return Signs(values, _word(values > lines.tolerance), _word(values < -lines.tolerance), lines)


def pieces(cells: Cells, signs: Signs) -> Int64[Tensor, "r"]:
    """Into how many pieces each cell can fall at most: 1 + k (k + 1) / 2 for k units that cut it.

    >>> triangle = Cells(torch.tensor([0, 3]), torch.tensor([0, 1, 2]), torch.tensor([-1, -2, -3]))
    >>> above, lines = torch.tensor([1, 3, 0]), Lines(torch.arange(2), torch.zeros(2), torch.arange(2))
    >>> pieces(triangle, Signs(torch.zeros(3, 2), above, ~above & 3, lines))
    tensor([4])
    """
    above, below = _sides(_polygons(cells), signs)
    units = torch.arange(signs.values.shape[1], device=above.device)
    count = ((above & below)[:, None] >> units & 1).sum(1)
    return 1 + count * (count + 1) // 2


def count(cells: Cells, signs: Signs) -> int:
    """How many parts the units cut all cells into.

    >>> square = Cells(torch.tensor([0, 4]), torch.arange(4), -torch.arange(1, 5))
    >>> lines = Lines(torch.arange(2), torch.zeros(2).double(), torch.arange(2))
    >>> count(square, read(torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]]).double(), lines, births=no_births()))
    4
    """
    return len(cut(cells, signs).parents)


def cut(cells: Cells, signs: Signs) -> Cut:
    """Cut every cell along the zero lines of the units, one unit after the other.

    Rules and result are those of ``kernels.cut``; only the order of the vertices and of the parts differs.

    >>> square = Cells(torch.tensor([0, 4]), torch.arange(4), -torch.arange(1, 5))
    >>> line = Lines(torch.tensor([0]), torch.zeros(1).double(), torch.tensor([7]))
    >>> result = cut(square, read(torch.tensor([[-1.0], [1], [1], [-1]]).double(), line, births=no_births()))
    >>> result.cells.corners.tolist(), result.births.weight.tolist()
    ([4, 1, 2, 5, 5, 3, 0, 4], [0.5, 0.5])
    """
    table, points = Table(_polygons(cells)), Table(signs[:3])
    born = [no_births(signs.values.device)]
    above, below = _sides(Polygons._make(table.rows), signs)
    crossing = Table((above & below, above))
    for unit in range(signs.values.shape[1]):
        crossed = (crossing.rows[0] >> unit & 1).nonzero().flatten()
        if len(crossed):
            signs = Signs._make([*points.rows, signs.lines])
            near, rest, births = _halved(Polygons(*(each[crossed] for each in table.rows)), signs, unit)
            born.append(births)
            points.append(_between(births, signs, unit))
            signs = Signs._make([*points.rows, signs.lines])
            table.replace(crossed, near)
            table.append(rest)
            for part, change in ((near, lambda rows, at=crossed: crossing.replace(at, rows)), (rest, crossing.append)):
                above, below = _sides(part, signs)
                change((above & below, above))
    polygons, above = Polygons._make(table.rows), crossing.rows[1]
    order = polygons.parents.argsort(stable=True)
    inside = torch.arange(polygons.corners.shape[1], device=order.device) < polygons.sizes[order, None]
    starts = pad(polygons.sizes[order].cumsum(0), (1, 0))
    parts = Cells(starts, polygons.corners[order][inside], polygons.labels[order][inside])
    births = Births(*(torch.cat(column) for column in zip(*born, strict=True)))
    return Cut(parts, polygons.parents[order], above[order], births)


def _word(bits: Bool[Tensor, "v k"]) -> Int64[Tensor, "v"]:
    return (bits.long() << torch.arange(bits.shape[1], device=bits.device)).sum(1)


def _polygons(cells: Cells) -> Polygons:
    sizes = cells.starts.diff()
    count, longest = len(sizes), int(sizes.max())
    place = torch.arange(len(cells.corners), device=sizes.device) - cells.starts[:-1].repeat_interleave(sizes)
    rows = cells.corners.new_zeros(2, count, longest)
    owner = owners(cells)
    rows[0][owner, place], rows[1][owner, place] = cells.corners, cells.labels
    return Polygons(rows[0], rows[1], sizes, torch.arange(count, device=sizes.device))


def _some(polygons: Polygons, index: Int64[Tensor, "m"]) -> Polygons:
    return Polygons(*(each[index] for each in polygons))


def _sides(polygons: Polygons, signs: Signs) -> tuple[Int64[Tensor, "r"], Int64[Tensor, "r"]]:
    """The units above and below zero at some corner."""
    above = below = torch.zeros_like(polygons.sizes)
    for place in range(polygons.corners.shape[1]):
        corner, there = polygons.corners[:, place], place < polygons.sizes
        above = above | signs.positive[corner].where(there, 0)
        below = below | signs.negative[corner].where(there, 0)
    return above, below


def _halved(polygons: Polygons, signs: Signs, unit: int) -> tuple[Polygons, Polygons, Births]:
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
    made = signs.lines.labels[unit].expand(len(run))
    near = _near(turned, ends, run, made)
    return near, _rest(turned, ends, run, made, between), Births(below, above, low / (low - high))


def _turned(polygons: Polygons, bits: Int64[Tensor, "v"]) -> tuple[Polygons, Int64[Tensor, "r"]]:
    """Polygons that begin with their run of corners above zero, and how long it is."""
    corners, sizes = polygons.corners, polygons.sizes[:, None]
    place = torch.arange(corners.shape[1], device=corners.device)
    above = bits[corners].bool() & (place < sizes)
    begins = above & ~above.gather(1, (place - 1) % sizes)
    index = (begins.long().argmax(1, keepdim=True) + place) % sizes
    run = (above.gather(1, index) & (place < sizes)).long().cumprod(1).sum(1)
    return polygons._replace(corners=corners.gather(1, index), labels=polygons.labels.gather(1, index)), run


def _near(
    turned: Polygons, ends: Int64[Tensor, "twice"], run: Int64[Tensor, "r"], made: Int64[Tensor, "r"]
) -> Polygons:
    enter, leave = ends.chunk(2)
    corners = torch.cat([enter[:, None], pad(turned.corners, (0, 1))], 1)
    labels = torch.cat([_at(turned.labels, turned.sizes - 1)[:, None], pad(turned.labels, (0, 1))], 1)
    corners, labels = _with(corners, run + 1, leave), _with(labels, run + 1, made)
    return _trimmed(corners, labels, run + 2, turned.parents)


def _rest(
    turned: Polygons,
    ends: Int64[Tensor, "twice"],
    run: Int64[Tensor, "r"],
    made: Int64[Tensor, "r"],
    new: Bool[Tensor, "twice"],
) -> Polygons:
    enter, leave = ends.chunk(2)
    entered, left = new.long().chunk(2)
    corners = _with(_with(pad(turned.corners, (0, 1)), run - 1, leave), turned.sizes, enter)
    place = torch.arange(corners.shape[1], device=corners.device)
    index = ((run - left)[:, None] + place).clamp(max=corners.shape[1] - 1)
    sizes = turned.sizes - run + left + entered
    labels = _with(pad(turned.labels, (0, 1)).gather(1, index), sizes - 1, made)
    return _trimmed(corners.gather(1, index), labels, sizes, turned.parents)


def _trimmed(corners: Tensor, labels: Tensor, sizes: Tensor, parents: Tensor) -> Polygons:
    longest = int(sizes.max())
    return Polygons(corners[:, :longest], labels[:, :longest], sizes, parents)


def _at(rows: Int64[Tensor, "r m"], place: Int64[Tensor, "r"]) -> Int64[Tensor, "r"]:
    return rows.gather(1, place[:, None]).squeeze(1)


def _with(rows: Int64[Tensor, "r m"], place: Int64[Tensor, "r"], value: Int64[Tensor, "r"]) -> Int64[Tensor, "r m"]:
    return rows.scatter(1, place[:, None], value[:, None])


def _between(births: Births, signs: Signs, unit: int) -> tuple[Tensor, Tensor, Tensor]:
    """The new vertices' values and signs: those of both neighbours where these agree, else those of the values."""
    start = signs.values[births.first]
    values = start + births.weight[:, None] * (signs.values[births.second] - start)
    values[:, unit] = 0.0
    above, below = (word[births.first] & word[births.second] for word in (signs.positive, signs.negative))
    open_ = ~(above | below)
    above = above | _word(values > signs.lines.tolerance) & open_
    below = below | _word(values < -signs.lines.tolerance) & open_
    return values, above, below
