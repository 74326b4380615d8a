"""What probes read from layer to layer behind an encoder, from cut features, and over the width of the last layer."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from xarray import DataArray

from sslens.measures import probe
from sslens.measures.activations import activations
from sslens.runtime import stream
from sslens.statistics import Interval
from sslens.studies.how_white_spectra import CLASSIFIERS
from sslens.studies.study import stacked
from sslens.trace import Trace
from sslens.train import Runs, restore
from sslens.types import Features, InputError, UnknownName

LENGTHS = (2, 4, 8, 16, 32, 64)
"""Columns that are kept of 64."""
CUT = {"nested": ("nested", False), "plain, cut": ("plain", False), "plain, PCA": ("plain", True)}
"""Ways to shorten features: the run, and whether its principal axes are cut rather than its columns."""
COLUMNS = "columns kept"


def five_labels(known: probe.Known, queries: probe.Queries) -> float:
    """Accuracy of a ridge with 5 labels per class: the mean of ten draws, the same for every layer and run.

    Raises:
        InputError: as for ``probe.few_shot``.

    >>> import torch
    >>> side = torch.arange(10.0).view(10, 1), torch.tensor([0] * 5 + [1] * 5)
    >>> five_labels(side, side)
    1.0
    """
    found: Interval = probe.few_shot(known, queries, generator=stream(0, "labels"))
    return found.mean


PROBES: Mapping[str, Callable[[probe.Known, probe.Queries], float]] = {
    "kNN": probe.knn_accuracy,
    "5 labels per class": five_labels,
    "all labels": probe.ridge_accuracy,
}
"""What reads the class: neighbours, a ridge with few labels, a ridge with all of them."""


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


def accuracies(runs: Runs) -> DataArray:
    """What each of the ``PROBES`` makes of the last representation: probe x run x seed.

    Raises:
        InputError: as for ``Runs.probed``.

    >>> from sslens.train import Config
    >>> config = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 2})
    >>> accuracies(Runs.of({"vicreg": config})).dims
    ('probe', 'run', 'seed')
    """
    found = {name: runs.probed(read, at="end", name="accuracy") for name, read in PROBES.items()}
    return stacked(found, "probe")


def accuracy_by_layer(runs: Runs) -> DataArray:
    """What each of the ``PROBES`` makes of every layer of the head: run x seed x probe x layer; NaN after divergence.

    Raises:
        InputError: as for ``layers``.

    >>> from sslens.train import Config
    >>> config = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 2})
    >>> accuracy_by_layer(Runs.of({"vicreg": config})).layer.values.tolist()
    ['backbone', 'hidden 1', 'embedding']
    """

    def reading(name: str) -> Callable[..., float]:
        return lambda trace, h: PROBES[name](*_sides(trace, h, trace.reference.labels))

    return _by_layer(runs, "probe", {name: reading(name) for name in PROBES}).rename("accuracy")


def r_squared_by_layer(runs: Runs) -> DataArray:
    """How well each factor that the images were made with is read from every layer: run x seed x factor x layer.

    R² of a ridge that is fitted on the training side of the reference images and judged on the test side; NaN after
    divergence.

    Raises:
        InputError: as for ``layers``, or images whose factors are not known.

    >>> from sslens.train import Config
    >>> config = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 2})
    >>> r_squared_by_layer(Runs.of({"vicreg": config})).factor.values.tolist()
    ['contrast', 'rotation', 'scale', 'x', 'y']
    """
    factors = sorted(runs[runs.names[0]][0].reference.factors)
    if not factors:
        raise InputError("runs", list(runs), "runs on images whose factors are known")

    def reading(name: str) -> Callable[..., float]:
        return lambda trace, h: probe.r_squared(*_sides(trace, h, trace.reference.factors[name]))

    return _by_layer(runs, "factor", {name: reading(name) for name in factors}).rename("R²")


def _sides(trace: Trace, h: Features, values: Shaped[Tensor, "n"]) -> list[tuple[Any, Any]]:
    """Features and what is read from them, of the training side and of the test side."""
    return [(h[side], values[side]) for side in (~trace.held_out, trace.held_out)]


def _by_layer(runs: Runs, dim: str, readings: Mapping[str, Callable[..., float]]) -> DataArray:
    """What every reading, a function of trace and features, makes of every layer: run x seed x ``dim`` x layer."""
    tables = {}
    for run in runs:
        seeds = {seed: _layer_table(trace, readings, dim) for seed, trace in zip(runs.seeds, runs[run], strict=True)}
        tables[run] = stacked(seeds, "seed")
    return stacked(tables, "run").assign_attrs(unit="", setting=runs.setting)


def _layer_table(trace: Trace, readings: Mapping[str, Callable[..., float]], dim: str) -> DataArray:
    found = layers(trace)
    values = np.full((len(readings), len(found)), np.nan)
    if trace.status != "diverged":
        for row, read in enumerate(readings.values()):
            values[row] = [read(trace, h) for h in found.values()]
    return DataArray(values, {dim: list(readings), "layer": list(found)}, (dim, "layer"))


def accuracy_cut_short(runs: Runs, *, classifier: str = "kNN") -> DataArray:
    """Accuracy of a classifier that sees a few columns only: of the nested run, of the plain one, of its PCA.

    run x seed x columns kept, for the ways of ``CUT`` and the ``LENGTHS``.

    Raises:
        UnknownName: no such classifier, or runs without one called nested or plain.
        InputError: as for ``probe.prefixes``.

    >>> from sslens.train import Config
    >>> config = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 2})
    >>> accuracy_cut_short(Runs.of({"plain": config, "nested": config})).run.values.tolist()
    ['nested', 'plain, cut', 'plain, PCA']
    """
    found = {}
    for name, (run, pca) in CUT.items():
        found[name] = _shortened(runs.select(run), LENGTHS, classifier=classifier, pca=pca).isel(run=0, drop=True)
    return stacked(found, "run")


def accuracy_of_narrow(runs: Runs, *, classifier: str = "kNN") -> DataArray:
    """The same of plain networks whose last layer is narrow from the start: run x seed x columns kept.

    ``runs`` are called ``narrow 2``, ``narrow 8``, ... by their width.

    Raises:
        UnknownName, InputError: as for ``accuracy_cut_short``.

    >>> from sslens.train import Config
    >>> config = Config.at("smoke", encoder={"features": 8}, optimisation={"steps": 4}, snapshots={"count": 2})
    >>> accuracy_of_narrow(Runs.of({"narrow 8": config}))["columns kept"].values.tolist()
    [8]
    """
    found = {}
    for run in runs:
        width = int(run.split()[-1])
        whole = _shortened(runs.select(run), [width], classifier=classifier)
        found[width] = whole.isel({"run": 0, COLUMNS: 0}, drop=True)
    return stacked(found, COLUMNS).expand_dims(run=["plain, narrow"]).transpose("run", "seed", COLUMNS)


def _shortened(run: Runs, lengths: Sequence[int], *, classifier: str, pca: bool = False) -> DataArray:
    if classifier not in CLASSIFIERS:
        raise UnknownName("classifier", classifier, CLASSIFIERS)
    read = partial(probe.prefixes, lengths=lengths, classify=CLASSIFIERS[classifier], pca=pca)
    found = run.probed(read, at="end", per=COLUMNS, name=f"accuracy, {classifier}")
    return found.assign_coords({COLUMNS: list(lengths)})
