"""The straight way between two inputs, cut at every fold: spans of neighbouring points, the first ones first."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple, final

import torch
from jaxtyping import Bool, Float64, Int, Int64
from torch import Tensor
from torch.nn.functional import pad

from sslens.measures.regions._exact.graph import Layer, Walk
from sslens.measures.regions._exact.nonlinearities import extremes
from sslens.measures.regions._exact.pools import Standings


@final
class Crossings(NamedTuple):
    """Where units change sign, interval by interval, in the order of the way.

    >>> Crossings(torch.tensor([0]), torch.tensor([5]), torch.tensor([0.5]).double()).unit
    tensor([5])
    """

    interval: Int64[Tensor, "c"]
    unit: Int64[Tensor, "c"]
    share: Float64[Tensor, "c"]
    """Of the way through the interval."""

    def some(self, index: Int64[Tensor, "some"] | Bool[Tensor, "c"]) -> "Crossings":
        """Those at these places."""
        return Crossings(*(each[index] for each in self))


@final
@dataclass(frozen=True, eq=False)
class Span:
    """Neighbouring points of the way at some place of the network; two neighbours bound an interval without a break.

    >>> from sslens.measures.regions._exact.graph import Network
    >>> network = Network(torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.ReLU()), torch.zeros(1))
    >>> Span.whole(network.walk(torch.zeros(2, 1))).places
    tensor([0., 1.], dtype=torch.float64)
    """

    walk: Walk
    places: Float64[Tensor, "p"]
    """Shares of the way, ascending; all but the ends of the way are breaks."""
    made: Int64[Tensor, "p 2"]
    """The layer and the unit that made each, −1 for the ends of the way."""
    start: Bool[Tensor, "units"]
    """Which units of the layers behind are above zero in the first interval."""
    flips: Int64[Tensor, "2 f"]
    """Points between, and units that are above zero on one side of them only, counted through all layers."""

    @classmethod
    def whole(cls, walk: Walk) -> "Span":
        """The way from the first point of a walk to the second."""
        made, none = torch.full((2, 2), -1, device="cpu"), torch.zeros(2, 0, dtype=torch.int64, device="cpu")
        places = torch.tensor([0.0, 1.0], dtype=torch.float64, device="cpu")
        return cls(walk, places, made, torch.zeros(0, dtype=torch.bool, device="cpu"), none)

    def part(self, begin: int, end: int) -> "Span":
        """From one of the points to another, both included."""
        point, unit = self.flips
        start, inside = self.start.clone(), (point > begin) & (point < end)
        start[unit[point <= begin].bincount(minlength=len(start)) % 2 == 1] ^= True
        index = torch.arange(begin, end + 1, device="cpu")
        return Span(
            self.walk.take(index.to(next(iter(self.walk.env.values())).device)),
            *(self.places[index], self.made[index], start),
            self.flips[:, inside] - torch.tensor([[begin], [0]], device="cpu"),
        )


@torch.no_grad()
def spans(walk: Walk, *, chunk: int) -> Iterator[Span]:
    """The way between two points, part by part from its beginning, each walked to the end of the network.

    No more than about ``chunk`` points are on their way at a place of the network.

    >>> from sslens.measures.regions._exact.graph import Network
    >>> network = Network(torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.ReLU()), torch.zeros(1))
    >>> ends = (torch.tensor([[-1.0], [1.0]]).double() - network.graph.get_parameter("0.bias")) / 2
    >>> len(list(spans(network.walk(ends), chunk=10)))
    1
    """
    waiting = [Span.whole(walk)]
    while waiting:
        span = waiting.pop()
        if span.walk.advance():
            waiting += reversed(_onward(span, max(3, chunk)))
        else:
            yield span


def _onward(span: Span, chunk: int) -> list[Span]:
    """Through the fold ahead, or, where that would make too many points, in several parts that are still before it."""
    number, points = span.walk.layer or 0, len(span.places)
    layer = span.walk.network.layers[number]
    crossings, tolerance = _pooled(span.walk, layer) if layer.windows is not None else _rectified(span.walk, layer)
    if points + len(crossings.share) <= chunk:
        return [_through(_extended(span, crossings, number), tolerance)]
    if points > 2:
        cost = 1 + crossings.interval.bincount(minlength=points - 1)
        ends = [0, *((cost.cumsum(0) // chunk).diff().nonzero().flatten() + 1).tolist(), points - 1]
        ends = ends if len(ends) > 2 else [0, points // 2, points - 1]
    else:
        few = torch.linspace(0, len(crossings.share) - 1, chunk, device="cpu")[1:-1].long().unique()
        span = _extended(span, crossings.some(few), number)
        ends = list(range(len(span.places)))
    return [span.part(begin, end) for begin, end in pairwise(ends)]


def _extended(span: Span, crossings: Crossings, layer: int) -> Span:
    """The crossings become points of the span."""
    left, unit, share = crossings
    walk, device = span.walk, next(iter(span.walk.env.values())).device
    index, along = left.to(device), share[:, None].to(device)
    places, order = torch.cat([span.places, span.places[left] + share * span.places.diff()[left]]).sort(stable=True)
    walk = walk.take(torch.arange(walk.count, device=device))
    walk.extend(lambda rows: torch.cat([rows, rows[index] + along * (rows[index + 1] - rows[index])])[order.to(device)])
    made = torch.cat([span.made, torch.stack([torch.full_like(unit, layer), unit], 1)])[order]
    place = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device="cpu"))
    return Span(walk, places, made, span.start, torch.stack([place[span.flips[0]], span.flips[1]]))


def _through(span: Span, tolerance: Float64[Tensor, "_"]) -> Span:
    """The span behind the fold, with the patterns of its units."""
    layer = span.walk.network.layers[span.walk.layer or 0]
    if layer.windows is None:
        above = span.walk.units() > tolerance
        above = (above[1:] | above[:-1]).cpu()
    else:
        first = Standings.of(span.walk.entering(), layer.windows, layer=layer.name).largest(_neighbours).cpu()
        above = (first[:, :, None] == torch.arange(layer.windows.shape[1], device="cpu")).flatten(1)
    point, unit = (above[1:] != above[:-1]).nonzero().unbind(1)
    span.walk.step()
    flips = torch.cat([span.flips, torch.stack([point + 1, unit + len(span.start)])], 1)
    return replace(span, start=torch.cat([span.start, above[0]]), flips=flips)


def _neighbours(near: Bool[Tensor, "p w"]) -> Bool[Tensor, "q w"]:
    return near[1:] & near[:-1]


def _rectified(walk: Walk, layer: Layer) -> tuple[Crossings, Float64[Tensor, "n"]]:
    """Where units change sign, and up to what size their values are zero."""
    z = walk.units()
    tolerance = extremes(z, layer.name, scale=layer.scale)[2]
    above, below = z > tolerance, z < -tolerance
    left, unit = ((above[1:] & below[:-1]) | (below[1:] & above[:-1])).nonzero().unbind(1)
    start, end = z[left, unit], z[left + 1, unit]
    return _distinct(left, unit, start, end, tolerance[unit]), tolerance


def _pooled(walk: Walk, layer: Layer) -> tuple[Crossings, Float64[Tensor, "w"]]:
    """Where one place of a window after the other becomes the largest, and what differences are zero.

    Between two places the largest at the two ends, a third may be above both where they are equal: then it is asked
    where it takes over from the one, and where the other does from it.
    """
    assert layer.windows is not None
    z = walk.entering()
    standings = Standings.of(z, layer.windows, layer=layer.name)
    windows, tolerance = standings.windows, standings.tolerance
    interval, window = (standings.largest(_neighbours) < 0).nonzero().unbind(1)
    places, limit, found = windows[window], tolerance[window], []
    left, right = (
        z[at[:, None], places.clamp_min(0)].masked_fill(places < 0, -torch.inf) for at in (interval, interval + 1)
    )
    one, other = _leaving(left, right, limit), _leaving(right, left, limit)
    item = torch.arange(len(interval), device=z.device)
    while len(item):
        start, end = (each[item, one] - each[item, other] for each in (left, right))
        share = (start / (start - end)).clamp(0, 1)[:, None]
        between = torch.lerp(left[item], right[item], share).masked_fill(places[item] < 0, -torch.inf)
        third = between.argmax(1)
        over = between.gather(1, third[:, None]) - between.gather(1, one[:, None]) > limit[item, None]
        over = over[:, 0] & (third != other)
        done = ~over
        unit = window[item] * windows.shape[1] + torch.minimum(one, other)
        found.append([each[done] for each in (interval[item], unit, start, end, limit[item])])
        item, third = item[over].repeat(2), third[over]
        one, other = torch.cat([one[over], third]), torch.cat([third, other[over]])
    columns = (
        [torch.cat(column) for column in zip(*found, strict=True)] if found else [interval, window, limit, limit, limit]
    )
    return _distinct(*columns), tolerance


def _leaving(
    here: Float64[Tensor, "i k"], there: Float64[Tensor, "i k"], limit: Float64[Tensor, "i"]
) -> Int[Tensor, "i"]:
    """Of the places that are the largest here the one that is so on the way to there."""
    return there.masked_fill(here < (here.amax(1) - limit)[:, None], -torch.inf).argmax(1)


def _distinct(left: Tensor, unit: Tensor, start: Tensor, end: Tensor, limit: Tensor) -> Crossings:
    """Crossings in the order of the way; one for those at the same place."""
    left, unit, start, end, limit = (each.cpu() for each in (left, unit, start, end, limit))
    share = start / (start - end)
    order = share.argsort(stable=True)
    order = order[left[order].argsort(stable=True)]
    left, unit, share, start, end, limit = (each[order] for each in (left, unit, share, start, end, limit))
    before = start[1:] + share[:-1] * (end - start)[1:]  # of each unit, at the break before its own
    again = (left[1:] == left[:-1]) & (before.abs() <= limit[1:])
    new = pad(~again, (1, 0), value=True)[: len(left)]
    return Crossings(left, unit, share).some(new)
