"""What another spectrum wins or costs: which test images are classified, over exponents, labels and penalties."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np
import plotly.graph_objects as go
import torch
from jaxtyping import Float64, Int, Int64
from torch import Tensor
from xarray import DataArray

from sslens.figures import heat, theme
from sslens.measures import probe, spectrum
from sslens.runtime import stream
from sslens.statistics import difference
from sslens.studies.study import stacked
from sslens.train import Runs
from sslens.types import Features, InputError, Labels

PENALTIES = (0.001, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)
"""Of the ridge: from too weak to too strong for every number of labels."""
DRAWS = 5
"""Of the labels, for each half of the queries."""
BUDGETS: Mapping[str, int] = {"1": 1, "2": 2, "5": 5, "20": 20, "100": 100, "all": 0}
"""Labels per class of the tables, by name; 0 stands for all known labels."""
LABELS = "labels per class"
WINDOWS = ((1, 10), (4, 64))
"""Ranks over which the exponent of a trained spectrum is fitted."""
Sides = tuple[probe.Known, probe.Queries]


def whitened(h: Features, beta: float = 0.0) -> Features:
    """By hand: the centred features, their axis k stretched until its variance is proportional to k^-beta.

    Of features without an axis that has no variance; ``spectrum.spectral_map`` is the same for all others as well, and
    keeps mean and total variance.

    >>> h = torch.randn(100, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    >>> whitened(h).T.cov().round(decimals=6).diagonal()
    tensor([1., 1., 1.], dtype=torch.float64)
    """
    centred = h - h.mean(0)
    left, _, axes = torch.linalg.svd(centred, full_matrices=False)
    ranks = torch.arange(1, h.shape[1] + 1, dtype=h.dtype, device=h.device)
    return (len(h) - 1) ** 0.5 * left * ranks ** (-beta / 2) @ axes


def label_draws(labels: Labels, per_class: int, *, generator: torch.Generator) -> list[Int64[Tensor, "m"]]:
    """``DRAWS`` choices of so many samples of each class; with 0 of all of them, a single one.

    Raises:
        InputError: a class with fewer samples.

    >>> [len(chosen) for chosen in label_draws(torch.arange(20) % 4, 2, generator=torch.Generator().manual_seed(0))]
    [8, 8, 8, 8, 8]
    """
    if not per_class:
        return [torch.arange(len(labels), device="cpu")]
    if (fewest := int(labels.bincount().min())) < per_class:
        raise InputError("per_class", per_class, f"at most the {fewest} samples of the smallest class")
    found = []
    for _ in range(DRAWS):
        order = torch.randperm(len(labels), generator=generator, device="cpu")
        found.append(torch.cat([order[labels[order] == label][:per_class] for label in labels.unique()]))
    return found


def budgets(labels: Labels) -> dict[str, int]:
    """Those of ``BUDGETS`` that the smallest class has labels for, and all.

    >>> budgets(torch.arange(60) % 10)
    {'1': 1, '2': 2, '5': 5, 'all': 0}
    """
    fewest = int(labels.bincount().min())
    return {name: count for name, count in BUDGETS.items() if count <= fewest}


def halves(origin: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """0 or 1 for each sample: every second original with all that was made from it.

    >>> halves(np.array([7, 9, 9, 12, 7])).tolist()
    [0, 1, 1, 0, 0]
    """
    return np.unique(origin, return_inverse=True)[1] % 2


def correct_by_spectrum(
    sides: Sides, half: Int[np.ndarray, "m"], *, betas: Sequence[float], per_class: Sequence[int]
) -> Float64[np.ndarray, "b c p m"]:
    """How often each query is classified: spectra x numbers of labels x penalties x queries, mean over label draws.

    A ridge of each of the ``PENALTIES`` on centred features divided by one number. The first spectrum is that of the
    features as they are, the others are ``reshaped`` to the ``betas``. ``per_class`` 0 stands for all labels. What
    labels a query is judged with is the same in every cell, but not in the other half: what is chosen on one half can
    be judged on the other.

    Raises:
        InputError: as for ``spectrum.reshaped`` and ``probe.ridge``.

    >>> side = torch.tensor([[9.0, 0.0], [9.0, 1.0], [-9.0, 0.0], [-9.0, 1.0]]), torch.tensor([0, 0, 1, 1])
    >>> correct_by_spectrum((side, side), np.array([0, 1, 0, 1]), betas=[2.0], per_class=[1, 2, 0]).shape
    (2, 3, 9, 4)
    """
    (h, labels), (others, truth) = sides
    spectra = [(h, others), *(spectrum.reshaped(h, others, beta=beta) for beta in betas)]
    table = np.zeros((len(spectra), len(per_class), len(PENALTIES), len(truth)))
    for part in (0, 1):
        judged = half == part
        for column, count in enumerate(per_class):
            draws = label_draws(labels, count, generator=stream(0, f"labels {part} {count}"))
            for row, (known, queries) in enumerate(spectra):
                right = [_right((known[rows], labels[rows]), (queries[judged], truth[judged])) for rows in draws]
                table[row, column][:, judged] = np.mean(right, 0)
    return table


def _right(known: probe.Known, queries: probe.Queries) -> Float64[np.ndarray, "p m"]:
    """Whether each query is classified, by the ridge of each penalty."""
    probes = probe.ridge_path(*known, penalties=PENALTIES)
    return np.stack([(each.predict(queries[0]) == queries[1]).double().numpy() for each in probes])


def correct_as_trained(run: Runs, betas: Sequence[float]) -> tuple[DataArray, DataArray]:
    """``correct_by_spectrum`` of the last representation of a run: of the spectrum as trained, and of every beta.

    The first has the dimensions seed, sample, labels per class and penalty, the second beta as well. Each sample has
    its ``origin`` and its ``half``. Fitted on the reference images of the training side, judged on those of the test
    side.

    Raises:
        InputError: several runs.

    >>> from sslens.train import Config
    >>> config = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 2})
    >>> trained, reshaped = correct_as_trained(Runs.of({"vicreg": config}, seeds=2), (0.0, 2.0))
    >>> reshaped.dims
    ('seed', 'beta', 'labels per class', 'penalty', 'sample')
    """
    return _tables(only(run), tuple(betas))


@lru_cache(maxsize=2)
def _tables(run: Runs, betas: tuple[float, ...]) -> tuple[DataArray, DataArray]:
    first = run[run.names[0]][0]
    images, side = first.reference, first.held_out
    origin = np.arange(int(side.sum())) if images.origin is None else images.origin[side].numpy()
    found = {}
    for seed, trace in zip(run.seeds, run[run.names[0]], strict=True):
        h, labels = trace.snapshots[-1].representation, images.labels
        found[seed] = (h[~side], labels[~side]), (h[side], labels[side])
    return labelled(found, origin, betas=betas, setting=run.setting)


def labelled(
    sides: Mapping[int, Sides],
    origin: Int[np.ndarray, "m"],
    *,
    betas: Sequence[float],
    per_class: Mapping[str, int] | None = None,
    setting: str = "",
    over: str = "seed",
) -> tuple[DataArray, DataArray]:
    """``correct_by_spectrum`` of several repetitions, as labelled numbers: as trained, and over beta.

    For numbers of labels by name, by default the ``budgets``. NaN in the place of features that are not finite.
    """
    half, tables = halves(origin), []
    counts = per_class or budgets(next(iter(sides.values()))[0][1])
    for each in sides.values():
        finite = all(bool(side[0].isfinite().all()) for side in each)
        shape = (1 + len(betas), len(counts), len(PENALTIES), len(origin))
        options = {"betas": betas, "per_class": list(counts.values())}
        tables.append(correct_by_spectrum(each, half, **options) if finite else np.full(shape, np.nan))
    dims = (over, "beta", LABELS, "penalty", "sample")
    coords = {over: list(sides), LABELS: list(counts), "penalty": list(PENALTIES), "sample": np.arange(len(origin))}
    whole = DataArray(np.stack(tables), coords, dims, "accuracy", {"unit": "", "setting": setting})
    whole = whole.assign_coords(origin=("sample", origin), half=("sample", half))
    return whole.isel(beta=0), whole.isel(beta=slice(1, None)).assign_coords(beta=list(betas))


def only(run: Runs) -> Runs:
    """The runs, if they are one for every seed.

    Raises:
        InputError: several.
    """
    if len(run) != 1:
        raise InputError("run", list(run), "one run, for every seed")
    return run


def tuned(correct: DataArray, *over: str) -> DataArray:
    """Each sample at the best value of these dimensions, which the samples of the other half have chosen.

    By their mean accuracy, the first value among equals; for each repetition and number of labels. Choosing and judging
    on the same samples would find a gain where there is none. Without names the penalty is chosen.

    >>> correct = DataArray([[0.0, 1.0], [1.0, 0.0]], {"penalty": [0.1, 1.0]}, ("penalty", "sample"))
    >>> tuned(correct.assign_coords(half=("sample", [0, 1]))).values.tolist()
    [0.0, 0.0]
    """
    over = over or ("penalty",)
    flat = correct.stack(choice=over, create_index=False)
    parts = []
    for part in (0, 1):
        chosen = flat.isel(sample=flat.half.values == 1 - part).mean("sample").fillna(-1).argmax("choice")
        parts.append(flat.isel(sample=flat.half.values == part).isel(choice=chosen, drop=True))
    order = np.argsort(np.concatenate([part.sample.values for part in parts]), kind="stable")
    joined = np.concatenate([part.transpose(..., "sample").values for part in parts], -1)[..., order]
    bare = flat.isel(choice=0, drop=True).transpose(..., "sample")
    return bare.drop_vars(over, errors="ignore").copy(data=joined)


def gain_of_best(reshaped: DataArray, trained: DataArray) -> DataArray:
    """What the best spectrum wins over the trained one, sample by sample; in units of accuracy.

    Both sides have the best of the ``PENALTIES``, the new spectrum the best exponent as well, chosen on the other half.

    Raises:
        InputError: repetitions, samples or numbers of labels that differ.
    """
    return difference(tuned(reshaped, "beta", "penalty"), tuned(trained), name="gain")


def accuracy_at(correct: DataArray, penalty: str | float) -> DataArray:
    """The mean over samples at one of the ``PENALTIES``, or with ``"tuned"`` at the best one.

    Raises:
        InputError: neither of them.

    >>> correct = DataArray([[0.0, 1.0], [1.0, 1.0]], {"penalty": [0.001, 0.3]}, ("penalty", "sample"))
    >>> float(accuracy_at(correct, 0.3))
    1.0
    """
    if penalty != "tuned" and penalty not in PENALTIES:
        raise InputError("penalty", penalty, f"'tuned' or one of {', '.join(map(str, PENALTIES))}")
    chosen = tuned(correct) if penalty == "tuned" else correct.sel(penalty=penalty, drop=True)
    return chosen.mean("sample", skipna=False).rename("accuracy").assign_attrs(correct.attrs)


def beside(trained: DataArray, reshaped: DataArray, *, betas: Sequence[float]) -> DataArray:
    """The trained spectrum and some of the others as lines of one figure: spectrum x the rest.

    >>> both = beside(DataArray([1.0], {"rank": [1]}), DataArray([[2.0]], {"beta": [0.0], "rank": [1]}), betas=[0.0])
    >>> both.spectrum.values.tolist()
    ['as trained', 'beta 0']
    """
    others = {f"beta {beta:g}": reshaped.sel(beta=beta, drop=True) for beta in betas}
    return stacked({"as trained": trained, **others}, "spectrum")


def eigenvalues(run: Runs, beta: float | None = None) -> DataArray:
    """Covariance eigenvalues of the last representation on the training side, as trained or reshaped: seed x rank.

    Raises:
        InputError: several runs, or as for ``spectrum.spectral_map``.

    >>> from sslens.train import Config
    >>> config = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 2})
    >>> values = eigenvalues(Runs.of({"vicreg": config}), 1.0)[0]
    >>> round(float(values[0] / values[9]), 6)
    10.0
    """

    def measured(h: Features) -> Float64[Tensor, "k"]:
        return spectrum.eigenvalues(h if beta is None else spectrum.spectral_map(h, beta))

    found: Callable[[Features], Float64[Tensor, "k"]] = measured
    return only(run).along(found, on="train", at="end", per="rank", name="eigenvalue").isel(run=0, drop=True)


def exponents(values: DataArray) -> dict[str, float]:
    """The exponent of the mean spectrum over runs and seeds, by the window of ranks that it is fitted on.

    Raises:
        InputError: as for ``spectrum.power_law``.

    >>> decay = DataArray([np.arange(1.0, 65.0) ** -2], {"seed": [0]}, ("seed", "rank"))
    >>> {name: round(exponent, 6) for name, exponent in exponents(decay).items()}
    {'own exponent, ranks 1-10': 2.0, 'own exponent, ranks 4-64': 2.0}
    """
    decay = torch.from_numpy(values.mean([dim for dim in values.dims if dim != "rank"], skipna=False).values)
    found = {}
    for first, last in WINDOWS:
        found[f"own exponent, ranks {first}-{last}"] = spectrum.power_law(decay, ranks=(first, last)).exponent
    return found


def gains(
    trained: DataArray, reshaped: DataArray, *, penalty: str | float, exponents: Mapping[str, float], title: str
) -> go.Figure:
    """Points of accuracy won or lost by a spectrum k^−beta (across), for each number of labels per class (down).

    At one penalty for both sides, or with the best of each. Beside each row stands the accuracy as trained; the best
    exponents of a row are framed; ``exponents`` of the trained spectrum are marked above, where the axis reaches them.

    Raises:
        InputError: as for ``accuracy_at`` and ``figures.heat``.
    """
    before, after = accuracy_at(trained, penalty).mean("seed"), accuracy_at(reshaped, penalty).mean("seed")
    won = (100 * (after - before)).transpose(LABELS, "beta").rename("gain").assign_attrs(unit="points")
    best = (won == won.max("beta")).rename("the best exponent of the row")
    figure = heat(won, title=title, centre=0.0, digits=1, marked=best)
    names = [f"{label} ({was:.3f})" for label, was in zip(before[LABELS].values, before.values, strict=True)]
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
