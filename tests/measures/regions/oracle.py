"""The oracle for exact partitions: slow on purpose, and written unlike the engine it judges.

Cells are split unit by unit and layer by layer in exact arithmetic (``cells``); inside a cell every unit is an affine
function of the plane's coordinates, so a network is interpreted on such functions (``layers``).
"""

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction

import torch
from tests.measures.regions.cells import Forms, area, polygon, whole
from tests.measures.regions.layers import steps


@dataclass(frozen=True)
class Truth:
    """An exact partition: of each cell its corners, area and the outputs' affine map; and what they add up to."""

    cells: list
    areas: list
    maps: list
    vertices: set
    edge_count: int
    linear_count: int

    @property
    def count(self):
        return len(self.cells)


def partition(net, plane, domain):
    """The exact partition of a polygon of the plane origin + u · first + v · second, all given in float64."""
    origin, first, second = (torch.as_tensor(part).detach().double() for part in plane)
    values, denominator = whole(torch.stack([part.flatten() for part in (first, second, origin)], 1).numpy())
    cells = [polygon(domain, Forms(values, denominator))]
    for step in steps(net, tuple(origin.shape))[0]:
        cells = [piece for cell in cells for piece in step.pieces(cell)]
    edges = defaultdict(list)
    for place, cell in enumerate(cells):
        for one, other in zip(cell.corners, [*cell.corners[1:], cell.corners[0]], strict=True):
            edges[frozenset((one, other))].append(place)
    vertices = {vertex for cell in cells for vertex in cell.corners}
    areas = [area(cell.corners) for cell in cells]
    maps = [[Fraction(part, cell.forms[-1].denominator) for part in cell.forms[-1].values.flat] for cell in cells]
    return Truth([cell.corners for cell in cells], areas, maps, vertices, len(edges), joined(maps, edges.values()))


def joined(maps, edges):
    """How many linear regions: cells that share an edge and have the same map are one."""
    root = list(range(len(maps)))

    def top(place):
        while root[place] != place:
            root[place] = root[root[place]]
            place = root[place]
        return place

    for edge in edges:
        if len(edge) == 2 and maps[edge[0]] == maps[edge[1]]:
            root[top(edge[0])] = top(edge[1])
    return len({top(place) for place in range(len(maps))})


def breakpoints(net, start, end):
    """Where a network bends on the way from one input to another, as exact shares of the way in (0, 1).

    A plane whose second axis is zero has strips for cells.
    """
    square = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
    strips = partition(net, (start, end - start, torch.zeros_like(start)), square)
    return sorted({Fraction(x, w) for x, _, w in strips.vertices} - {0, 1})
