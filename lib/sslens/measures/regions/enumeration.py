"""The exact partition of a plane through input space by a piecewise affine network."""

from collections.abc import Callable, Iterator
from typing import Annotated, NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sslens.measures.regions._exact.cells import Engine, Polygons, areas
from sslens.measures.regions._exact.frontier import Cutter, Frontier
from sslens.measures.regions._exact.graph import Network
from sslens.measures.regions._exact.result import PackedPatterns, Partition
from sslens.measures.regions._exact.room import demand_room, points_that_fit
from sslens.measures.regions.planes import Plane, checked_domain, checked_plane
from sslens.progress import progress
from sslens.types import OneOf, Range, checked

ENGINES = {"numba": 2**21, "torch": 2**24}
"""Numbers that the network's largest tensor holds for a chunk of cells: what fits a processor's cache; what keeps
batched operations busy."""

CORNERS = 6
"""Of a cell and its parts, when it is alone; cells that hang together have about two each."""


def partition(
    net: nn.Module,
    plane: Plane,
    domain: Float[Tensor, "p 2"],
    *,
    engine: str = "numba",
    proxy: bool = False,
    chunk: int | None = None,
) -> Partition:
    """Every activation region of a network on a polygon of a plane: the cells on which no unit changes sign.

    Units are the inputs of ReLU, LeakyReLU, PReLU and abs, the distances from both bounds of a clamp (hardtanh, ReLU6),
    hard sigmoid or soft shrink, and the difference of what maximum, minimum or a comparison take; for max-pool it is
    said of each window which place is the largest, of equal ones the first. So to each region of a plane belongs one
    pattern of signs and largest places, and to each pattern one convex region: their number, ``count``, does not depend
    on the engine, on chunks, on any order, or on the scale of a layer. Batch norm has its eval form. What chooses by a
    comparison (``where``, ``masked_fill``, x · (x > 0)) must not jump where it changes. On a region the network is
    affine; where neighbouring regions share their affine map they are one linear region (``linear_count``). The cells
    are found fold by fold: within a cell every unit of the next fold is affine, so its values at the corners decide
    whether and where it cuts; two places of a window part a cell only where both are its largest. Everything is
    computed in float64; a value of 2⁻⁴² of its unit's or its window's largest counts as zero, or of 2⁻⁴⁸ of what its
    unit sums up, and a line through a corner or along a side makes no sliver.

    ``engine``: "numba", compiled loops on the CPU, or "torch", batched operations on the plane's device (max-pools
    cut by the compiled loops in both); both make the same cells. ``proxy`` takes ReLU in the place of GELU, SiLU and
    other smooth relatives, which have no regions. What could grow beyond ``chunk`` cells (by default so many that no
    tensor of the network holds more than 2²¹ numbers, 2²⁴ with torch, and that all fit into half the memory that is
    free) is divided and goes on part by part. So memory, beside the result, stays below folds · chunk · 8 bytes · the
    numbers that the network keeps for a point. Where not even one cell fits, nothing begins; where the result grows
    beyond what is free, it ends with a word. Interrupted, nothing is kept: consume ``partitions`` where that matters.

    Raises:
        InputError: no strictly convex polygon, inputs the network does not take, operations that are not affine or
            not known, values that are not finite; a network or a result that does not fit into memory.
        UnknownName: ``engine`` is neither numba nor torch.

    Reference: Humayun, Balestriero, Balakrishnan, Baraniuk, "SplineCam", CVPR 2023, arXiv 2302.12828, alg. 1, which
    builds a graph for every region; Berzins, "Polyhedral complex extraction from ReLU networks using edge
    subdivision", ICML 2023, arXiv 2306.07212.

    >>> from sslens.measures.regions import square
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    >>> _ = net[0].weight.data.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])), net[0].bias.data.fill_(0.25)
    >>> partition(net, Plane.identity(), square(1.0)).count
    7
    """
    search = _Search.of(net, plane, domain, engine=engine, proxy=proxy, chunk=chunk)
    frontiers, held = [], 0
    for reached in search.reached():
        frontiers.append(reached.frontier)
        held += reached.frontier.size
        hint = "Take a smaller domain, or consume partitions, which gives them chunk by chunk."
        demand_room(held, of="domain", got=f"regions to {reached.step} % of the domain, in all", hint=hint)
    return search.record(frontiers, vertex_count=search.cutter.vertex_ids.count)


def partitions(
    net: nn.Module,
    plane: Plane,
    domain: Float[Tensor, "p 2"],
    *,
    engine: str = "numba",
    proxy: bool = False,
    chunk: int | None = None,
) -> Iterator[Partition]:
    """``partition`` chunk by chunk: each is exact for its own part of the domain, together they are the whole.

    Whoever consumes it is in charge: what has been taken before an interruption is complete for its part.

    Raises:
        InputError: as ``partition``.
        UnknownName: ``engine`` is neither numba nor torch.

    >>> from sslens.measures.regions import square
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 4), nn.ReLU())
    >>> parts = list(partitions(net, Plane.identity(), square(1.0), chunk=1))
    >>> round(sum(float(part.area.sum()) for part in parts), 9)
    4.0
    """
    search = _Search.of(net, plane, domain, engine=engine, proxy=proxy, chunk=chunk)
    return (search.record([reached.frontier]) for reached in search.reached())


