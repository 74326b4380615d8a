"""What do wrong labels touch? Networks, linear heads, boosters, and pupils of their own pseudo-labels."""

from collections.abc import Mapping
from typing import Annotated, Any, final

from xarray import DataArray

from sslens.claims import Claim
from sslens.objectives import CrossEntropy, SimCLR
from sslens.presets import SHORT
from sslens.runtime import PROFILES
from sslens.statistics import difference, ratio
from sslens.studies.study import Verdicts, from_namespace, in_one_line
from sslens.studies.wrong_labels_boosting import (
    FLIPPED,
    LOSSES,
    accuracy_over_margins,
    booster_accuracies,
    linear_booster,
    named_points,
    separators,
)
from sslens.studies.wrong_labels_features import (
    REDRAWN,
    accuracy_by_noise,
    accuracy_of_heads,
    accuracy_of_networks,
    energy_in_ten_directions,
    half_of_the_energy,
    jacobian_spectra,
    label_energy,
    redrawn,
    share_given_back,
    training_features,
)
from sslens.studies.wrong_labels_self_training import ANGLE, self_training
from sslens.train import Config, Runs, learned
from sslens.types import Dataset, Images, OneOf, Range, checked_dataclass
from sslens.views import RECIPES

__all__ = [
    "CLAIMS",
    "LOSSES",
    "NOTEBOOK",
    "QUESTION",
    "Setting",
    "accuracy_by_noise",
    "accuracy_of_heads",
    "accuracy_of_networks",
    "accuracy_over_margins",
    "angles",
    "answer",
    "booster_accuracies",
    "configs",
    "energy_in_ten_directions",
    "exercise_truths",
    "few_images",
    "jacobian_spectra",
    "label_energy",
    "linear_booster",
    "named_points",
    "redrawn",
    "runs",
    "self_training",
    "separators",
    "supervised",
    "training_features",
    "training_images",
]

NOTEBOOK = "12_wrong_labels"
QUESTION = "What do wrong labels touch?"
CONTRASTIVE = "SimCLR"
RATES = {"smoke": (0.0, 0.6, 0.8)}
"""Shares of labels redrawn, where a profile trains fewer."""
JUDGED_RATE, JUDGED_ANGLE = 0.6, 45.0


@final
@checked_dataclass
class Setting:
    """The notebook's parameters, and the field of the config that each of them fills."""

    profile: Annotated[str, OneOf(PROFILES)] = "lesson"
    recipe: Annotated[str, OneOf(("auto", *RECIPES))] = "auto"
    """``recipe`` of the supervised networks."""
    seeds: Annotated[int, Range(1, 1000)] = 3

    @classmethod
    def of(cls, namespace: Mapping[str, Any]) -> "Setting":
        """The parameters as a notebook has assigned them."""
        return from_namespace(cls, namespace)


def configs(setting: Setting) -> dict[str, Config]:
    """SimCLR, which sees no label, and a supervised run for each share of labels redrawn."""
    base = Config.at(setting.profile)
    if setting.profile == "smoke":
        base = base.changed(optimisation={"steps": SHORT})
    found = {CONTRASTIVE: base.changed(objective=SimCLR(), snapshots={"count": 2})}
    for rate in RATES.get(setting.profile, (0.0, 0.2, 0.4, 0.6, 0.8)):
        noisy = {"data": {"label_noise": rate}, "recipe": setting.recipe, "snapshots": {"count": 8}}
        found[f"{rate:.0%} redrawn"] = base.changed(objective=CrossEntropy(), **noisy)
    return found


def runs(setting: Setting) -> Runs:
    """All of them for every seed, trained side by side or read from the cache."""
    return Runs.of(configs(setting), seeds=setting.seeds, label="networks")


def supervised(runs: Runs) -> Runs:
    """The runs that learned from labels, from no noise to most."""
    return runs.select(*(name for name in runs if name != CONTRASTIVE))


def training_images(runs: Runs) -> Dataset:
    """The images that all runs learned from, with their true labels.

    Raises:
        UnknownName: no run called SimCLR.
    """
    return learned(Config.of_json(runs[CONTRASTIVE][0].config))


def few_images(setting: Setting, data: Dataset) -> Images:
    """The first images, as many as a Jacobian in all weights is taken on.

    >>> few_images(Setting(profile="smoke"), learned(Config())).shape
    torch.Size([2, 1, 16, 16])
    """
    return data.images[: 2 if setting.profile == "smoke" else 5]


def angles(setting: Setting) -> list[float]:
    """By which pools are turned, in degrees.

    >>> angles(Setting(profile="smoke"))
    [0.0, 45.0]
    """
    return [0.0, 45.0] if setting.profile == "smoke" else [0.0, 15.0, 30.0, 45.0, 60.0]


def exercise_truths(runs: Runs, boosters: DataArray) -> tuple[float, int, float]:
    """The right answers to the three exercises.

    Raises:
        UnknownName: no run called SimCLR.
    """
    noisiest = runs[runs.names[-1]][0]
    features = training_features(runs.select(CONTRASTIVE), supervised(runs))
    directions = half_of_the_energy(features[CONTRASTIVE], training_images(runs).labels)
    lines = boosters.sel(run="lines, logistic loss")
    first = float(lines[FLIPPED].values[(lines == 0.5).values][0])
    return share_given_back(noisiest), directions, first


def _lost(accuracy: DataArray, run: str) -> DataArray:
    """Accuracy with true labels minus that with 60 % of them redrawn."""
    of_run = accuracy.sel(run=run)
    return difference(of_run.sel({REDRAWN: 0.0}), of_run.sel({REDRAWN: JUDGED_RATE}))


