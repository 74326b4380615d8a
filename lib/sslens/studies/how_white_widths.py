"""What is read from a network over the width of its last layer: classes it has seen, classes it has not, factors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor
from xarray import DataArray

from sslens import datasets
from sslens.measures import probe
from sslens.statistics import difference
from sslens.studies.how_white_layers import classify_by_tuned_ridge, factors, origins
from sslens.studies.how_white_runs import by_value
from sslens.studies.how_white_spectra import Sides, labelled
from sslens.studies.study import stacked
from sslens.train import Runs, restore
from sslens.types import Dataset, Features, InputError

KINDS = ("supervised", "SimCLR", "untrained")
"""How the networks of widths were trained; all on the first half of the classes, the last ones not at all."""
Read = Callable[[Features, Features], Float64[Tensor, "m"]]
"""Features of the training side and of the test side in, a number for each test image that is judged out."""
CHUNK = 512
"""Images that pass through a network at a time."""


@final
@dataclass(frozen=True, eq=False)
class Whole:
    """A data set with the half of the classes that the networks have not seen, and the features of its images.

    ``features[run, seed]`` are those of the training side and of the test side.
    """

    train: Dataset
    test: Dataset
    seen: int
    """How many classes the networks know: the labels below it."""
    features: Mapping[tuple[str, int], tuple[Float64[Tensor, "_n _d"], Float64[Tensor, "_m _d"]]]
    runs: Runs

    def rows(self, images: Dataset, *, seen: bool) -> Int64[Tensor, "m"]:
        """Places of the images of the seen classes, or of the others."""
        return ((images.labels < self.seen) == seen).nonzero()[:, 0]

    def sides_of(self, h: Float64[Tensor, "_n d"], others: Float64[Tensor, "_m d"], *, seen: bool) -> Sides:
        """Features and labels of these classes on both sides; labels of the new ones counted from 0."""
        pairs = []
        for images, features in ((self.train, h), (self.test, others)):
            rows = self.rows(images, seen=seen)
            pairs.append((features[rows], images.labels[rows] - (0 if seen else self.seen)))
        return pairs[0], pairs[1]


def whole(runs: Runs, dataset: str) -> Whole:
    """Pass all images of a set through networks that were trained on the first of its classes.

    Raises:
        InputError: as for ``datasets.load``.

    >>> from sslens.train import Config
    >>> config = Config.at("smoke", data={"name": "first_classes"}, optimisation={"steps": 0}, snapshots={"count": 2})
    >>> found = whole(Runs.of({"untrained 64": config}), "scattered_digits")
    >>> found.seen, [tuple(h.shape) for h in found.features["untrained 64", 0]]
    (5, [(2400, 64), (1194, 64)])
    """
    train, test = datasets.load(dataset)
    found = {}
    for run in runs:
        for seed, trace in zip(runs.seeds, runs[run], strict=True):
            network = restore(trace)
            found[run, seed] = _features(network, train), _features(network, test)
    return Whole(train, test, len(runs[runs.names[0]][0].reference.classes), found, runs)


@torch.no_grad()
def _features(network: torch.nn.Module, images: Dataset) -> Float64[Tensor, "n d"]:
    kind = next(network.parameters()).dtype
    return torch.cat([network(each.to(kind)) for each in images.images.split(CHUNK)]).double()


def correct_on_classes(found: Whole, *, seen: bool) -> DataArray:
    """Which test images of the classes seen in training, or of the others, a ridge classifies: run x seed x sample.

    The ridge is fitted to the training side's images of these classes, all of their labels, with the penalty that
    predicts left-out images best.
    """

    def right(h: Float64[Tensor, "_n d"], others: Float64[Tensor, "_m d"]) -> Float64[Tensor, "m"]:
        return probe.correct(*found.sides_of(h, others, seen=seen), classify=classify_by_tuned_ridge)

    return _array(found, right, found.rows(found.test, seen=seen)).rename("accuracy")


def explained_by_width(found: Whole) -> DataArray:
    """How well each factor is read from the features of all classes: factor x run x seed x sample, whose mean is R².

    Raises:
        InputError: as for ``factors``.
    """
    known, queries = factors(found.train), factors(found.test)
    everything = torch.arange(len(found.test), device="cpu")

    def of(name: str) -> Read:
        return lambda h, others: probe.explained((h, known[name]), (others, queries[name]))

    return stacked({name: _array(found, of(name), everything) for name in known}, "factor").rename("R²")


def spectra_on_new_classes(found: Whole, run: str, *, betas: Sequence[float]) -> tuple[DataArray, DataArray]:
    """``how_white_spectra.correct_as_trained`` of a network on the classes that it has not seen."""
    sides = {seed: found.sides_of(*found.features[run, seed], seen=False) for seed in found.runs.seeds}
    origin = origins(found.test)[found.rows(found.test, seen=False).numpy()]
    return labelled(sides, origin, betas=betas, setting=found.runs.select(run).setting)


def gained(array: DataArray, kind: str) -> DataArray:
    """What the widest last layer of a kind of network wins over the narrowest, along the other dimensions.

    Raises:
        InputError: fewer than two widths.

    >>> array = DataArray([0.5, 0.75, 0.1], {"run": ["SimCLR 16", "SimCLR 256", "untrained 16"]})
    >>> float(gained(array, "SimCLR"))
    0.25
    """
    names = [name for name in array.run.values.tolist() if name.startswith(f"{kind} ")]
    if len(names) < 2:
        raise InputError("run", names, f"two widths or more of {kind}")
    ordered = sorted(names, key=lambda name: int(name.split()[-1]))
    return difference(array.sel(run=ordered[-1], drop=True), array.sel(run=ordered[0], drop=True))


def lines_of(array: DataArray) -> DataArray:
    """An array of runs with a line for each kind of network over the width: training x width x the rest.

    >>> names = [f"{kind} {width}" for kind in KINDS for width in (16, 64)]
    >>> lines_of(DataArray(np.arange(6.0), {"run": names})).sel(training="SimCLR", width=64).item()
    3.0
    """
    return stacked({kind: by_value(array, kind, dim="width") for kind in KINDS}, "training")


def _array(found: Whole, read: Read, rows: Int64[Tensor, "m"]) -> DataArray:
    """What is read from the features of every run and seed: run x seed x sample; NaN where they are not finite."""
    runs, values = found.runs, np.full((len(found.runs), len(found.runs.seeds), len(rows)), np.nan)
    for place, run in enumerate(runs):
        for column, seed in enumerate(runs.seeds):
            h, others = found.features[run, seed]
            if h.isfinite().all() and others.isfinite().all():
                values[place, column] = read(h, others).numpy()
    coords = {"run": list(runs), "seed": list(runs.seeds), "sample": rows.numpy()}
    kept = {"unit": "", "setting": _setting(runs)}
    array = DataArray(values, coords, ("run", "seed", "sample"), attrs=kept)
    return array.assign_coords(origin=("sample", origins(found.test)[rows.numpy()]))


def _setting(runs: Runs) -> str:
    """Of the trained ones, where all of them share it: untrained ones stand beside them for comparison."""
    trained = [name for name in runs if not name.startswith("untrained")]
    return runs.select(*(trained or runs)).setting
