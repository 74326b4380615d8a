"""Where do regions go in training? What is measured of the networks of runs: accuracy, folds, regions."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor, nn
from xarray import DataArray

from sslens.measures import probe, regions, robustness
from sslens.runtime import stream
from sslens.train import Runs
from sslens.types import Dataset, Images

TRAIN, TEST, ATTACKED = "train", "test", "attacked"
SAMPLES, WAY, BOUNDARY = "samples", "on the way", "boundary"
"""Images of two classes, a random point on the way between them, and the point of the boundary on the same way."""
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


def complexity_at_the_boundary(runs: Runs, images: Images, *, radius: float) -> DataArray:
    """Folds around images, between them, and at the decision boundary between them: run x seed x step x points.

    Each image of the first half is paired with one of the second. Where a network gives a pair two classes, bisection
    finds a point of its boundary on the way between them (``regions.boundary_points``); a random point of the same way
    is the control. NaN at snapshots of a network that parts no pair.

    Raises:
        InputError: runs that were measured at different steps, or what ``regions.local_complexity`` refuses.
    """
    half = len(images) // 2
    starts, ends = images[:half].double(), images[half : 2 * half].double()
    share = torch.rand(half, *[1] * (images.ndim - 1), generator=stream(0, "way"), dtype=torch.float64, device="cpu")
    way = torch.lerp(starts, ends, share)

    def at_boundary(network: nn.Module) -> float:
        found = regions.boundary_points(network, starts, ends=ends)
        return _folds(found, radius)(network) if len(found) else float("nan")

    measures = {SAMPLES: _folds(images[: 2 * half], radius), WAY: _folds(way, radius), BOUNDARY: at_boundary}
    found = _at_points(runs, measures, name="local complexity")
    return found.assign_attrs(unit="folds per neighbourhood")


def attacked(runs: Runs, test: Dataset, *, epsilon: float) -> DataArray:
    """Whether each image of a set is classified correctly under attack: run x seed x step x sample, 0 or 1.

    Raises:
        InputError: runs that were measured at different steps, or what ``robustness.withstood`` refuses.
    """

    def right(network: nn.Module) -> Float64[Tensor, "n"]:
        return robustness.withstood(network.double(), test.images, labels=test.labels, epsilon=epsilon).double()

    found = runs.networks_along(right, head=True, per="image", name="correct under attack").rename(image="sample")
    known: dict[str, Any] = {"sample": range(len(test))}
    if test.origin is not None:
        known["origin"] = ("sample", test.origin.numpy())
    return found.assign_coords(known)


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
