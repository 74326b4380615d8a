"""Is a neural network a spline? Random networks, whose regions are counted, and one that is folded on purpose."""

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from xarray import DataArray, Dataset

from sslens.encoders import random_network
from sslens.measures import regions
from sslens.runtime import stream
from sslens.types import Range, checked

WIDTHS, DEPTHS = (8, 16, 32, 64, 128), (1, 2, 3, 4)
"""Of the random networks whose regions are counted."""
SMALL = 8
"""Units a layer of the networks whose regions a grid must find."""
FOLDED = 6
"""Layers of the network that is folded on purpose, at most."""
SIDES = {"smoke": (10, 30, 100, 250), "lesson": (10, 30, 100, 250, 500), "full": (10, 30, 100, 250, 500, 1000)}
"""Points along each side of a grid."""
UNITS, POINTS = "hidden units N", "points along each side"
"""Axes of the figures."""
PLANE, SQUARE = regions.Plane.identity(), regions.square(1.0)
"""Where the regions of networks of two inputs are counted."""


def largest_misfit(network: nn.Module, found: regions.Partition) -> float:
    """How far a network is from A[r] x + b[r] at the corners of every region, as a share of its largest output.

    The map of a region is that at its middle. A fold that the partition had missed would bend the network between the
    middle and a corner.

    >>> network = random_network(8, 2, generator=stream(0, "random network"))
    >>> largest_misfit(network, regions.partition(network, PLANE, SQUARE)) < 1e-12
    True
    """
    owner = torch.repeat_interleave(found.polygons.starts.diff())
    corners = found.vertices[found.polygons.corners]
    affine = (found.slope[owner] @ corners[:, :, None]).squeeze(2) + found.offset[owner]
    with torch.no_grad():
        exact = network(found.plane.at(found.vertices))[found.polygons.corners]
    return float((affine - exact).abs().max() / exact.abs().max())


def misfits(*, width: int, depth: int, draws: int) -> DataArray:
    """``largest_misfit`` of random networks, and of the same ones with a smooth SiLU for each ReLU: run x draw.

    The second is the control: it has no regions, and the partition of its twin of ReLUs does not fit it.
    """
    networks = random_networks(width, depth, draws=draws)
    smooth = [nn.Sequential(*(nn.SiLU() if isinstance(each, nn.ReLU) else each for each in net)) for net in networks]
    rows = [
        [largest_misfit(net, regions.partition(net, PLANE, SQUARE, proxy=proxy)) for net in some]
        for some, proxy in ((networks, False), (smooth, True))
    ]
    labels = {"run": ["ReLU", "SiLU"], "draw": list(range(draws))}
    known = {"unit": "", "setting": f"random networks of {depth} x {width} units"}
    return DataArray(np.array(rows), labels, ("run", "draw"), "largest misfit", known)


def random_networks(width: int, depth: int, *, draws: int) -> list[nn.Sequential]:
    """Networks of two inputs and one output, each with random weights of its own.

    >>> len(random_networks(8, 2, draws=3))
    3
    """
    return [random_network(width, depth, generator=stream(draw, "random network")) for draw in range(draws)]


def on_grids(
    share_found: Callable[[nn.Module, int], float], *, width: int, depth: int, draws: int, profile: str
) -> DataArray:
    """What grids find of the regions of random networks: run x draw x points along each side.

    ``share_found`` is given a network and the number of points along each side of a grid. The first run is the
    control: networks of 8 units a layer, whose regions are large, so that a fine grid must find nearly all.
    """
    sides, widths = SIDES[profile], list(dict.fromkeys((SMALL, width)))
    networks = [random_networks(each, depth, draws=draws) for each in widths]
    found = [[[share_found(network, side) for side in sides] for network in row] for row in networks]
    runs = [f"{depth} x {each} units" for each in widths]
    labels = {"run": runs, "draw": list(range(draws)), POINTS: list(sides)}
    known = {"unit": "", "setting": f"random networks of {runs[-1]}"}
    return DataArray(np.array(found), labels, ("run", "draw", POINTS), "share of regions found", known)


def of_each_size(count: Callable[[nn.Module], float], *, draws: int) -> DataArray:
    """The regions that are counted of random networks of several depths and widths: depth x draw x width."""
    found = np.zeros((len(DEPTHS), draws, len(WIDTHS)))
    for row, depth in enumerate(DEPTHS):
        for column, width in enumerate(WIDTHS):
            found[row, :, column] = [count(network) for network in random_networks(width, depth, draws=draws)]
    labels = {"depth": list(DEPTHS), "draw": list(range(draws)), "width": list(WIDTHS)}
    known = {"unit": "", "setting": "random networks, square of side 2"}
    return DataArray(found, labels, ("depth", "draw", "width"), "regions", known)


def along_units(counts: DataArray) -> list[DataArray]:
    """What ``of_each_size`` gives, a line for each depth, along the number N of hidden units."""
    lines = []
    for depth in counts["depth"].values:
        line = counts.sel(depth=[depth]).rename(width=UNITS)
        lines.append(line.assign_coords({UNITS: depth * line[UNITS].values}))
    return lines


def most_of_lines(units: Any) -> Any:
    """1 + N + N (N − 1) / 2: the pieces into which N lines cut the plane, none parallel, no three through one point.

    >>> [most_of_lines(units) for units in (1, 2, 3)]
    [2.0, 4.0, 7.0]
    """
    return 1 + units + units * (units - 1) / 2