def _lost_more_than_head(run: str) -> Any:
    def measured(accuracy: DataArray) -> DataArray:
        return difference(_lost(accuracy, run), _lost(accuracy, "SimCLR, linear head"))

    return measured


def _ahead(accuracy: DataArray) -> DataArray:
    noisy = accuracy.sel({REDRAWN: JUDGED_RATE})
    return difference(noisy.sel(run="SimCLR, linear head"), noisy.sel(run="supervised, at its end"))


def _true_energy_over(run: str) -> Any:
    def measured(energy: DataArray) -> DataArray:
        return difference(energy.sel(run="trained, true labels"), energy.sel(run=run))

    return measured


def _stable_rank_ratio(spectra: DataArray) -> DataArray:
    """The sum of squared singular values over the largest square, trained over untrained."""
    stable = (spectra**2).sum("rank", skipna=False)
    return ratio(stable.sel(run=CONTRASTIVE), stable.sel(run="untrained"))


def _better_than(first: str, second: str) -> Any:
    def measured(accuracy: DataArray) -> DataArray:
        judged = accuracy.sel({ANGLE: JUDGED_ANGLE})
        found = difference(judged.sel(run=first), judged.sel(run=second))
        return found.assign_attrs(setting=f"{accuracy.attrs.get('setting', '')}, {JUDGED_ANGLE:g} degrees")

    return measured


head_loses_less = Claim(
    "A linear head loses less to noise.",
    source="Xue et al. 2022",
    quantity="loss, supervised at its end - head",
    above=0,
    under_review=True,
    measured=_lost_more_than_head("supervised, at its end"),
)
less_than_the_best_snapshot = Claim(
    "A linear head loses less even than the best snapshot.",
    source="Xue et al. 2022",
    quantity="loss, supervised at its best - head",
    above=0,
    under_review=True,
    measured=_lost_more_than_head("supervised, best snapshot"),
)
head_is_ahead = Claim(
    "At 60 % noise a linear head is ahead.",
    source="Xue et al. 2022",
    quantity="accuracy at 60 % noise, head - supervised at its end",
    above=0,
    measured=_ahead,
)
directions_hold_classes = Claim(
    "Leading directions hold classes, not noise.",
    source="Xue et al. 2022",
    quantity="label energy, true - redrawn",
    above=0,
    under_review=True,
    measured=_true_energy_over("trained, redrawn labels"),
)
training_puts_them_there = Claim(
    "Contrastive training puts classes into leading directions.",
    source="Xue et al. 2022",
    quantity="label energy, SimCLR - untrained",
    above=0,
    measured=_true_energy_over("untrained, true labels"),
)
stable_rank_is_lower = Claim(
    "Contrastive training lowers the stable rank of the Jacobian.",
    source="Xue et al. 2022",
    quantity="stable rank, SimCLR / untrained",
    below=1,
    under_review=True,
    measured=_stable_rank_ratio,
)
noise_defeats_lines = Claim(
    "Noise defeats boosted lines.",
    source="Long & Servedio 2010",
    quantity="points right by lines, 20 % flipped",
    below=0.75,
    under_review=True,
    repetition="margins",
    exact=True,
    measured=lambda accuracy: accuracy.sel(run="lines, logistic loss"),
)
trees_resist = Claim(
    "Noise does not defeat boosted trees.",
    source="Mansour et al. 2022",
    quantity="points right by trees, 20 % flipped",
    above=0.95,
    repetition="margins",
    exact=True,
    measured=lambda accuracy: accuracy.sel(run="trees, exponential loss"),
)
self_training_harms = Claim(
    "Self-training is worse than no pool.",
    source="Jia et al. 2023",
    quantity="self-training - supervised",
    below=0,
    repetition="draws",
    measured=_better_than("self-training", "supervised"),
)
two_predictors_help = Claim(
    "Two predictors are better than one.",
    source="Jia et al. 2023",
    quantity="bidirectional - self-training",
    above=0,
    under_review=True,
    repetition="draws",
    measured=_better_than("bidirectional", "self-training"),
)
CLAUSES: Mapping[Claim, tuple[str, str]] = {
    head_loses_less: ("linear heads lose less than networks", "linear heads lose no less than networks"),
    directions_hold_classes: ("leading directions hold classes", "leading directions hold no classes"),
    trees_resist: ("boosted trees resist", "boosted trees do not resist"),
    self_training_harms: ("self-training on a turned pool harms", "self-training on a turned pool does no harm"),
}
"""What is said of a claim where it holds, and where it does not; the others are counted."""
OTHERS = (
    less_than_the_best_snapshot,
    head_is_ahead,
    training_puts_them_there,
    stable_rank_is_lower,
    noise_defeats_lines,
    two_predictors_help,
)
CLAIMS = (
    head_loses_less,
    less_than_the_best_snapshot,
    head_is_ahead,
    directions_hold_classes,
    training_puts_them_there,
    stable_rank_is_lower,
    noise_defeats_lines,
    trees_resist,
    self_training_harms,
    two_predictors_help,
)


def answer(verdicts: Verdicts) -> str:
    """The notebook's question answered in one line, as the verdicts have it.

    >>> answer({"self-training - supervised": True, "label energy, true - redrawn": False})
    'Leading directions hold no classes, self-training on a turned pool harms; 8 open.'
    """
    return in_one_line(verdicts, CLAUSES, others=OTHERS)
