"""What probes read from layer to layer behind an encoder: the class, and the factors that an image was made with."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Int64, Shaped
from torch import Tensor, nn
from xarray import DataArray

from sslens.measures import probe
from sslens.measures.activations import activations
from sslens.runtime import stream
from sslens.studies.how_white_spectra import label_draws
from sslens.studies.study import stacked
from sslens.trace import Trace
from sslens.train import Runs, restore
from sslens.types import Dataset, Features, InputError, Labels

PENALTIES = (0.01, 0.1, 1.0, 10.0)
"""From which a ridge with all labels takes the one that predicts left-out samples best."""
FEW = 5
"""Labels per class of the second probe."""
Reading = Callable[[Any, Any], Float64[Tensor, "m"]]
"""Known features with what is read from them and the queries' own in, a number for each query out."""


def correct_with_few(known: probe.Known, queries: probe.Queries) -> Float64[Tensor, "m"]:
    """How often a ridge with 5 labels per class finds each query's class: over draws that are the same for all runs.

    Raises:
        InputError: as for ``label_draws`` and ``probe.ridge``.

    >>> side = torch.arange(10.0).view(10, 1), torch.tensor([0] * 5 + [1] * 5)
    >>> correct_with_few(side, side).mean()
    tensor(1., dtype=torch.float64)
    """
    h, labels = known
    draws = label_draws(labels, FEW, generator=stream(0, "labels"))
    right = [probe.correct((h[rows], labels[rows]), queries, classify=probe.classify_by_ridge) for rows in draws]
    return torch.stack(right).mean(0)


def classify_by_tuned_ridge(
    known_features: Features, known_labels: Labels, queries: Float[Tensor, "m d"]
) -> Int64[Tensor, "m"]:
    """Labels of the queries by the ridge whose penalty predicts left-out known samples best (``probe.ridge_loo``).

    So wide features, which want a larger penalty, and narrow ones are each read as well as they can be.

    Raises:
        InputError: as for ``probe.ridge_loo``.

    >>> h, labels = torch.tensor([[0.0], [1.0], [2.0], [3.0]]), torch.tensor([0, 0, 1, 1])
    >>> classify_by_tuned_ridge(h, labels, torch.tensor([[-1.0], [4.0]]))
    tensor([0, 1])
    """
    return probe.ridge_loo(known_features, known_labels, penalties=PENALTIES).probe.predict(queries)


PROBES: Mapping[str, Reading] = {
    "kNN": probe.correct,
    "5 labels per class": correct_with_few,
    "all labels": partial(probe.correct, classify=classify_by_tuned_ridge),
}
"""What reads the class: neighbours, a ridge with few labels, a ridge with all of them."""


def factors(images: Dataset) -> dict[str, Float[Tensor, "n"]]:
    """What each image was made with where that is known, else what can be measured of any image; by name.

    Known places, angles and sizes count; of other images their ``brightness`` (mean pixel), ``contrast`` (deviation of
    the pixels), and ``x`` and ``y`` of their brightness' centre, in pixels from the middle.

    Raises:
        InputError: texts.

    >>> bright = torch.zeros(2, 1, 3, 3)
    >>> bright[0, 0, 1, 2] = bright[1, 0, 0, 1] = 0.9
    >>> found = factors(Dataset(bright, torch.tensor([0, 1]), ("a", "b")))
    >>> {name: values.round(decimals=1).tolist() for name, values in found.items() if name in "xy"}
    {'x': [1.0, 0.0], 'y': [0.0, -1.0]}
    """
    if not images.images.is_floating_point():
        raise InputError("images", "texts", "images")
    if any(name.endswith("x") for name in images.factors):
        return dict(sorted(images.factors.items()))
    pixels = images.images.double().mean(1)
    mass, (height, width) = pixels.sum((1, 2)).clamp_min(1e-9), pixels.shape[1:]
    across, down = (torch.arange(size, device="cpu") - (size - 1) / 2 for size in (width, height))
    centre = {"x": (pixels.sum(1) @ across.double()) / mass, "y": (pixels.sum(2) @ down.double()) / mass}
    return {"brightness": pixels.mean((1, 2)), "contrast": pixels.flatten(1).std(1)} | centre


