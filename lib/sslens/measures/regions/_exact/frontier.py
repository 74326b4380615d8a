"""Cells on their way through a network: cut at every fold, up to 64 units at a time, in chunks that fit memory."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from sslens.measures.regions._exact.cells import Engine, Lines, NewVertices, Polygons, no_new_vertices
from sslens.measures.regions._exact.graph import Network, Walk
from sslens.measures.regions._exact.nonlinearities import extremes


@final
class VertexIds:
    """Numbers of vertices that hold in all chunks: what two chunks make on the side they share is one vertex.

    A new vertex gets its number by the edge it lies in, once there are chunks that could both have made it.

    >>> ids = VertexIds(2)
    >>> ids.divided = True
    >>> ends = torch.arange(2)
    >>> middle = NewVertices(torch.tensor([0]), torch.tensor([1]), torch.tensor([0.5]).double())
    >>> ids.extended(ends, middle), ids.extended(ends.flip(0), middle), ids.count
    (tensor([0, 1, 2]), tensor([1, 0, 2]), 3)
    """

    def __init__(self, count: int) -> None:
        self.count, self.divided = count, False
        self._table = np.full((2, 64), -1, dtype=np.int64)

    def extended(self, vertex_ids: Int64[Tensor, "v"], new_vertices: NewVertices) -> Int64[Tensor, "more"]:
        """The numbers of vertices and of the new ones between them."""
        old, new = len(vertex_ids), len(new_vertices.first)
        if not self.divided:
            self.count += new
            return torch.arange(self.count, device=vertex_ids.device)
        from sslens.measures.regions._exact import numba_engine, numba_kernels  # numba takes a second to import

        if 2 * (self.count + new) > self._table.shape[1]:
            larger = np.full((2, 1 << (4 * (self.count + new)).bit_length()), -1, dtype=np.int64)
            numba_kernels.refill(larger, self._table)
            self._table = larger
        all_ids = np.empty(old + new, dtype=np.int64)
        all_ids[:old] = vertex_ids.cpu().numpy()
        between = numba_engine.arrays_of(NewVertices._make(each.cpu() for each in new_vertices))
        self.count = int(numba_kernels.identify(all_ids, between, table=self._table, count=self.count))
        return torch.from_numpy(all_ids).to(vertex_ids.device)


@final
@dataclass(frozen=True, eq=False)
class Frontier:
    """Cells at some place of the network, on their way.

    >>> from sslens.measures.regions import square
    >>> from sslens.measures.regions._exact import numba_engine
    >>> network = Network(torch.nn.Sequential(torch.nn.Linear(2, 70), torch.nn.ReLU()), torch.zeros(2))
    >>> start = Cutter(network, numba_engine, chunk=100).enter(square(100.0), square(100.0))
    >>> start.count, start.patterns.shape, [len(lines.columns) for lines in start.ahead]
    (1, torch.Size([1, 0]), [64, 6])
    """

    walk: Walk
    points: Float64[Tensor, "v 2"]
    vertex_ids: Int64[Tensor, "v"]
    """Numbers of the vertices that hold in all chunks."""
    polygons: Polygons
    patterns: Int64[Tensor, "r w"]
    """Activation patterns in words of bits, one for each unit that is not steady."""
    columns: tuple[Int64[Tensor, "_"], ...] = ()
    """The units, counted through all layers, that each word holds."""
    steady: tuple[Bool[Tensor, "_"], ...] = ()
    """Layer by layer: which of the units that cut none of these cells are above zero."""
    ahead: tuple[Lines, ...] = ()
    """What is still to cut at this fold."""
    new_vertices: NewVertices = field(default_factory=no_new_vertices)
    """Vertices made at this fold, which have no rows yet."""

    @property
    def count(self) -> int:
        """How many cells there are."""
        return len(self.polygons.starts) - 1

    @property
    def done(self) -> bool:
        """Whether all folds are behind."""
        return not self.ahead and self.walk.layer is None


@final
class Cutter:
    """Drives frontiers through a network, the first cells first, and divides what has grown beyond a chunk.

    >>> from sslens.measures.regions import square
    >>> from sslens.measures.regions._exact import numba_engine
    >>> network = Network(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU()), torch.zeros(2))
    >>> _ = [parameter.fill_(1.0) for parameter in network.graph.parameters()]
    >>> cutter = Cutter(network, numba_engine, chunk=100)
    >>> [frontier.count for frontier in cutter.frontiers(cutter.enter(square(1.0), square(1.0)))]
    [2]
    """

    def __init__(self, network: Network, engine: Engine, *, chunk: int) -> None:
        self.network, self.engine, self.chunk = network, engine, chunk
        self.offsets = [0, *torch.tensor([layer.units for layer in network.layers], device="cpu").cumsum(0).tolist()]
        self.vertex_ids = VertexIds(0)

    @torch.no_grad()
    def frontiers(self, frontier: Frontier) -> Iterator[Frontier]:
        """What has reached the end of the network: chunk by chunk, together all that the frontier becomes."""
        waiting = [frontier]
        while waiting:
            frontier = waiting.pop()
            if frontier.done:
                yield frontier
            else:
                waiting += reversed(self._onward(frontier))

    @torch.no_grad()
    def enter(self, inputs: Float64[Tensor, "p *shape"], domain: Float64[Tensor, "p 2"]) -> Frontier:
        """The domain as the one cell at the beginning, and the inputs that stand in its corners."""
        walk, corners = self.network.walk(inputs), torch.arange(len(domain), device=inputs.device)
        polygons = Polygons(torch.tensor([0, len(domain)], device=inputs.device), corners, -1 - corners)
        self.vertex_ids = VertexIds(len(domain))
        walk.advance()
        return self._arrived(Frontier(walk, domain.to(inputs.device), corners, polygons, corners.new_empty(1, 0)))

    @torch.no_grad()
    def count(self, frontier: Frontier) -> int:
        """How many cells the frontier becomes; those of the last cut are not made."""
        total, waiting = 0, [frontier]
        while waiting:
            frontier = waiting.pop()
            if frontier.walk.layer == len(self.network.layers) - 1 and len(frontier.ahead) < 2:
                total += self._counted(frontier)
            else:
                waiting += self._onward(frontier)
        return total

    def _counted(self, frontier: Frontier) -> int:
        """How many cells the last cut makes of these, if there is one."""
        if not frontier.ahead:
            return frontier.count
        units = frontier.walk.units()
        signs = self.engine.signs_of(units, frontier.ahead[0], new_vertices=frontier.new_vertices)
        return self.engine.count(frontier.polygons, signs)

    def _onward(self, frontier: Frontier) -> list[Frontier]:
        """One step: through the fold, or cut by its next units, or divided where that would make too many cells."""
        if not frontier.ahead:
            return [self._through(frontier)]
        lines, *later = frontier.ahead
        signs = self.engine.signs_of(frontier.walk.units(), lines, new_vertices=frontier.new_vertices)
        pieces = self.engine.most_pieces(frontier.polygons, signs)
        if len(pieces) > 1 and int(pieces.sum()) > self.chunk:
            return self._divided(self._settled(frontier), pieces)
        cut = self.engine.cut(frontier.polygons, signs)
        pairs = zip(frontier.new_vertices, cut.new_vertices, strict=True)
        onward = replace(
            frontier,
            polygons=cut.polygons,
            patterns=torch.cat([frontier.patterns[cut.parents], cut.patterns[:, None]], 1),
            columns=(*frontier.columns, lines.side_ids),
            ahead=tuple(later),
            new_vertices=NewVertices(*map(torch.cat, pairs)),
        )
        return [onward]

    def _through(self, frontier: Frontier) -> Frontier:
        """All cells through the fold and on to the next one."""
        last = frontier.walk.layer == len(self.network.layers) - 1
        frontier = self._settled(frontier, rows=not last)
        if last:
            frontier.walk.place = len(self.network.nodes)
            return frontier
        frontier.walk.step()
        frontier.walk.advance()
        return self._arrived(frontier)

    def _arrived(self, frontier: Frontier) -> Frontier:
        """Which units of the fold ahead can cut, by words of 64, and on which side the others are."""
        z, layer = frontier.walk.units(), frontier.walk.layer or 0
        high, low, tolerance = extremes(z, self.network.layers[layer].name, scale=self.network.layers[layer].scale)
        active = ((high > tolerance) & (low < -tolerance)).nonzero().flatten()
        lines = [Lines(some, tolerance[some], some + self.offsets[layer]) for some in active.split(64) if len(some)]
        return replace(frontier, steady=(*frontier.steady, high > tolerance), ahead=tuple(lines))

    def _settled(self, frontier: Frontier, *, rows: bool = True) -> Frontier:
        """New vertices get coordinates, a number, and where the network goes on, rows."""
        new_vertices = frontier.new_vertices
        if not len(new_vertices.first):
            return frontier
        if rows:
            frontier.walk.extend(lambda values: self.engine.interpolated(values, new_vertices))
        points = self.engine.interpolated(frontier.points, new_vertices)
        vertex_ids = self.vertex_ids.extended(frontier.vertex_ids, new_vertices)
        return replace(frontier, points=points, vertex_ids=vertex_ids, new_vertices=no_new_vertices(points.device))

    def _divided(self, frontier: Frontier, pieces: Int64[Tensor, "r"]) -> list[Frontier]:
        """Neighbouring cells together as long as what they can become fits a chunk; at least one cell each."""
        self.vertex_ids.divided = True
        chunk = (pieces.cumsum(0) - 1) // max(self.chunk // 2, int(pieces.max()))
        ends = torch.unique_consecutive(chunk, return_counts=True)[1].cumsum(0).tolist()
        return [self._part(frontier, begin, end) for begin, end in zip([0, *ends[:-1]], ends, strict=True)]

    def _part(self, frontier: Frontier, begin: int, end: int) -> Frontier:
        """Some of the cells, with the vertices that they need."""
        starts, corners, side_ids = frontier.polygons
        starts = starts[begin : end + 1]
        inside = slice(int(starts[0]), int(starts[-1]))
        used = torch.zeros(len(frontier.points), dtype=torch.bool, device=frontier.points.device)
        used[corners[inside]] = True
        index, number = used.nonzero().flatten(), used.cumsum(0) - 1
        return replace(
            frontier,
            walk=frontier.walk.take(index),
            points=frontier.points[index],
            vertex_ids=frontier.vertex_ids[index],
            polygons=Polygons(starts - starts[0], number[corners[inside]], side_ids[inside]),
            patterns=frontier.patterns[begin:end],
        )
