"""What do wrong labels touch? Networks from scratch, linear heads on frozen features, fine-tuned networks."""

from collections.abc import Mapping
from typing import Annotated, Any, final

import torch
from xarray import DataArray

from sslens import datasets
from sslens.encoders import ENCODERS
from sslens.exercises import Exercises, Question, Task
from sslens.measures import probe
from sslens.objectives import CrossEntropy, SimCLR
from sslens.presets import SHORT
from sslens.runtime import PROFILES, stream
from sslens.studies.study import from_namespace
from sslens.studies.wrong_labels_claims import (
    CLAIMS,
    answer,
    entropy_rank_is_lower,
    falls,
    features_decide,
    fewer_directions_hold_it,
    fine_tuning_falls_too,
    fine_tuning_is_ahead,
    head_beats_best_snapshot,
    head_is_ahead,
    head_keeps_more,
    hears_them_better_than_fresh,
    jacobian_hears_classes,
    labels_make_a_gap,
    leading_directions_hold_classes,
    learned_by_heart,
    noise_ruins_it,
    one_value_a_class,
    share_kept,
    stable_rank_is_lower,
    training_puts_them_there,
)
from sslens.studies.wrong_labels_features import (
    CONTRASTIVE,
    SCRATCH,
    ByRun,
    correct_by_noise,
    correct_of_networks,
    energy_in_leading,
    half_of_the_energy,
    label_energy,
    label_energy_by_hand,
    labels_given_back,
    redrawn,
    spectra_of,
    training_features,
)
from sslens.studies.wrong_labels_fine_tuning import FINE_TUNED, fine_tuned
from sslens.studies.wrong_labels_jacobian import energy_along, jacobians, modes, ranks
from sslens.train import Config, Runs, learned
from sslens.types import Dataset, Features, OneOf, Range, checked_dataclass
from sslens.views import RECIPES

__all__ = [
    "CLAIMS",
    "NOTEBOOK",
    "QUESTION",
    "Setting",
    "answer",
    "configs",
    "correct_by_noise",
    "correct_of_networks",
    "energy_along",
    "energy_in_leading",
    "entropy_rank_is_lower",
    "exercises",
    "falls",
    "features_decide",
    "fewer_directions_hold_it",
    "fine_tuning_falls_too",
    "fine_tuning_is_ahead",
    "head_beats_best_snapshot",
    "head_is_ahead",
    "head_keeps_more",
    "hears_them_better_than_fresh",
    "jacobian_hears_classes",
    "jacobians",
    "label_energy",
    "labels_given_back",
    "labels_make_a_gap",
    "leading_directions_hold_classes",
    "learned_by_heart",
    "modes",
    "noise_ruins_it",
    "noisiest",
    "of_first_seed",
    "one_value_a_class",
    "ranks",
    "redrawn",
    "runs",
    "scratch_and_fine_tuned",
    "share_kept",
    "spectra_of",
    "stable_rank_is_lower",
    "supervised",
    "training_features",
    "training_images",
    "training_puts_them_there",
]

NOTEBOOK = "12_wrong_labels"
QUESTION = "What do wrong labels touch?"
LENGTHS: Mapping[str, Mapping[str, int]] = {
    "smoke": {"steps": SHORT},
    "lesson": {"steps": 500, "batch_size": 128},
    "full": {"batch_size": 128},
}
"""Of the supervised runs: at ``lesson`` 28 passes over 2,400 images, enough to learn their labels by heart."""


@final
@checked_dataclass
class Setting:
    """The notebook's parameters, and the field of the config that each of them fills.

    The encoder is one whose Jacobian in all weights, on a few hundred outputs, fits in memory.
    """

    profile: Annotated[str, OneOf(PROFILES)] = "lesson"
    dataset: str = "scattered_digits"
    """``data.name``."""
    encoder: Annotated[str, OneOf(("convnet", "mlp"))] = "convnet"
    """``encoder``, by its name in the registry."""
    recipe: Annotated[str, OneOf(("auto", *RECIPES))] = "none"
    """``recipe`` of the networks that learn from labels."""
    noise: Annotated[float, Range(0.1, 1)] = 0.8
    """``data.label_noise`` of the noisiest runs; half of it and none are trained as well."""
    seeds: Annotated[int, Range(1, 1000)] = 5

    def __post_init__(self) -> None:
        datasets.check_name(self.dataset)

    @classmethod
    def of(cls, namespace: Mapping[str, Any]) -> "Setting":
        """The parameters as a notebook has assigned them."""
        return from_namespace(cls, namespace)


