"""The inner loops of the exact partition, compiled by numba on first use: signs, interpolation, cutting convex cells.

Up to 64 units cut at a time, so that the signs of a vertex are two words of bits. The records hold arrays here.
"""

# ruff: noqa: ANN001, ANN202 - numba finds the types of what is private by itself

from collections.abc import Callable
from inspect import unwrap
from typing import Any, NamedTuple, final

import numpy as np
from jaxtyping import Float64, Int64
from numba import njit
from numba.cpython.unsafe.numbers import trailing_zeros

from sslens.measures.regions._exact.cells import Cut, NewVertices, Polygons, Signs

lowest: Any = trailing_zeros
ALL = -1
"""A word with every bit set."""


@final
class Room(NamedTuple):
    """What a cut works on and fills: room for the cells and vertices that can come to be.

    >>> from sslens.measures.regions._exact.numba_engine import room_for
    >>> square = Polygons(np.array([0, 4]), np.arange(4), -1 - np.arange(4))
    >>> signs = Signs(np.zeros((4, 1)), np.zeros(4, np.int64), np.zeros(4, np.int64), np.zeros(1), np.array([7]))
    >>> room_for(square, signs, grown=2, whole=1).signs.values.shape
    (8, 1)
    """

    signs: Signs
    """At the vertices that there are, with room for new ones behind them."""
    parts: Cut
    table: Int64[np.ndarray, "2 slots"]
    """Edges and the vertex that lies in each, by ``slot_of``; −1 where nothing is."""
    tally: Int64[np.ndarray, "4"]
    """Cells, corners and new vertices so far, and how many vertices there were before."""


def compiled(function: Callable[..., Any]) -> Any:
    """Numba's version of a function, kept on disk between sessions where a folder for it can be written.

    >>> compiled(lambda x: x + 1)(1)
    2
    """
    bare = unwrap(function)  # shape checkers wrap functions in what numba cannot read
    try:
        return njit(cache=True)(bare)
    except RuntimeError:  # neither the package's folder nor the user's can be written
        return njit(bare)


@compiled
def interpolate(values: Float64[np.ndarray, "v n"], new_vertices: NewVertices) -> None:
    """Fill the last rows of ``values``, those of new vertices, from the rows that each lies between.

    >>> values = np.array([[0.0], [4.0], [np.nan]])
    >>> interpolate(values, NewVertices(np.array([0]), np.array([1]), np.array([0.25])))
    >>> values.ravel().tolist()
    [0.0, 4.0, 1.0]
    """
    old = len(values) - len(new_vertices.first)
    for new in range(len(new_vertices.first)):
        a, b, share = new_vertices.first[new], new_vertices.second[new], new_vertices.weight[new]
        for unit in range(values.shape[1]):
            values[old + new, unit] = values[a, unit] + share * (values[b, unit] - values[a, unit])


@compiled
def mark(signs: Signs) -> None:
    """Fill the words of ``signs`` from its values.

    >>> signs = Signs(np.array([[0.5, -2.0]]), np.zeros(1, np.int64), np.zeros(1, np.int64), np.ones(2), np.arange(2))
    >>> mark(signs)
    >>> signs.positive, signs.negative
    (array([0]), array([2]))
    """
    for vertex in range(len(signs.positive)):
        above, below = 0, 0
        for unit in range(len(signs.side_ids)):
            value, limit = signs.values[vertex, unit], signs.tolerance[unit]
            above |= np.int64(value > limit) << unit
            below |= np.int64(value < -limit) << unit
        signs.positive[vertex], signs.negative[vertex] = above, below  # pyright: ignore[reportArgumentType]