def straight_lines(counts: DataArray) -> DataArray:
    """``most_of_lines`` along the number N of hidden units, to be drawn beside the counts.

    >>> counts = DataArray([[[7.0]]], {"depth": [2], "draw": [0], "width": [4]}, name="regions")
    >>> straight_lines(counts).values
    array([37.])
    """
    units = np.unique(np.outer(counts["depth"].values, counts["width"].values)).astype(float)
    return DataArray(most_of_lines(units), {UNITS: units}, UNITS, counts.name)


def folding_network(depth: int) -> nn.Sequential:
    """A network of 4 units a layer that cuts the square of side 2 into 4^depth regions.

    Each layer folds the square onto itself, t(u) = 1 − 2 |u| along both axes, so that the folds of the next layers
    appear twice as often along each. The positive control: depth can multiply regions, where weights are chosen for it.

    Reference: Montufar, Pascanu, Cho, Bengio, "On the number of linear regions of deep neural networks", NeurIPS 2014,
    arXiv 1402.1869, sec. 3; the fold is that of Telgarsky, "Benefits of depth in neural networks", 2016, arXiv
    1602.04485.

    Raises:
        InputError: a depth that is no whole number from 1 to 10.

    >>> regions.count_regions(folding_network(3), PLANE, SQUARE)
    64
    """
    depth = checked("depth", depth, Annotated[int, Range(1, 10)])
    both = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], dtype=torch.float64, device="cpu")
    fold = -2 * both.abs().T  # of relu(u), relu(-u): minus twice their sum
    layers: list[nn.Module] = [linear(both), nn.ReLU()]
    for _ in range(depth - 1):
        layers += [linear(both @ fold, both.sum(1)), nn.ReLU()]
    return nn.Sequential(*layers, linear(fold.sum(0, keepdim=True)))


def folded_on_purpose(count: Callable[[nn.Module], float]) -> DataArray:
    """The regions that are counted of folding networks of 1 to 6 layers, along the number N of hidden units.

    >>> folded_on_purpose(lambda network: len(network)).sizes
    Frozen({'hidden units N': 6})
    """
    depths = range(1, FOLDED + 1)
    counts = [float(count(folding_network(depth))) for depth in depths]
    return DataArray(counts, {UNITS: [4 * depth for depth in depths]}, UNITS, "regions")


def growth(counts: DataArray, *, along: str = "depth") -> DataArray:
    """The power of N with which the regions grow as layers are added, or as they get wider (along ``width``).

    The slope of log regions over log N. 2 where the number grows as the square of N; more, and ever more, where each
    layer multiplies it.

    >>> labels = {"depth": [1, 2, 4], "draw": [0], "width": [8]}
    >>> growth(DataArray([[[1.0]], [[4.0]], [[16.0]]], labels)).sel(width=8).values.round(6)
    array([2.])
    """
    place = np.log(counts[along] / counts[along][0])  # N is depth · width, so its logarithm differs by a constant
    place = place - place.mean()
    return (np.log(counts) * place).sum(along, skipna=False) / (place**2).sum()


def growth_with_depth(counts: DataArray) -> DataArray:
    """``growth`` as layers are added, in the mean over widths: one number for each draw."""
    return growth(counts).mean("width", skipna=False)


def by_depth(counts: DataArray) -> Dataset:
    """For each depth the share of what straight lines could make on the whole plane, and the growth with width.

    Networks of one layer have on the whole plane exactly as many regions as lines in general position: their share is
    the part of them that the square holds. Means over draws, and of the share over widths.

    >>> by_depth(DataArray([[[7.4, 27.4]]], {"depth": [1], "draw": [0], "width": [8, 16]})).to_dataframe().round(2)
           share of the most that N lines make  power of N, as layers get wider
    depth
    1                                      0.2                             1.89
    """
    share = (counts / most_of_lines(counts["depth"] * counts["width"])).mean(("draw", "width"))
    power = growth(counts, along="width").mean("draw")
    return Dataset({"share of the most that N lines make": share, "power of N, as layers get wider": power})


def pieces_on_a_line(weight: Float[Tensor, "n"], bias: Float[Tensor, "n"]) -> int:
    """Affine pieces between -1 and 1 of a network of one hidden layer and one input, Σ c_k ReLU(w_k x + b_k).

    Unit k bends it at x = −b_k / w_k, if w_k is not 0; n different bends inside make n + 1 pieces.

    >>> pieces_on_a_line(torch.tensor([1.0, 2.0, 0.0, 1.0]), torch.tensor([-0.5, 0.0, 1.0, 3.0]))
    3
    """
    bends = -bias[weight != 0] / weight[weight != 0]
    inside = bends[bends.abs() < 1]
    return len(inside.unique()) + 1


def linear(weight: Float[Tensor, "out d"], bias: Float[Tensor, "out"] | None = None) -> nn.Linear:
    """A linear layer of given weights.

    >>> linear(torch.ones(1, 2))(torch.ones(2)).item()
    2.0
    """
    layer = nn.Linear(weight.shape[1], len(weight), bias=bias is not None, dtype=weight.dtype, device=weight.device)
    layer.weight.data.copy_(weight)
    if bias is not None:
        layer.bias.data.copy_(bias)
    return layer
