"""Where do regions go in training? What is measured of the networks of runs: accuracy, folds, regions."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float64
from torch import Tensor, nn
from xarray import DataArray

from sslens.measures import probe, regions, robustness
from sslens.runtime import stream
from sslens.train import Runs
from sslens.types import Dataset, Images

ATTACKED = "attacked"
DIRECTIONS = 25
"""Of the neighbourhoods in which folds are counted."""
SQUARES = 8
"""Points through which squares are laid in which regions are counted."""
FEW = 40
"""Points of a figure that somebody waits for."""


def accuracy(runs: Runs, sets: Mapping[str, Dataset], *, epsilon: float | None = None) -> DataArray:
    """Accuracy of classifiers on each of some sets along training: run x seed x step x points.

    With ``epsilon``, on the last set under attack as well, as ``attacked``: projected gradient descent of ten steps may
    move each pixel so far.

    Raises:
        InputError: runs that were measured at different steps, or what ``robustness.adversarial`` refuses.
    """
    measures = {name: _classified(data) for name, data in sets.items()}
    if epsilon is not None:
        measures[ATTACKED] = _withstood(list(sets.values())[-1], epsilon)
    return _at_points(runs, measures, name="accuracy")


def local_complexity(runs: Runs, points: Mapping[str, Images], *, radius: float, head: bool = True) -> DataArray:
    """Folds in neighbourhoods of each of some clouds of points along training: run x seed x step x points.

    The mean over a cloud of ``regions.local_complexity`` in 25 directions; each point keeps its own at every step.

    Raises:
        InputError: runs that were measured at different steps, or what ``regions.local_complexity`` refuses.
    """
    measures = {name: _folds(images, radius) for name, images in points.items()}
    found = _at_points(runs, measures, name="local complexity", head=head)
    return found.assign_attrs(unit="folds per neighbourhood")


def local_complexity_of_one(runs: Runs, points: Mapping[str, Images], *, run: str, radius: float) -> DataArray:
    """``local_complexity`` of the first seed of a run at some 40 points of each cloud: step x points.

    Raises:
        UnknownName: no such run.
        InputError: as ``local_complexity``.
    """
    one = Runs({run: runs[run][:1]}, runs.seeds[:1])
    fewer = {name: images[:FEW] for name, images in points.items()}
    return local_complexity(one, fewer, radius=radius).isel(run=0, seed=0, drop=True)


def regions_per_square(runs: Runs, points: Mapping[str, Images]) -> DataArray:
    """Regions that meet a square of side 1 around a point, exactly: run x seed x step x points.

    The mean over eight points of each cloud; through each goes a plane in random directions.

    Raises:
        InputError: runs that were measured at different steps, or what ``regions.count_regions`` refuses.
    """
    measures = {name: _counted(images) for name, images in points.items()}
    return _at_points(runs, measures, name="regions per square")


def panels(values: DataArray, *, name: str) -> list[DataArray]:
    """Values at points as one array for each kind of points, called by both: ``folds around test digits``.

    >>> folds = DataArray([[1.0, 2.0]], {"run": ["simclr"], "points": ["test", "random"]})
    >>> [panel.name for panel in panels(folds, name="folds around")]
    ['folds around test', 'folds around random']
    """
    kinds = values["points"].values.tolist()
    return [values.sel(points=kind, drop=True).rename(f"{name} {kind}") for kind in kinds]


def _at_points(
    runs: Runs, measures: Mapping[str, Callable[[nn.Module], float]], *, name: str, head: bool = True
) -> DataArray:
    """Several measures of each network in float64, which is restored once for all of them."""

    def of_all(network: nn.Module) -> Float64[Tensor, "points"]:
        double = network.double()
        return torch.tensor([measure(double) for measure in measures.values()], dtype=torch.float64, device="cpu")

    found = runs.networks_along(of_all, head=head, per="points", name=name)
    return found.assign_coords(points=list(measures))


def _classified(data: Dataset) -> Callable[[nn.Module], float]:
    return lambda network: probe.accuracy(network(data.images.double()).argmax(1), data.labels)


def _withstood(data: Dataset, epsilon: float) -> Callable[[nn.Module], float]:
    return lambda network: robustness.adversarial(network, data.images, labels=data.labels, epsilon=epsilon)


def _folds(images: Images, radius: float) -> Callable[[nn.Module], float]:
    def counted(network: nn.Module) -> float:
        frames = stream(0, "frames")
        return regions.local_complexity(network, images, radius=radius, directions=DIRECTIONS, generator=frames).mean

    return counted


def _counted(images: Images) -> Callable[[nn.Module], float]:
    planes = [regions.Plane.through(image[None]) for image in images[:SQUARES]]
    square = regions.square(0.5)
    return lambda network: sum(regions.count_regions(network, plane, square) for plane in planes) / len(planes)