def layers(trace: Trace, index: int = -1) -> dict[str, Float[Tensor, "n _"]]:
    """The reference images in each layer of a run's projector: ``backbone``, ``hidden 1``, ..., ``embedding``.

    The backbone is the representation itself; hidden layers are taken after their ReLU, as the next layer sees them.
    In eval mode and float64, as snapshots are. A supervised run's head is one linear layer: its embedding holds logits.

    Raises:
        InputError: the trace has no such snapshot, or a head that is not a chain of layers (nested prefixes).

    Reference: Bordes, Balestriero, Garrido, Bardes, Vincent, "Guillotine regularization", 2022, arXiv 2206.13378.

    >>> from sslens.train import Config, record
    >>> trace = record(Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 2}))
    >>> {name: tuple(h.shape) for name, h in layers(trace).items()}
    {'backbone': (600, 64), 'hidden 1': (600, 128), 'embedding': (600, 64)}
    """
    head: nn.Module = restore(trace, index, head=True).double()[1]  # pyright: ignore[reportIndexIssue]
    if not isinstance(head, nn.Sequential | nn.Linear):
        raise InputError("trace", type(head).__name__, "a run whose head is a chain of layers")
    h = trace.snapshots[index].representation.double()
    heard = activations(head, h, of=lambda _, module: module is head or isinstance(module, nn.ReLU))
    *hidden, embedding = heard.values()
    named = {f"hidden {place}": values for place, values in enumerate(hidden, 1)}
    return {"backbone": h, **named, "embedding": embedding}


def correct_by_layer(runs: Runs) -> DataArray:
    """What each of the ``PROBES`` makes of every layer of the head: run x seed x probe x layer x sample.

    Raises:
        InputError: as for ``layers``.

    >>> from sslens.train import Config
    >>> config = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 2})
    >>> correct_by_layer(Runs.of({"vicreg": config})).layer.values.tolist()
    ['backbone', 'hidden 1', 'embedding']
    """

    def reading(name: str) -> Callable[..., Float64[Tensor, "m"]]:
        return lambda trace, h: PROBES[name](*sides(trace, h, trace.reference.labels))

    return _by_layer(runs, "probe", {name: reading(name) for name in PROBES}).rename("accuracy")


def explained_by_layer(runs: Runs) -> DataArray:
    """How well each factor is read from every layer: run x seed x factor x layer x sample, whose mean is R².

    By a ridge that is fitted on the training side of the reference images and judged on the test side.

    Raises:
        InputError: as for ``layers`` and ``factors``.

    >>> from sslens.train import Config
    >>> config = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 2})
    >>> explained_by_layer(Runs.of({"vicreg": config})).factor.values.tolist()
    ['contrast', 'rotation', 'scale', 'x', 'y']
    """
    known = factors(runs[runs.names[0]][0].reference)

    def reading(name: str) -> Callable[..., Float64[Tensor, "m"]]:
        return lambda trace, h: probe.explained(*sides(trace, h, known[name]))

    return _by_layer(runs, "factor", {name: reading(name) for name in known}).rename("R²")


def sides(trace: Trace, h: Features, values: Shaped[Tensor, "n"]) -> list[tuple[Any, Any]]:
    """Features and what is read from them, of the training side and of the test side."""
    return [(h[side], values[side]) for side in (~trace.held_out, trace.held_out)]


def origins(images: Dataset) -> Int[np.ndarray, "n"]:
    """The original of each image; of images that are each their own, their place.

    >>> origins(Dataset(torch.zeros(2, 1, 3, 3), torch.tensor([0, 1]), ("a", "b")))
    array([0, 1])
    """
    return np.arange(len(images)) if images.origin is None else images.origin.numpy()


def _by_layer(runs: Runs, dim: str, readings: Mapping[str, Callable[..., Float64[Tensor, "m"]]]) -> DataArray:
    """What every reading, a function of trace and features, makes of every layer: run x seed x dim x layer x sample."""
    tables = {}
    for run in runs:
        seeds = {seed: _layer_table(trace, readings, dim) for seed, trace in zip(runs.seeds, runs[run], strict=True)}
        tables[run] = stacked(seeds, "seed")
    return stacked(tables, "run").assign_attrs(unit="", setting=runs.setting)


def _layer_table(trace: Trace, readings: Mapping[str, Callable[..., Float64[Tensor, "m"]]], dim: str) -> DataArray:
    found, samples = layers(trace), int(trace.held_out.sum())
    values = np.full((len(readings), len(found), samples), np.nan)
    if trace.status != "diverged":
        for row, read in enumerate(readings.values()):
            values[row] = np.stack([read(trace, h).numpy() for h in found.values()])
    coords = {dim: list(readings), "layer": list(found), "sample": np.arange(samples)}
    origin = origins(trace.reference)[trace.held_out.numpy()]
    return DataArray(values, coords, (dim, "layer", "sample")).assign_coords(origin=("sample", origin))
