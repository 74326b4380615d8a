"""What exact partitions cost: against the bare matrix products, between the engines, per region, and for a zoom."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from statistics import median

import numpy as np
import torch
from torch import nn

from sslens.measures.regions import Partition, Plane, partition, partitions, square
from tests.benchmarks.rows import Cost, Row, alternate

ROUNDS = 5
PLANE = Plane.identity()
LARGE = ((2, 128, 128, 128, 128, 128), 1.0)
"""84,204 regions."""
POOLED = 0.5
"""Half a side of the plane through an image of 8 x 8 on which convolutions and pools are cut."""
DEEP, HALVES = (2, *(128,) * 16), (0.05, 2.0)
"""About 2,000 and 1,070,000 regions of one network."""
ZOOM = ((2, 64, 64, 64), 0.67)
"""About 5,000 regions of a network with 64 outputs."""
ZOOM_TIME = 50.0
"""Milliseconds from slider to arrays."""


def rows() -> Iterator[Row]:
    """Processor seconds on one thread, compiled before."""
    net, domain = reference(LARGE[0]), square(LARGE[1])
    works = (lambda: cut(net, domain), products(net, domain), lambda: partition(net, PLANE, domain, engine="torch"))
    mine, bare, batched = alternate(*works, rounds=ROUNDS)
    yield _held("2-128x5", mine, bare, "its matrix products", 3)
    yield _held("the same, engine torch", batched, mine, "engine numba", 10)
    yield from _pools()
    yield from _flat()
    net, domain = reference(ZOOM[0]), square(ZOOM[1])
    for name, ask in (("sides and areas", sides), ("the same and slopes", slopes)):
        costs = alternate(lambda ask=ask: ask(cut(net, domain)), rounds=ROUNDS)[0]
        ratios = tuple(1e3 * cost.cpu / ZOOM_TIME for cost in costs)
        name = f"{cut(net, domain).count:,} cells, {name}"
        yield Row(
            name, ZOOM_TIME * median(ratios), "ms", ZOOM_TIME, "a live zoom", ratios, "at most 1", median(ratios) <= 1
        )


def reference(widths: tuple[int, ...], seed: int = 0) -> nn.Sequential:
    """Hidden layers with ReLU, He-normal weights, biases of deviation 0.5: the recipe whose counts are known."""
    draw, layers = np.random.default_rng(seed), []
    for inputs, outputs in pairwise(widths):
        layer = nn.Linear(inputs, outputs).double()
        layer.weight.data = torch.from_numpy(draw.standard_normal((outputs, inputs)) * np.sqrt(2 / inputs))
        layer.bias.data = torch.from_numpy(draw.standard_normal(outputs) * 0.5)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers)


def pooled() -> tuple[nn.Sequential, Plane]:
    """Two convolutions with ReLU and max-pool, and a plane through random images."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first = (nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        second = (nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        net = nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(64, 10)).double()
        return net, Plane.through(torch.rand(3, 1, 8, 8))


def cut(net: nn.Module, domain: torch.Tensor, plane: Plane = PLANE) -> Partition:
    """The partition by the compiled loops."""
    return partition(net, plane, domain)


def sides(found: Partition) -> tuple[torch.Tensor, ...]:
    """What a figure of the cells draws."""
    return found.vertices, found.edges.vertices, found.area


def slopes(found: Partition) -> tuple[torch.Tensor, ...]:
    """What a figure coloured by slope draws."""
    return *sides(found), found.slope_norm


def products(net: nn.Sequential, domain: torch.Tensor, plane: Plane = PLANE) -> Callable[[], None]:
    """One product for each layer, with a row for each vertex that there is before the layer."""
    places = [place for place, layer in enumerate(net) if isinstance(layer, nn.Linear | nn.Conv2d)]
    layers = [net[place] for place in places]
    counts = [len(cut(net[:place], domain, plane).vertices) if place else len(domain) for place in places]
    before = [net[:place](plane.at(torch.zeros(1, 2).double()))[0] for place in places]
    values = [torch.rand(count, *each.shape).double() for count, each in zip(counts, before, strict=True)]

    def work() -> None:
        with torch.no_grad():
            for layer, value in zip(layers, values, strict=True):
                layer(value)

    return work


def _held(name: str, mine: list[Cost], other: list[Cost], against: str, limit: float) -> Row:
    ratios = tuple(a.cpu / b.cpu for a, b in zip(mine, other, strict=True))
    values = [1e3 * median(cost.cpu for cost in costs) for costs in (mine, other)]
    return Row(name, values[0], "ms", values[1], against, ratios, f"at most {limit:g}", median(ratios) <= limit)


def _pools() -> Iterator[Row]:
    net, plane = pooled()
    domain = square(POOLED)
    mine, bare = alternate(lambda: cut(net, domain, plane), products(net, domain, plane), rounds=ROUNDS)
    yield _held(f"max-pools, {cut(net, domain, plane).count:,} cells", mine, bare, "its products", 10)


def _flat() -> Iterator[Row]:
    """Time per region of many against that of few, chunk by chunk, none kept."""
    net, counts = reference(DEEP), [0, 0]

    def counted(place: int) -> None:
        counts[place] = sum(part.count for part in partitions(net, PLANE, square(HALVES[place])))

    few, many = alternate(lambda: counted(0), lambda: counted(1), rounds=1)
    each = [1e6 * costs[0].cpu / count for costs, count in zip((few, many), counts, strict=True)]
    ratio, name = each[1] / each[0], f"2-128x16, {counts[1]:,}"
    yield Row(name, each[1], "µs each", each[0], f"{counts[0]:,} regions", (ratio,), "at most 1.5", ratio <= 1.5)