@compiled
def most_pieces(polygons: Polygons, signs: Signs) -> Int64[np.ndarray, "r"]:
    """Into how many pieces each cell can fall at most: 1 + k (k + 1) / 2 for k units that cut it.

    >>> triangle, above = Polygons(np.array([0, 3]), np.arange(3), np.arange(3)), np.array([1, 3, 0])
    >>> most_pieces(triangle, Signs(np.zeros((3, 2)), above, ~above & 3, np.zeros(2), np.arange(2)))
    array([4])
    """
    most = np.ones(len(polygons.starts) - 1, dtype=np.int64)
    for cell in range(len(most)):
        above, below = _sides(polygons.corners[polygons.starts[cell] : polygons.starts[cell + 1]], signs)
        both, count = above & below, 0
        while both:
            both &= both - 1
            count += 1
        most[cell] += count * (count + 1) // 2
    return most


@compiled
def cut(polygons: Polygons, room: Room) -> None:
    """Cut every cell along the zero lines of the units, one unit after the other; the parts are left in the room.

    >>> from sslens.measures.regions._exact.numba_engine import room_for
    >>> square, above = Polygons(np.array([0, 4]), np.arange(4), -1 - np.arange(4)), np.array([0, 1, 1, 0])
    >>> signs = Signs(2.0 * above[:, None] - 1, above, 1 - above, np.zeros(1), np.array([7]))
    >>> room = room_for(square, signs, grown=1, whole=1)
    >>> cut(square, room)
    >>> room.tally.tolist(), room.parts.polygons.corners.tolist()
    ([2, 8, 2, 4], [4, 1, 2, 5, 5, 3, 0, 4])
    """
    desk = _desk(polygons)
    for cell in range(len(polygons.starts) - 1):
        inside = slice(polygons.starts[cell], polygons.starts[cell + 1])
        above, below = _sides(polygons.corners[inside], room.signs)
        if above & below:
            desk[0][0, : inside.stop - inside.start] = polygons.corners[inside]
            desk[0][1, : inside.stop - inside.start] = polygons.side_ids[inside]
            _cut_on_desk(cell, inside.stop - inside.start, room, desk)
        else:
            _keep(polygons.corners[inside], polygons.side_ids[inside], above, cell, room.parts, room.tally)


@compiled
def count_parts(polygons: Polygons, room: Room) -> int:
    """How many parts all cells fall into; the parts of a cell are forgotten before the next one.

    >>> from sslens.measures.regions._exact.numba_engine import room_for
    >>> square, above = Polygons(np.array([0, 4]), np.arange(4), -1 - np.arange(4)), np.array([0, 1, 1, 0])
    >>> signs = Signs(2.0 * above[:, None] - 1, above, 1 - above, np.zeros(1), np.array([7]))
    >>> count_parts(square, room_for(square, signs, grown=1, whole=1))
    2
    """
    desk, total, born = _desk(polygons), 0, room.parts.new_vertices
    for cell in range(len(polygons.starts) - 1):
        inside = slice(polygons.starts[cell], polygons.starts[cell + 1])
        above, below = _sides(polygons.corners[inside], room.signs)
        crossing = above & below
        if crossing & (crossing - 1):
            desk[0][0, : inside.stop - inside.start] = polygons.corners[inside]
            _cut_on_desk(cell, inside.stop - inside.start, room, desk)
            total += room.tally[0]
            for new in range(room.tally[2]):  # all their slots are known before the first is cleared
                born.first[new] = slot_of(edge_key(born.first[new], born.second[new]), room.table)
            for new in range(room.tally[2]):
                room.table[0, born.first[new]] = -1
            room.tally[:3] = 0
        else:
            total += 2 if crossing else 1
    return total