def count_regions(
    net: nn.Module, plane: Plane, domain: Float[Tensor, "p 2"], *, engine: str = "numba", proxy: bool = False
) -> int:
    """``partition(...).count``, without the geometry of the last layer, of which only the number is found.

    Raises:
        InputError: as ``partition``.
        UnknownName: ``engine`` is neither numba nor torch.

    >>> from sslens.measures.regions import square
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    >>> _ = net[0].weight.data.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])), net[0].bias.data.fill_(0.25)
    >>> count_regions(net, Plane.identity(), square(1.0))
    7
    """
    search = _Search.of(net, plane, domain, engine=engine, proxy=proxy, chunk=None)
    return sum(counted.count for counted in search.counted())


@final
class _Reached(NamedTuple):
    """Cells that have come to the end of the network."""

    frontier: Frontier
    step: int
    """Percent of the domain's area behind, as ``progress`` shows it."""


@final
class _Counted(NamedTuple):
    """How many cells some became at the end of the network."""

    count: int
    step: int


@final
class _Search(NamedTuple):
    """A polygon of a plane, about to be cut by a network."""

    cutter: Cutter
    network: Network
    plane: Plane
    domain: Tensor

    @classmethod
    def of(
        cls, net: nn.Module, plane: Plane, domain: Tensor, *, engine: str, proxy: bool, chunk: int | None
    ) -> "_Search":
        checked("engine", engine, Annotated[str, OneOf(ENGINES)])
        if chunk is not None:
            chunk = checked("chunk", chunk, Annotated[int, Range(1, 2**40)])
        plane, domain = checked_plane(plane), checked_domain(domain)
        plane = plane.to("cpu") if engine == "numba" else plane
        network = Network(net, plane.origin, proxy=proxy)
        fitting = (points_that_fit(network, device=plane.origin.device, least=CORNERS) - CORNERS) // 2 + 1
        most = chunk or min(fitting, max(64, ENGINES[engine] // network.width))
        cutter = Cutter(network, _engine(engine), chunk=most, units_at_once=min(64, int((2 * fitting) ** 0.5)))
        return cls(cutter, network, plane, domain)

    def start(self) -> Frontier:
        return self.cutter.enter(self.plane.at(self.domain), self.domain)

    def reached(self) -> Iterator[_Reached]:
        return progress(self._reached(), total=100, label="regions")

    def _reached(self) -> Iterator[_Reached]:
        start = self.start()
        shown = self._percent(start)
        for frontier in self.cutter.frontiers(start):
            yield _Reached(frontier, shown(frontier))

    def counted(self) -> Iterator[_Counted]:
        return progress(self._counted(), total=100, label="regions")

    def _counted(self) -> Iterator[_Counted]:
        start = self.start()
        shown = self._percent(start)
        for frontier, count in self.cutter.counts(start):
            yield _Counted(count, shown(frontier))

    @staticmethod
    def _percent(start: Frontier) -> Callable[[Frontier], int]:
        """What adds the areas of frontiers up, in percent of the whole."""
        whole, behind = float(areas(start.polygons, start.points)), 0.0

        def shown(frontier: Frontier) -> int:
            nonlocal behind
            behind += float(areas(frontier.polygons, frontier.points).sum())
            return round(100 * behind / whole)

        return shown

    def record(self, frontiers: list[Frontier], *, vertex_count: int | None = None) -> Partition:
        """Frontiers as one partition; of several, the vertices that they share become one by their numbers."""
        if vertex_count is None:
            vertices, corners = frontiers[0].points, frontiers[0].polygons.corners
        else:
            vertices = frontiers[0].points.new_empty(vertex_count, 2)
            for frontier in frontiers:
                vertices[frontier.vertex_ids] = frontier.points
            corners = torch.cat([frontier.vertex_ids[frontier.polygons.corners] for frontier in frontiers])
        sizes = torch.cat([frontier.polygons.starts.diff() for frontier in frontiers])
        starts = torch.nn.functional.pad(sizes.cumsum(0), (1, 0))
        side_ids = torch.cat([frontier.polygons.side_ids for frontier in frontiers])
        polygons = Polygons(starts.cpu(), corners.cpu(), side_ids.cpu())
        patterns = tuple(_patterns(frontier) for frontier in frontiers)
        return Partition(self.network, self.plane, self.domain, vertices.cpu(), polygons, patterns)


def _engine(name: str) -> Engine:
    if name == "torch":
        from sslens.measures.regions._exact import torch_engine

        return torch_engine
    from sslens.measures.regions._exact import numba_engine  # numba takes a second to import

    return numba_engine


def _patterns(frontier: Frontier) -> PackedPatterns:
    columns = tuple(each.cpu() for each in frontier.columns)
    return PackedPatterns(frontier.patterns.cpu(), columns, torch.cat(frontier.steady).cpu())
