"""How finely a piecewise linear network cuts the input space around its samples."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from typing import Annotated, final

import torch
from jaxtyping import Float, Float64, Int, Int64
from torch import Tensor, nn
from torch.nn.functional import one_hot

from sslens.measures.features import checked_features
from sslens.measures.regions._exact.graph import Layer, Network, Walk
from sslens.measures.regions._exact.pools import Standings
from sslens.measures.regions._exact.result import Partition
from sslens.measures.regions.enumeration import partition
from sslens.measures.regions.inputs import checked_inputs, precision_of
from sslens.measures.regions.planes import Plane, in_double
from sslens.types import InputError, Range, checked

CORNER_VALUES = 2**17
"""Input values of the corners that pass the network at a time: bounds memory, and stays in the processor's cache."""
VALUES = 2**22
"""Numbers of the network's largest tensor that are in memory at a time; at least those of one point's corners."""


@final
@dataclass(frozen=True, eq=False)
class LocalComplexity:
    """Folds of the network that cross small neighbourhoods of points.

    >>> LocalComplexity(("1", "3"), torch.tensor([[2.0, 4.0], [0.0, 1.0]]), mean=3.5, error=0.1).counts.mean(1)
    tensor([3.0000, 0.5000])
    """

    layers: tuple[str, ...]
    """Names of the folds in the order of their call, as in ``partition``; ``name:2`` for a module's second use."""
    counts: Float[Tensor, "l n"]
    """Units of each layer that change sign in the neighbourhood of each point, averaged over frames."""
    mean: float
    """Units of all layers together, averaged over points and frames."""
    error: float
    """Standard error of ``mean`` over frames; unbounded for a single frame."""


def local_complexity(
    net: nn.Module,
    x: Float[Tensor, "n *shape"],
    *,
    radius: float,
    directions: int | Float[Tensor, "..."],
    generator: torch.Generator | None = None,
    frames: int = 1,
) -> LocalComplexity:
    """Local complexity: hidden units that take both signs around a point.

    The neighbourhood of x is a cross-polytope with the corners x ± radius · v_p. The v_1 … v_P are ``directions``
    orthonormal directions of input space, drawn for every point and frame from ``generator``; or they are given, (P,
    *shape) for all points or (n, P, *shape) for each, and taken as they are. The corners pass the network in eval mode;
    a unit counts if min ≤ 0 < max over their images. Units are those of ``partition``, all of them: inputs of ReLU and
    its kin, differences that are compared, places of a max-pool's windows (above zero is the first of the largest),
    made by modules or by functions, anew at each use of the same module. Exact in the first layer:
    |⟨w, x⟩ + b| < radius · max_p |⟨w, v_p⟩|; deeper, a fold that no two corners are parted by is missed, so a count
    never exceeds the exact one. Layer norm and its kin may stand between the folds: signs are counted all the same,
    though nothing is linear there.

    A network in float32 is asked in float32, any other in float64. Say radius (in units of the input), directions and
    input dimension beside a number: it means nothing without them. A generator of the same seed at every step gives
    equal frames along training.

    Variants of the name: the authors share one frame among points and steps, count the inputs of the layers they are
    given, in their script for MLPs the logits too, and leave max-pooling out. Patel and Montúfar mean another thing by
    it: a density of linear regions over the distribution of the data, which needs no radius.

    Raises:
        InputError: a radius that is not above 0, more directions than input dimensions or of another shape, no
            generator to draw from or one beside given directions, frames below 1, points that are not finite, or a net
            that ``partition`` refuses, but for layer norm.

    References: Humayun, Balestriero, Baraniuk, "Deep networks always grok and here is why", ICML 2024,
    arXiv 2402.15555, sec. 3; 2310.12977. The other: "On the local complexity of linear regions in deep ReLU networks",
    ICML 2025, arXiv 2412.18283.

    >>> net = nn.Sequential(nn.Linear(1, 2), nn.ReLU())
    >>> _ = net[0].weight.data.fill_(1.0), net[0].bias.data.copy_(torch.tensor([-0.1, -0.3]))
    >>> local_complexity(net, torch.zeros(5, 1), radius=0.2, directions=torch.ones(1, 1)).mean
    1.0
    """
    points = checked_inputs(net, x)
    radius = checked("radius", radius, Annotated[float, Range(0, 1e12, above=True)])
    frames = checked("frames", frames, Annotated[int, Range(1, 1_000_000)])
    if isinstance(directions, int | Integral):
        count = checked("directions", directions, Annotated[int, Range(1, points[0].numel())])
        neighbourhoods = _frames(points, directions=count, generator=generator, frames=frames)
    else:
        neighbourhoods = [(points, _given(directions, points, generator=generator, frames=frames))]
    network = Network(net, points[0], norms=True, precision=precision_of(net))
    parts = [_crossings(network, some, radius * axes) for some, axes in neighbourhoods]
    counts = torch.cat(parts, 1).double().unflatten(1, (frames, len(points)))  # (l, frames, n)
    totals = counts.sum(0).mean(1)
    error = float(totals.std()) / math.sqrt(frames) if frames > 1 else math.inf
    return LocalComplexity(_names(network), counts.mean(1), float(totals.mean()), error)


