"""What another spectrum wins or costs: accuracy over exponents and numbers of labels, and what is read from it."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated

import numpy as np
import plotly.graph_objects as go
import torch
from jaxtyping import Float64
from torch import Tensor
from xarray import DataArray

from sslens.figures import heat, theme
from sslens.measures import probe, spectrum
from sslens.measures.features import checked_features, checked_queries
from sslens.runtime import stream
from sslens.statistics import paired
from sslens.train import Runs
from sslens.types import Features, InputError, OneOf, Range, checked

CLASSIFIERS: Mapping[str, probe.Classify] = {
    "ridge": probe.classify_by_ridge,
    "nearest mean": probe.classify_by_nearest_mean,
    "kNN": probe.knn,
}
"""What predicts labels from features; all with the defaults of ``probe``, and none blind to the spectrum."""
DRAWS = 5
"""Of the labels, for each half of the queries."""
BUDGETS: Mapping[str, int] = {"1": 1, "2": 2, "5": 5, "10": 10, "20": 20, "all": 0}
"""Labels per class of the tables, by name; 0 stands for all known labels."""
LABELS = "labels per class"
WINDOWS = ((1, 10), (4, 64))
"""Ranks over which the exponent of a trained spectrum is fitted."""


def label_budgets(
    known: probe.Known,
    queries: probe.Queries,
    *,
    betas: Sequence[float],
    per_class: Sequence[int],
    classifier: str = "ridge",
    generators: tuple[torch.Generator, torch.Generator],
) -> Float64[Tensor, "2 b c"]:
    """Accuracy for every spectrum and number of labels per class, on each half of the queries.

    The first of the b rows has the features as they are, the others are ``reshaped`` to the ``betas``. 0 labels stand
    for all known ones; a number stands for the mean of five draws (``probe.few_labels``), the same ones in every row.
    The halves (every second query) have draws of their own, from a generator each, so that what is chosen on one can be
    judged on the other (``gain_of_best``); the generators are left as they are. Least squares without penalty and a
    probe on standardised dimensions would see no difference between the rows; the ``CLASSIFIERS`` do.

    Raises:
        UnknownName: none of the ``CLASSIFIERS`` has this name.
        InputError: as for ``reshaped`` and ``probe.few_labels``, fewer than 2 queries, or no number of labels.

    >>> side = torch.tensor([[9.0, 0.0], [9.0, 1.0], [-9.0, 0.0], [-9.0, 1.0]]), torch.tensor([0, 0, 1, 1])
    >>> draws = torch.Generator().manual_seed(0), torch.Generator().manual_seed(1)
    >>> label_budgets(side, side, betas=[2.0], per_class=[1, 0], generators=draws).tolist()
    [[[1.0, 1.0], [1.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]]]
    """
    if not len(per_class):
        raise InputError("per_class", per_class, "at least one number of labels")
    classify = CLASSIFIERS[checked("classifier", classifier, Annotated[str, OneOf(CLASSIFIERS)])]
    checked_queries(queries[0], checked_features(known[0], name="known").shape[1], rows=2)
    budgets = [checked("per_class", count, Annotated[int, Range(0, len(known[0]))]) for count in per_class]
    spectra = [(known[0], queries[0])]
    spectra += [spectrum.reshaped(known[0], queries[0], beta=beta) for beta in betas]
    tables = []
    for half, generator in enumerate(generators):
        for h, others in spectra:
            sides = (h, known[1]), (others[half::2], queries[1][half::2])
            row = [_accuracy(*sides, classify=classify, per_class=count, generator=generator) for count in budgets]
            tables.append(row)
    return torch.tensor(tables, dtype=torch.float64, device="cpu").view(2, len(spectra), len(budgets))


def _accuracy(
    known: probe.Known,
    queries: probe.Queries,
    *,
    classify: probe.Classify,
    per_class: int,
    generator: torch.Generator,
) -> float:
    if not per_class:
        return probe.accuracy(classify(*known, queries[0]), queries[1])
    draws = generator.clone_state()  # the same labels in every row of a table
    return probe.few_labels(known, queries, classify=classify, per_class=per_class, draws=DRAWS, generator=draws).mean


def accuracy_as_trained(run: Runs, *, classifier: str = "ridge") -> DataArray:
    """What a classifier makes of the last representation as training left it: seed x half x labels per class.

    Fitted on the reference images of the training side, judged on each half of those of the test side; all seeds see
    the same draws of labels.

    Raises:
        UnknownName: none of the ``CLASSIFIERS`` has this name.
        InputError: several runs, or as for ``label_budgets``.

    >>> from sslens.train import Config
    >>> config = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 2})
    >>> accuracy_as_trained(Runs.of({"vicreg": config}, seeds=2)).sizes["labels per class"]
    6
    """
    return _tables(run, (), classifier).isel(beta=0, drop=True)


def accuracy_reshaped(run: Runs, betas: Sequence[float], *, classifier: str = "ridge") -> DataArray:
    """The same for features of another spectrum, λ_k ∝ k^−beta: seed x half x beta x labels per class.

    Raises:
        UnknownName, InputError: as for ``accuracy_as_trained``.

    >>> from sslens.train import Config
    >>> config = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 2})
    >>> accuracy_reshaped(Runs.of({"vicreg": config}), [0.0, 2.0]).dims
    ('seed', 'half', 'beta', 'labels per class')
    """
    return _tables(run, tuple(betas), classifier).isel(beta=slice(1, None)).assign_coords(beta=list(betas))


def _only(run: Runs) -> Runs:
    if len(run) != 1:
        raise InputError("run", list(run), "one run, for every seed")
    return run


@lru_cache(maxsize=8)
def _tables(run: Runs, betas: tuple[float, ...], classifier: str) -> DataArray:
    """``label_budgets`` of every seed, the features as trained first along beta; kept, as controls come back to it."""

    def table(known: probe.Known, queries: probe.Queries) -> Float64[Tensor, "cells"]:
        draws = stream(0, "labels 0"), stream(0, "labels 1")
        budgets = list(BUDGETS.values())
        options = {"betas": betas, "per_class": budgets, "classifier": classifier, "generators": draws}
        return label_budgets(known, queries, **options).flatten()

    cells = _only(run).probed(table, at="end", per="cell", name="accuracy").isel(run=0, drop=True)
    values = cells.values.reshape(len(run.seeds), 2, 1 + len(betas), len(BUDGETS))
    coords = {"seed": cells.seed.values, LABELS: list(BUDGETS)}
    return DataArray(values, coords, ("seed", "half", "beta", LABELS), "accuracy", cells.attrs)


def eigenvalues_as_trained(run: Runs) -> DataArray:
    """Covariance eigenvalues of the last representation on the training side: seed x rank.

    Raises:
        InputError: several runs.

    >>> from sslens.train import Config
    >>> config = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 2})
    >>> eigenvalues_as_trained(Runs.of({"vicreg": config})).sizes["rank"]
    64
    """
    return _eigenvalues(run, spectrum.eigenvalues)


def eigenvalues_reshaped(run: Runs, beta: float) -> DataArray:
    """The same with another spectrum, λ_k ∝ k^−beta: seed x rank.

    Raises:
        InputError: several runs, or as for ``spectrum.spectral_map``.

    >>> from sslens.train import Config
    >>> config = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 2})
    >>> values = eigenvalues_reshaped(Runs.of({"vicreg": config}), 1.0)[0]
    >>> round(float(values[0] / values[9]), 6)
    10.0
    """

    def reshaped(h: Features) -> Float64[Tensor, "k"]:
        return spectrum.eigenvalues(spectrum.spectral_map(h, beta))

    return _eigenvalues(run, reshaped)


def _eigenvalues(run: Runs, measure: Callable[[Features], Float64[Tensor, "k"]]) -> DataArray:
    return _only(run).along(measure, on="train", at="end", per="rank", name="eigenvalue").isel(run=0, drop=True)


def exponents(eigenvalues: DataArray) -> dict[str, float]:
    """The exponent of the mean spectrum over runs and seeds, by the window of ranks that it is fitted on.

    Raises:
        InputError: as for ``spectrum.power_law``.

    >>> decay = DataArray([np.arange(1.0, 65.0) ** -2], {"seed": [0]}, ("seed", "rank"))
    >>> {name: round(exponent, 6) for name, exponent in exponents(decay).items()}
    {'own exponent, ranks 1-10': 2.0, 'own exponent, ranks 4-64': 2.0}
    """
    others = [dim for dim in eigenvalues.dims if dim != "rank"]
    decay = torch.from_numpy(eigenvalues.mean(others, skipna=False).values)
    found = {}
    for first, last in WINDOWS:
        found[f"own exponent, ranks {first}-{last}"] = spectrum.power_law(decay, ranks=(first, last)).exponent
    return found


def gain_of_best(reshaped: DataArray, trained: DataArray) -> DataArray:
    """What the best spectrum wins over the trained one, for each seed and number of labels; in units of accuracy.

    The exponent that is best on one half (the smallest among equals) is judged on the other; the mean of both ways.
    Choosing and judging on the same numbers would find a gain where there is none.

    Raises:
        InputError: seeds, halves or numbers of labels that differ, or not two halves.

    >>> reshaped = DataArray([[0.7, 0.6], [0.4, 0.8]], {"beta": [0.0, 2.0]}, ("half", "beta"))
    >>> round(float(gain_of_best(reshaped, DataArray([0.5, 0.5], dims="half"))), 6)
    0.0
    """
    paired(reshaped, trained)
    if reshaped.sizes.get("half") != 2:
        raise InputError("reshaped", dict(reshaped.sizes), "two halves of the test images")
    gain = (reshaped - trained).drop_vars("half", errors="ignore")
    chosen = gain.argmax("beta", skipna=False)
    other = gain.isel(half=[1, 0])
    return other.isel(beta=chosen).drop_vars("beta").mean("half", skipna=False)


def best_beta(reshaped: DataArray) -> DataArray:
    """The best exponent over both halves, for each seed and number of labels; the smallest among equals.

    NaN for a run that diverged.

    >>> reshaped = DataArray([[0.5, 0.6], [0.7, 0.8]], {"beta": [0.0, 2.0]}, ("half", "beta"))
    >>> float(best_beta(reshaped))
    2.0
    """
    accuracy = reshaped.mean("half", skipna=False)
    best = accuracy.beta[accuracy.argmax("beta", skipna=False)].drop_vars("beta")
    return best.where(accuracy.notnull().all("beta")).assign_attrs(reshaped.attrs)


def gains(accuracy: DataArray, trained: DataArray, *, exponents: Mapping[str, float], title: str) -> go.Figure:
    """Points of accuracy won or lost by a spectrum k^−beta (across), for each number of labels per class (down).

    ``accuracy`` has the dimensions ``labels per class`` and ``beta``, ``trained`` (of the spectrum as training left it,
    written beside each row) the first alone. The best exponent of each row is framed, all of them among equals.
    ``exponents`` of the trained spectrum, by name, are marked above the table where its axis reaches them.

    Raises:
        InputError: other dimensions or labels, exponents that rise in no even steps, a number that is not finite.

    >>> labels = {"labels per class": ["5"], "beta": [0.0, 1.0]}
    >>> accuracy = DataArray([[0.2, 0.5]], coords=labels, dims=("labels per class", "beta"), name="accuracy")
    >>> trained = DataArray([0.4], coords={"labels per class": ["5"]}, name="accuracy")
    >>> gains(accuracy, trained, exponents={"ranks 4-64": 0.8}, title="Ridge").data[0].z.tolist()
    [[-20.0, 10.0]]
    """
    columns = "beta"
    if set(accuracy.dims) != {LABELS, columns} or trained.dims != (LABELS,):
        raise InputError("dims", (accuracy.dims, trained.dims), f"{LABELS} and {columns}, and {LABELS} alone")
    accuracy = accuracy.transpose(LABELS, columns)
    rows, known = accuracy[LABELS].values.tolist(), trained[LABELS].values.tolist()
    if rows != known:
        raise InputError(LABELS, known, f"those of the table, {rows}")
    if not np.isfinite(accuracy.values).all() or not np.isfinite(trained.values).all():
        raise InputError("accuracy, trained", "a number that is not finite", "finite numbers")
    betas = accuracy[columns].values.astype(float)
    if (np.diff(betas) <= 0).any() or not np.allclose(np.diff(betas), np.diff(betas)[:1]):
        raise InputError(columns, betas.tolist(), "numbers that rise in even steps")
    won = (100 * (accuracy - trained)).rename("gain").assign_attrs(unit="points")
    best = (won == won.max(columns)).rename("the best exponent of the row")
    figure = heat(won, title=title, centre=0.0, digits=1, marked=best)
    names = [f"{label} ({was:.3f})" for label, was in zip(trained[LABELS].values, trained.values, strict=True)]
    figure.update_yaxes(title_text=f"{LABELS} (accuracy as trained)", ticktext=[theme.text(name) for name in names])
    figure.update_xaxes(title_text="beta, exponent of the spectrum (0: white)")
    return _with_exponents(figure, exponents)


def _with_exponents(figure: go.Figure, exponents: Mapping[str, float]) -> go.Figure:
    """A pointer above the table for each exponent that its axis reaches, names away from each other."""
    (axis,) = figure.select_xaxes()
    low, high = axis.range
    marked = sorted((exponent, name) for name, exponent in exponents.items() if low <= exponent <= high)
    for place, (exponent, name) in enumerate(marked):
        words = f"▼ {name}" if place else f"{name} ▼"
        side = {"xanchor": "left", "xshift": -6} if place else {"xanchor": "right", "xshift": 6}
        figure.add_annotation(x=exponent, y=1, yref="y domain", text=theme.text(words), yanchor="bottom", **side)
    figure.update_annotations(showarrow=False)
    room = 22 * bool(marked)
    return figure.update_layout(margin_t=figure.layout.margin.t + room, height=figure.layout.height + room)