@compiled
def identify(
    vertex_ids: Int64[np.ndarray, "v"],
    new_vertices: NewVertices,
    *,
    kinds: Int64[np.ndarray, "b"],
    table: Int64[np.ndarray, "2 slots"],
    count: int,
) -> int:
    """Fill the last of ``vertex_ids``, those of new vertices: what the table has for an edge, or the next number.

    Vertices of a kind that is not above 0 stand in no edge: 0 gets the next number, less gets −1. Returns how many
    numbers there are then.

    >>> ids, table = np.array([0, 1, -1]), np.full((2, 8), -1)
    >>> middle = NewVertices(np.array([1]), np.array([0]), np.array([0.5]))
    >>> identify(ids, middle, kinds=np.array([1]), table=table, count=5), ids.tolist()
    (6, [0, 1, 5])
    """
    old = len(vertex_ids) - len(new_vertices.first)
    for new in range(len(new_vertices.first)):
        if kinds[new] < 1:
            vertex_ids[old + new] = count if kinds[new] == 0 else -1
            count += kinds[new] + 1
            continue
        a, b = vertex_ids[new_vertices.first[new]], vertex_ids[new_vertices.second[new]]
        place = slot_of(edge_key(a, b), table)
        if table[0, place] < 0:
            table[0, place], table[1, place] = edge_key(a, b), count
            count += 1
        vertex_ids[old + new] = table[1, place]
    return count


@compiled
def refill(larger: Int64[np.ndarray, "2 slots"], table: Int64[np.ndarray, "2 fewer"]) -> None:
    """Take over what stands in a table that has become too small.

    >>> small, larger = np.full((2, 4), -1), np.full((2, 8), -1)
    >>> small[:, 2] = 1 << 32 | 3, 9
    >>> refill(larger, small)
    >>> int((larger[0] == 1 << 32 | 3).sum()), int(larger[1].max())
    (1, 9)
    """
    for each in range(table.shape[1]):
        if table[0, each] >= 0:
            place = slot_of(table[0, each], larger)
            larger[0, place], larger[1, place] = table[0, each], table[1, each]


@compiled
def _desk(polygons):
    """Room for a polygon, its part above, the parts that wait, and their sizes and units to come."""
    longest = np.max(np.diff(polygons.starts)) + 66  # a unit cuts a part at most once, and adds one corner
    polygon, near = np.empty((2, longest), dtype=np.int64), np.empty((2, longest), dtype=np.int64)
    return polygon, near, np.empty((64, 2, longest), dtype=np.int64), np.empty((64, 2), dtype=np.int64)


@compiled
def _cut_on_desk(cell, size, room, desk):
    """Cut the polygon on the desk, unit by unit, and keep all parts."""
    polygon, near, stack, waiting = desk
    signs, parts, table, tally = room
    state = signs, parts.new_vertices, table, tally  # not the room: numba counts references of all that is handed on
    pending, top = ALL, 0
    while top >= 0:
        above, below = _sides(polygon[0, :size], signs)
        crossing = above & below & pending
        if crossing:
            unit = lowest(crossing)
            pending = (ALL << unit) << 1
            size, other = _halve(polygon[:, :size], unit, state, near, stack[top])
            waiting[top, 0], waiting[top, 1] = other, pending
            polygon, near = near, polygon
            top += 1
            continue
        _keep(polygon[0, :size], polygon[1, :size], above, cell, parts, tally)
        top -= 1
        if top >= 0:
            size, pending = waiting[top, 0], waiting[top, 1]
            polygon[:, :size] = stack[top, :, :size]


@compiled
def _sides(corners, signs):
    """The units above and below zero at some corner."""
    above, below = 0, 0
    for corner in corners:
        above |= signs.positive[corner]
        below |= signs.negative[corner]
    return above, below


@compiled
def _keep(corners, side_ids, above, cell, parts, tally):
    made, begin = tally[0], tally[1]
    if made == len(parts.parents) or begin + len(corners) > len(parts.polygons.corners):
        raise RuntimeError("more cells than lines can cut")  # rounding must never write beyond the room
    for place in range(len(corners)):
        parts.polygons.corners[begin + place] = corners[place]
        parts.polygons.side_ids[begin + place] = side_ids[place]
    parts.parents[made], parts.patterns[made] = cell, above
    tally[0], tally[1] = made + 1, begin + len(corners)
    parts.polygons.starts[made + 1] = tally[1]


