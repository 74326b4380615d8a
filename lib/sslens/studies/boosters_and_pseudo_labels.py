"""When do wrong labels defeat a learner? Boosters under label noise, and learners of their own pseudo-labels.

The first half is computed or drawn from a known distribution, so ``dataset`` and ``encoder`` are of the second alone.
Its default data are the plain 8x8 digits: on scattered ones, after a lesson's training, pseudo-labels of a pool of the
same kind gain nothing, and what shift does to a gain could not be seen.
"""

from collections.abc import Mapping
from typing import Annotated, Any, final

from xarray import DataArray

from sslens import datasets
from sslens.encoders import ENCODERS
from sslens.objectives import SimCLR
from sslens.presets import SHORT
from sslens.runtime import PROFILES
from sslens.studies.boosters_and_pseudo_labels_boosting import (
    LOSSES,
    RATES,
    critical_margin,
    critical_margins,
    expected_loss,
    linear_booster,
    named_points,
    points_kept,
)
from sslens.studies.boosters_and_pseudo_labels_claims import (
    CLAIMS,
    answer,
    free_weights_help,
    noise_costs_lines,
    noise_defeats_lines,
    pair_repairs,
    pool_helps,
    shift_harms,
    trees_keep_the_points,
    trees_lose_less,
    useful_when_skewed,
    useful_when_turned,
)
from sslens.studies.boosters_and_pseudo_labels_exercises import exercises
from sslens.studies.boosters_and_pseudo_labels_self_training import (
    ANGLE,
    SKEW,
    bidirectional,
    class_means,
    density_ratio,
    pseudo_labels,
    under_shifts,
)
from sslens.studies.boosters_and_pseudo_labels_separators import separators
from sslens.studies.boosters_and_pseudo_labels_trees import (
    adaboost,
    correct_on_bits,
    exponential_weights,
    points_kept_below,
)
from sslens.studies.study import from_namespace
from sslens.train import Config, Runs
from sslens.types import OneOf, Range, checked_dataclass

__all__ = [
    "CLAIMS",
    "LOSSES",
    "NOTEBOOK",
    "QUESTION",
    "RATES",
    "Setting",
    "adaboost",
    "answer",
    "bidirectional",
    "bits",
    "class_means",
    "configs",
    "critical_margin",
    "critical_margins",
    "density_ratio",
    "exercises",
    "expected_loss",
    "exponential_weights",
    "free_weights_help",
    "linear_booster",
    "named_points",
    "noise_costs_lines",
    "noise_defeats_lines",
    "pair_repairs",
    "points_kept",
    "points_kept_below",
    "pool_helps",
    "pseudo_labels",
    "runs",
    "separators",
    "shift_harms",
    "skewed_pools",
    "trees_keep_the_points",
    "trees_lose_less",
    "turned_pools",
    "useful_when_skewed",
    "useful_when_turned",
]

NOTEBOOK = "13_boosters_and_pseudo_labels"
QUESTION = "When do wrong labels defeat a learner?"
DEPTHS = (1, 2, 3, 4)
ANGLES, SKEWS = (0.0, 15.0, 30.0, 45.0, 60.0), (0.0, 0.5, 0.75, 0.95)


@final
@checked_dataclass
class Setting:
    """The notebook's parameters, and the field of the config that each of them fills."""

    profile: Annotated[str, OneOf(PROFILES)] = "lesson"
    dataset: str = "digits"
    """``data.name`` of the networks whose representation pseudo-labels are made on."""
    encoder: Annotated[str, OneOf(("convnet", "resnet18", "mlp"))] = "convnet"
    """``encoder`` of the same networks."""
    labels_per_class: Annotated[int, Range(1, 100)] = 1
    noise: Annotated[float, Range(0, 0.45, above=True)] = 0.2
    """Share of the training labels flipped, where boosters learn from drawn examples."""
    seeds: Annotated[int, Range(1, 1000)] = 10
    """A seed draws the boosters' examples, the network, its labelled images and its pool."""

    def __post_init__(self) -> None:
        datasets.check_name(self.dataset)

    @classmethod
    def of(cls, namespace: Mapping[str, Any]) -> "Setting":
        """The parameters as a notebook has assigned them."""
        return from_namespace(cls, namespace)


def configs(setting: Setting) -> dict[str, Config]:
    """SimCLR, which sees no label, on the target's images."""
    length = {"optimisation": {"steps": SHORT}} if setting.profile == "smoke" else {}
    base = Config.at(setting.profile, data={"name": setting.dataset}, snapshots={"count": 2}, **length)
    return {"SimCLR": base.changed(encoder=ENCODERS[setting.encoder](), objective=SimCLR())}


def runs(setting: Setting) -> Runs:
    """One for every seed, trained side by side or read from the cache."""
    return Runs.of(configs(setting), seeds=setting.seeds, label="networks")


def bits(setting: Setting) -> DataArray:
    """Whether boosted trees are right about clean samples of 21 bits: run x seed x depth x sample."""
    small = setting.profile == "smoke"
    size = {"examples": 300, "rounds": 20} if small else {}
    return correct_on_bits((1, 4) if small else DEPTHS, noise=setting.noise, seeds=setting.seeds, **size)


def turned_pools(runs: Runs, setting: Setting) -> tuple[DataArray, DataArray]:
    """Correctness on test images, and accuracy of the pseudo-labels, where the pool is turned by an angle."""
    angles = (0.0, 45.0) if setting.profile == "smoke" else ANGLES
    return under_shifts(runs, angles, kind=ANGLE, labels_per_class=setting.labels_per_class)


def skewed_pools(runs: Runs, setting: Setting) -> tuple[DataArray, DataArray]:
    """The same where the pool's classes are not equally frequent, and its images as they were."""
    skews = (0.0, 0.75) if setting.profile == "smoke" else SKEWS
    return under_shifts(runs, skews, kind=SKEW, labels_per_class=setting.labels_per_class)
