"""How white should features be? Spectra, prefixes, widths and layers, and what few labels read from each.

Every parameter of ``how_white_runs.Setting`` is one of the notebook's; ``dataset`` may be any set of images in which
each class has five images on either side of the reference, ``many_classes`` any other.
"""

from collections.abc import Mapping

import torch
from xarray import DataArray

from sslens.claims import Claim
from sslens.exercises import Exercises, Question, Task
from sslens.measures import spectrum
from sslens.runtime import stream
from sslens.statistics import difference
from sslens.studies.how_white_layers import correct_by_layer, explained_by_layer
from sslens.studies.how_white_planted import control, gain_of_steeper, gain_of_white
from sslens.studies.how_white_prefixes import (
    COLUMNS,
    correct_by_prefix,
    examples,
    matryoshka_loss,
    short,
    won_at_worst,
)
from sslens.studies.how_white_runs import Setting, by_value, configs, of_kind, runs
from sslens.studies.how_white_spectra import (
    LABELS,
    accuracy_at,
    beside,
    correct_as_trained,
    eigenvalues,
    exponents,
    gain_of_best,
    gains,
    tuned,
    whitened,
)
from sslens.studies.how_white_widths import (
    correct_on_classes,
    explained_by_width,
    gained,
    lines_of,
    spectra_on_new_classes,
    whole,
)
from sslens.studies.study import Verdicts, in_one_line, outcomes, stated
from sslens.train import Runs

__all__ = [
    "CLAIMS",
    "COLUMNS",
    "LABELS",
    "NOTEBOOK",
    "QUESTION",
    "Setting",
    "accuracy_at",
    "answer",
    "beside",
    "by_value",
    "configs",
    "control",
    "correct_as_trained",
    "correct_by_layer",
    "correct_by_prefix",
    "correct_on_classes",
    "eigenvalues",
    "examples",
    "exercises",
    "explained_by_layer",
    "explained_by_width",
    "exponents",
    "gains",
    "lines_of",
    "matryoshka_loss",
    "of_kind",
    "runs",
    "spectra_on_new_classes",
    "whitened",
    "whole",
]

NOTEBOOK = "11_how_white"
QUESTION = "How white should features be?"
WEAK = 0.03
"""A penalty that is too weak for 5 labels per class."""


def _gain(reshaped: DataArray, trained: DataArray) -> DataArray:
    return gain_of_best(reshaped, trained).sel({LABELS: "5"}, drop=True)


def _lost_by_white(reshaped: DataArray, trained: DataArray) -> DataArray:
    white = tuned(reshaped.sel(beta=0.0, drop=True))
    return difference(tuned(trained), white).sel({LABELS: "5"}, drop=True)


def _scarcity(reshaped: DataArray) -> DataArray:
    """How much less white features lose against steep ones with all labels than with 5 per class."""
    white, steep = (tuned(reshaped.sel(beta=beta, drop=True)) for beta in (0.0, 2.0))
    won = difference(white, steep)
    return difference(won.sel({LABELS: "all"}, drop=True), won.sel({LABELS: "5"}, drop=True))


def _won_without_penalty(reshaped: DataArray, trained: DataArray) -> DataArray:
    few = {LABELS: "5", "penalty": WEAK}
    return difference(reshaped.sel(few | {"beta": 3.0}, drop=True), trained.sel(few, drop=True))


def _beyond_chance(correct: DataArray) -> DataArray:
    """What width wins in a trained network beyond what it wins in an untrained one."""
    return difference(gained(correct, "supervised"), gained(correct, "untrained"))


def _beyond_seen(new: DataArray, seen: DataArray) -> DataArray:
    """What width wins on new classes beyond what it wins on seen ones, seed by seed: their images are others."""
    won = [gained(correct, "supervised").mean("sample", skipna=False) for correct in (new, seen)]
    return difference(won[0], won[1])


def _dropped(by_layer: DataArray) -> DataArray:
    """From the backbone to the embedding, at full strength of the augmentation."""
    full = by_layer.sel(strength=1.0, drop=True)
    return difference(full.sel(layer="backbone", drop=True), full.sel(layer="embedding", drop=True))


