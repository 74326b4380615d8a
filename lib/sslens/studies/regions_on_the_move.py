"""Where do regions go in training? Folds around samples along long runs, under attack, from task to task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, final

import numpy as np
import plotly.graph_objects as go
import torch
from jaxtyping import Float64
from torch import Tensor
from xarray import DataArray

from sslens import datasets, figures
from sslens.claims import Claim
from sslens.encoders import MLP
from sslens.measures import phases, regions
from sslens.objectives import CrossEntropy, SimCLR, SimSiam, SquaredError
from sslens.runtime import PROFILES, stream
from sslens.statistics import difference, ratio
from sslens.studies.regions_on_the_move_networks import ATTACKED
from sslens.studies.regions_on_the_move_networks import accuracy as accuracy
from sslens.studies.regions_on_the_move_networks import local_complexity as local_complexity
from sslens.studies.regions_on_the_move_networks import local_complexity_of_one as local_complexity_of_one
from sslens.studies.regions_on_the_move_networks import panels as panels
from sslens.studies.regions_on_the_move_networks import regions_per_square as regions_per_square
from sslens.studies.regions_on_the_move_plasticity import after_each_task as after_each_task
from sslens.studies.regions_on_the_move_plasticity import loss_at_the_end as loss_at_the_end
from sslens.studies.regions_on_the_move_plasticity import sharpness_at_the_start as sharpness_at_the_start
from sslens.studies.study import Verdicts, from_namespace, outcomes, stated
from sslens.train import Config, Runs, learned
from sslens.types import Dataset, Images, OneOf, Range, checked_dataclass

NOTEBOOK = "31_regions_on_the_move"
QUESTION = "Where do regions go in training?"
DECAY, LARGE = "weight decay", "large start"
NO_DECAY, NOISY = "no decay", "no decay, noisy labels"
RELU, LAYER_NORM = "ReLU", "layer norm"
TRAIN, TEST = "train", "test"
SHOWN = 200
"""Test digits that are measured, as many as the run with a large start learns."""
LEARNED = 0.99
"""Accuracy from which on digits count as learned."""


@final
@checked_dataclass
class Setting:
    """The notebook's parameters."""

    profile: Annotated[str, OneOf(PROFILES)] = "lesson"
    seeds: Annotated[int, Range(1, 1000)] = 3
    radius: Annotated[float, Range(0, 1e3, above=True)] = 0.05
    """Of the neighbourhoods in which folds are counted, in pixel values."""
    epsilon: Annotated[float, Range(0, 1)] = 0.05
    """Of the adversary: how far it may move each pixel."""

    @classmethod
    def of(cls, namespace: Mapping[str, Any]) -> "Setting":
        """The parameters as a notebook has assigned them."""
        return from_namespace(cls, namespace)


@final
@dataclass(frozen=True)
class Lengths:
    """How far the runs go at a profile.

    >>> LENGTHS["lesson"].tasks
    20
    """

    steps: int
    """Of a long run."""
    snapshots: int
    """Of a long run, spaced logarithmically."""
    tasks: int
    task: int
    """Steps of one task."""
    encoder: Mapping[str, int]
    """What the length of an encoder's run differs in from the profile's."""


LENGTHS = {
    "smoke": Lengths(steps=200, snapshots=7, tasks=4, task=40, encoder={"steps": 40}),
    "lesson": Lengths(steps=12_000, snapshots=36, tasks=20, task=250, encoder={}),
    "full": Lengths(steps=100_000, snapshots=48, tasks=60, task=250, encoder={}),
}


def configs(setting: Setting) -> dict[str, Config]:
    """Four long runs on digits, two that learn task after task, and three encoders, by name.

    Small perceptrons on the 8x8 digits, without augmentation and at a constant learning rate of AdamW: four of them are
    long, for the linear regions around their samples; two learn one random labelling after another, for what is left of
    their ability to learn. Three short ones, on the default data, show where encoders of different objectives fold.

    >>> configs(Setting())["large start"].optimisation.initial_scale
    8.0
    """
    lengths = LENGTHS[setting.profile]
    digits = Config.at(
        setting.profile,
        data={"name": "digits"},
        recipe="none",
        encoder=MLP(),
        objective=CrossEntropy(),
        optimisation={"batch_size": 100, "learning_rate": 3e-3, "schedule": "constant", "warmup": 0.0},
    )
    encoders = Config.at(setting.profile, optimisation=dict(lengths.encoder), snapshots={"count": 2})
    return {
        **_long(digits, lengths),
        **_tasks(digits, lengths),
        "simclr": encoders.changed(objective=SimCLR()),
        "simsiam, no stop-gradient": encoders.changed(objective=SimSiam(stop_gradient=False)),
        "supervised": encoders.changed(objective=CrossEntropy()),
    }


