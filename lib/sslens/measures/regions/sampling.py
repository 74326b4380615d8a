"""What samples see of a partition: the regions that points of a plane happen to fall into."""

from typing import Annotated

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sslens.measures.features import checked_features
from sslens.measures.regions._exact.graph import Network, Walk
from sslens.measures.regions.planes import Plane, checked_plane, in_double
from sslens.types import InputError, Range, checked

VALUES = 2**22
"""Numbers of the network's largest tensor that are in memory at a time."""


def grid(side: int) -> Float[Tensor, "n 2"]:
    """The centres of side · side equal squares that tile [-1, 1]², as points to sample.

    Raises:
        InputError: ``side`` is no whole number from 1 to 10,000.

    >>> grid(2).tolist()
    [[-0.5, -0.5], [-0.5, 0.5], [0.5, -0.5], [0.5, 0.5]]
    """
    side = checked("side", side, Annotated[int, Range(1, 10_000)])
    along = (2 * torch.arange(side, dtype=torch.float64, device="cpu") + 1) / side - 1
    return torch.cartesian_prod(along, along)


@torch.no_grad()
def count_sampled(net: nn.Module, plane: Plane, points: Float[Tensor, "n 2"]) -> int:
    """How many activation regions some points of a plane fall into, from nothing but forward passes.

    What is counted is distinct activation patterns: all inputs of one pattern form a convex set, so to each region of
    a plane belongs one pattern. It never exceeds ``count_regions`` of a domain that holds the points, unless a point
    lies on a fold: such a unit counts as not above zero, and the pattern may be that of no region.

    Raises:
        InputError: points that are no finite (n, 2) matrix, or a network that ``partition`` would refuse.

    Reference: Balestriero, LeCun, "Fast and exact enumeration of deep networks partitions regions", 2024, arXiv
    2401.11188, which holds sampling against enumeration.

    >>> net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    >>> _ = net[0].weight.data.copy_(torch.eye(2)), net[0].bias.data.zero_()
    >>> count_sampled(net, Plane.identity(), torch.tensor([[1.0, 1.0], [2.0, 1.0], [-1.0, 1.0]]))
    2
    """
    plane, places = checked_plane(plane), checked_features(in_double(points, name="points"), name="points")
    if places.shape[1] != 2:
        raise InputError("points", tuple(points.shape), "points (n, 2) in plane coordinates")
    network, seen = Network(net, plane.origin), set[bytes]()
    for some in places.split(max(1, VALUES // network.width)):
        packed = np.packbits(_signs(network.walk(plane.at(some))).numpy(), axis=1)
        seen.update(packed.view(f"V{packed.shape[1]}").ravel().tolist())
    return len(seen)


def _signs(walk: Walk) -> Bool[Tensor, "n units"]:
    """Which units of all folds are above zero."""
    above = []
    while walk.advance():
        above.append((walk.units() > 0).cpu())
        walk.step()
    return torch.cat(above, 1)