another_spectrum_helps = Claim(
    "Another spectrum helps where labels are few.",
    source="He & Ozay 2022",
    quantity="gain of the best beta, 5 labels",
    above=0,
    scale="difference",
    measured=_gain,
)
another_spectrum_transfers = Claim(
    "It helps few labels of new classes, too.",
    source="He & Ozay 2022",
    quantity="gain of the best beta, 5 labels of new classes",
    above=0,
    scale="difference",
    measured=_gain,
)
whitening_costs = Claim(
    "Whitening costs accuracy where labels are few.",
    source="He & Ozay 2022",
    quantity="loss by beta 0, 5 labels",
    above=0,
    scale="difference",
    measured=_lost_by_white,
)
scarce_labels_suffer = Claim(
    "The fewer the labels, the more whitening costs.",
    source="He & Ozay 2022",
    quantity="beta 0 against 2, all labels - 5",
    above=0,
    measured=_scarcity,
)
steep_stands_in = Claim(
    "A steep spectrum stands in for a penalty that is too weak.",
    source="ours",
    quantity="gain of beta 3, 5 labels, penalty 0.03",
    above=0,
    kind="ours",
    scale="difference",
    measured=_won_without_penalty,
)
steeper_is_found = Claim(
    "Control: where classes lie first, a steeper spectrum helps.",
    source="ours",
    quantity="gain of the best beta, planted classes",
    above=0,
    kind="ours",
    repetition="draws",
    scale="difference",
    measured=gain_of_steeper,
)
white_is_found = Claim(
    "Control: where noise lies first, white features help.",
    source="ours",
    quantity="gain of beta 0, planted noise",
    above=0,
    kind="ours",
    repetition="draws",
    scale="difference",
    measured=gain_of_white,
)
prefixes_are_as_good = Claim(
    "Every prefix is as good as a network of its size.",
    source="Kusupati et al. 2022",
    quantity="worst length, nested - separate",
    above=-0.02,
    scale="difference",
    measured=won_at_worst,
)
short_prefixes_are_as_good = Claim(
    "A short prefix is as good as a network of its size.",
    source="Kusupati et al. 2022",
    quantity="4 and 8 columns, nested - separate",
    above=-0.02,
    scale="difference",
    measured=lambda correct: short(correct, "separate"),
)
"""Added when the figure had been seen, with the bound of the claim about every prefix and the lengths of the rivals."""
nested_beats_cut = Claim(
    "Nested columns beat cut ones.",
    source="Kusupati et al. 2022",
    quantity="4 and 8 columns, nested - cut",
    above=0,
    scale="difference",
    measured=lambda correct: short(correct, "plain, cut"),
)
nested_beats_pca = Claim(
    "Nested columns beat PCA.",
    source="Kusupati et al. 2022",
    quantity="4 and 8 columns, nested - PCA",
    above=0,
    scale="difference",
    measured=lambda correct: short(correct, "plain, PCA"),
)
width_finds_new_classes = Claim(
    "A wider last layer finds new classes better (with labels).",
    source="Bordes et al. 2023",
    quantity="new classes, 256 - 16, supervised",
    above=0,
    scale="difference",
    measured=lambda correct: gained(correct, "supervised"),
)
width_finds_new_classes_unlabelled = Claim(
    "A wider last layer finds new classes better (SimCLR).",
    source="Bordes et al. 2023",
    quantity="new classes, 256 - 16, SimCLR",
    above=0,
    scale="difference",
    measured=lambda correct: gained(correct, "SimCLR"),
)
width_keeps_factors = Claim(
    "A wider last layer keeps more factors (with labels).",
    source="Bordes et al. 2023",
    quantity="mean R², 256 - 16, supervised",
    above=0,
    measured=lambda explained: gained(explained.mean("factor", skipna=False), "supervised"),
)
width_keeps_factors_unlabelled = Claim(
    "A wider last layer keeps more factors (SimCLR).",
    source="Bordes et al. 2023",
    quantity="mean R², 256 - 16, SimCLR",
    above=0,
    measured=lambda explained: gained(explained.mean("factor", skipna=False), "SimCLR"),
)
width_lifts_the_bias = Claim(
    "Width helps new classes more than those seen in training (with labels).",
    source="Bordes et al. 2023",
    quantity="256 - 16, new classes - seen, supervised",
    above=0,
    measured=_beyond_seen,
)
width_is_not_all = Claim(
    "Control: width helps a trained network more than an untrained one.",
    source="ours",
    quantity="new classes, 256 - 16, supervised - untrained",
    above=0,
    kind="ours",
    measured=_beyond_chance,
)
backbone_beats_embedding = Claim(
    "The backbone beats the embedding.",
    source="Bordes et al. 2022",
    quantity="all labels, backbone - embedding",
    above=0,
    scale="difference",
    measured=lambda correct: _dropped(correct).sel(probe="all labels", drop=True),
)
projector_drops_factors = Claim(
    "The projector drops what is not the class.",
    source="Bordes et al. 2022",
    quantity="mean R², backbone - embedding",
    above=0,
    measured=lambda explained: _dropped(explained).mean("factor", skipna=False),
)
CLAIMS = (
    whitening_costs,
    scarce_labels_suffer,
    another_spectrum_helps,
    another_spectrum_transfers,
    steep_stands_in,
    steeper_is_found,
    white_is_found,
    prefixes_are_as_good,
    short_prefixes_are_as_good,
    nested_beats_cut,
    nested_beats_pca,
    width_finds_new_classes,
    width_finds_new_classes_unlabelled,
    width_keeps_factors,
    width_keeps_factors_unlabelled,
    width_lifts_the_bias,
    width_is_not_all,
    backbone_beats_embedding,
    projector_drops_factors,
)


