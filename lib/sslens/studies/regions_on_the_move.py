"""Where do regions go in training? Folds around samples along long runs, under attack, from task to task."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
import torch
from jaxtyping import Float64
from torch import Tensor
from xarray import DataArray

from sslens import figures
from sslens.claims import Claim
from sslens.measures import phases, regions
from sslens.statistics import difference, ratio
from sslens.stored import StoredResult
from sslens.studies.regions_on_the_move_exercises import exercises as exercises
from sslens.studies.regions_on_the_move_full import LONG_RUN
from sslens.studies.regions_on_the_move_networks import BOUNDARY, SAMPLES, TRAIN, WAY
from sslens.studies.regions_on_the_move_networks import accuracy as accuracy
from sslens.studies.regions_on_the_move_networks import attacked as attacked
from sslens.studies.regions_on_the_move_networks import complexity_at_the_boundary as complexity_at_the_boundary
from sslens.studies.regions_on_the_move_networks import local_complexity as local_complexity
from sslens.studies.regions_on_the_move_networks import local_complexity_of_one as local_complexity_of_one
from sslens.studies.regions_on_the_move_networks import panels as panels
from sslens.studies.regions_on_the_move_networks import regions_per_square as regions_per_square
from sslens.studies.regions_on_the_move_plasticity import after_each_task as after_each_task
from sslens.studies.regions_on_the_move_plasticity import agreement
from sslens.studies.regions_on_the_move_plasticity import dead_by_task as dead_by_task
from sslens.studies.regions_on_the_move_plasticity import growth as growth
from sslens.studies.regions_on_the_move_plasticity import loss_at_the_end as loss_at_the_end
from sslens.studies.regions_on_the_move_plasticity import lost_ability as lost_ability
from sslens.studies.regions_on_the_move_plasticity import sharpness_at_the_start as sharpness_at_the_start
from sslens.studies.regions_on_the_move_runs import DECAY, LARGE, LAYER_NORM, NO_DECAY, NOISY, RELU
from sslens.studies.regions_on_the_move_runs import Setting as Setting
from sslens.studies.regions_on_the_move_runs import by_kind as by_kind
from sslens.studies.regions_on_the_move_runs import configs as configs
from sslens.studies.regions_on_the_move_runs import learned_images as learned_images
from sslens.studies.regions_on_the_move_runs import random_pixels as random_pixels
from sslens.studies.regions_on_the_move_runs import runs as runs
from sslens.studies.regions_on_the_move_runs import task_runs as task_runs
from sslens.studies.regions_on_the_move_runs import unseen_images as unseen_images
from sslens.studies.study import Verdicts, in_one_line
from sslens.trace import Trace
from sslens.train import restore
from sslens.types import Dataset

NOTEBOOK = "31_regions_on_the_move"
QUESTION = "Where do regions go in training?"
STORED = (LONG_RUN,)
LEARNED = 0.99
"""Accuracy from which on images count as learned."""
TIRED = 0.1
"""Nats by which a loss must have risen for a network to have lost ability: a twentieth of ln 10, what chance costs."""
SATURATED = 0.25
"""Share of dead units below which most of a network is alive beyond doubt."""


def long_run() -> StoredResult:
    """The run with weight decay, 100,000 steps long: its ``folds``, ``boundary`` and ``accuracy``, stored."""
    return LONG_RUN.read()


def pictured(steps: Sequence[int]) -> list[int]:
    """Every third step, and the last.

    >>> pictured([0, 1, 2, 5, 9])
    [0, 5, 9]
    """
    return sorted({*steps[::3], steps[-1]})


def slices(run: Trace, images: Dataset) -> dict[int, go.Figure]:
    """The exact partition of the plane through three images, as it is at every third snapshot of a run and at the last.

    Regions are coloured by the logarithm of their slope; the decision boundary and the images are drawn in.

    Raises:
        InputError: not three images, or what ``regions.partition`` refuses.
    """
    plane = regions.Plane.through(images.images)
    places = _places_of(images, plane)
    return {step: _slice(run, step, plane=plane, samples=places) for step in pictured(run.steps)}


def _places_of(images: Dataset, plane: regions.Plane) -> dict[str, Float64[Tensor, "1 2"]]:
    """Where each of some images lies on a plane, by a name such as ``a 7``."""
    places = plane.coordinates(images.images).split(1)
    return {f"a {images.classes[label]}": place for label, place in zip(images.labels, places, strict=True)}


def _slice(run: Trace, step: int, *, plane: regions.Plane, samples: Mapping[str, Float64[Tensor, "1 2"]]) -> go.Figure:
    found = regions.partition(restore(run, run.steps.index(step), head=True), plane, regions.square(1.8))
    slope = {"log10 of the slope": found.slope_norm.clamp_min(1e-3).log10()}
    cells, title = found.picture(boundary=True), "Slice through three test images"
    return figures.partition(cells, slope, title=title, samples=samples, span=(-1.5, 2), detail=600)


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


def at_the_boundary(folds: DataArray) -> DataArray:
    """Folds at the decision boundary over folds around samples, without ``points``.

    >>> folds = DataArray([[8.0, 2.0, 6.0]], {"seed": [0], "points": ["samples", "on the way", "boundary"]})
    >>> at_the_boundary(folds).values
    array([0.75])
    """
    boundary, samples = (folds.sel(points=kind, drop=True) for kind in (BOUNDARY, SAMPLES))
    return ratio(boundary, samples, name="folds, boundary / samples").assign_attrs(unit="")


def step_of_learning(accuracy: DataArray) -> int:
    """The median over seeds of the first step at which 99 % of the images learned are classified correctly.

    The last step where that never comes; of an even number of seeds the lower of the two in the middle.
    """
    steps = sorted(accuracy["step"].values[_first_learned(accuracy)].tolist())
    return steps[(len(steps) - 1) // 2]


def _curves(values: DataArray) -> Float64[Tensor, "s t"]:
    return torch.from_numpy(values.transpose("seed", "step").values.astype(np.float64))


def _first_learned(accuracy: DataArray) -> np.ndarray:
    """Place of the snapshot from which on the images learned are known, for each seed."""
    return phases.reached(_curves(accuracy.sel(points=TRAIN)).nan_to_num(0.0), LEARNED).numpy()


def _turned(folds: DataArray, phase: str) -> DataArray:
    """The change of a phase, each seed's measured where the other seeds turn: none where one of them diverged."""
    curves, known = _curves(folds), {"seed": folds["seed"].values}
    finite = bool(curves.isfinite().all())
    changes = getattr(phases.turning_points(curves), phase).numpy() if finite else np.full(len(curves), np.nan)
    return DataArray(changes, known, ("seed",))


