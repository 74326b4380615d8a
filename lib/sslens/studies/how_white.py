"""How white should features be? Spectra, prefixes, widths and layers, and what few labels read from each."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, final

from xarray import DataArray

from sslens.claims import Claim
from sslens.measures import spectrum
from sslens.objectives import CrossEntropy, SimCLR
from sslens.presets import SHORT
from sslens.runtime import PROFILES
from sslens.statistics import difference
from sslens.studies.how_white_layers import (
    COLUMNS,
    accuracies,
    accuracy_by_layer,
    accuracy_cut_short,
    accuracy_of_narrow,
    layers,
    r_squared_by_layer,
)
from sslens.studies.how_white_spectra import (
    LABELS,
    accuracy_as_trained,
    accuracy_reshaped,
    best_beta,
    eigenvalues_as_trained,
    eigenvalues_reshaped,
    exponents,
    gain_of_best,
    gains,
)
from sslens.studies.study import Verdicts, from_namespace, in_one_line, stacked
from sslens.train import Config, Runs
from sslens.types import OneOf, Range, checked_dataclass

__all__ = [
    "CLAIMS",
    "NOTEBOOK",
    "QUESTION",
    "WIDTHS",
    "Setting",
    "accuracies",
    "accuracy_as_trained",
    "accuracy_by_layer",
    "accuracy_cut_short",
    "accuracy_of_narrow",
    "accuracy_reshaped",
    "answer",
    "before_and_after",
    "best_beta",
    "configs",
    "eigenvalues_as_trained",
    "eigenvalues_reshaped",
    "exercise_truths",
    "exponents",
    "gain_of_best",
    "gains",
    "layers",
    "r_squared_by_layer",
    "runs",
    "sweep",
    "swept",
]

NOTEBOOK = "11_how_white"
QUESTION = "How white should features be?"
WIDTHS = (16, 64, 256)
"""Of the last layer; 64 is the encoder's own."""
STRENGTHS = {"smoke": (0.5, 1.0)}
NARROW = {"smoke": (8,)}
"""What the profiles train fewer of."""


@final
@checked_dataclass
class Setting:
    """The notebook's parameters, and the field of the config that each of them fills."""

    profile: Annotated[str, OneOf(PROFILES)] = "lesson"
    temperature: Annotated[float, Range(0, 1e3, above=True)] = 0.2
    """``objective.temperature`` of SimCLR."""
    seeds: Annotated[int, Range(1, 1000)] = 3

    @classmethod
    def of(cls, namespace: Mapping[str, Any]) -> "Setting":
        """The parameters as a notebook has assigned them."""
        return from_namespace(cls, namespace)


def configs(setting: Setting) -> dict[str, Config]:
    """SimCLR over the width of its last layer and over the strength of its views; and trained with labels.

    With labels: ``plain``, ``nested`` (a head on each prefix of the representation) and ``narrow`` from the start.
    ``width 64`` and ``strength 1`` are the same run.
    """
    base = Config.at(setting.profile, objective=SimCLR(temperature=setting.temperature), snapshots={"count": 2})
    if setting.profile == "smoke":
        base = base.changed(optimisation={"steps": SHORT})
    supervised = base.changed(objective=CrossEntropy())
    found = {f"width {width}": _with_last_layer(base, width) for width in WIDTHS}
    for strength in STRENGTHS.get(setting.profile, (0.25, 0.5, 1.0)):
        found[f"strength {strength:g}"] = _with_strength(base, strength)
    for width in NARROW.get(setting.profile, (2, 8, 32)):
        found[f"narrow {width}"] = _with_last_layer(supervised, width)
    return found | {"plain": supervised, "nested": supervised.changed(objective=CrossEntropy(nested=True))}


def _with_last_layer(config: Config, width: int) -> Config:
    return config if width == 64 else config.changed(encoder={"features": width})


def _with_strength(config: Config, strength: float) -> Config:
    """The strength of the whole augmentation of digits, which have one channel."""
    return config if strength == 1 else config.changed(recipe=replace(config.augmentation(1), strength=strength))


def runs(setting: Setting) -> Runs:
    """All of them for every seed, trained side by side or read from the cache."""
    return Runs.of(configs(setting), seeds=setting.seeds, label="encoders")


def sweep(runs: Runs, parameter: str) -> Runs:
    """The runs that are named by one parameter: ``width 16``, ``width 64``, ...

    Raises:
        InputError: no such run.
    """
    return runs.select(*(name for name in runs if name.startswith(f"{parameter} ")))


def swept(array: DataArray, parameter: str) -> DataArray:
    """An array of a sweep's runs over the values of its parameter, in place of the runs' names.

    >>> swept(DataArray([0.5, 0.7], {"run": ["width 16", "width 64"]}), "width").width.values.tolist()
    [16.0, 64.0]
    """
    values = [float(name.removeprefix(parameter)) for name in array.run.values.tolist()]
    return array.rename(run=parameter).assign_coords({parameter: values})


def before_and_after(trained: DataArray, reshaped: DataArray) -> DataArray:
    """The same numbers of the spectrum as trained and of the new one, as two lines of a figure.

    >>> both = before_and_after(DataArray([1.0], {"rank": [1]}), DataArray([2.0], {"rank": [1]}))
    >>> both.spectrum.values.tolist()
    ['as trained', 'reshaped to beta']
    """
    arrays = {"as trained": trained, "reshaped to beta": reshaped.drop_vars("beta", errors="ignore")}
    return stacked(arrays, "spectrum")


