"""Max-pools cut cells, compiled by numba: window by window, each cell into the parts where one place is the largest.

Within a cell the largest of a window is built up place by place. Where the next one is above all before it is convex;
the parts it takes over, or takes a piece of, become one part of its own. Signs are taken once for every vertex, so what
two parts share stays one. Vertices on the sides of the cell are numbered by the side they lie in, as in all cuts.
"""

# ruff: noqa: ANN001, ANN202 - numba finds the types of what is private by itself

from typing import NamedTuple, final

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from sslens.measures.regions._exact.cells import NewVertices, Polygons
from sslens.measures.regions._exact.numba_engine import arrays_of, interpolated
from sslens.measures.regions._exact.numba_envelope import ALONG, CUT, FIRST, OWN, SECOND, SHARE, envelope, longer
from sslens.measures.regions._exact.numba_kernels import compiled, edge_key, refill, slot_of
from sslens.measures.regions._exact.pools import Windows

OUTER, INNER, SCAFFOLD = 1, 0, -1
"""New vertices that neighbours make, too; that lie inside a cell; that only help to say where inner ones lie."""
ASLANT = 0.6180339887
"""Sides are walked towards larger u + 0.618 v, from whichever cell they are seen; no likely side lies across it."""


@final
class Readings(NamedTuple):
    """Windows at the vertices, as arrays: the values of their places, and the coordinates of the plane behind them.

    >>> Readings(np.zeros((3, 4)), np.zeros(1), np.array([[5, 6]])).units
    array([[5, 6]])
    """

    values: Float64[np.ndarray, "v columns"]
    tolerance: Float64[np.ndarray, "w"]
    units: Int64[np.ndarray, "w k"]
    """−1 for padding."""


@final
class PoolCut(NamedTuple):
    """What became of cells that windows have cut; ``kinds`` of new vertices are OUTER, INNER or SCAFFOLD.

    >>> polygons = Polygons(torch.tensor([0, 3]), torch.arange(3), torch.arange(3))
    >>> from sslens.measures.regions._exact.cells import no_new_vertices
    >>> PoolCut(polygons, torch.tensor([0]), torch.tensor([2]), no_new_vertices(), torch.arange(0)).parents
    tensor([0])
    """

    polygons: Polygons
    parents: Int64[Tensor, "r"]
    patterns: Int64[Tensor, "r"]
    """Which place of each window is the largest, the first window in the lowest bits."""
    new_vertices: NewVertices
    kinds: Int64[Tensor, "b"]


def readings_of(
    z: Float64[Tensor, "v n"], points: Float64[Tensor, "v 2"], *, windows: Windows, new_vertices: NewVertices
) -> Readings:
    """Windows at the vertices that have a row and at the new ones.

    >>> from sslens.measures.regions._exact.cells import no_new_vertices
    >>> windows = Windows(torch.tensor([[0, 1]]), torch.zeros(1).double(), torch.tensor([[5, 6]]))
    >>> z, points = torch.tensor([[1.0, 2.0]]).double(), torch.tensor([[0.25, 0.5]]).double()
    >>> readings_of(z, points, windows=windows, new_vertices=no_new_vertices()).values
    array([[1.  , 2.  , 0.25, 0.5 ]])
    """
    columns = torch.cat([z[:, windows.places.clamp_min(0).flatten()], points], 1).cpu()
    there = NewVertices._make(each.cpu() for each in new_vertices)
    units = windows.units.where(windows.places >= 0, -1)
    values = interpolated(columns, there).numpy()
    return Readings(values, windows.tolerance.cpu().numpy(), np.ascontiguousarray(units.cpu().numpy()))