@compiled
def _halve(polygon, unit, state, near, rest):
    """Part a polygon: ``near`` gets the run of corners above zero, ``rest`` the others, both the ends of the cut."""
    signs, size = state[0], polygon.shape[1]
    head, run = 0, 1
    while not signs.positive[polygon[0, head]] >> unit & 1 or signs.positive[polygon[0, head - 1]] >> unit & 1:
        head += 1
    while signs.positive[polygon[0, (head + run) % size]] >> unit & 1:
        run += 1
    tail, after, before = (head + run - 1) % size, (head + run) % size, (head - 1) % size
    enter = _on_line(polygon[0, head], polygon[0, before], unit, state)
    leave = _on_line(polygon[0, tail], polygon[0, after], unit, state)
    near[0, 0], near[1, 0] = enter, polygon[1, before]
    for place in range(run):
        near[0, 1 + place], near[1, 1 + place] = polygon[0, (head + place) % size], polygon[1, (head + place) % size]
    near[0, 1 + run], near[1, 1 + run] = leave, signs.side_ids[unit]
    count = 0
    if leave != polygon[0, after]:
        rest[0, 0], rest[1, 0] = leave, polygon[1, tail]
        count = 1
    for place in range(run, size):
        rest[0, count], rest[1, count] = polygon[0, (head + place) % size], polygon[1, (head + place) % size]
        count += 1
    if enter != polygon[0, before]:
        rest[0, count] = enter
        count += 1
    rest[1, count - 1] = signs.side_ids[unit]
    return run + 2, count


@compiled
def _on_line(above, other, unit, state):
    """The vertex where a unit is zero between one that lies above and the next: that next, or a new one."""
    signs, born, table, tally = state
    if not signs.negative[other] >> unit & 1:
        return other
    place = slot_of(edge_key(above, other), table)
    if table[0, place] >= 0:
        return table[1, place]
    count, new = tally[2], tally[2] + tally[3]
    if count == len(born.first):
        raise RuntimeError("more vertices than lines can cut")
    table[0, place], table[1, place] = edge_key(above, other), new
    tally[2] += 1
    low, high = signs.values[other, unit], signs.values[above, unit]
    share = low / (low - high)  # from below to above, whichever cell comes first
    born.first[count], born.second[count], born.weight[count] = other, above, share
    for each in range(len(signs.side_ids)):
        start = signs.values[other, each]
        signs.values[new, each] = start + share * (signs.values[above, each] - start)
    signs.values[new, unit] = 0.0
    _mark_between(new, other, above, signs)
    return new


@compiled
def _mark_between(new, a, b, signs):
    """Signs of a vertex between two others: theirs where they agree, else those of its values."""
    above, below = signs.positive[a] & signs.positive[b], signs.negative[a] & signs.negative[b]
    open_ = ~(above | below) & ~(ALL << 1 << len(signs.side_ids) - 1)
    while open_:
        unit = lowest(open_)
        open_ &= open_ - 1
        value, limit = signs.values[new, unit], signs.tolerance[unit]
        above |= np.int64(value > limit) << unit
        below |= np.int64(value < -limit) << unit
    signs.positive[new], signs.negative[new] = above, below


@compiled
def edge_key(a: int, b: int) -> int:
    """One number for the edge between two vertices, from whichever end it is seen.

    >>> edge_key(3, 1) == edge_key(1, 3) == (1 << 32) + 3
    True
    """
    return min(a, b) << 32 | max(a, b)


@compiled
def slot_of(edge: int, table: Int64[np.ndarray, "2 slots"]) -> int:
    """Where an edge stands in the table, or would: open addressing, −1 where nothing is.

    >>> table = np.full((2, 4), -1)
    >>> table[0, slot_of(edge_key(1, 3), table)] = edge_key(1, 3)
    >>> int((table[0] >= 0).sum()), int(table[0, slot_of(edge_key(3, 1), table)]) == edge_key(1, 3)
    (1, True)
    """
    place = edge * 0x1E3779B97F4A7C15 >> 24 & table.shape[1] - 1
    while table[0, place] != edge and table[0, place] != -1:
        place = place + 1 & table.shape[1] - 1
    return place
