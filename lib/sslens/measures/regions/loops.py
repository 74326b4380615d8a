"""The inner loops of the exact partition, compiled by numba on first use: signs, interpolation, cutting convex cells.

Up to 64 units cut at a time, so that the signs of a vertex are two words of bits.
"""

# ruff: noqa: ANN001, ANN202 - numba finds the types by itself

from typing import Any

import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros

from sslens.measures.regions.compiling import compiled

lowest: Any = trailing_zeros
ALL = -1
"""A word with every bit set."""


@compiled
def _interpolate(values, births, old):
    for new in range(len(births.first)):
        a, b, share = births.first[new], births.second[new], births.weight[new]
        for unit in range(values.shape[1]):
            values[old + new, unit] = values[a, unit] + share * (values[b, unit] - values[a, unit])


@compiled
def _mark(signs):
    for vertex in range(len(signs.positive)):
        above, below = 0, 0
        for unit in range(len(signs.labels)):
            value, limit = signs.values[vertex, unit], signs.tolerance[unit]
            above |= np.int64(value > limit) << unit
            below |= np.int64(value < -limit) << unit
        signs.positive[vertex], signs.negative[vertex] = above, below


@compiled
def _pieces(cells, signs):
    most = np.ones(len(cells.starts) - 1, dtype=np.int64)
    for cell in range(len(most)):
        above, below = _sides(cells.corners[cells.starts[cell] : cells.starts[cell + 1]], signs)
        both, count = above & below, 0
        while both:
            both &= both - 1
            count += 1
        most[cell] += count * (count + 1) // 2
    return most


@compiled
def _cut(cells, signs, to, table, tally):
    work, state = _desk(cells), (signs, to, table, tally)
    for cell in range(len(cells.starts) - 1):
        inside = slice(cells.starts[cell], cells.starts[cell + 1])
        above, below = _sides(cells.corners[inside], signs)
        if above & below:
            work[0][0, : inside.stop - inside.start] = cells.corners[inside]
            work[0][1, : inside.stop - inside.start] = cells.labels[inside]
            _fall(cell, inside.stop - inside.start, state, work)
        else:
            _keep(cells.corners[inside], cells.labels[inside], above, cell, to, tally)


@compiled
def _count(cells, signs, to, table, tally):
    """How many parts all cells fall into; what they look like is forgotten after each."""
    work, state, total = _desk(cells), (signs, to, table, tally), 0
    for cell in range(len(cells.starts) - 1):
        inside = slice(cells.starts[cell], cells.starts[cell + 1])
        above, below = _sides(cells.corners[inside], signs)
        crossing = above & below
        if crossing & (crossing - 1):
            work[0][0, : inside.stop - inside.start] = cells.corners[inside]
            _fall(cell, inside.stop - inside.start, state, work)
            total += tally[0]
            for born in range(tally[2]):  # all their slots are known before the first is cleared
                to.births.first[born] = _slot(to.births.first[born], to.births.second[born], table)
            for born in range(tally[2]):
                table[0, to.births.first[born]] = -1
            tally[:3] = 0
        else:
            total += 2 if crossing else 1
    return total


@compiled
def _desk(cells):
    """Room for a polygon, its part above, the parts that wait, and their sizes and units to come."""
    longest = np.max(np.diff(cells.starts)) + 66  # a unit cuts a part at most once, and adds one corner
    polygon, near = np.empty((2, longest), dtype=np.int64), np.empty((2, longest), dtype=np.int64)
    return polygon, near, np.empty((64, 2, longest), dtype=np.int64), np.empty((64, 2), dtype=np.int64)


@compiled
def _fall(cell, size, state, work):
    """Cut the polygon on the desk, unit by unit, and keep all parts."""
    signs, to, table, tally = state
    polygon, near, stack, waiting = work
    pending, top = ALL, 0
    while top >= 0:
        above, below = _sides(polygon[0, :size], signs)
        crossing = above & below & pending
        if crossing:
            unit = lowest(crossing)
            pending = (ALL << unit) << 1
            size, other = _halve(polygon[:, :size], unit, (signs, to.births, table, tally), near, stack[top])
            waiting[top, 0], waiting[top, 1] = other, pending
            polygon, near = near, polygon
            top += 1
            continue
        _keep(polygon[0, :size], polygon[1, :size], above, cell, to, tally)
        top -= 1
        if top >= 0:
            size, pending = waiting[top, 0], waiting[top, 1]
            polygon[:, :size] = stack[top, :, :size]