def runs(setting: Setting) -> Runs:
    """All runs for every seed, trained side by side or read from the cache."""
    return Runs.of(configs(setting), seeds=setting.seeds, label="runs")


def learned_digits(runs: Runs, name: str) -> Dataset:
    """The digits that a run learns, with their true labels; the same for every seed.

    Raises:
        UnknownName: no such run.
    """
    return learned(Config.of_json(runs[name][0].config))


def unseen_digits() -> Dataset:
    """200 digits that no run learns."""
    return datasets.load("digits")[1].take(torch.arange(SHOWN, device="cpu"))


def random_pixels(like: Images) -> Images:
    """Images of the same shape whose pixels are uniform in [0, 1], the same at every call."""
    return torch.rand(like.shape, generator=stream(0, "cloud"), dtype=torch.float32, device="cpu")


def pictured(steps: Sequence[int]) -> list[int]:
    """Every third step, and the last.

    >>> pictured([0, 1, 2, 5, 9])
    [0, 5, 9]
    """
    return sorted({*steps[::3], steps[-1]})


def places_of(digits: Dataset, plane: regions.Plane) -> dict[str, Float64[Tensor, "1 2"]]:
    """Where each of some digits lies on a plane, by a name such as ``a 7``."""
    places = plane.coordinates(digits.images).split(1)
    return {f"a {digits.classes[label]}": place for label, place in zip(digits.labels, places, strict=True)}


def picture(found: regions.Partition, *, samples: Mapping[str, Float64[Tensor, "n 2"]]) -> go.Figure:
    """Regions coloured by the logarithm of their slope, with the decision boundary and samples."""
    slope = {"log10 of the slope": found.slope_norm.clamp_min(1e-3).log10()}
    cells = found.picture(boundary=True)
    return figures.partition(
        cells, slope, title="Slice through three digits", samples=samples, span=(-1.5, 2), detail=600
    )


def phase_spans(folds: DataArray) -> dict[str, tuple[int, int]]:
    """The phases of the mean over seeds by name, each from its first step to its last; for a figure, not for a verdict.

    None where a seed diverged.

    Raises:
        InputError: as ``phases.turning_points``.

    >>> folds = DataArray([[8.0, 2.0, 6.0, 3.0], [8.0, 4.0, 4.0, 4.0]], {"seed": [0, 1], "step": [0, 9, 20, 30]})
    >>> phase_spans(folds)
    {'descent': (0, 9), 'ascent': (9, 20), 'second descent': (20, 30)}
    """
    curves = _curves(folds)
    if not curves.isfinite().all():
        return {}
    turns = phases.turning_points(curves.mean(0, keepdim=True))
    first, valley, peak, last = folds["step"].values[[0, int(turns.valley), int(turns.peak), -1]].tolist()
    return {"descent": (first, valley), "ascent": (valley, peak), "second descent": (peak, last)}