def most_pieces(polygons: Polygons, readings: Readings) -> Int64[Tensor, "r"]:
    """Into how many pieces each cell can fall, of which only the places that are the largest at a corner are known.

    >>> triangle = Polygons(torch.tensor([0, 3]), torch.tensor([0, 1, 2]), torch.tensor([-1, -2, -3]))
    >>> values = np.array([[1.0, 0, 0, 0], [0, 1.0, 1, 0], [0, 1.0, 0, 1]])
    >>> most_pieces(triangle, Readings(values, np.zeros(1), np.array([[5, 6]])))
    tensor([2])
    """
    there = Polygons._make(each.cpu() for each in polygons)
    return torch.from_numpy(_most_pieces(arrays_of(there), readings)).to(polygons.starts.device)


def cut(polygons: Polygons, readings: Readings) -> PoolCut:
    """Cut every cell into the parts in which one place of each window is the largest.

    >>> square = Polygons(torch.tensor([0, 4]), torch.arange(4), -torch.arange(1, 5))
    >>> corners = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    >>> values = np.concatenate([corners, np.full((4, 1), 0.5), corners], 1)  # u, v and one half
    >>> found = cut(square, Readings(values, np.zeros(1), np.array([[5, 6, 7]])))
    >>> found.patterns.sort().values, len(found.new_vertices.first), found.kinds.bincount()
    (tensor([0, 1, 2]), 3, tensor([1, 2]))
    """
    there, device = Polygons._make(each.cpu() for each in polygons), polygons.starts.device
    sides, cells, between, weight = (torch.from_numpy(each).to(device) for each in _cut(arrays_of(there), readings))
    ends, parents, patterns = cells.T.contiguous()
    first, second, kinds = between.T.contiguous()
    parts = Polygons(torch.nn.functional.pad(ends, (1, 0)), *sides.T.contiguous())
    return PoolCut(parts, parents, patterns, NewVertices(first, second, weight[:, 0]), kinds)


def count(polygons: Polygons, readings: Readings) -> int:
    """How many parts the windows cut all cells into.

    >>> square = Polygons(torch.tensor([0, 4]), torch.arange(4), -torch.arange(1, 5))
    >>> values = np.array([[0.0, 1, 0, 0], [1, 0, 1, 0], [1, 0, 1, 1], [0, 1, 0, 1]])
    >>> count(square, Readings(values, np.zeros(1), np.array([[5, 6]])))
    2
    """
    return len(cut(polygons, readings).parents)


@compiled
def _most_pieces(polygons, readings):
    most = np.ones(len(polygons.starts) - 1, dtype=np.int64)
    windows, k = readings.units.shape
    for cell in range(len(most)):
        corners, lines = polygons.corners[polygons.starts[cell] : polygons.starts[cell + 1]], 0
        for window in range(windows):
            if _leader(corners, window, readings) < 0:
                ahead = 0
                for slot in range(k):
                    ahead += int(_leads_somewhere(corners, window, slot, readings))
                lines += ahead * (ahead - 1) // 2
        most[cell] += lines * (lines + 1) // 2
    return most


@compiled
def _top(values, vertex, window, units):
    """The largest value of a window at a vertex."""
    k, top = units.shape[1], -np.inf
    for slot in range(k):
        if units[window, slot] >= 0:
            top = max(top, values[vertex, window * k + slot])
    return top


@compiled
def _leader(corners, window, readings):
    """The first place of a window that is its largest at all corners; −1 if there is none."""
    values, units, k = readings.values, readings.units, readings.units.shape[1]
    enough = np.empty(len(corners))
    for place in range(len(corners)):
        enough[place] = _top(values, corners[place], window, units) - readings.tolerance[window]
    for slot in range(k):
        leads = units[window, slot] >= 0
        for place in range(len(corners)):
            leads = leads and values[corners[place], window * k + slot] >= enough[place]
        if leads:
            return slot
    return -1


@compiled
def _leads_somewhere(corners, window, slot, readings):
    values, units, leads = readings.values, readings.units, False
    for corner in corners:
        value = values[corner, window * units.shape[1] + slot]
        leads = leads or (units[window, slot] >= 0 and value >= _top(values, corner, window, units))
    return leads