def configs(setting: Setting) -> dict[str, Config]:
    """SimCLR, which sees no label, and a supervised run for each share of labels redrawn."""
    base = Config.at(setting.profile, data={"name": setting.dataset}, encoder=ENCODERS[setting.encoder]())
    found = {CONTRASTIVE: base.changed(objective=SimCLR(), snapshots={"count": 2})}
    if setting.profile == "smoke":
        found[CONTRASTIVE] = found[CONTRASTIVE].changed(optimisation=LENGTHS["smoke"])
    supervised = base.changed(objective=CrossEntropy(), recipe=setting.recipe, optimisation=LENGTHS[setting.profile])
    for share in (0.0, setting.noise / 2, setting.noise):
        counted = {"count": 5 if setting.profile == "smoke" else 12}
        found[f"{share:.0%} redrawn"] = supervised.changed(data={"label_noise": share}, snapshots=counted)
    return found


def runs(setting: Setting) -> Runs:
    """All of them for every seed, trained side by side or read from the cache."""
    return Runs.of(configs(setting), seeds=setting.seeds, label="networks")


def supervised(runs: Runs) -> Runs:
    """The runs that learned from labels, from no noise to most."""
    return runs.select(*(name for name in runs if name != CONTRASTIVE))


def noisiest(runs: Runs) -> Runs:
    """The last of the runs alone: most labels redrawn."""
    return runs.select(runs.names[-1])


def scratch_and_fine_tuned(runs: Runs) -> Runs:
    """The noisiest run, and the same one from where SimCLR's encoder stands: same labels, batches, head and length."""
    last = noisiest(runs)
    tuned = fine_tuned(runs.select(CONTRASTIVE), last)
    return Runs({SCRATCH: last[last.names[0]]} | dict(tuned.traces), last.seeds)


def training_images(runs: Runs) -> Dataset:
    """The images that all runs learned from, with their true labels.

    Raises:
        UnknownName: no run called SimCLR.
    """
    return learned(Config.of_json(runs[CONTRASTIVE][0].config))


def of_first_seed(features: ByRun, data: Dataset) -> dict[str, Features]:
    """The features of the first seed by run, and the images' own pixels."""
    return {name: row[0] for name, row in features.items()} | {"pixels": data.images.flatten(1)}


def exercises(accuracy: DataArray, features: ByRun, *, data: Dataset) -> Exercises:
    """Two questions that figures of the notebook answer, and a function to write.

    ``accuracy``: of the network from scratch and of the fine-tuned one, run x seed x step.
    """
    tuned = accuracy.sel(run=FINE_TUNED).mean("seed", skipna=False)
    held = half_of_the_energy(features[CONTRASTIVE][0], data.labels)
    square = torch.tensor([[2.0, 1.0], [2.0, -1.0], [-2.0, 1.0], [-2.0, -1.0]], device="cpu")
    drawn = torch.randn(40, 6, generator=stream(0, "exercise"), dtype=torch.float64, device="cpu")
    five = torch.arange(40, device="cpu") % 5
    cases = {
        "four points on two axes": (square, torch.tensor([0, 0, 1, 1], device="cpu")),
        "40 random points of five classes": (drawn, five),
        "the same, far from the origin": (drawn + 100, five),
    }
    return Exercises(
        Question(
            "peak",
            int(tuned.idxmax("step")),
            hints=("The bold line is the mean over seeds.", "Point at its highest mark: the first number is the step."),
            solution="At step {truth}, of those that were measured. Until then it learns the classes from the labels"
            " that are right, and from then on the wrong ones.",
        ),
        Question(
            "directions",
            held,
            hints=("Of what all directions hold, not of 1.", "Halve the right end of the line, and look for it."),
            solution="The first {truth} directions hold as much of the true labels as all the others together.",
        ),
        Task(
            "by_hand",
            like=probe.label_energy,
            cases=cases,
            hints=("torch.linalg.svd(h, full_matrices=False).U has the directions as columns.", "Both are centred."),
            solution=label_energy_by_hand,
        ),
    )
