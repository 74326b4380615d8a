"""Which units of a network's folds pass gradient, and which pass none."""

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor, nn

from sslens.measures.regions._exact.graph import Network, Walk
from sslens.measures.regions._exact.nonlinearities import entering
from sslens.measures.regions.inputs import precision_of
from sslens.types import InputError

CHUNK = 256
"""Samples that pass the network at a time."""
FAR = 1e6
"""Where a fold is asked whether it has a flat side."""


@torch.no_grad()
def passing_units(net: nn.Module, x: Float64[Tensor, "n *shape"]) -> dict[str, Bool[Tensor, "units"]]:
    """Of each fold with a flat side, as ReLU has one, which units pass gradient of at least one sample.

    A unit is an index along axis 1 of what enters the fold; it passes gradient if it does so at one position. The
    keys are the names of ``partition``'s layers. LeakyReLU and abs have no flat side, nor does a max-pool, where some
    place of every window passes gradient.

    Raises:
        InputError: a net that ``partition`` refuses, but for layer norm; values that are not finite before a fold.

    >>> net = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.LeakyReLU())
    >>> _ = net[0].weight.data.copy_(torch.tensor([[1.0], [-1.0]])), net[0].bias.data.zero_()
    >>> passing_units(net, torch.tensor([[0.5], [2.0]]).double())
    {'1': tensor([ True, False])}
    """
    network = Network(net, x[0], norms=True, precision=precision_of(net))
    found: dict[str, Bool[Tensor, "units"]] = {}
    for chunk in x.split(CHUNK):
        walk = network.walk(chunk)
        for layer in network.layers:
            walk.advance()
            z = walk.env[entering(network.nodes[walk.place])]
            if not z.isfinite().all():
                raise InputError("net", f"values that are not finite before {layer.name!r}", "finite at every fold")
            if layer.pairs is None and _has_a_flat_side(walk, z[:1]):
                passes = (_derivative(walk, z) != 0).transpose(0, 1).flatten(1).any(1)
                found[layer.name] = passes | found.get(layer.name, passes)
            walk.step()
    return found


def _has_a_flat_side(walk: Walk, like: Float[Tensor, "1 ..."]) -> bool:
    ends = torch.cat([torch.full_like(like, end) for end in (-FAR, FAR)])
    return not bool(_derivative(walk, ends).all())


@torch.enable_grad()
def _derivative(walk: Walk, z: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
    """Of the fold ahead, which takes one number to one number, at what enters it."""
    node = walk.network.nodes[walk.place]
    z = z.detach().requires_grad_()
    bent = walk.network.run(node, {**walk.env, entering(node): z.clone()})  # it may work in place
    return torch.autograd.grad(bent.sum(), z)[0]
