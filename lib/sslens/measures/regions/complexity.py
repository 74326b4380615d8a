"""How finely a piecewise linear network cuts the input space around its samples."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sslens.measures.features import checked_features
from sslens.types import InputError, Range, checked

RECTIFIERS = (nn.ReLU, nn.LeakyReLU)
CORNER_VALUES = 2**20
"""Input values of the corners that pass the network at a time: bounds memory, whatever the number of points."""


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
    the inputs of ReLU and LeakyReLU modules only: not the logits, which the authors' script for MLPs adds, and not
    max-pooling. The authors share one frame among points and steps; a generator of the same seed at every step gives
    equal frames along training too. Say radius (in units of the input), directions and input dimension beside a number:
    it means nothing without them.

    Raises:
        InputError: a radius that is not above 0, more directions than input dimensions, frames below 1, a net that
            calls no ReLU module, or points or pre-activations that are not finite.

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
    x = x.detach().to(next(net.parameters(), x))
    chunks = x.split(max(1, CORNER_VALUES // (2 * directions * dimension)))
    counts = []
    with torch.no_grad(), _listening(net, 2 * directions) as heard:
        for points in chunks * frames:
            heard.clear()
            corners = _corners(points, radius=radius, directions=directions, generator=generator)
            net(corners.flatten(0, 1))
            if not heard:
                raise InputError("net", type(net).__name__, "a network that calls ReLU or LeakyReLU modules")
            counts.append(torch.stack(list(heard.values())))
    counts = torch.cat(counts, 1).double().unflatten(1, (frames, len(x)))  # (l, frames, n)
    totals = counts.sum(0).mean(1)
    error = float(totals.std()) / math.sqrt(frames) if frames > 1 else math.inf
    return LocalComplexity(tuple(heard), counts.mean(1), float(totals.mean()), error)


def _corners(
    points: Float[Tensor, "b *shape"], *, radius: float, directions: int, generator: torch.Generator
) -> Float[Tensor, "b corners *shape"]:
    size = (len(points), points[0].numel(), directions)
    gaussian = torch.randn(size, generator=generator, device=generator.device, dtype=torch.float64)
    frame = torch.linalg.qr(gaussian).Q.mT.to(points)  # (b, p, d)
    steps = radius * torch.cat([frame, -frame], 1).unflatten(2, points.shape[1:])
    return points.unsqueeze(1) + steps


@contextmanager
def _listening(net: nn.Module, corners: int) -> Iterator[dict[str, Int[Tensor, "b"]]]:
    """While open, every pass leaves the crossing units of each rectifier here; the net is in eval mode."""
    heard: dict[str, Tensor] = {}

    def listen(name: str) -> Callable[[nn.Module, Any], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            uses = sum(key.split(":")[0] == name for key in heard)
            heard[f"{name}:{uses + 1}" if uses else name] = _crossings(inputs[0], corners, name=name)

        return hook

    modes = {module: module.training for module in net.modules()}
    rectifiers = [(name, module) for name, module in net.named_modules() if isinstance(module, RECTIFIERS)]
    handles = [module.register_forward_pre_hook(listen(name)) for name, module in rectifiers]
    try:
        net.eval()
        yield heard
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes.items():
            module.training = mode


def _crossings(entering: Float[Tensor, "corners_b ..."], corners: int, *, name: str) -> Int[Tensor, "b"]:
    units = entering.reshape(-1, corners, entering[0].numel())  # (b, corners, units)
    low, high = units.amin(1), units.amax(1)
    if not (low.isfinite() & high.isfinite()).all():
        raise InputError("net", f"values that are not finite before {name!r}", "finite at every rectifier")
    return ((low <= 0) & (high > 0)).sum(1)