@compiled
def _sides(corners, signs):
    above, below = 0, 0
    for corner in corners:
        above |= signs.positive[corner]
        below |= signs.negative[corner]
    return above, below


@compiled
def _keep(corners, labels, above, cell, to, tally):
    made, begin = tally[0], tally[1]
    if made == len(to.parents) or begin + len(corners) > len(to.cells.corners):
        raise RuntimeError("more cells than lines can cut")  # rounding must never write beyond the room
    for place in range(len(corners)):
        to.cells.corners[begin + place] = corners[place]
        to.cells.labels[begin + place] = labels[place]
    to.parents[made], to.words[made] = cell, above
    tally[0], tally[1] = made + 1, begin + len(corners)
    to.cells.starts[made + 1] = tally[1]


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
    near[0, 1 + run], near[1, 1 + run] = leave, signs.labels[unit]
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
    rest[1, count - 1] = signs.labels[unit]
    return run + 2, count


@compiled
def _on_line(above, other, unit, state):
    """The vertex where a unit is zero between one that lies above and the next: that next, or a new one."""
    signs, births, table, tally = state
    if not signs.negative[other] >> unit & 1:
        return other
    place = _slot(above, other, table)
    if table[0, place] >= 0:
        return table[1, place]
    born, new = tally[2], tally[2] + tally[3]
    if born == len(births.first):
        raise RuntimeError("more vertices than lines can cut")
    table[0, place], table[1, place] = _key(above, other), new
    tally[2] += 1
    low, high = signs.values[other, unit], signs.values[above, unit]
    share = low / (low - high)  # from below to above, whatever cell asks first
    births.first[born], births.second[born], births.weight[born] = other, above, share
    for each in range(len(signs.labels)):
        start = signs.values[other, each]
        signs.values[new, each] = start + share * (signs.values[above, each] - start)
    signs.values[new, unit] = 0.0
    _settle(new, other, above, signs)
    return new


@compiled
def _settle(new, a, b, signs):
    """Signs of a vertex between two others: theirs where they agree, else those of its values."""
    above, below = signs.positive[a] & signs.positive[b], signs.negative[a] & signs.negative[b]
    open_ = ~(above | below) & ~(ALL << 1 << len(signs.labels) - 1)
    while open_:
        unit = lowest(open_)
        open_ &= open_ - 1
        value, limit = signs.values[new, unit], signs.tolerance[unit]
        above |= np.int64(value > limit) << unit
        below |= np.int64(value < -limit) << unit
    signs.positive[new], signs.negative[new] = above, below


@compiled
def _key(a, b):
    """One number for the edge between two vertices, from whichever end it is seen."""
    return min(a, b) << 32 | max(a, b)


@compiled
def _slot(a, b, table):
    """Where an edge stands in the table, or would: open addressing, −1 where nothing is."""
    edge = _key(a, b)
    place = edge * 0x1E3779B97F4A7C15 >> 24 & table.shape[1] - 1
    while table[0, place] != edge and table[0, place] != -1:
        place = place + 1 & table.shape[1] - 1
    return place


@compiled
def _name(names, births, table, count):
    """Names for the last vertices: the one that their edge has in the table, or the next number."""
    old = len(names) - len(births.first)
    for born in range(len(births.first)):
        a, b = names[births.first[born]], names[births.second[born]]
        place = _slot(a, b, table)
        if table[0, place] < 0:
            table[0, place], table[1, place] = _key(a, b), count
            count += 1
        names[old + born] = table[1, place]
    return count


@compiled
def _move(table, larger):
    """Take over what stands in a table that has become too small."""
    for each in range(table.shape[1]):
        if table[0, each] >= 0:
            place = _slot(table[0, each] >> 32, table[0, each] & 0xFFFFFFFF, larger)
            larger[0, place], larger[1, place] = table[0, each], table[1, each]
