"""The affine maps a network is made of: its derivative with every fold held on the side of a given point."""

from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor, fx
from torch.nn import functional

from sslens.measures.regions._exact.graph import Network, Walk
from sslens.measures.regions._exact.nonlinearities import entering, shares, window_of
from sslens.measures.regions.planes import Plane

VALUES = 2**17
"""Numbers of the network's largest tensor that are taken together: what fits a processor's cache."""

ROUNDING = 2.0**-44
"""What is left of summands of size 1 can be this large in a slope, and mean nothing."""


@torch.no_grad()
def affine_maps(
    network: Network, plane: Plane, *, centres: Float64[Tensor, "r 2"], reach: float
) -> tuple[Float64[Tensor, "r out 2"], Float64[Tensor, "r out"], float]:
    """Slopes and offsets of the network around points of a plane: output = slope · (u, v) + offset; their rounding.

    Each map is evaluated at its centre and at two points ``reach`` away, where the folds keep the sides they have at
    the centre; so a map is exact however small its region is, up to rounding, which the size of what the outputs sum up
    decides: where that cancels, what is left is rounding only.

    >>> network = Network(torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.ReLU()), torch.zeros(2))
    >>> _ = [tensor.fill_(2.0) for tensor in network.graph.state_dict().values()]
    >>> slope, offset, _ = affine_maps(network, Plane.identity(), centres=torch.ones(1, 2).double(), reach=1.0)
    >>> slope.tolist(), offset.tolist()
    ([[[2.0, 2.0]]], [[2.0]])
    """
    slopes, offsets, share = [], [], 0.0
    steps = reach * torch.tensor([[[0.0, 0.0]], [[1.0, 0.0]], [[0.0, 1.0]]], dtype=torch.float64, device="cpu")
    for some in centres.cpu().split(max(1, VALUES // (3 * network.width))):
        points = (some + steps).flatten(0, 1)  # all centres, then all first steps, then all second
        output, own = _held(network.walk(plane.at(points)))
        values, share = output.reshape(3, len(some), -1).cpu(), max(share, own)
        slope = ((values[1:] - values[0]) / reach).permute(1, 2, 0) + 0.0  # no negative zeros
        slopes.append(slope)
        offsets.append(values[0] - (slope @ some[:, :, None]).squeeze(2))
    return torch.cat(slopes), torch.cat(offsets), ROUNDING * share * float(network.scale.norm()) / reach


def _held(walk: Walk) -> tuple[Float64[Tensor, "three_n *out"], float]:
    """The output where the first third of the points decides the side of every fold for all.

    And the largest number met before a fold, as a share of the fold's scale.
    """
    network, share = walk.network, 0.0
    while walk.advance():
        node, layer = network.nodes[walk.place], network.layers[walk.layer or 0]
        numbers = walk.units() if layer.windows is None else walk.entering()
        share = max(share, float(shares(numbers.abs().amax(0), layer.scale).amax()))
        if network.bends[walk.place] == "pool":
            entered = walk.env[entering(node)]
            held = _chosen(node, network.graph, entered, entered[: len(entered) // 3])
        else:
            held = _continued(network, node, walk.env)
        walk.step(held)
    return walk.output, share


def _continued(network: Network, node: fx.Node, env: dict[fx.Node, Any]) -> Float64[Tensor, "three_n *out"]:
    """What a fold gives for the first third of the points, and its tangents there for the others.

    A fold works number by number, so that its slopes are the gradients of its sum. Where a unit is zero in all of a
    cell, any slope will do: along the cell it does not change.
    """
    sources = network.sources(node)
    entered = torch.broadcast_tensors(*(env[source] for source in sources))
    with torch.inference_mode(mode=False), torch.enable_grad():
        first = [x[: len(x) // 3].clone().requires_grad_() for x in entered]
        values = network.run(node, env | {source: x.clone() for source, x in zip(sources, first, strict=True)})
        slopes = torch.autograd.grad(values.sum(), first, allow_unused=True)  # of what is only compared, none
    parts = [values.detach()] * 3
    for x, slope in zip(entered, slopes, strict=True):
        steps = x.unflatten(0, (3, -1)) - x[: len(x) // 3]
        parts = [part + slope * step for part, step in zip(parts, steps, strict=True)] if slope is not None else parts
    return torch.cat(parts)


def _chosen(node: fx.Node, graph: fx.GraphModule, x: Tensor, deciding: Tensor) -> Tensor:
    """A max-pool that takes for all what is largest for the deciding points."""
    flat = x.ndim == 3
    image = deciding.unsqueeze(2) if flat else deciding
    pool = window_of(node, graph, axes=x.ndim - 2)
    places = functional.max_pool2d(image, *pool, return_indices=True)[1]
    taken = x.flatten(2).gather(2, places.flatten(2).repeat(3, 1, 1)).unflatten(2, places.shape[2:])
    return taken.squeeze(2) if flat else taken
