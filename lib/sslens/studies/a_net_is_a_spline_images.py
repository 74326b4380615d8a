"""Is a neural network a spline? The regions of trained encoders around images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import swa_utils
from xarray import DataArray

from sslens.encoders import ENCODERS, MLP
from sslens.measures import regions
from sslens.objectives import CrossEntropy, SimCLR
from sslens.train import Config, Runs, learned, restore
from sslens.types import Dataset, InputError

ENCODER, CLASSIFIER = "simclr", "classifier"
UNTRAINED, FITTED, TRAINED = "untrained", "fitted", "trained"
MEAN = "their mean"
ALONE = 8
"""Images that have a plane of their own."""
Count = Callable[[nn.Module, regions.Plane, Tensor], float]
"""Takes a network, a plane and a polygon on it."""


def encoder_configs(profile: str, *, dataset: str, encoder: str) -> dict[str, Config]:
    """An encoder that learns without labels; and the control, a small classifier of the 8x8 digits.

    Of such classifiers it is known that they lose regions around their samples: they are the kind of network that
    Humayun et al. 2023 trained, on data as simple as theirs.

    >>> list(encoder_configs("lesson", dataset="cifar10", encoder="convnet"))
    ['simclr', 'classifier']
    """
    base = Config.at(profile, optimisation={"steps": 40} if profile == "smoke" else {})
    plain = {"batch_size": 100, "learning_rate": 3e-3, "schedule": "constant", "warmup": 0.0}
    return {
        ENCODER: base.changed(data={"name": dataset}, encoder=ENCODERS[encoder](), objective=SimCLR(temperature=0.2)),
        CLASSIFIER: base.changed(
            data={"name": "digits"}, recipe="none", encoder=MLP(), objective=CrossEntropy(), optimisation=plain
        ),
    }


def encoder_runs(configs: Mapping[str, Config], *, seeds: int) -> Runs:
    """Both for every seed, trained side by side or read from the cache.

    Raises:
        InputError: data of fewer than three classes; nothing is trained then.
    """
    for config in configs.values():
        if len(classes := learned(config).classes) < 3:
            got = f"{config.data.name} of {len(classes)} classes"
            raise InputError("dataset", got, "a set of three classes or more")
    return Runs.of(configs, seeds=seeds, label="encoders")


@final
@dataclass(frozen=True, eq=False)
class Squares:
    """Squares on planes through images, from ``squares_around`` and ``squares_alone``."""

    images: Mapping[str, Float[Tensor, "c h w"]]
    """By name."""
    places: Mapping[str, tuple[regions.Plane, Float[Tensor, "4 2"]]]
    """For each name the plane and the square on it; ``their mean`` may be another one."""
    setting: str
    """Data and length of the run that the images belong to."""

    @property
    def first(self) -> tuple[regions.Plane, Float[Tensor, "4 2"]]:
        """Plane and square of the first image."""
        return next(iter(self.places.values()))


def squares_around(runs: Runs, *, half_side: float) -> Squares:
    """Around a test image of each of the first three classes of the encoder's data, and around their mean.

    All four lie on the plane through the three.

    Raises:
        InputError: no test image of one of them among those that a snapshot holds.
    """
    data, found = _unseen(runs, ENCODER), {}
    for label, name in enumerate(data.classes[:3]):
        if not (data.labels == label).any():
            raise InputError("dataset", f"no test image of {name}", "a set with test images of its first three classes")
        found[f"class {name}"] = data.images[data.labels == label][0].double()
    rows = torch.stack(list(found.values()))
    plane = regions.Plane.through(rows)
    centres = {**dict(zip(found, plane.coordinates(rows).tolist(), strict=True)), MEAN: [0.0, 0.0]}
    places = {name: (plane, regions.square(half_side, centre)) for name, centre in centres.items()}
    return Squares(found, places, runs.select(ENCODER).setting)


def squares_alone(runs: Runs, run: str, *, half_side: float) -> Squares:
    """Around eight test images of a run, each on a plane of its own in random directions.

    As notebook 31 has them, and local complexity: what is said of the data is then a mean over more than three images.
    """
    images = {f"image {place}": image.double() for place, image in enumerate(_unseen(runs, run).images[:ALONE])}
    square = regions.square(half_side)
    places = {name: (regions.Plane.through(image[None]), square) for name, image in images.items()}
    return Squares(images, places, runs.select(run).setting)


def _unseen(runs: Runs, run: str) -> Dataset:
    trace = runs[run][0]
    return trace.reference.take(trace.held_out.nonzero().flatten())


def three_networks(runs: Runs, run: str = ENCODER) -> dict[str, list[nn.Module]]:
    """Three networks of each seed: untrained, untrained with batch norm fitted to the training images, and trained.

    Without batch norm the first two are the same.

    Reference for the second: Balestriero, Baraniuk, "Batch normalization explained", 2022, arXiv 2209.14778.
    """
    snapshots = {UNTRAINED: 0, FITTED: 0, TRAINED: -1}
    found = {name: [restore(trace, index) for trace in runs[run]] for name, index in snapshots.items()}
    for trace, network in zip(runs[run], found[FITTED], strict=True):
        images = trace.reference.images[~trace.held_out]
        swa_utils.update_bn([images.to(next(network.parameters()))], network)
    return found


def of_each_network(count: Count, networks: Mapping[str, Sequence[nn.Module]], *, squares: Squares) -> DataArray:
    """What is counted of each network in each square: run x seed x place.

    ``count`` is ``regions.count_regions``, or takes network, plane and domain as it does.
    """
    found = [
        [[count(network, *place) for place in squares.places.values()] for network in row] for row in networks.values()
    ]
    labels = {"run": list(networks), "seed": list(range(len(found[0]))), "place": list(squares.places)}
    known = {"unit": "", "setting": squares.setting}
    return DataArray(np.array(found, dtype=float), labels, ("run", "seed", "place"), "regions in the square", known)


def along_training(count: Count, runs: Runs, *, squares: Squares, run: str = ENCODER) -> DataArray:
    """What is counted around the images at every snapshot of a run, in the mean over them: seed x step."""
    around = [place for name, place in squares.places.items() if name != MEAN]

    def mean_count(network: nn.Module) -> float:
        return float(np.mean([count(network, *place) for place in around]))

    found = runs.select(run).networks_along(mean_count, name=f"regions, {run}")
    return found.isel(run=0, drop=True)


def around_images(counts: DataArray, run: str) -> DataArray:
    """Regions around all images but not their mean, of one kind of network: one number for each seed."""
    return counts.sel(run=run).drop_sel(place=MEAN).sum("place", skipna=False)
