"""The parts of a polygon in which each of several affine functions is the largest, compiled by numba.

The largest so far is affine on every part and convex over all, so the functions that come later rise above it on a
convex piece of the polygon. Whether it rises is asked once for every vertex, and parts meet side to side throughout.
"""

# ruff: noqa: ANN001, ANN202 - numba finds the types of what is private by itself

from typing import Any, NamedTuple, final

import numpy as np
from jaxtyping import Float64, Int64

from sslens.measures.regions._exact.numba_kernels import compiled

CUT = -1
"""A side between two parts, in place of the number of the polygon's own side."""
SIGN, FIRST, SECOND, OWN = 0, 1, 2, 3
"""Of a vertex: whether the latest function is above there; the two it lies between; the polygon's own side, or CUT."""
TOP, SHARE, ALONG = -3, -2, -1
"""Behind the values of the functions: the largest, the share of the second vertex, how far along the own side."""


@final
class Parts(NamedTuple):
    """Parts of a polygon and their vertices, the polygon's own corners first.

    >>> Parts(np.zeros((2, 1, 3)), np.array([[3, 0]]), np.zeros((3, 4)), np.zeros((3, 5)), np.array([1, 3])).sizes[0]
    array([3, 0])
    """

    sides: Int64[np.ndarray, "2 parts m"]
    """The vertex where each begins, and the polygon's own side it lies in or CUT."""
    sizes: Int64[np.ndarray, "parts 2"]
    """How many sides, and which function is the largest."""
    numbers: Int64[np.ndarray, "v 4"]
    """SIGN, FIRST, SECOND, OWN."""
    values: Float64[np.ndarray, "v columns"]
    """The functions, and TOP, SHARE, ALONG."""
    tally: Int64[np.ndarray, "2"]
    """How many parts there are and how many vertices; the arrays may be longer."""


@compiled
def envelope(heights: Float64[np.ndarray, "m k"], window: tuple[Int64[np.ndarray, "k"], float]) -> Parts:
    """The parts of a polygon of which each has its own largest function, by the functions' heights at the corners.

    Of the window it is said which functions there are, others have −1, and up to what size differences are none.

    >>> square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    >>> heights = np.concatenate([square, np.full((4, 1), 0.5)], 1)
    >>> found = envelope(heights, (np.zeros(3, dtype=np.int64), 1e-12))
    >>> found.sizes[: found.tally[0]].tolist(), int(found.tally[1])
    ([[4, 0], [4, 1], [4, 2]], 7)
    """
    (m, k), (there, limit) = heights.shape, window
    values, numbers = np.zeros((2 * m + 2 * k, k + 3)), np.zeros((2 * m + 2 * k, 4), dtype=np.int64)
    sides = np.empty((2, 2 * k + 2, m + 4 * k + 4), dtype=np.int64)
    sizes, tally = np.zeros((2 * k + 2, 2), dtype=np.int64), np.array([1, m])
    first = 0
    while there[first] < 0:
        first += 1
    for corner in range(m):
        for slot in range(k):
            values[corner, slot] = heights[corner, slot]
        values[corner, TOP] = heights[corner, first]
        sides[0, 0, corner] = sides[1, 0, corner] = corner
    sizes[0, 0], sizes[0, 1] = m, first
    for new in range(first + 1, k):
        if there[new] >= 0:
            corners = _rising(Parts(sides, sizes, numbers, values, tally), m, new, limit)
            if corners:
                values, numbers = longer(values, tally[1] + corners), longer(numbers, tally[1] + corners)
                _insert(Parts(sides, sizes, numbers, values, tally), m, new)
    found = Parts(sides, sizes, numbers, values, tally)
    _name(found, there, limit)
    return found


@compiled
def longer(rows: Any, room: int) -> Any:
    """The same rows with room behind them for more.

    >>> len(longer(np.zeros((2, 1)), 2)), len(longer(np.zeros((2, 1)), 3))
    (2, 6)
    """
    if len(rows) >= room:
        return rows
    more = np.empty((2 * room, rows.shape[1]), dtype=rows.dtype)
    for row in range(rows.shape[0]):
        for column in range(rows.shape[1]):
            more[row, column] = rows[row, column]
    return more


@compiled
def _rising(parts, m, new, limit):
    """Find at which vertices the new function is above; how many sides there are, none if it is above nowhere."""
    sides, sizes, numbers, values, tally = parts
    for vertex in range(tally[1]):
        height = values[vertex, new] - values[vertex, TOP]
        first, second = numbers[vertex, FIRST], numbers[vertex, SECOND]
        if vertex >= m and numbers[first, SIGN] > 0 and numbers[second, SIGN] > 0:
            numbers[vertex, SIGN] = 1  # what is above at both ends is so between them
        else:
            numbers[vertex, SIGN] = int(height > limit) - int(height < -limit)
    rising, corners = False, 0
    for part in range(tally[0]):
        corners += sizes[part, 0]
        for place in range(sizes[part, 0]):
            rising = rising or numbers[sides[0, part, place], SIGN] > 0
    return corners if rising else 0