@compiled
def _cut(polygons, readings):
    """All parts of all cells: sides, (end, parent, pattern) of each; new vertices (first, second, kind) and weights."""
    windows, k = readings.units.shape
    bits, tally = 1, np.zeros(4, dtype=np.int64)  # sides, cells, new vertices, what waits
    while (k - 1) >> bits:
        bits += 1
    old, values = len(readings.values), readings.values
    between, weight = np.empty((64, 3), dtype=np.int64), np.empty((64, 1))
    table = np.full((2, 256), -1, dtype=np.int64)
    sides, cells = np.empty((64, 2), dtype=np.int64), np.empty((64, 3), dtype=np.int64)
    waiting = np.empty((64, 2), dtype=np.int64)
    for cell in range(len(polygons.starts) - 1):
        waiting = _begun(polygons, cell, waiting, tally)
        while tally[3]:
            polygon, window, word = _popped(waiting, tally)
            now = Readings(values, readings.tolerance, readings.units)
            leader = 0
            while window < windows and leader >= 0:
                leader = _leader(polygon[:, 0], window, now)
                if leader >= 0:
                    word |= leader << bits * window
                    window += 1
            if window == windows:
                sides, cells = longer(sides, tally[0] + len(polygon)), longer(cells, tally[1] + 1)
                _keep(polygon, cell, word, sides, cells, tally)
                continue
            found = envelope(_heights(polygon, window, now), (readings.units[window], readings.tolerance[window]))
            room = tally[2] + found.tally[1]
            values, between, weight = longer(values, old + room), longer(between, room), longer(weight, room)
            table = _table(table, room)
            number = _numbered(polygon, found, (values, between, weight, table, old), tally)
            for part in range(found.tally[0]):
                waiting = longer(waiting, tally[3] + found.sizes[part, 0] + 2)
                state = number, polygon, window, word | found.sizes[part, 1] << bits * window
                _push(part, found, state, readings, waiting, tally)
    return sides[: tally[0]], cells[: tally[1]], between[: tally[2]], weight[: tally[2]]


@compiled
def _begun(polygons, cell, waiting, tally):
    """A cell on the pile of what waits: its sides, then the window and the pattern it has come to, then its size."""
    start, size = polygons.starts[cell], polygons.starts[cell + 1] - polygons.starts[cell]
    waiting = longer(waiting, size + 2)
    for place in range(size):
        waiting[place, 0], waiting[place, 1] = polygons.corners[start + place], polygons.side_ids[start + place]
    waiting[size, 0], waiting[size, 1], waiting[size + 1, 0], tally[3] = 0, 0, size, size + 2
    return waiting


@compiled
def _popped(waiting, tally):
    end = tally[3] - 2
    size = waiting[end + 1, 0]
    polygon = np.empty((size, 2), dtype=np.int64)
    for place in range(size):
        polygon[place, 0], polygon[place, 1] = waiting[end - size + place, 0], waiting[end - size + place, 1]
    tally[3] = end - size
    return polygon, waiting[end, 0], waiting[end, 1]


@compiled
def _keep(polygon, cell, word, sides, cells, tally):
    for place in range(len(polygon)):
        sides[tally[0] + place, 0], sides[tally[0] + place, 1] = polygon[place, 0], polygon[place, 1]
    tally[0] += len(polygon)
    cells[tally[1], 0], cells[tally[1], 1], cells[tally[1], 2] = tally[0], cell, word
    tally[1] += 1


@compiled
def _table(table, room):
    """The same table, with more slots where they become scarce."""
    size = table.shape[1]
    while size < 2 * room:
        size *= 4
    if size == table.shape[1]:
        return table
    larger = np.full((2, size), -1, dtype=np.int64)
    refill(larger, table)
    return larger


@compiled
def _heights(polygon, window, readings):
    k = readings.units.shape[1]
    heights = np.empty((len(polygon), k))
    for place in range(len(polygon)):
        for slot in range(k):
            heights[place, slot] = readings.values[polygon[place, 0], window * k + slot]
    return heights


