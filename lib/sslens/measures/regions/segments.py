"""The exact partition of the line between two inputs, of any dimension."""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor, nn

from sslens.measures.features import checked_features
from sslens.measures.regions._exact.affine import affine_maps
from sslens.measures.regions._exact.graph import Network, Walk
from sslens.measures.regions._exact.nonlinearities import extremes
from sslens.measures.regions.planes import Plane, in_double
from sslens.types import InputError


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
    bits: Bool[Tensor, "r units"]
    """Activation pattern of each region: which units are above zero, one layer after the other."""

    @property
    def count(self) -> int:
        """How many regions there are."""
        return len(self.breaks) + 1

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the folds in the order of their call."""
        return tuple(layer.name for layer in self.network.layers)

    @cached_property
    def _maps(self) -> tuple[Tensor, Tensor, float]:
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

    Units, tolerance and ``proxy`` are those of ``partition``. Units that change sign at one place make one break.

    Raises:
        InputError: inputs that are equal, not finite or not taken by the network, operations that are not affine or
            not known, values that are not finite.

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
    breaks, layer, unit, bits = _walked(network.walk(ends))
    return Segments(network, line, breaks, layer, unit, bits)


@torch.no_grad()
def _walked(walk: Walk) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Breaks with their layer and unit, and the patterns between them: fold by fold, all units of one at once."""
    places = torch.tensor([0.0, 1.0], dtype=torch.float64, device="cpu")
    made = torch.full((2, 2), -1, device="cpu")  # layer and unit of each place, none for the ends
    bits: list[Tensor] = []
    while walk.advance():
        layer = walk.layer or 0
        z = walk.units()
        tolerance = extremes(z, walk.network.layers[layer].name, scale=walk.network.layers[layer].scale)[2].cpu()
        left, unit, share = _crossings(z.cpu(), tolerance)
        along = share[:, None].to(z.device)
        walk.extend(lambda rows, i=left, t=along: torch.cat([rows, rows[i] + t * (rows[i + 1] - rows[i])]))
        places, order = torch.cat([places, places[left] + share * places.diff()[left]]).sort(stable=True)
        made = torch.cat([made, torch.stack([torch.full_like(unit, layer), unit], 1)])[order]
        walk = walk.take(order)
        parents = torch.arange(len(z) - 1, device="cpu").repeat_interleave(
            1 + torch.bincount(left, minlength=len(z) - 1)
        )
        above = walk.units().cpu() > tolerance
        bits = [*(each[parents] for each in bits), above[1:] | above[:-1]]
        walk.step()
    return places[1:-1], made[1:-1, 0], made[1:-1, 1], torch.cat(bits, 1)


def _crossings(z: Float64[Tensor, "v n"], tolerance: Float64[Tensor, "n"]) -> tuple[Tensor, Tensor, Tensor]:
    """Interval, unit and share of the way through it of every change of sign; one for those at the same place."""
    above, below = z > tolerance, z < -tolerance
    left, unit = ((above[1:] & below[:-1]) | (below[1:] & above[:-1])).nonzero().unbind(1)
    start, step = z[left, unit], z[left + 1, unit] - z[left, unit]
    share = -start / step
    order = share.argsort(stable=True)
    order = order[left[order].argsort(stable=True)]
    left, unit, share, start, step = (each[order] for each in (left, unit, share, start, step))
    before = start[1:] + share[:-1] * step[1:]  # of each unit, at the break before its own
    again = (left[1:] == left[:-1]) & (before.abs() <= tolerance[unit[1:]])
    new = torch.nn.functional.pad(~again, (1, 0), value=True)[: len(left)]
    return left[new], unit[new], share[new]