@compiled
def _insert(parts, m, new):
    """Take from every part where the new function is above; what was taken becomes one part, the last."""
    sides, sizes, numbers, values, tally = parts
    begin, made, kept, total = tally[1], tally[0], 0, 0
    for part in range(made):
        total += sizes[part, 0] + 3
    taken, count = np.empty((3, total), dtype=np.int64), 0  # from, to, the polygon's own side
    desk = np.empty((2, sides.shape[2] + 3), dtype=np.int64)
    for part in range(made):
        size, above, below = sizes[part, 0], 0, 0
        for place in range(size):
            above += int(numbers[sides[0, part, place], SIGN] > 0)
            below += int(numbers[sides[0, part, place], SIGN] < 0)
            desk[0, place], desk[1, place] = sides[0, part, place], sides[1, part, place]
        if above and not below:
            for place in range(size):
                _take(taken, count + place, desk[0, place], desk[0, (place + 1) % size], desk[1, place])
            count += size
            continue
        sizes[kept, 1] = sizes[part, 1]
        if above:
            size, count = _halve(parts, desk, size, (m, new, begin), taken, count)
        if size > sides.shape[2]:
            raise RuntimeError("more sides than functions can make")
        for place in range(size):
            sides[0, kept, place], sides[1, kept, place] = desk[0, place], desk[1, place]
        sizes[kept, 0], kept = size, kept + 1
    for vertex in range(tally[1]):
        values[vertex, TOP] = max(values[vertex, TOP], values[vertex, new])
    tally[0] = kept
    _join(parts, taken, count, new)


@compiled
def _take(taken, count, here, there, own):
    taken[0, count], taken[1, count], taken[2, count] = here, there, own


@compiled
def _halve(parts, desk, size, state, taken, count):
    """Take the run from the first corner above to the last, with the ends of the cut; the rest stays on the desk."""
    numbers, start, head, tail = parts.numbers, 0, 0, 0
    while numbers[desk[0, start], SIGN] >= 0:
        start += 1
    turned = np.empty((2, size), dtype=np.int64)  # begins below, with the corner numbered 0
    for step in range(size):
        turned[0, step], turned[1, step] = desk[0, (start + step) % size], desk[1, (start + step) % size]
        if numbers[turned[0, step], SIGN] > 0:
            head, tail = (head if head else step), step
    before, after = turned[0, head - 1], turned[0, (tail + 1) % size]
    enter = _on_line(parts, turned[0, head], before, turned[1, head - 1], state)
    leave = _on_line(parts, turned[0, tail], after, turned[1, tail], state)
    _take(taken, count, enter, turned[0, head], turned[1, head - 1])
    for step in range(head, tail):
        _take(taken, count + 1 + step - head, turned[0, step], turned[0, step + 1], turned[1, step])
    count += tail - head + 1
    _take(taken, count, turned[0, tail], leave, turned[1, tail])
    _take(taken, count + 1, leave, enter, CUT)
    rest = 0
    if leave != after:
        desk[0, 0], desk[1, 0], rest = leave, turned[1, tail], 1
    for step in range(tail + 1, size + head):
        desk[0, rest], desk[1, rest] = turned[0, step % size], turned[1, step % size]
        rest += 1
    if enter != before:
        desk[0, rest] = enter
        rest += 1
    desk[1, rest - 1] = CUT
    return rest, count + 2


@compiled
def _on_line(parts, above, other, own, state):
    """The vertex where the new function meets the largest so far, between one above and the next."""
    _, _, numbers, values, tally = parts
    m, new, begin = state
    if numbers[other, SIGN] >= 0:
        return other
    born = tally[1]
    for vertex in range(begin, born):
        if numbers[vertex, FIRST] == other and numbers[vertex, SECOND] == above:
            return vertex
    low, high = values[other, new] - values[other, TOP], values[above, new] - values[above, TOP]
    share = min(1.0, low / (low - high))
    numbers[born, FIRST], numbers[born, SECOND], numbers[born, OWN] = other, above, own
    for column in range(values.shape[1]):
        values[born, column] = values[other, column] + share * (values[above, column] - values[other, column])
    values[born, SHARE] = share
    start, end = _along(parts, other, own, m), _along(parts, above, own, m)
    values[born, ALONG] = start + share * (end - start)
    tally[1] = born + 1
    return born


@compiled
def _along(parts, vertex, own, m):
    """How far along one of the polygon's own sides a vertex lies."""
    if vertex >= m:
        return parts.values[vertex, ALONG]
    return 0.0 if vertex == own else 1.0


@compiled
def _join(parts, taken, count, new):
    """What was taken becomes one part, without what is seen from both sides and vertices within the own sides."""
    sides, sizes, _, _, tally = parts
    left, ring = np.ones(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    for one in range(count):
        for other in range(one):
            if taken[0, one] == taken[1, other] and taken[1, one] == taken[0, other]:
                left[one] = left[other] = 0
    for start in range(count):
        if left[start] == 0:
            continue
        at, size, kept, made = start, 0, 0, tally[0]
        while at >= 0:
            ring[size], left[at], end, at = at, 0, taken[1, at], -1
            size += 1
            for other in range(count):
                if left[other] and taken[0, other] == end:
                    at = other
        for place in range(size):
            own, before = taken[2, ring[place]], taken[2, ring[place - 1 if place else size - 1]]
            if own != before or own == CUT:
                if made == len(sizes) or kept == sides.shape[2]:
                    raise RuntimeError("more parts than functions")
                sides[0, made, kept], sides[1, made, kept] = taken[0, ring[place]], own
                kept += 1
        sizes[made, 0], sizes[made, 1], tally[0] = kept, new, made + 1


@compiled
def _name(parts, there, limit):
    """Of functions that are the largest throughout a part, the first."""
    sides, sizes, _, values, tally = parts
    for part in range(tally[0]):
        for other in range(sizes[part, 1]):
            first = there[other] >= 0
            for place in range(sizes[part, 0]):
                vertex = sides[0, part, place]
                first = first and values[vertex, other] >= values[vertex, TOP] - limit
            if first:
                sizes[part, 1] = other
                break