def step_of_learning(accuracy: DataArray) -> int:
    """The median over seeds of the first step at which 99 % of the digits learned are classified correctly.

    The last step where that never comes; of an even number of seeds the lower of the two in the middle.
    """
    steps = sorted(accuracy["step"].values[_first_learned(accuracy)].tolist())
    return steps[(len(steps) - 1) // 2]


def exercise_truths(counts: DataArray, dead: DataArray) -> tuple[float, str, float]:
    """The right answers to the three exercises."""
    mean = counts.mean("seed", skipna=False)
    tested = mean.sel(points=TEST)
    factor = float(tested.isel(step=0) / tested.isel(step=-1))
    most = str(mean.isel(step=-1).idxmax("points").item())
    return factor, most, float(dead.sel(run=RELU).isel(task=-1).mean("seed", skipna=False))


def _long(digits: Config, lengths: Lengths) -> dict[str, Config]:
    length = {"optimisation": {"steps": lengths.steps}, "encoder": MLP(width=100)}
    spaced = {"count": lengths.snapshots, "spacing": "logarithmic"}
    base = digits.changed(data={"images": 500}, snapshots=spaced, **length)
    large = base.changed(data={"images": 200}, objective=SquaredError())
    kept = base.changed(optimisation={"weight_decay": 0.0})
    return {
        DECAY: base.changed(optimisation={"weight_decay": 0.3}),
        LARGE: large.changed(optimisation={"weight_decay": 1.0, "initial_scale": 8.0}),
        NO_DECAY: kept,
        NOISY: kept.changed(data={"label_noise": 0.2}),
    }


def _tasks(digits: Config, lengths: Lengths) -> dict[str, Config]:
    """All labels are redrawn at every task."""
    base = digits.changed(
        data={"images": 400, "label_noise": 1.0, "tasks": lengths.tasks},
        optimisation={"steps": lengths.tasks * lengths.task, "weight_decay": 0.01},
        snapshots={"count": lengths.tasks + 1, "spacing": "linear"},
    )
    return {RELU: base, LAYER_NORM: base.changed(encoder=MLP(layer_norm=True))}


def _curves(values: DataArray) -> Float64[Tensor, "s t"]:
    return torch.from_numpy(values.transpose("seed", "step").values.astype(np.float64))


def _first_learned(accuracy: DataArray) -> np.ndarray:
    """Place of the snapshot from which on the digits learned are known, for each seed."""
    return phases.reached(_curves(accuracy.sel(points=TRAIN)).nan_to_num(0.0), LEARNED).numpy()


def _turned(folds: DataArray, phase: str) -> DataArray:
    """The change of a phase, each seed's measured where the other seeds turn: none where one of them diverged."""
    curves, known = _curves(folds), {"seed": folds["seed"].values}
    finite = bool(curves.isfinite().all())
    changes = getattr(phases.turning_points(curves), phase).numpy() if finite else np.full(len(curves), np.nan)
    return DataArray(changes, known, ("seed",))


def _gain_once_learned(accuracy: DataArray) -> DataArray:
    """Of accuracy under attack, from the first snapshot at which the digits learned are known to the last."""
    attacked = accuracy.sel(points=ATTACKED, drop=True)
    first = attacked.isel(step=DataArray(_first_learned(accuracy), {"seed": attacked["seed"].values}, ("seed",)))
    return difference(attacked.isel(step=-1, drop=True), first.drop_vars("step"))


folds_leave = Claim(
    "Folds leave the data.",
    source="Humayun et al. 2024",
    quantity="folds, valley / start",
    below=1,
    measured=lambda folds: _turned(folds, "descent"),
)
folds_gather = Claim(
    "Folds then gather at the data.",
    source="Humayun et al. 2024",
    quantity="folds, peak / valley",
    above=1,
    measured=lambda folds: _turned(folds, "ascent"),
)
folds_leave_again = Claim(
    "In the end folds leave the data again.",
    source="Humayun et al. 2024",
    quantity="folds, end / peak",
    below=1,
    under_review=True,
    measured=lambda folds: _turned(folds, "second_descent"),
)
robustness_comes_late = Claim(
    "Robustness comes late.",
    source="Humayun et al. 2024",
    quantity="accuracy under attack, end - learned",
    above=0,
    measured=_gain_once_learned,
)
noisy_labels_keep_folds = Claim(
    "Noisy labels keep folds.",
    source="Humayun et al. 2024",
    quantity="folds, noisy / clean labels",
    above=1,
    measured=lambda folds: ratio(folds.sel(run=NOISY).isel(step=-1), folds.sel(run=NO_DECAY).isel(step=-1)),
)
relu_tires = Claim(
    "A ReLU network tires.",
    source="Lyle et al. 2023",
    quantity="loss, last / first task",
    above=1,
    measured=lambda loss: ratio(loss.sel(run=RELU).isel(task=-1), loss.sel(run=RELU).isel(task=0)),
)
layer_norm_keeps_fresh = Claim(
    "Layer norm keeps a network fresh.",
    source="Lyle et al. 2023",
    quantity="loss, layer norm - ReLU",
    below=0,
    under_review=True,
    measured=lambda loss: difference(loss.sel(run=LAYER_NORM).isel(task=-1), loss.sel(run=RELU).isel(task=-1)),
)
CLAIMS = (
    folds_leave,
    folds_gather,
    folds_leave_again,
    robustness_comes_late,
    noisy_labels_keep_folds,
    relu_tires,
    layer_norm_keeps_fresh,
)


def answer(verdicts: Verdicts) -> str:
    """The notebook's question answered in one line, as the verdicts have it.

    >>> answer({claim.quantity: True for claim in CLAIMS})
    'Off the data, then to it, off again; noisy labels keep them; robustness comes late; ReLU tires, layer norm less.'
    """
    found = outcomes(verdicts)
    first = stated(folds_leave, found, ("Off the data", "Not off the data", "Perhaps off the data"))
    then = stated(folds_gather, found, ("then to it", "not then to it", "perhaps then to it"))
    last = stated(folds_leave_again, found, ("off again", "not off again", "perhaps off again"))
    words = ("noisy labels keep them", "noisy labels do not keep them", "noisy labels may keep them")
    noisy = stated(noisy_labels_keep_folds, found, words)
    words = ("robustness comes late", "robustness does not come late", "robustness may come late")
    robust = stated(robustness_comes_late, found, words)
    tired = stated(relu_tires, found, ("ReLU tires", "ReLU does not tire", "ReLU may tire"))
    less = stated(layer_norm_keeps_fresh, found, ("layer norm less", "layer norm no less", "layer norm perhaps less"))
    return f"{first}, {then}, {last}; {noisy}; {robust}; {tired}, {less}."
