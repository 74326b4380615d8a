"""The exact partition of a plane through input space by a piecewise affine network."""

from collections.abc import Iterator
from typing import Annotated, NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sslens.measures.regions.cells import Cells, Engine
from sslens.measures.regions.cutting import Cutter, Front
from sslens.measures.regions.polygons import areas
from sslens.measures.regions.records import Partition, Signature
from sslens.measures.regions.slices import Plane, checked_domain
from sslens.measures.regions.tracing import Network
from sslens.runtime import progress
from sslens.types import InputError, OneOf, Range, checked

ENGINES = {"numba": 2**21, "torch": 2**24}
"""Numbers that the network's largest tensor holds for a chunk of cells: what fits a processor's cache; what keeps
batched operations busy."""
CURVATURE, ROUNDING = 1e-6, 1e-11
"""How far an affine map can seem to bend: as a share of its change over a cell, and of its values."""


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

    Units are the inputs of ReLU, LeakyReLU and abs, and for max-pool the differences of each two places that share a
    window; batch norm has its eval form. On a region the network is affine; where neighbouring regions share their
    affine map they are one linear region. The cells are found fold by fold: within a cell every unit of the next fold
    is affine, so its values at the corners decide whether and where it cuts. Everything is computed in float64; a
    value of 2⁻⁴² of its unit's largest counts as zero, and a line through a corner or along a side makes no sliver.

    ``engine``: "numba", compiled loops on the CPU, or "torch", batched operations on the plane's device; both make the
    same cells. ``proxy`` takes ReLU in the place of GELU, SiLU and other smooth relatives, which have no regions.
    What could grow beyond ``chunk`` cells (by default so many that no tensor of the network holds more than 2²¹
    numbers, 2²⁴ with torch) is divided and goes on part by part. So memory, beside the result, stays below
    folds · chunk · 8 bytes · the numbers that the network keeps for a point, unless 64 units cut a single cell into
    more pieces than a chunk. Interrupted, nothing is kept: consume ``partitions`` where that matters.

    Raises:
        InputError: no strictly convex polygon, inputs the network does not take, operations that are not affine or
            not known, values that are not finite.
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
    cutter, place = _prepared((net, plane, domain), engine=engine, proxy=proxy, chunk=chunk)
    return _record(place, [step.front for step in _steps(cutter, place)], cutter.names.count)


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
    cutter, place = _prepared((net, plane, domain), engine=engine, proxy=proxy, chunk=chunk)
    return (_record(place, [step.front], None) for step in _steps(cutter, place))


def count_regions(
    net: nn.Module, plane: Plane, domain: Float[Tensor, "p 2"], *, engine: str = "numba", proxy: bool = False
) -> int:
    """``partition(...).count``, without the geometry of the last layer, of which only the number is found.

    Raises:
        InputError: as ``partition``, but that nothing is checked beyond names for being affine between the folds.
        UnknownName: ``engine`` is neither numba nor torch.

    >>> from sslens.measures.regions import square
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    >>> _ = net[0].weight.data.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])), net[0].bias.data.fill_(0.25)
    >>> count_regions(net, Plane.identity(), square(1.0))
    7
    """
    cutter, place = _prepared((net, plane, domain), engine=engine, proxy=proxy, chunk=None)
    return cutter.count(cutter.enter(place.plane.at(place.domain), place.domain))


@final
class _Place(NamedTuple):
    network: Network
    plane: Plane
    domain: Tensor


@final
class _Step(NamedTuple):
    front: Front
    step: int
    """Percent of the domain's area behind."""


def _prepared(
    what: tuple[nn.Module, Plane, Tensor], *, engine: str, proxy: bool, chunk: int | None
) -> tuple[Cutter, _Place]:
    checked("engine", engine, Annotated[str, OneOf(ENGINES)])
    if chunk is not None:
        chunk = checked("chunk", chunk, Annotated[int, Range(1, 2**40)])
    net, plane, domain = what[0], what[1].to("cpu") if engine == "numba" else what[1], checked_domain(what[2])
    network = Network(net, plane.origin, proxy=proxy)
    cutter = Cutter(network, _engine(engine), chunk=chunk or max(64, ENGINES[engine] // network.width))
    return cutter, _Place(network, plane, domain)


def _engine(name: str) -> Engine:
    if name == "torch":
        from sslens.measures.regions import batched

        return batched
    from sslens.measures.regions import kernels  # numba takes a second to import

    return kernels


def _steps(cutter: Cutter, place: _Place) -> Iterator[_Step]:
    return progress(_told(cutter, place), total=100, label="regions")


def _told(cutter: Cutter, place: _Place) -> Iterator[_Step]:
    start = cutter.enter(place.plane.at(place.domain), place.domain)
    whole, behind = float(areas(start.cells, start.points)), 0.0
    for front in cutter.fronts(start):
        behind += float(areas(front.cells, front.points).sum())
        yield _Step(front, round(100 * behind / whole))


def _record(place: _Place, fronts: list[Front], count: int | None) -> Partition:
    """Fronts as one partition; of several, the vertices that they share become one by their names."""
    if count is None:
        vertices, corners = fronts[0].points, fronts[0].cells.corners
    else:
        vertices, corners = fronts[0].points.new_empty(count, 2), torch.cat([f.names[f.cells.corners] for f in fronts])
        for front in fronts:
            vertices[front.names] = front.points
    sizes = torch.cat([front.cells.starts.diff() for front in fronts])
    starts = torch.nn.functional.pad(sizes.cumsum(0), (1, 0))
    cells = Cells(starts.cpu(), corners.cpu(), torch.cat([front.cells.labels for front in fronts]).cpu())
    signatures = tuple(_signature(front) for front in fronts)
    found = Partition(place.network, place.plane, place.domain, vertices.cpu(), cells, signatures)
    _demand_affine(found)
    return found


def _signature(front: Front) -> Signature:
    return Signature(front.words.cpu(), tuple(each.cpu() for each in front.columns), torch.cat(front.steady).cpu())


def _demand_affine(found: Partition) -> None:
    """What no name tells: whether the network is affine on its cells, of which some of the largest are looked at."""
    some = found.area.topk(min(8, found.count)).indices
    corners = [found.polygon(int(cell)) for cell in some]
    points = torch.cat([*corners, torch.stack([each.mean(0) for each in corners])])
    values, scale = _values(found.network, found.plane.at(points))
    *at_corners, at_centres = values.split([*(len(each) for each in corners), len(corners)])
    for value, centre in zip(at_corners, at_centres, strict=True):
        change = float((value.amax(0) - value.amin(0)).max())
        if float((value.mean(0) - centre).abs().max()) > CURVATURE * change + ROUNDING * scale:
            hint = "Some operation bends that is not known to; which one cannot be told."
            raise InputError("net", found.network.name, "affine between its folds", hint)


@torch.no_grad()
def _values(network: Network, inputs: Float[Tensor, "n *shape"]) -> tuple[Float[Tensor, "n out"], float]:
    """What the network gives, and the largest size of a number on the way: dead units leave nothing but rounding."""
    walk, scale = network.walk(inputs), 0.0
    while walk.advance():
        scale = max(scale, float(walk.units().abs().max()))
        walk.step()
    return walk.output.reshape(len(inputs), -1), max(scale, float(walk.output.abs().max()))