def _migration(folds: DataArray) -> DataArray:
    """``at_the_boundary`` at the end over at the peak of the folds around samples, which the other seeds tell."""
    share, curves = at_the_boundary(folds), _curves(folds.sel(points=SAMPLES, drop=True))
    if not curves.isfinite().all():
        return share.isel(step=-1, drop=True) * np.nan
    peak = phases.turning_points(curves).peak.numpy()
    return ratio(share.isel(step=-1, drop=True), _at(share, peak))


def _at(values: DataArray, places: np.ndarray) -> DataArray:
    """The values of each seed at a snapshot of its own."""
    chosen = DataArray(places, {"seed": values["seed"].values}, ("seed",))
    return values.isel(step=chosen).drop_vars("step")


def _gain_once_learned(accuracy: DataArray, attacked: DataArray) -> DataArray:
    """From the first snapshot at which the images learned are known to the last: 1, 0 or −1 for each test image."""
    end = attacked.isel(step=-1, drop=True)
    return difference(end, _at(attacked, _first_learned(accuracy)).transpose(*end.dims))


def _own(values: DataArray, kind: str) -> DataArray:
    """What was measured of a kind of network at the notebook's learning rate: the middle one of its runs."""
    names = [name for name in values["run"].values.tolist() if name.startswith(kind)]
    return values.sel(run=names[len(names) // 2], drop=True)


HUMAYUN, LYLE = "Humayun et al. 2024", "Lyle et al. 2023"
folds_leave = Claim(
    "Folds leave the data.",
    source=HUMAYUN,
    quantity="folds, valley / start",
    below=1,
    scale="ratio",
    measured=lambda folds: _turned(folds, "descent"),
)
folds_gather = Claim(
    "Folds then gather at the data.",
    source=HUMAYUN,
    quantity="folds, peak / valley",
    above=1,
    scale="ratio",
    measured=lambda folds: _turned(folds, "ascent"),
)
folds_leave_again = Claim(
    "In the end folds leave the data again.",
    source=HUMAYUN,
    quantity="folds, end / peak",
    below=1,
    scale="ratio",
    measured=lambda folds: _turned(folds.sel(run=DECAY, points=TRAIN, drop=True), "second_descent"),
)
folds_migrate = Claim(
    "They move to the decision boundary.",
    source=HUMAYUN,
    quantity="folds at the boundary / at samples, end / peak",
    above=1,
    scale="ratio",
    measured=lambda boundary: _migration(boundary.sel(run=DECAY, drop=True)),
)
folds_stay_at_the_boundary = Claim(
    "They lie at the boundary, not anywhere between samples.",
    source="ours",
    kind="ours",
    quantity="folds at the boundary / on the way, end",
    above=1,
    scale="ratio",
    measured=lambda boundary: _end_ratio(boundary.sel(run=DECAY, drop=True)),
)
robustness_comes_late = Claim(
    "Robustness comes late.",
    source=HUMAYUN,
    quantity="accuracy under attack, end - learned",
    above=0,
    scale="difference",
    measured=lambda accuracy, attacked: _gain_once_learned(accuracy, attacked.sel(run=LARGE, drop=True)),
)
noisy_labels_keep_folds = Claim(
    "Noisy labels keep folds.",
    source=HUMAYUN,
    quantity="folds, noisy / clean labels",
    above=1,
    scale="ratio",
    measured=lambda folds: ratio(folds.sel(run=NOISY).isel(step=-1), folds.sel(run=NO_DECAY).isel(step=-1)),
)
relu_loses_ability = Claim(
    "A ReLU network loses its ability to learn.",
    source=LYLE,
    quantity="ReLU: loss, last - first task",
    above=0,
    measured=lambda loss: lost_ability(_own(loss, RELU)),
)
layer_norm_preserves_it = Claim(
    "Layer norm preserves it.",
    source=LYLE,
    quantity="loss, last - first task: layer norm - ReLU",
    below=0,
    measured=lambda loss: difference(lost_ability(_own(loss, LAYER_NORM)), lost_ability(_own(loss, RELU))),
)
layer_norm_loses_some = Claim(
    "A network with layer norm loses ability, too.",
    source="ours",
    kind="ours",
    quantity="layer norm: loss, last - first task",
    above=TIRED,
    measured=lambda loss: lost_ability(_own(loss, LAYER_NORM)),
)
lost_without_dead_units = Claim(
    "Ability is lost without saturated units.",
    source=LYLE,
    quantity="layer norm: dead units, last task",
    below=SATURATED,
    scale="share",
    premise=layer_norm_loses_some,
    measured=lambda dead: _own(dead, LAYER_NORM).isel(task=-1, drop=True),
)
curvature_goes_with_it = Claim(
    "Curvature grows where ability is lost.",
    source=LYLE,
    quantity="rank correlation, lost ability and growth of sharpness",
    above=0,
    scale="rank correlation",
    measured=lambda loss, sharpness: agreement(lost_ability(loss), growth(sharpness)),
)
dead_units_go_with_it = Claim(
    "Units die where ability is lost.",
    source="ours",
    kind="ours",
    quantity="rank correlation, lost ability and dead units",
    above=0,
    scale="rank correlation",
    measured=lambda loss, dead: agreement(lost_ability(loss), dead.isel(task=-1, drop=True)),
)
CLAIMS = (
    folds_leave,
    folds_gather,
    folds_leave_again,
    folds_migrate,
    folds_stay_at_the_boundary,
    robustness_comes_late,
    noisy_labels_keep_folds,
    relu_loses_ability,
    layer_norm_preserves_it,
    layer_norm_loses_some,
    lost_without_dead_units,
    curvature_goes_with_it,
    dead_units_go_with_it,
)


def _end_ratio(folds: DataArray) -> DataArray:
    """At the end: folds at the boundary over folds at random points between samples."""
    boundary, way = (folds.sel(points=kind, drop=True).isel(step=-1, drop=True) for kind in (BOUNDARY, WAY))
    return ratio(boundary, way)


def answer(verdicts: Verdicts) -> str:
    """The notebook's question answered in one line, as the verdicts have it.

    >>> answer({claim.quantity: True for claim in CLAIMS}).split("; ")
    ['Folds leave the data, come back, leave again, move to the boundary, ReLU loses its ability to learn, ...', ...]
    """
    clauses = {
        folds_leave: ("folds leave the data", "folds do not leave the data"),
        folds_gather: ("come back", "do not come back"),
        folds_leave_again: ("leave again", "do not leave again"),
        folds_migrate: ("move to the boundary", "do not move to the boundary"),
        relu_loses_ability: ("ReLU loses its ability to learn", "ReLU keeps its ability to learn"),
        layer_norm_preserves_it: ("layer norm preserves it", "layer norm does not preserve it"),
    }
    return in_one_line(verdicts, clauses, others=[claim for claim in CLAIMS if claim not in clauses])