SENTENCES: Mapping[Claim, tuple[str, str, str]] = {
    whitening_costs: (
        "Not white where labels are few",
        "As white as one likes",
        "Perhaps not white where labels are few",
    ),
    another_spectrum_helps: ("another spectrum helps", "no other spectrum helps", "another spectrum may help"),
    prefixes_are_as_good: (
        "nested prefixes match separate networks",
        "nested prefixes lose to separate networks",
        "nested prefixes may match separate networks",
    ),
    width_finds_new_classes: (
        "width helps new classes",
        "width does not help new classes",
        "width may help new classes",
    ),
}
"""What the answer says of a claim that holds, that does not hold, that is open; the other claims are counted."""


def answer(verdicts: Verdicts) -> str:
    """The notebook's question answered in one line, as the verdicts have it.

    >>> answer({claim.quantity: True for claim in CLAIMS})  # doctest: +NORMALIZE_WHITESPACE
    'Not white where labels are few, another spectrum helps, nested prefixes match separate networks,
    width helps new classes; 15 more hold.'
    """
    found = outcomes(verdicts)
    said = ", ".join(stated(claim, found, words) for claim, words in SENTENCES.items())
    counted = in_one_line(found, {}, others=[claim for claim in CLAIMS if claim not in SENTENCES])
    return f"{said}; {counted}"


def exercises(runs: Runs, *, prefixes: DataArray, factors: DataArray) -> Exercises:
    """The notebook's exercises: one to write, two to read off.

    ``prefixes`` and ``factors`` what ``correct_by_prefix`` and ``explained_by_layer``
    (over strength) have found.
    """
    trace = runs["strength 1"][0]
    h = trace.snapshots[-1].representation[~trace.held_out].double()
    generator = stream(0, "exercise")
    rows, mix = (torch.randn(n, 8, dtype=torch.float64, generator=generator, device="cpu") for n in (100, 8))
    mixed = rows @ mix + 3
    nested = prefixes.sel(way="nested").mean(["seed", "sample"], skipna=False)
    enough = nested[COLUMNS].values[(nested > nested[-1] - 0.02).values]
    lost = _dropped(factors).mean(["seed", "sample"], skipna=False)
    return Exercises(
        Task(
            "by_hand",
            like=whitened,
            cases={"features of three columns": (mixed[:, :3],), "features of eight": (mixed,)},
            hints=(
                "Subtract the mean, then torch.linalg.svd(..., full_matrices=False).",
                "U @ Vh is white.",
            ),
            solution=whitened,
            within=1e-6,
        ),
        Question(
            "directions",
            spectrum.participation_ratio(spectrum.spectral_map(h, 0.0)),
            hints=("spectrum.spectral_map(h, 0.0) whitens.", "How many eigenvalues are there, and how large is each?"),
            solution="White features have equal eigenvalues, and (Σλ)² / Σλ² of d equal ones is d: {truth}.",
            within=0.01,
        ),
        Question(
            "enough",
            int(enough[0]),
            hints=("Read the nested line of the kNN figure.", "prefixes.sel(way='nested').mean(['seed', 'sample'])"),
            solution="{truth}: the shortest length whose accuracy is less than 0.02 below that of the longest.",
        ),
        Question(
            "lost",
            str(lost.factor.values[int(lost.argmax("factor"))]),
            hints=("The figure of layers at strength 1.", "factors.sel(strength=1.0).mean(['seed', 'sample'])"),
            solution="{truth}: its R² falls most from the backbone to the embedding.",
        ),
    )
