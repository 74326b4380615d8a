"""Where do regions go in training? The exercises, and a network whose folds can be counted by hand."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from xarray import DataArray

from sslens.exercises import Exercises, Question, Task
from sslens.measures import regions
from sslens.studies.regions_on_the_move_networks import TEST

Case = tuple[nn.Linear, Float[Tensor, "corners d"]]


def _case(weight: list[list[float]], bias: list[float], *, x: tuple[float, ...], radius: float) -> Case:
    """A layer, and the corners x ± radius · e along the axes e of the input space."""
    layer = nn.Linear(len(x), len(bias), device="cpu")
    layer.weight.data, layer.bias.data = torch.tensor(weight, device="cpu"), torch.tensor(bias, device="cpu")
    layer.requires_grad_(requires_grad=False)
    centre, steps = torch.tensor(x, device="cpu"), radius * torch.eye(len(x), device="cpu")
    return layer, torch.cat([centre + steps, centre - steps])


CASES = {
    "one unit, its fold far away": _case([[1.0, 0.0]], [-1.0], x=(0.0, 0.0), radius=0.5),
    "two units, one of them near": _case([[1.0, 0.0], [0.0, 1.0]], [-0.3, -2.0], x=(0.0, 0.0), radius=0.5),
    "a slanted fold beside the point": _case([[3.0, 4.0]], [-2.5], x=(0.1, 0.2), radius=0.4),
    "the same fold, a smaller radius": _case([[3.0, 4.0]], [-2.5], x=(0.1, 0.2), radius=0.3),
    "a fold through the point, and its mirror": _case([[1.0, 2.0], [-1.0, -2.0]], [0.0, 0.0], x=(0.0, 0.0), radius=0.1),
}


def folds_nearby(layer: nn.Linear, corners: Float[Tensor, "corners d"]) -> int:
    """How many units of a layer change sign among the corners of a neighbourhood.

    >>> folds_nearby(*CASES["two units, one of them near"])
    1
    """
    units = layer(corners)
    low, high = units.amin(0), units.amax(0)
    return int(((low <= 0) & (high > 0)).sum())


def exercises(counts: DataArray, dead: DataArray) -> Exercises:
    """Of the regions per square (seed x step x points) and the dead units of one network (seed x task)."""
    mean = counts.mean("seed", skipna=False)
    tested = mean.sel(points=TEST)
    factor = float(tested.isel(step=0) / tested.isel(step=-1))
    return Exercises(
        Question(
            "thinned",
            factor,
            hints=("`counts` has the numbers: take the mean over seeds.", "Divide the first step by the last."),
            solution="`tested = counts.sel(run='weight decay', points='test').mean('seed')`, then the first over the "
            "last: {truth}. Most of the regions of the random network are gone for good.",
        ),
        Question(
            "most",
            str(mean.isel(step=-1).idxmax("points").item()),
            hints=("It is the last point of the third panel in the figure of the three phases.",),
            solution="{truth}: what a network learned by heart, it keeps cut into more pieces.",
        ),
        Question(
            "dead",
            float(dead.isel(task=-1).mean("seed", skipna=False)),
            hints=("`dead` has the shares by run, seed and task.", "Take the last task, then the mean over seeds."),
            solution="`dead.sel(run=...).isel(task=-1).mean('seed')` gives {truth}: a unit that no image "
            "activates gets no gradient and stays as it is.",
        ),
        Task(
            "by_hand",
            like=_by_the_library,
            cases=CASES,
            hints=(
                "`layer(corners)` has a row for each corner and a column for each unit.",
                "A unit folds here if its smallest value among the corners is at most 0 and its largest above 0.",
            ),
            solution=folds_nearby,
        ),
    )


def _by_the_library(layer: nn.Linear, corners: Float[Tensor, "corners d"]) -> int:
    """The same, as ``regions.local_complexity`` counts it."""
    centre = corners.mean(0)
    steps = corners[: len(corners) // 2] - centre
    network = nn.Sequential(layer, nn.ReLU())
    return round(regions.local_complexity(network, centre[None], radius=1.0, directions=steps).mean)
