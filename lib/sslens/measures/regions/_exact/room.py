"""Whether an exact call fits the memory that is left: asked before it begins, and answered with what would fit."""

import math

import torch

from sslens.measures.regions._exact.graph import Network
from sslens.memory import free_memory
from sslens.types import InputError

SHARE = 0.5
"""Of what is free, for points on their way; the rest is for what is found."""
BYTES = 8


def points_that_fit(network: Network, *, device: torch.device | str = "cpu", kept: bool = True, least: int = 1) -> int:
    """How many points can be on their way through a network at once.

    Where they are ``kept``, some wait before each of its folds while others go on.

    Raises:
        InputError: not even ``least`` points fit.

    >>> network = Network(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU()), torch.zeros(2))
    >>> points_that_fit(network) > 1000
    True
    """
    each = BYTES * (2 * network.most + (len(network.layers) * network.kept if kept else 0))
    free = free_memory(device)
    fitting = int(SHARE * free / each)
    if fitting < least:
        inputs = network.inputs
        hint = (
            f"Inputs of some {int(inputs * fitting / least) or inputs * SHARE * free / each / least:,.3g} numbers fit"
        )
        got = f"{network.name}, of which {least} points of {inputs:,} numbers take {shown(each * least / SHARE)}"
        raise InputError("net", got, f"a network whose points fit into the memory that is free, {shown(free)}", hint)
    return fitting


def demand_room(needed: float, *, of: str, got: str, hint: str) -> None:
    """What is asked for has room in the memory that is free.

    Raises:
        InputError: it does not.

    >>> demand_room(1000, of="slope", got="a few numbers", hint="")
    """
    free = free_memory()
    if needed > free:
        allowed = f"of what fits into the memory that is free, {shown(free)}"
        raise InputError(of, f"{got}, which takes {shown(needed)}", allowed, hint)


def demand_maps(network: Network, regions: int) -> None:
    """The affine maps of so many regions have room.

    Raises:
        InputError: they do not.

    >>> demand_maps(Network(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU()), torch.zeros(2)), 1000)
    """
    numbers = 2 * 4 * regions * network.outputs + 3 * 2 * network.most  # once in parts, once together
    got = f"maps of {regions:,} regions to {network.outputs:,} outputs"
    hint = "Take fewer regions, or a network that returns fewer numbers."
    demand_room(BYTES * numbers, of="slope and offset", got=got, hint=hint)


def shown(size: float) -> str:
    """Bytes in words.

    >>> shown(21e9), shown(3.2e6)
    ('21 GB', '3.2 MB')
    """
    power = min(4, max(0, int(math.log10(max(size, 1)) // 3)))
    return f"{size / 1000**power:.3g} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"