@compiled
def _numbered(polygon, found, state, tally):
    """Numbers of the vertices of an envelope, new ones where there are none yet."""
    m, count, old = len(polygon), found.tally[1], state[4]
    number, needed = np.full(count, -1), np.zeros(count, dtype=np.int64)
    for corner in range(m):
        number[corner] = polygon[corner, 0]
    for part in range(found.tally[0]):
        for place in range(found.sizes[part, 0]):
            needed[found.sides[0, part, place]] = 1
    for own in range(m):
        _along_side(own, polygon, found, (number, needed), state, tally)
    for vertex in range(count - 1, m - 1, -1):
        if needed[vertex] and number[vertex] < 0:
            for end in (found.numbers[vertex, FIRST], found.numbers[vertex, SECOND]):
                if number[end] < 0 and not needed[end]:
                    needed[end] = 2
    for vertex in range(m, count):
        if needed[vertex] and number[vertex] < 0:
            number[vertex] = old + tally[2]
            first, second = number[found.numbers[vertex, FIRST]], number[found.numbers[vertex, SECOND]]
            _make(first, second, found.values[vertex, SHARE], INNER if needed[vertex] == 1 else SCAFFOLD, state, tally)
    return number


@compiled
def _along_side(own, polygon, found, marks, state, tally):
    """Numbers of the vertices that stay within one side of the cell, one after the other, by where they lie in it."""
    number, needed = marks
    values, _, _, table, old = state
    a, b = polygon[own, 0], polygon[(own + 1) % len(polygon), 0]
    step = values[b, -2] - values[a, -2] + ASLANT * (values[b, -1] - values[a, -1])
    start, end, before = (a, b, 0.0) if step > 0 else (b, a, 0.0)
    while True:
        nearest, least = -1, 2.0
        for vertex in range(len(polygon), found.tally[1]):
            if found.numbers[vertex, OWN] == own and needed[vertex] and number[vertex] < 0:
                along = found.values[vertex, ALONG] if step > 0 else 1.0 - found.values[vertex, ALONG]
                if along < least:
                    nearest, least = vertex, along
        if nearest < 0:
            return
        place = slot_of(edge_key(start, end), table)
        if table[0, place] < 0:
            table[0, place], table[1, place] = edge_key(start, end), old + tally[2]
            share = min(1.0, max(0.0, (least - before) / (1.0 - before))) if before < 1.0 else 1.0
            _make(start, end, share, OUTER, state, tally)
        number[nearest], start, before = table[1, place], table[1, place], least


@compiled
def _make(first, second, share, kind, state, tally):
    values, between, weight, _, old = state
    born = tally[2]
    between[born, 0], between[born, 1], between[born, 2], weight[born, 0] = first, second, kind, share
    for column in range(values.shape[1]):
        values[old + born, column] = values[first, column] + share * (values[second, column] - values[first, column])
    tally[2] = born + 1


@compiled
def _push(part, found, state, readings, waiting, tally):
    """A part of the cell on the pile: its corners by number, what made its sides; the next window, pattern, size."""
    number, polygon, window, word = state
    sides, size = found.sides, found.sizes[part, 0]
    for place in range(size):
        here, there, end = sides[0, part, place], sides[0, part, (place + 1) % size], tally[3] + place
        waiting[end, 0] = number[here]
        if sides[1, part, place] == CUT:
            waiting[end, 1] = readings.units[window, min(found.sizes[part, 1], _beyond(here, there, found))]
        else:
            waiting[end, 1] = polygon[sides[1, part, place], 1]
    end = tally[3] + size
    waiting[end, 0], waiting[end, 1], waiting[end + 1, 0] = window + 1, word, size
    tally[3] = end + 2


@compiled
def _beyond(here, there, found):
    """The place that is the largest on the other side of a cut."""
    sides, sizes = found.sides, found.sizes
    for part in range(found.tally[0]):
        for place in range(sizes[part, 0]):
            if sides[0, part, place] == there and sides[0, part, (place + 1) % sizes[part, 0]] == here:
                return sizes[part, 1]
    return sizes.shape[0]
