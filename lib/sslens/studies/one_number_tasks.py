"""How good an encoder is: on a larger draw of test images, on another data set, and for what is not the class."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate
from xarray import DataArray

from sslens import datasets
from sslens.measures import probe
from sslens.runtime import stream
from sslens.studies.study import stacked
from sslens.train import Runs
from sslens.types import Dataset, Features

CLASSIFIERS: Mapping[str, probe.Classify] = {"kNN": probe.knn, "linear": probe.classify_by_ridge}
"""What may read the representation: a vote of neighbours, or a linear probe."""
SCATTERED, DIGITS = "scattered_digits", "digits"
DRAWS = 2
"""How often every scattered test digit is placed anew, besides the two placements of the data set itself."""
CHUNK = 600
"""Images that are encoded at a time."""
FACTORS = ("x", "y", "rotation")
"""What is read besides the class, where the images were made with it."""


@final
@dataclass(frozen=True, eq=False)
class Task:
    """Images whose labels a probe knows, and others that it is asked about.

    >>> task = own_task("scattered_digits", most=2400)
    >>> len(task.known), len(task.queries), len(set(task.queries.origin.tolist()))
    (2400, 2388, 597)
    """

    known: Dataset
    queries: Dataset


def own_task(dataset: str, *, most: int) -> Task:
    """The data that the encoders were trained on: training images, and test images that none has seen.

    Scattered digits are placed anew at random, so that there are more test images than the set has; their originals
    stay the 597 test digits. At most so many images on either side, a fixed draw.

    Raises:
        InputError: as ``datasets.load``.
    """
    train, test = datasets.load(dataset)
    if dataset == SCATTERED:
        further = [datasets.load(dataset, seed=draw)[1] for draw in range(1, DRAWS)]
        for each in further:
            test = test.joined(each)
    return Task(_drawn(train, "known", most=most), _drawn(test, "queries", most=most))


def task_elsewhere(dataset: str, *, most: int) -> Task:
    """Another data set that no encoder was trained on, its images resized to those that the encoders know.

    Raises:
        InputError: as ``datasets.load``.

    >>> tuple(task_elsewhere("scattered_digits", most=100).queries.images.shape)
    (100, 1, 16, 16)
    """
    shape = datasets.load(dataset)[1].images.shape[1:]
    sides = datasets.load(SCATTERED if dataset == DIGITS else DIGITS)
    fitted = [replace(side, images=_fitted(side.images, shape)) for side in sides]
    return Task(*(_drawn(side, name, most=most) for side, name in zip(fitted, ("known", "queries"), strict=True)))


def correct_on(task: Task, runs: Runs, *, classifier: str) -> DataArray:
    """1 where a probe of the representation at the end of training gets a query right, else 0: run x seed x sample.

    >>> from sslens.train import Config
    >>> runs = Runs.of({"untrained": Config.at("smoke", optimisation={"steps": 0})})
    >>> found = correct_on(own_task("scattered_digits", most=50), runs, classifier="kNN")
    >>> found.dims, found.sizes["sample"], "origin" in found.coords
    (('run', 'seed', 'sample'), 50, True)
    """

    def right(network: nn.Module) -> Float[Tensor, "m"]:
        known, queries = ((encoded(network, side), side.labels) for side in (task.known, task.queries))
        return probe.correct(known, queries, classify=CLASSIFIERS[classifier])

    found = runs.networks_along(right, at="end", per="image", name=f"{classifier} accuracy")
    found = found.rename(image="sample")
    origin = task.queries.origin
    return found if origin is None else found.assign_coords(origin=("sample", origin.numpy()))


def encoded(network: nn.Module, images: Dataset) -> Features:
    """The representation of every image, in the precision of the network."""
    kind = next(network.parameters()).dtype
    with torch.no_grad():
        return torch.cat([network(chunk.to(kind)) for chunk in images.images.split(CHUNK)])


def read_factors(runs: Runs) -> DataArray | None:
    """R² of each of ``FACTORS``, read linearly from the representation at the end: factor x run x seed.

    Fitted on the training side of the reference images, judged on the test side; NaN after divergence. None where the
    images were not made with such factors.
    """
    trace = runs[runs.names[0]][0]
    factors = trace.reference.factors
    if not set(FACTORS) <= set(factors):
        return None

    def reading(name: str) -> DataArray:
        values = factors[name]

        def r_squared(h: Features) -> float:
            sides = [(h[side], values[side]) for side in (~trace.held_out, trace.held_out)]
            return probe.r_squared(*sides)

        return runs.along(r_squared, at="end", name="R²")

    return stacked({name: reading(name) for name in FACTORS}, dim="factor").assign_attrs(unit="", setting=runs.setting)


def _drawn(data: Dataset, name: str, *, most: int) -> Dataset:
    if len(data) <= most:
        return data
    order = torch.randperm(len(data), generator=stream(0, f"task/{name}"), device="cpu")
    return data.take(order[:most].sort().values)


def _fitted(images: Float[Tensor, "n c h w"], shape: torch.Size) -> Float[Tensor, "n d i j"]:
    """Grey images stretched to a size, the same in every channel."""
    resized = interpolate(images, size=shape[1:], mode="bilinear", align_corners=False)
    return resized.expand(-1, shape[0], -1, -1)
