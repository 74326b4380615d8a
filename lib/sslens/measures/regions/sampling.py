"""What samples see of a partition: the regions that points of a plane happen to fall into."""

from hashlib import blake2b
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from sslens.measures.features import checked_features
from sslens.measures.regions._exact.graph import Network, Walk
from sslens.measures.regions._exact.nonlinearities import extremes
from sslens.measures.regions._exact.pools import Standings
from sslens.measures.regions._exact.room import points_that_fit
from sslens.measures.regions.planes import Plane, checked_plane, in_double
from sslens.progress import progress
from sslens.types import InputError, Range, checked

VALUES = 2**22
"""Numbers of the network's largest tensor that are in memory at a time."""
DIGEST = 20
"""Bytes that stand for a pattern."""


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

    What is counted is distinct activation patterns: which units are above zero and, for max-pool, which place of each
    window is the first of the largest. All inputs of one pattern form a convex set, so to each region of a plane
    belongs one pattern. It never exceeds ``count_regions`` of a domain that holds the points, unless a point lies on a
    fold: such a unit counts as not above zero, and the pattern may be that of no region. Patterns are told apart by
    digests of 20 bytes, so memory grows with their number alone.

    Raises:
        InputError: points that are no finite (n, 2) matrix, a network that ``partition`` would refuse, or one of whose
            points not even one fits into memory.

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
    most = points_that_fit(network, device=plane.origin.device, kept=False)
    chunks = places.split(max(1, min(most, VALUES // network.width)))
    for some in progress(chunks, total=len(chunks), label="points"):
        seen.update(_digests(network.walk(plane.at(some))))
    return len(seen)


def _digests(walk: Walk) -> list[bytes]:
    """What stands for the activation pattern of each point: the units of all folds, layer after layer."""
    digests = [blake2b(digest_size=DIGEST) for _ in range(walk.count)]
    while walk.advance():
        layer = walk.network.layers[walk.layer or 0]
        if layer.windows is None:
            units = walk.units()
            above = units > extremes(units, layer.name, scale=layer.scale)[2]
            pattern = np.packbits(above.cpu().numpy(), axis=1)
        else:
            standings = Standings.of(walk.entering(), layer.windows, layer=layer.name)
            pattern = standings.largest(lambda near: near).int().cpu().numpy()
        for digest, row in zip(digests, pattern, strict=True):
            digest.update(row.tobytes())
        walk.step()
    return [digest.digest() for digest in digests]