@final
@dataclass(frozen=True, eq=False)
class ExactComplexity:
    """What really is in the neighbourhoods of points.

    >>> ExactComplexity(torch.tensor([1, 5]), torch.tensor([0, 3])).regions.max()
    tensor(5)
    """

    regions: Int[Tensor, "n"]
    """Activation regions that meet the neighbourhood of each point."""
    crossings: Int[Tensor, "n"]
    """Units of all layers that change sign in it."""


def exact_complexity(
    net: nn.Module, x: Float[Tensor, "n *shape"], *, radius: float, generator: torch.Generator
) -> ExactComplexity:
    """The exact count in the neighbourhoods of ``local_complexity`` with two directions and one frame.

    Those are squares, {x + a · v_1 + b · v_2 : |a| + |b| ≤ radius}, on planes that can be partitioned. From an equal
    generator come equal neighbourhoods; there crossings ≥ the sum of the layers' counts, and regions > crossings
    where no two units share a fold. A unit is crossed if it is above zero in one region and not in another. Along the
    training of a digits network the estimate ranks points as the regions do (Spearman 0.95 to 0.99), among those of one
    step less (0.8 to 0.99). Computed in float64, some ten milliseconds a point.

    Raises:
        InputError: a radius that is not above 0, points of one number or not finite, or a net that ``partition``
            refuses.

    Reference: Humayun, Balestriero, Baraniuk, "Deep networks always grok and here is why", ICML 2024,
    arXiv 2402.15555, sec. 3, for what is estimated.

    >>> net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    >>> _ = net[0].weight.data.copy_(torch.eye(2)), net[0].bias.data.zero_()
    >>> x, frames = torch.tensor([[0.1, 0.1], [9.0, 0.1]]), torch.Generator().manual_seed(0)
    >>> exact_complexity(net, x, radius=1.0, generator=frames).regions
    tensor([4, 2])
    """
    points = checked_inputs(net, x)
    if points[0].numel() < 2:
        raise InputError("x", tuple(points.shape), "points of at least two numbers")
    radius = checked("radius", radius, Annotated[float, Range(0, 1e12, above=True)])
    square = radius * torch.tensor(
        [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]], dtype=torch.float64, device="cpu"
    )
    regions, crossings = [], []
    for some, frames in _frames(points, directions=2, generator=generator):
        for point, (first, second) in zip(some, frames, strict=True):
            found = partition(net, Plane(point, first, second), square)
            regions.append(found.count)
            crossings.append(_crossed(found))
    return ExactComplexity(torch.tensor(regions, device="cpu"), torch.tensor(crossings, device="cpu"))


def _crossed(found: Partition) -> int:
    bits = found.unpack()
    return int((bits.any(0) & ~bits.all(0)).sum())


