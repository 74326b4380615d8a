"""How finely a piecewise linear network cuts the input space around its samples."""

import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Annotated, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sslens.measures.activations import listening
from sslens.measures.features import checked_features
from sslens.measures.regions._exact.graph import folding_functions
from sslens.measures.regions._exact.nonlinearities import AFFINE, RECTIFIERS
from sslens.measures.regions._exact.result import Partition
from sslens.measures.regions.enumeration import partition
from sslens.measures.regions.planes import Plane
from sslens.types import InputError, Range, checked

OFFSETS = ("bias", "running_mean")
"""What of an affine module shifts the images of all inputs alike."""
UNHEARD = "Functions such as torch.relu are not heard: call modules, nn.ReLU() for one, in their place."
CORNER_VALUES = 2**17
"""Input values of the corners that pass the network at a time: bounds memory, and stays in the processor's cache."""


@final
@dataclass(frozen=True, eq=False)
class LocalComplexity:
    """Folds of the network that cross small neighbourhoods of points.

    >>> LocalComplexity(("1", "3"), torch.tensor([[2.0, 4.0], [0.0, 1.0]]), mean=3.5, error=0.1).counts.mean(1)
    tensor([3.0000, 0.5000])
    """

    layers: tuple[str, ...]
    """Module names of the rectifiers, in the order they were met; ``name:2`` for the second use of the same module."""
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
    directions: int,
    generator: torch.Generator,
    frames: int = 1,
) -> LocalComplexity:
    """Local complexity: hidden units whose pre-activation takes both signs around a point.

    The neighbourhood of x is a cross-polytope with the corners x ± radius · v_p, where v_1 … v_P are ``directions``
    orthonormal directions of input space, drawn for every point and frame. The corners pass the network in eval mode;
    a unit counts if min ≤ 0 < max of the input of its ReLU over their images. Exact in the first layer:
    |⟨w, x⟩ + b| < radius · max_p |⟨w, v_p⟩|; deeper, a fold that no two corners are parted by is missed. Counted are
    the inputs of ReLU, LeakyReLU and PReLU modules only: not the logits, which the authors' script for MLPs adds, and
    not max-pooling. The authors share one frame among points and steps; a generator of the same seed at every step
    gives equal frames along training too. Say radius (in units of the input), directions and input dimension beside a
    number: it means nothing without them.

    Raises:
        InputError: a radius that is not above 0, more directions than input dimensions, frames below 1, a net that
            calls no ReLU module, or folds by functions, or points or pre-activations that are not finite.

    Reference: Humayun, Balestriero, Baraniuk, "Deep networks always grok and here is why", ICML 2024,
    arXiv 2402.15555, sec. 3; 2310.12977.

    >>> net = nn.Sequential(nn.Linear(1, 2), nn.ReLU())
    >>> _ = net[0].weight.data.fill_(1.0), net[0].bias.data.copy_(torch.tensor([-0.1, -0.3]))
    >>> frame = torch.Generator().manual_seed(0)
    >>> local_complexity(net, torch.zeros(5, 1), radius=0.2, directions=1, generator=frame).mean
    1.0
    """
    dimension = checked_features(x.flatten(1) if x.ndim > 1 else x, name="x").shape[1]
    radius = checked("radius", radius, Annotated[float, Range(0, 1e12, above=True)])
    directions = checked("directions", directions, Annotated[int, Range(1, dimension)])
    frames = checked("frames", frames, Annotated[int, Range(1, 1_000_000)])
    _demand_modules(net)
    x = x.detach().to(next(net.parameters(), x))
    counts = []
    with torch.no_grad(), listening(net, partial(_crossings, 2 * directions), of=RECTIFIERS, side="input") as heard:
        stem, rest = _split(net)
        for points, axes in _frames(x, directions=directions, generator=generator, frames=frames):
            heard.clear()
            rest(_corners(stem(points), radius * _linear(stem, axes)))
            if not heard:
                raise InputError(
                    "net", type(net).__name__, "a network that calls ReLU, LeakyReLU or PReLU modules", UNHEARD
                )
            counts.append(torch.stack(list(heard.values())))
    counts = torch.cat(counts, 1).double().unflatten(1, (frames, len(x)))  # (l, frames, n)
    totals = counts.sum(0).mean(1)
    error = float(totals.std()) / math.sqrt(frames) if frames > 1 else math.inf
    return LocalComplexity(tuple(heard), counts.mean(1), float(totals.mean()), error)


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
    where no two units share a fold. Crossings are counted as there, at the corners of all regions in place of those of
    the neighbourhood; regions are also parted by max-pooling. Along the training of a digits network the estimate ranks
    points as the regions do (Spearman 0.95 to 0.99), among those of one step less (0.8 to 0.99). Computed in float64,
    some ten milliseconds a point.

    Raises:
        InputError: a radius that is not above 0, points of one number or not finite, or a net that ``partition`` or
            ``local_complexity`` refuses.

    Reference: Humayun, Balestriero, Baraniuk, "Deep networks always grok and here is why", ICML 2024,
    arXiv 2402.15555, sec. 3, for what is estimated.

    >>> net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    >>> _ = net[0].weight.data.copy_(torch.eye(2)), net[0].bias.data.zero_()
    >>> x, frames = torch.tensor([[0.1, 0.1], [9.0, 0.1]]), torch.Generator().manual_seed(0)
    >>> exact_complexity(net, x, radius=1.0, generator=frames).regions
    tensor([4, 2])
    """
    if checked_features(x.flatten(1) if x.ndim > 1 else x, name="x").shape[1] < 2:
        raise InputError("x", tuple(x.shape), "points of at least two numbers")
    radius = checked("radius", radius, Annotated[float, Range(0, 1e12, above=True)])
    _demand_modules(net)
    still = deepcopy(net).double()
    x = x.detach().to(next(still.parameters(), x).device).double()
    square = radius * torch.tensor(
        [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]], dtype=torch.float64, device="cpu"
    )
    regions, crossings = [], []
    for points, frames in _frames(x, directions=2, generator=generator):
        for point, (first, second) in zip(points, frames, strict=True):
            found = partition(still, Plane(point, first, second), square)
            regions.append(found.count)
            crossings.append(_crossings_of(still, found))
    return ExactComplexity(torch.tensor(regions, device="cpu"), torch.tensor(crossings, device="cpu"))


def _demand_modules(net: nn.Module) -> None:
    """Folds are heard where modules make them; what a function folds would be missing from the count.

    Of a network that torch.fx cannot trace nobody knows what its functions do.
    """
    if unheard := folding_functions(net):
        got = f"{type(net).__name__}, which calls {', '.join(unheard)}"
        raise InputError("net", got, "a network whose folds are modules: ReLU, LeakyReLU or PReLU", UNHEARD)


def _frames(
    x: Float[Tensor, "n *shape"], *, directions: int, generator: torch.Generator, frames: int = 1
) -> Iterator[tuple[Float[Tensor, "b *shape"], Float[Tensor, "b p *shape"]]]:
    """Points by chunks, each with its own orthonormal directions of input space; all of them once for every frame."""
    dimension = x[0].numel()
    for points in x.split(max(1, CORNER_VALUES // (2 * directions * dimension))) * frames:
        size = (len(points), dimension, directions)
        gaussian = torch.randn(size, generator=generator, device=generator.device, dtype=torch.float32).double()
        yield points, torch.linalg.qr(gaussian).Q.mT.to(points).unflatten(2, points.shape[1:])


def _split(net: nn.Module) -> tuple[nn.Sequential, nn.Sequential]:
    """The affine modules that a sequential network begins with, and all others."""
    modules = list(_chain(net))
    affine = [type(module) in AFFINE and getattr(module, "running_mean", 0) is not None for module in modules]
    start = [*affine, False].index(False)
    return nn.Sequential(*modules[:start]), nn.Sequential(*modules[start:])


def _chain(net: nn.Module) -> Iterator[nn.Module]:
    if type(net) is not nn.Sequential:
        yield net
        return
    for module in net:
        yield from _chain(module)


def _linear(stem: nn.Sequential, frames: Float[Tensor, "b p *shape"]) -> Float[Tensor, "b p *image"]:
    """W v for an affine map W x + b, so that W (x ± r v) + b costs the first layer half its passes, and no corners."""
    tensors = dict(stem.named_parameters()) | dict(stem.named_buffers())
    still = {name: torch.zeros_like(tensor) for name, tensor in tensors.items() if name.endswith(OFFSETS)}
    return torch.func.functional_call(stem, still, frames.flatten(0, 1)).unflatten(0, frames.shape[:2])


def _corners(
    centres: Float[Tensor, "b *image"], steps: Float[Tensor, "b p *image"]
) -> Float[Tensor, "corners_b *image"]:
    """The 2p corners around every centre, one centre's after the other's."""
    return (centres.unsqueeze(1) + torch.cat([steps, -steps], 1)).flatten(0, 1)


@torch.no_grad()
def _crossings_of(net: nn.Module, found: Partition) -> int:
    """Units that change sign somewhere on a partition: between two of its vertices."""
    take = partial(_crossings, len(found.vertices))
    with listening(net, take, of=RECTIFIERS, side="input") as heard:
        net(found.plane.at(found.vertices))
    return int(sum(heard.values()))


def _crossings(corners: int, entering: Float[Tensor, "corners_b ..."], name: str) -> Int[Tensor, "b"]:
    units = entering.reshape(-1, corners, entering[0].numel())  # (b, corners, units)
    low, high = units.amin(1), units.amax(1)
    if not (low.isfinite() & high.isfinite()).all():
        raise InputError("net", f"values that are not finite before {name!r}", "finite at every rectifier")
    return ((low <= 0) & (high > 0)).sum(1)
