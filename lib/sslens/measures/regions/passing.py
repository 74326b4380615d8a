"""Which units of a network's folds pass gradient, and which pass none."""

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor, fx, nn

from sslens.measures.regions._exact.graph import Network, Walk
from sslens.measures.regions._exact.trial import MADE
from sslens.measures.regions.inputs import precision_of
from sslens.types import InputError

CHUNK = 256
"""Samples that pass the network at a time."""
TRIED = (-1e6, -1e-6, 1e-6, 1e6)
"""Where a fold is asked whether it has a flat piece."""
CONSTANT = (torch.zeros_like, torch.ones_like, torch.full_like, *MADE)
"""What makes the same numbers of any input."""


@torch.inference_mode(mode=False)
@torch.no_grad()
def passing_units(net: nn.Module, x: Float64[Tensor, "n *shape"]) -> dict[str, Bool[Tensor, "units"]]:
    """Of each fold with a flat piece, as ReLU has one, which units pass gradient of at least one sample.

    A unit is an index along axis 1 of what enters the fold; it passes gradient if it does so at one position. The
    keys are the names of ``partition``'s layers. LeakyReLU and abs have no flat piece; what chooses between computed
    numbers, as a max-pool does, always passes the gradient of one.

    Raises:
        InputError: a net that ``partition`` refuses, but for layer norm; values that are not finite before a fold.

    >>> net = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.LeakyReLU())
    >>> _ = net[0].weight.data.copy_(torch.tensor([[1.0], [-1.0]])), net[0].bias.data.zero_()
    >>> passing_units(net, torch.tensor([[0.5], [2.0]]).double())
    {'1': tensor([ True, False])}
    """
    network = Network(net, x[0].clone(), norms=True, precision=precision_of(net))
    found: dict[str, Bool[Tensor, "units"]] = {}
    for chunk in x.split(CHUNK):
        walk = network.walk(chunk.clone())
        for layer in network.layers:
            walk.advance()
            z = _argument(walk)
            if z is not None and not z.isfinite().all():
                raise InputError("net", f"values that are not finite before {layer.name!r}", "finite at every fold")
            if z is not None and _has_a_flat_piece(walk, z[:1]):
                units = z.shape[1] if z.ndim > 1 else 1
                passes = (_derivative(walk, z) != 0).reshape(len(z), units, -1).any(2).any(0)
                found[layer.name] = passes | found.get(layer.name, passes)
            walk.step()
    return found


def _varying(walk: Walk) -> list[fx.Node]:
    """What the fold ahead reads, but for constants of as many rows."""
    return [each for each in walk.network.sources(walk.network.nodes[walk.place]) if each.target not in CONSTANT]


def _argument(walk: Walk) -> Float[Tensor, "n ..."] | None:
    """What enters the fold ahead, if it makes a number of each number."""
    sources = _varying(walk)
    several = len(sources) != 1 or walk.network.bends[walk.place] == "pool"
    return None if several else walk.env[sources[0]]


def _has_a_flat_piece(walk: Walk, like: Float[Tensor, "1 ..."]) -> bool:
    tried = torch.cat([torch.full_like(like, number) for number in TRIED])
    return not bool(_derivative(walk, tried).all())


@torch.enable_grad()
def _derivative(walk: Walk, z: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
    """Of the fold ahead, which makes a number of a number, at what enters it."""
    node, (source,) = walk.network.nodes[walk.place], _varying(walk)
    others = [each for each in walk.network.sources(node) if each is not source]
    constants = {each: walk.env[each][:1].expand(len(z), *walk.env[each].shape[1:]) for each in others}
    z = z.detach().requires_grad_()
    bent = walk.network.run(node, {**walk.env, **constants, source: z.clone()})  # it may work in place
    return torch.autograd.grad(bent.sum(), z)[0]