def _given(
    directions: Float[Tensor, "..."],
    points: Float64[Tensor, "n *shape"],
    *,
    generator: torch.Generator | None,
    frames: int,
) -> Float64[Tensor, "n p *shape"]:
    """The directions that somebody has chosen, for each point."""
    axes = in_double(directions, name="directions").to(points.device)
    each = axes.expand(len(points), *axes.shape) if axes.ndim == points.ndim else axes
    if each.shape[:1] != points.shape[:1] or each.shape[2:] != points.shape[1:] or not each.numel():
        shape = ", ".join(map(str, points.shape[1:]))
        allowed = f"a whole number, or directions (p, {shape}) for all points or ({len(points)}, p, {shape}) for each"
        raise InputError("directions", tuple(axes.shape), allowed)
    checked_features(axes.flatten(1), name="directions")
    if generator is not None or frames > 1:
        hint = "Given directions are taken as they are; nothing is drawn."
        raise InputError("generator, frames", (generator, frames), "None and 1 beside given directions", hint)
    return each


def _frames(
    x: Float64[Tensor, "n *shape"], *, directions: int, generator: torch.Generator | None, frames: int = 1
) -> Iterator[tuple[Float64[Tensor, "b *shape"], Float64[Tensor, "b p *shape"]]]:
    """Points by chunks, each with its own orthonormal directions of input space; all of them once for every frame."""
    if not isinstance(generator, torch.Generator):
        raise InputError(
            "generator", generator, "a torch.Generator that directions are drawn from, or given directions"
        )
    dimension = x[0].numel()
    for points in x.split(max(1, CORNER_VALUES // (2 * directions * dimension))) * frames:
        size = (len(points), dimension, directions)
        gaussian = torch.randn(size, generator=generator, device=generator.device, dtype=torch.float32).double()
        yield points, torch.linalg.qr(gaussian).Q.mT.to(points).unflatten(2, points.shape[1:])


def _crossings(
    network: Network, points: Float64[Tensor, "n *shape"], steps: Float64[Tensor, "n p *shape"]
) -> Int64[Tensor, "l n"]:
    """Units of each fold that are above zero at some corners point ± step and not at others."""
    some = max(1, VALUES // (2 * steps.shape[1] * network.width))
    parts = zip(points.split(some), steps.split(some), strict=True)
    return torch.cat([_parted(network, *part) for part in parts], 1)


@torch.no_grad()
def _parted(
    network: Network, points: Float64[Tensor, "b *shape"], steps: Float64[Tensor, "b p *shape"]
) -> Int64[Tensor, "l b"]:
    """The same of so few points that their corners fit.

    Up to its first bend the network is affine: what it makes of the corners is the sum of what it makes of points and
    of steps. So half of the corners need not pass that far.
    """
    walk = network.walk(torch.cat([points, steps.flatten(0, 1), torch.zeros_like(points[:1])]))
    while walk.layer is None and network.nodes[walk.place] not in network.norms:
        walk.step()
    walk.extend(partial(_corners, count=len(points)))
    counts = []
    for layer in network.layers:
        walk.advance()
        units = _sides(walk, layer).unflatten(0, (len(points), -1))  # (b, corners, units)
        low, high = units.amin(1), units.amax(1)
        if not -math.inf < float(low.min()) <= float(high.max()) < math.inf:  # which NaN is not, either
            raise InputError("net", f"values that are not finite before {layer.name!r}", "finite at every fold")
        counts.append(((low <= 0) & (high > 0)).sum(1))
        walk.step()
    return torch.stack(counts)


def _sides(walk: Walk, layer: Layer) -> Float[Tensor, "corners units"]:
    """Numbers above zero where a unit is so; of a max-pool's places, where it is the first of its window's largest."""
    if layer.windows is None:
        return walk.units()
    slots = Standings.of(walk.entering(), layer.windows, layer=layer.name).largest(lambda near: near)
    return one_hot(slots, layer.windows.shape[1]).flatten(1).to(walk.network.precision)


def _corners(rows: Float[Tensor, "rows k"], *, count: int) -> Float[Tensor, "corners k"]:
    """Centre ± step for all steps of a centre, one centre's after the other's.

    Of an affine map's values of ``count`` centres, of the steps of each, and of zero.
    """
    centres, steps = rows[:count, None], rows[count:-1].unflatten(0, (count, -1)) - rows[-1]
    corners = steps.new_empty(count, 2, *steps.shape[1:])
    torch.add(centres, steps, out=corners[:, 0])
    torch.sub(centres, steps, out=corners[:, 1])
    return corners.flatten(0, 2)


def _names(network: Network) -> tuple[str, ...]:
    return tuple(layer.name for layer in network.layers)
