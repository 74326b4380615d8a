"""Cells on their way through a network: cut at every fold, a few units at a time, in chunks that fit memory."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from sslens.measures.regions._exact.cells import Engine, Lines, NewVertices, Polygons, no_new_vertices
from sslens.measures.regions._exact.graph import Layer, Network, Walk
from sslens.measures.regions._exact.nonlinearities import extremes
from sslens.measures.regions._exact.pools import Standings, Windows


@final
class VertexIds:
    """Numbers of vertices that hold in all chunks: what two chunks make on the side they share is one vertex.

    A new vertex gets its number by the edge it lies in, once there are chunks that could both have made it.

    >>> ids = VertexIds(2)
    >>> ids.divided = True
    >>> ends = torch.arange(2)
    >>> middle = NewVertices(torch.tensor([0]), torch.tensor([1]), torch.tensor([0.5]).double())
    >>> outer = torch.tensor([1])
    >>> ids.extended(ends, middle, kinds=outer), ids.extended(ends.flip(0), middle, kinds=outer), ids.count
    (tensor([0, 1, 2]), tensor([1, 0, 2]), 3)
    """

    def __init__(self, count: int) -> None:
        self.count, self.divided = count, False
        self._table = np.full((2, 64), -1, dtype=np.int64)

    def extended(
        self, vertex_ids: Int64[Tensor, "v"], new_vertices: NewVertices, *, kinds: Int64[Tensor, "b"]
    ) -> Int64[Tensor, "more"]:
        """The numbers of vertices and of the new ones between them; −1 for scaffold (see ``PoolCut``)."""
        old, new = len(vertex_ids), len(new_vertices.first)
        if not self.divided:
            own = kinds >= 0
            numbers = torch.where(own, self.count + own.cumsum(0) - 1, -1)
            self.count += int(own.sum())
            return torch.cat([vertex_ids, numbers])
        from sslens.measures.regions._exact import numba_engine, numba_kernels  # numba takes a second to import

        if 2 * (self.count + new) > self._table.shape[1]:
            larger = np.full((2, 1 << (4 * (self.count + new)).bit_length()), -1, dtype=np.int64)
            numba_kernels.refill(larger, self._table)
            self._table = larger
        all_ids = np.empty(old + new, dtype=np.int64)
        all_ids[:old] = vertex_ids.cpu().numpy()
        between = numba_engine.arrays_of(NewVertices._make(each.cpu() for each in new_vertices))
        known = kinds.cpu().numpy()
        self.count = int(numba_kernels.identify(all_ids, between, kinds=known, table=self._table, count=self.count))
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
    columns: tuple[Int64[Tensor, "..."], ...] = ()
    """The units, counted through all layers, that each word holds; for a max-pool, those of each of its windows."""
    steady: tuple[Bool[Tensor, "_"], ...] = ()
    """Layer by layer: which of the units that cut none of these cells are above zero."""
    ahead: tuple[Lines | Windows, ...] = ()
    """What is still to cut at this fold."""
    new_vertices: NewVertices = field(default_factory=no_new_vertices)
    """Vertices made at this fold, which have no rows yet."""
    kinds: Int64[Tensor, "b"] = field(default_factory=lambda: no_new_vertices().first)
    """What neighbours know of the new vertices (see ``PoolCut``)."""

    @property
    def count(self) -> int:
        """How many cells there are."""
        return len(self.polygons.starts) - 1

    @property
    def size(self) -> int:
        """Bytes of its geometry and patterns."""
        each = (self.points, self.vertex_ids, *self.polygons, self.patterns, *self.columns, *self.steady)
        return sum(tensor.numel() * tensor.element_size() for tensor in each)

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

    def __init__(self, network: Network, engine: Engine, *, chunk: int, units_at_once: int = 64) -> None:
        self.network, self.engine, self.chunk, self.units_at_once = network, engine, chunk, units_at_once
        self.offsets = [0, *accumulate(layer.units for layer in network.layers)]
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
    def counts(self, frontier: Frontier) -> Iterator[tuple[Frontier, int]]:
        """Frontiers before the last cut, and how many cells each becomes; those of the last cut are not made."""
        waiting = [frontier]
        while waiting:
            frontier = waiting.pop()
            if frontier.walk.layer == len(self.network.layers) - 1 and len(frontier.ahead) < 2:
                frontier = self._settled(frontier) if len(frontier.new_vertices.first) else frontier
                yield frontier, self._counted(frontier)
            else:
                waiting += reversed(self._onward(frontier))

    def _counted(self, frontier: Frontier) -> int:
        """How many cells the last cut makes of these, if there is one."""
        if not frontier.ahead:
            return frontier.count
        cutter, signs = self._signs(frontier, frontier.ahead[0])
        return cutter.count(frontier.polygons, signs)

    def _signs(self, frontier: Frontier, ahead: Lines | Windows) -> tuple[Any, Any]:
        """Who cuts along what is ahead, and what it has to know of the vertices."""
        walk, new_vertices = frontier.walk, frontier.new_vertices
        if isinstance(ahead, Lines):
            return self.engine, self.engine.signs_of(walk.units(), ahead, new_vertices=new_vertices)
        from sslens.measures.regions._exact import numba_pools  # numba takes a second to import

        readings = numba_pools.readings_of(walk.entering(), frontier.points, windows=ahead, new_vertices=new_vertices)
        return numba_pools, readings

    def _onward(self, frontier: Frontier) -> list[Frontier]:
        """One step: through the fold, or cut by its next units, or divided where that would make too many cells."""
        if not frontier.ahead:
            return [self._through(frontier)]
        ahead, *later = frontier.ahead
        cutter, signs = self._signs(frontier, ahead)
        pieces = cutter.most_pieces(frontier.polygons, signs)
        if len(pieces) > 1 and int(pieces.sum()) > self.chunk:
            return self._divided(self._settled(frontier), pieces)
        cut = cutter.cut(frontier.polygons, signs)
        pairs = zip(frontier.new_vertices, cut.new_vertices, strict=True)
        kinds = cut.kinds if isinstance(ahead, Windows) else torch.ones_like(cut.new_vertices.first)
        onward = replace(
            frontier,
            polygons=cut.polygons,
            patterns=torch.cat([frontier.patterns[cut.parents], cut.patterns[:, None]], 1),
            columns=(*frontier.columns, ahead.units if isinstance(ahead, Windows) else ahead.side_ids),
            ahead=tuple(later),
            new_vertices=NewVertices(*map(torch.cat, pairs)),
            kinds=torch.cat([frontier.kinds, kinds]),
        )
        return [onward]

    def _through(self, frontier: Frontier) -> Frontier:
        """All cells through the fold and on to the next one."""
        last = frontier.walk.layer == len(self.network.layers) - 1
        frontier = self._settled(frontier, rows=not last)
        if last:
            frontier.walk.place, frontier.walk.env = len(self.network.nodes), {}
            return frontier
        frontier.walk.step()
        frontier.walk.advance()
        return self._arrived(frontier)

    def _arrived(self, frontier: Frontier) -> Frontier:
        """Which units of the fold ahead can cut, by words of 64 bits, and on which side the others are."""
        number = frontier.walk.layer or 0
        layer, offset = self.network.layers[number], self.offsets[number]
        if layer.windows is not None:
            above, ahead = self._windows(frontier.walk.entering(), layer, offset)
        else:
            z = frontier.walk.units()
            high, low, tolerance = extremes(z, layer.name, scale=layer.scale)
            active = ((high > tolerance) & (low < -tolerance)).nonzero().flatten().split(self.units_at_once)
            above = high > tolerance
            ahead = [Lines(some, tolerance[some], some + offset) for some in active if len(some)]
        return replace(frontier, steady=(*frontier.steady, above), ahead=tuple(ahead))

    def _windows(self, z: Float64[Tensor, "v n"], layer: Layer, offset: int) -> tuple[Bool[Tensor, "_"], list[Windows]]:
        """Which places are the largest everywhere, and the windows of a max-pool where none is, by words."""
        assert layer.windows is not None
        standings = Standings.of(z, layer.windows, layer=layer.name)
        places = standings.windows
        steady = standings.largest(lambda near: near.all(0, keepdim=True))[0]
        units = torch.arange(layer.units, device=z.device).reshape(places.shape)
        windows = Windows(places, standings.tolerance, offset + units)
        active = (steady < 0).nonzero().flatten().split(max(1, self.units_at_once // windows.bits))
        above = (units % places.shape[1] == steady[:, None]).flatten()
        return above, [Windows(*(each[some] for each in windows)) for some in active if len(some)]

    def _settled(self, frontier: Frontier, *, rows: bool = True) -> Frontier:
        """New vertices get coordinates, a number, and where the network goes on, rows; scaffold goes."""
        new_vertices, walk, polygons = frontier.new_vertices, frontier.walk, frontier.polygons
        if not len(new_vertices.first):
            return frontier
        if rows:
            walk.extend(lambda values: self.engine.interpolated(values, new_vertices))
        points = self.engine.interpolated(frontier.points, new_vertices)
        vertex_ids = self.vertex_ids.extended(frontier.vertex_ids, new_vertices, kinds=frontier.kinds)
        none = no_new_vertices(points.device)
        if (frontier.kinds < 0).any():
            stays = vertex_ids >= 0
            points, vertex_ids, number = points[stays], vertex_ids[stays], stays.cumsum(0) - 1
            polygons = polygons._replace(corners=number[polygons.corners])
            walk = walk.take(stays.nonzero().flatten()) if rows else walk
        settled = {"points": points, "vertex_ids": vertex_ids, "new_vertices": none, "kinds": none.first}
        return replace(frontier, walk=walk, polygons=polygons, **settled)

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
