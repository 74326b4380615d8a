"""The exact partition of the line between two inputs, of any dimension."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor, nn

from sslens.measures.features import checked_features
from sslens.measures.regions._exact.affine import affine_maps
from sslens.measures.regions._exact.graph import Network
from sslens.measures.regions._exact.room import demand_maps, demand_room, points_that_fit
from sslens.measures.regions._exact.ways import Span, spans
from sslens.measures.regions.planes import Plane, in_double
from sslens.progress import progress
from sslens.types import InputError, UnknownName

VALUES = 2**22
"""Numbers of the network's largest tensor that are on their way at a time, where memory has room for more."""


@final
@dataclass(frozen=True, eq=False)
class Segments:
    """The activation regions that the straight way from one input to another leads through, from ``segment``.

    >>> net = nn.Sequential(nn.Linear(1, 2), nn.ReLU())
    >>> _ = net[0].weight.data.fill_(1.0), net[0].bias.data.copy_(torch.tensor([-1.0, -3.0]))
    >>> way = segment(net, torch.tensor([0.0]), torch.tensor([4.0]))
    >>> way.count, way.breaks.tolist(), way.unit.tolist(), way.slope.tolist()
    (3, [0.25, 0.75], [0, 1], [[0.0, 0.0], [4.0, 0.0], [4.0, 4.0]])
    """

    network: Network
    line: Plane
    """Its origin is the one input, its first axis leads to the other."""
    breaks: Float64[Tensor, "k"]
    """Where one region ends and the next begins, as shares of the way, ascending."""
    layer: Int64[Tensor, "k"]
    """Which fold bends there; the earliest, where several do."""
    unit: Int64[Tensor, "k"]
    """Which of its units changes sign there; one of them, where several do."""
    start: Bool[Tensor, "units"]
    """Activation pattern of the first region: which units are above zero, one layer after the other (see ``bits``)."""
    flips: Int64[Tensor, "2 f"]
    """Breaks, and units that are above zero on one side of them only, counted through all layers."""

    @property
    def count(self) -> int:
        """How many regions there are."""
        return len(self.breaks) + 1

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the folds in the order of their call."""
        return tuple(layer.name for layer in self.network.layers)

    @property
    def bits(self) -> Bool[Tensor, "r units"]:
        """Activation pattern of each region, as ``Partition.unpack`` gives it.

        Raises:
            InputError: they do not fit into the memory that is free.
        """
        return self.unpack()

    def unpack(self, layer: str | None = None) -> Bool[Tensor, "r units"]:
        """Which units are above zero in each region: of one layer, or of all, one layer after the other.

        Raises:
            UnknownName: no layer of this name.
            InputError: they do not fit into the memory that is free.
        """
        sizes = [each.units for each in self.network.layers]
        begin, end = 0, sum(sizes)
        if layer is not None:
            if layer not in self.layers:
                raise UnknownName("layer", layer, self.layers)
            begin = sum(sizes[: self.layers.index(layer)])
            end = begin + sizes[self.layers.index(layer)]
        got = f"{self.count:,} patterns of {end - begin:,} units"
        demand_room(
            3 * self.count * (end - begin), of="layer", got=got, hint="Ask for one layer, or read start and flips."
        )
        point, unit = self.flips[:, (self.flips[1] >= begin) & (self.flips[1] < end)]
        changes = torch.zeros(self.count, end - begin, dtype=torch.uint8, device="cpu")
        changes[0] = self.start[begin:end]
        changes[point + 1, unit - begin] = 1
        return (changes.cumsum(0, dtype=torch.uint8) & 1).bool()

    @cached_property
    def _maps(self) -> tuple[Tensor, Tensor, float]:
        demand_maps(self.network, self.count)
        ends = torch.nn.functional.pad(torch.nn.functional.pad(self.breaks, (1, 0)), (0, 1), value=1.0)
        middles = torch.stack(
            [(ends[1:] + ends[:-1]) / 2, torch.zeros(self.count, dtype=torch.float64, device="cpu")], 1
        )
        return affine_maps(self.network, self.line, centres=middles, reach=1.0)

    @property
    def slope(self) -> Float64[Tensor, "r out"]:
        """What the outputs would gain over the whole way, in each region: output = slope · share + offset."""
        return self._maps[0][:, :, 0]

    @property
    def offset(self) -> Float64[Tensor, "r out"]:
        """What each region's affine map gives at the beginning of the way."""
        return self._maps[1]


def segment(net: nn.Module, a: Float[Tensor, "*shape"], b: Float[Tensor, "*shape"], *, proxy: bool = False) -> Segments:
    """Every activation region on the straight way from input ``a`` to input ``b``, and where one gives way to the next.

    Regions, tolerance and ``proxy`` are those of ``partition``. Units that change sign at one place make one break.
    The way is walked part by part, as many points at a time as fit into half the memory that is free; of a region
    nothing is kept but what changes where it begins.

    Raises:
        InputError: inputs that are equal, not finite or not taken by the network, operations that are not affine or
            not known, values that are not finite, or a network of which not even three points fit into memory.

    >>> net = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    >>> _ = net[0].weight.data.fill_(1.0), net[0].bias.data.fill_(-1.5)
    >>> segment(net, torch.zeros(3), torch.ones(3)).breaks
    tensor([0.5000], dtype=torch.float64)
    """
    first, second = in_double(a, name="a"), in_double(b, name="b")
    if first.shape != second.shape:
        raise InputError("b", tuple(second.shape), f"of the shape of a, {tuple(first.shape)}")
    ends = checked_features(torch.stack([first, second]).flatten(1), name="inputs").reshape(2, *first.shape)
    if ends[0].equal(ends[1]):
        raise InputError("b", "an input equal to a", "another input than a")
    line = Plane(ends[0], ends[1] - ends[0], torch.zeros_like(ends[0]))
    network = Network(net, ends[0], proxy=proxy)
    chunk = min(points_that_fit(network, device=ends.device, least=3), max(64, VALUES // network.width))
    reached = progress(_reached(network, ends, chunk), total=100, label="segment")
    return _together(network, line, [each.span for each in reached])


@final
class _Reached(NamedTuple):
    """A part of the way that has come to the end of the network."""

    span: Span
    step: int
    """Percent of the way behind, as ``progress`` shows it."""


def _reached(network: Network, ends: Float64[Tensor, "2 *shape"], chunk: int) -> Iterator[_Reached]:
    for span in spans(network.walk(ends), chunk=chunk):
        span.walk.env.clear()
        yield _Reached(span, int(100 * float(span.places[-1])))


def _together(network: Network, line: Plane, spans: list[Span]) -> Segments:
    """The parts of the way as one: where two meet is a break, at which the patterns on both sides are held together."""
    flips, pattern, behind = [], spans[0].start, 0
    for span in spans:
        here = (pattern != span.start).nonzero().flatten() if behind else span.flips[1, :0]
        flips.append(torch.stack([torch.full_like(here, behind - 1), here]))
        flips.append(span.flips + torch.tensor([[behind - 1], [0]], device="cpu"))
        pattern = span.start ^ (span.flips[1].bincount(minlength=len(span.start)) % 2 == 1)
        behind += len(span.places) - 1
    places = torch.cat([span.places[1:] for span in spans])[:-1]
    layer, unit = torch.cat([span.made[1:] for span in spans])[:-1].unbind(1)
    return Segments(network, line, places, layer, unit, spans[0].start, torch.cat(flips, 1))