def exercise_truths(runs: Runs, *, cut_short: DataArray, factors: DataArray) -> tuple[float, int, str]:
    """The right answers to the three exercises.

    Raises:
        UnknownName: no run ``width 64``.
    """
    trace = runs["width 64"][0]
    h = trace.snapshots[-1].representation[~trace.held_out]
    white = spectrum.participation_ratio(spectrum.spectral_map(h, 0.0))
    nested = cut_short.sel(run="nested").mean("seed", skipna=False)
    enough = nested[COLUMNS].values[(nested > nested[-1] - 0.02).values]
    lost = _dropped(factors).mean("seed", skipna=False)
    return white, int(enough[0]), str(lost.factor.values[int(lost.argmax("factor"))])


def _lost_by_white(reshaped: DataArray, trained: DataArray) -> DataArray:
    return difference(trained, reshaped.sel(beta=0.0)).mean("half", skipna=False).sel({LABELS: "5"})


def _flattening(reshaped: DataArray, trained: DataArray) -> DataArray:
    best = best_beta(reshaped)
    return difference(best.sel({LABELS: "1"}), best.sel({LABELS: "all"}))


def _nested_over(run: str, columns: int) -> Any:
    def measured(cut_short: DataArray) -> DataArray:
        return difference(cut_short.sel(run="nested"), cut_short.sel(run=run)).sel({COLUMNS: columns})

    return measured


def _widened(accuracy: DataArray) -> DataArray:
    neighbours = accuracy.sel(probe="kNN")
    return difference(neighbours.isel(width=-1), neighbours.isel(width=0))


def _dropped(by_layer: DataArray) -> DataArray:
    """From the backbone to the embedding, at full strength of the augmentation."""
    full = by_layer.sel(strength=1.0)
    return difference(full.sel(layer="backbone"), full.sel(layer="embedding"))


another_spectrum_helps = Claim(
    "Another spectrum helps where labels are few.",
    source="He & Ozay 2022",
    quantity="gain of the best beta, 5 labels",
    above=0,
    under_review=True,
    measured=lambda reshaped, trained: gain_of_best(reshaped, trained).sel({LABELS: "5"}),
)
whitening_costs = Claim(
    "Whitening costs accuracy where labels are few.",
    source="He & Ozay 2022",
    quantity="loss by beta 0, 5 labels",
    above=0,
    measured=_lost_by_white,
)
more_labels_want_it_whiter = Claim(
    "More labels want it whiter.",
    source="He & Ozay 2022",
    quantity="best beta, 1 label - all",
    above=0,
    under_review=True,
    measured=_flattening,
)
nested_beats_cut = Claim(
    "Nested columns beat cut ones.",
    source="Kusupati et al. 2022",
    quantity="kNN on 8 columns, nested - cut",
    above=0,
    measured=_nested_over("plain, cut", 8),
)
nested_beats_pca = Claim(
    "Nested columns beat PCA.",
    source="Kusupati et al. 2022",
    quantity="kNN on 8 columns, nested - PCA",
    above=0,
    under_review=True,
    measured=_nested_over("plain, PCA", 8),
)
nesting_costs_nothing = Claim(
    "Nesting costs nothing at full length.",
    source="Kusupati et al. 2022",
    quantity="kNN on 64 columns, nested - plain",
    above=-0.02,
    measured=_nested_over("plain, cut", 64),
)
wider_is_better = Claim(
    "A wider last layer is better.",
    source="Bordes et al. 2023",
    quantity="kNN, width 256 - 16",
    above=0,
    under_review=True,
    measured=_widened,
)
backbone_beats_embedding = Claim(
    "The backbone beats the embedding.",
    source="Bordes et al. 2022",
    quantity="all labels, backbone - embedding",
    above=0,
    measured=lambda by_layer: _dropped(by_layer).sel(probe="all labels"),
)
projector_drops_factors = Claim(
    "The projector drops what is not the class.",
    source="Bordes et al. 2022",
    quantity="mean R², backbone - embedding",
    above=0,
    measured=lambda fit: _dropped(fit).mean("factor", skipna=False),
)
CLAUSES: Mapping[Claim, tuple[str, str]] = {
    another_spectrum_helps: ("another spectrum helps few labels", "no other spectrum helps few labels"),
    whitening_costs: ("whitening costs accuracy where labels are few", "whitening costs no accuracy"),
    nested_beats_pca: ("nesting beats PCA", "nesting loses to PCA"),
    wider_is_better: ("a wider layer helps", "a wider layer does not help"),
    projector_drops_factors: ("the projector drops factors", "the projector keeps factors"),
}
"""What is said of a claim where it holds, and where it does not; the others are counted."""
OTHERS = (more_labels_want_it_whiter, nested_beats_cut, nesting_costs_nothing, backbone_beats_embedding)
CLAIMS = (
    another_spectrum_helps,
    whitening_costs,
    more_labels_want_it_whiter,
    nested_beats_cut,
    nested_beats_pca,
    nesting_costs_nothing,
    wider_is_better,
    backbone_beats_embedding,
    projector_drops_factors,
)


def answer(verdicts: Verdicts) -> str:
    """The notebook's question answered in one line, as the verdicts have it.

    >>> answer({"loss by beta 0, 5 labels": True, "kNN on 8 columns, nested - PCA": False})
    'Whitening costs accuracy where labels are few, nesting loses to PCA; 7 open.'
    """
    return in_one_line(verdicts, CLAUSES, others=OTHERS)
