"""Every public measure on every kind of bad or degenerate features: the right number or our own error, never a NaN.

A measure that is added to a package and not to this table fails the first test.
"""

import dataclasses
import importlib
import inspect
import math
import pkgutil
from functools import partial

import pytest
import torch
from torch import nn

from sslens import measures
from sslens.measures import classes, collapse, gate_geometry, probe, projection, regions, spectrum
from sslens.statistics import Interval
from sslens.types import InputError

pytestmark = pytest.mark.filterwarnings("ignore::sslens.measures.spectrum.FewSamples")  # tables are small


def labels_of(h):
    return torch.arange(len(h)) % 2


def complexity(h):
    """Two units whose folds pass through every neighbourhood."""
    net = nn.Sequential(nn.Linear(h.shape[-1], 2), nn.ReLU()).to(h.dtype)
    nn.init.ones_(net[0].weight)
    nn.init.zeros_(net[0].bias)
    generator = torch.Generator().manual_seed(0)
    return regions.local_complexity(net, h, radius=1e3, directions=1, frames=2, generator=generator).mean


def few(h):
    generator, labelled = torch.Generator().manual_seed(0), (h, labels_of(h))
    return probe.few_shot(labelled, labelled, per_class=1, draws=2, generator=generator).mean


def few_by_mean(h):
    labelled = h, labels_of(h)
    options = {"classify": probe.classify_by_nearest_mean, "generator": torch.Generator().manual_seed(0)}
    return probe.few_labels(labelled, labelled, per_class=1, draws=2, **options).mean


def total_risk(h):
    generator, labelled = torch.Generator().manual_seed(0), (h, labels_of(h))
    return probe.risk_decomposition(labelled, labelled, approximation=0.0, held_out=1, generator=generator).total.mean


def r_squared(h):
    valued = h, labels_of(h).double()
    return probe.r_squared(valued, valued)


def explained(h):
    valued = h, labels_of(h).double()
    return probe.explained(valued, valued)


def clusters(h):
    found = spectrum.clid(h, clusters=2, folds=2, generator=torch.Generator().manual_seed(0))
    return torch.tensor([found.learnability, 1 / (1 + found.dimension)])  # a dimension can be infinite


def neural_collapse(h):
    found = spectrum.neural_collapse(h, labels_of(h))
    return torch.tensor([1 / (1 + found.variability), found.equinorm, found.equiangularity])


def accuracy_by(measure, **options):
    """Of the features by the features themselves."""
    return lambda h: measure((h, labels_of(h)), (h, labels_of(h)), **options)


OF_FEATURES = {
    "spectrum.singular_values": lambda h: spectrum.singular_values(h, centre=True),
    "spectrum.eigenvalues": spectrum.eigenvalues,
    "spectrum.rankme": spectrum.rankme,
    "spectrum.participation_ratio": spectrum.participation_ratio,
    "spectrum.stable_rank": spectrum.stable_rank,
    "spectrum.effective_rank": spectrum.effective_rank,
    "spectrum.condition_number": lambda h: 1 / spectrum.condition_number(h),
    "spectrum.coherence": spectrum.coherence,
    "spectrum.power_law": lambda h: spectrum.power_law(spectrum.eigenvalues(h) + 1, ranks=(1, 4)).exponent,
    "spectrum.spectral_map": lambda h: spectrum.spectral_map(h, 0.0),
    "spectrum.alignment": lambda h: spectrum.alignment(h, -h),
    "spectrum.uniformity": spectrum.uniformity,
    "spectrum.self_clustering": spectrum.self_clustering,
    "spectrum.cka": lambda h: spectrum.cka(h, h, unbiased=False),
    "spectrum.lidar": lambda h: spectrum.lidar(torch.stack([h, h])),
    "spectrum.neural_collapse": neural_collapse,
    "spectrum.clid": clusters,
    "spectrum.comparable": lambda h: torch.tensor(spectrum.comparable(h, h)),
    "spectrum.principal": lambda h: spectrum.principal(h, h)[0].abs(),
    "spectrum.reshaped": lambda h: spectrum.reshaped(h, h, beta=0.0)[0].abs(),
    "collapse.total_variance": collapse.total_variance,
    "collapse.normalised_std": collapse.normalised_std,
    "probe.knn": lambda h: probe.knn(h, labels_of(h), h, k=1),
    "probe.knn_accuracy": accuracy_by(probe.knn_accuracy, k=1),
    "probe.correct": accuracy_by(probe.correct, classify=partial(probe.knn, k=1)),
    "probe.ridge": lambda h: probe.ridge(h, labels_of(h), classes=2).predict(h),
    "probe.ridge_path": lambda h: probe.ridge_path(h, labels_of(h), penalties=[0.3], classes=2)[0].predict(h),
    "probe.ridge_loo": lambda h: probe.ridge_loo(h, labels_of(h), penalties=[0.3, 1.0], classes=2).errors,
    "probe.classify_by_ridge": lambda h: probe.classify_by_ridge(h, labels_of(h), h),
    "probe.ridge_accuracy": accuracy_by(probe.ridge_accuracy),
    "probe.nearest_mean": lambda h: probe.nearest_mean(h, labels_of(h)).predict(h),
    "probe.classify_by_nearest_mean": lambda h: probe.classify_by_nearest_mean(h, labels_of(h), h),
    "probe.prefixes": accuracy_by(probe.prefixes, lengths=[1], classify=probe.classify_by_nearest_mean),
    "probe.few_shot": few,
    "probe.few_labels": few_by_mean,
    "probe.r_squared": r_squared,
    "probe.explained": explained,
    "probe.label_energy": lambda h: probe.label_energy(h, labels_of(h)),
    "probe.risk_decomposition": total_risk,
    "probe.bootstrap": lambda h: probe.bootstrap(h, draws=2, generator=torch.Generator().manual_seed(0)),
    "projection.project": projection.project,
    "projection.explained": projection.explained,
    "projection.neighbours_kept": lambda h: projection.neighbours_kept(h, h, k=1),
    "regions.local_complexity": complexity,
    "gate_geometry.spline_features": lambda h: gate_geometry.spline_features(h[None], torch.eye(h.shape[-1])),
    "gate_geometry.norm_features": lambda h: gate_geometry.norm_features(h[None]),
}
OF_LABELS = {
    "probe.accuracy": probe.accuracy,
    "classes.confusion": lambda predicted, truth: classes.confusion(predicted, truth, classes=3),
    "classes.accuracy_by_class": lambda predicted, truth: classes.accuracy_by_class(predicted, truth, classes=3),
}

OF_NETWORKS: set[str] = {
    "activations.activations",
    "activations.listening",
    "gate_geometry.attention_dimension",
    "gate_geometry.hull_dimension",
    "regions.boundary_points",
    "regions.count_regions",
    "regions.partition",
    "regions.partitions",
    "regions.segment",
    "regions.square",
    "regions.exact_complexity",
    "regions.count_sampled",
    "regions.grid",
    "network_diagnostics.curvature",
    "network_diagnostics.dead_units",
    "network_diagnostics.jacobian",
    "network_diagnostics.jacobian_spectrum",
    "network_diagnostics.slope_norms",
    "phases.reached",
    "phases.turning_points",
    "robustness.adversarial",
    "robustness.withstood",
}
"""Measures of a network, or of numbers of runs: no such degenerate features; each has its own tests of bad input."""

ERROR, ROOT = InputError, math.sqrt
axes = torch.tensor([1.0, -1.0]).repeat(4)[:, None] * torch.eye(4).repeat_interleave(2, 0)  # both ways along 4 axes
CASES = {
    "constant": torch.full((6, 4), 0.1),
    "zero": torch.zeros(6, 4),
    "rank one": torch.tensor([[1.0], [-1.0], [2.0], [-2.0]]) * torch.tensor([1.0, 2.0, 2.0, 0.0]),
    "one row": torch.tensor([[3.0, 4.0]]),
    "N < D": torch.tensor([[2.0, 0, 0, 0, 0, 0], [-2, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0], [0, -1, 0, 0, 0, 0]]),
    "float32": axes,
    "float64": axes.double(),
    "float16": axes.half(),
    "bfloat16": axes.bfloat16(),
}
EVEN = [1.0] * 4  # what is said of a spectrum of four equal values
LINE = [3.0, 0, -3, 0, 6, 0, -6, 0]
RIGHT = {
    # constant, zero, rank one, one row, N < D, axes; an ellipsis stands for any finite answer
    "spectrum.singular_values": [[0] * 4, [0] * 4, [ROOT(90), 0, 0, 0], ERROR, [ROOT(8), ROOT(2), 0, 0],
                                 [ROOT(2)] * 4],
    "spectrum.eigenvalues": [[0] * 4, [0] * 4, [30, 0, 0, 0], ERROR, [8 / 3, 2 / 3, 0, 0], [2 / 7] * 4],
    "spectrum.rankme": [1, 0, 1, 1, 3 / 2 ** (2 / 3), 4],
    "spectrum.participation_ratio": [0, 0, 1, ERROR, 100 / 68, 4],
    "spectrum.stable_rank": [0, 0, 1, ERROR, 1.25, 4],
    "spectrum.effective_rank": [0, 0, 1, ERROR, 5 / 4**0.8, 4],
    "spectrum.condition_number": [0, 0, 0, 1, 0, 1],
    "spectrum.coherence": [1, 0, 1.6, 1, 1, 1],
    "spectrum.power_law": [0, 0, ..., ERROR, ..., 0],
    "spectrum.spectral_map": [[0.1] * 24, [0] * 24, [1, 2, 2, 0, -1, -2, -2, 0, 2, 4, 4, 0, -2, -4, -4, 0], ERROR,
                              [ROOT(2.5), 0, 0, 0, 0, 0, -ROOT(2.5), 0, 0, 0, 0, 0,
                               0, ROOT(2.5), 0, 0, 0, 0, 0, -ROOT(2.5), 0, 0, 0, 0], axes.flatten().tolist()],
    "spectrum.alignment": [4, 0, 4, 4, 4, 4],
    "spectrum.uniformity": [0, 0, math.log((2 + 4 * math.exp(-8)) / 6), ERROR,
                            math.log((2 * math.exp(-8) + 4 * math.exp(-4)) / 6),
                            math.log((4 * math.exp(-8) + 24 * math.exp(-4)) / 28)],
    "spectrum.self_clustering": [1, 1, 1, ERROR, 0.2, -1 / 7],
    "spectrum.cka": [0, 0, 1, ERROR, 1, 1],
    "spectrum.lidar": [0, 0, 1, ERROR, 5 / 4**0.8, 4],
    "spectrum.neural_collapse": [[0, 0, 1], [0, 0, 1], [18 / 19, 0, 0], ERROR, [1 / 1.18, 0, 0], [1, 0, 0]],
    "spectrum.clid": [[1, 1], [1, 1], ..., ERROR, ..., ...],
    "spectrum.comparable": [[6, 4], [6, 4], [4, 4], [1, 2], [4, 6], [8, 4]],
    "spectrum.principal": [[0] * 24, [0] * 24, [3, 0, 0, 0, 3, 0, 0, 0, 6, 0, 0, 0, 6, 0, 0, 0], ERROR,
                           [2, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0], ...],
    "spectrum.reshaped": [[0] * 24, [0] * 24, [3, 0, 0, 0, 3, 0, 0, 0, 6, 0, 0, 0, 6, 0, 0, 0], ERROR,
                          [ROOT(2.5), 0, 0, 0, ROOT(2.5), 0, 0, 0, 0, ROOT(2.5), 0, 0, 0, ROOT(2.5), 0, 0], ...],
    "collapse.total_variance": [0, 0, 30, ERROR, 10 / 3, 8 / 7],
    "collapse.normalised_std": [0, 0, ROOT(4 / 3) * 5 / 6, ERROR, ROOT(6) * ROOT(2 / 3) / 3, 2 * ROOT(2 / 7)],
    "probe.knn": [[0] * 6, [0] * 6, [0, 1, 0, 1], [0], [0, 1, 0, 1], [0, 1] * 4],
    "probe.knn_accuracy": [0.5, 0.5, 1, 1, 1, 1],
    "probe.correct": [[1, 0] * 3, [1, 0] * 3, [1] * 4, [1], [1] * 4, [1] * 8],
    "probe.ridge": [[0] * 6, [0] * 6, [0, 1, 0, 1], [0], [0, 1, 0, 1], [0, 1] * 4],
    "probe.ridge_path": [[0] * 6, [0] * 6, [0, 1, 0, 1], [0], [0, 1, 0, 1], [0, 1] * 4],
    "probe.ridge_loo": [[0.36] * 2, [0.36] * 2, ..., ERROR, ..., ...],
    "probe.classify_by_ridge": [[0] * 6, [0] * 6, [0, 1, 0, 1], [0], [0, 1, 0, 1], [0, 1] * 4],
    "probe.ridge_accuracy": [0.5, 0.5, 1, 1, 1, 1],
    "probe.nearest_mean": [[0] * 6, [0] * 6, [0, 1, 0, 1], [0], [0, 1, 0, 1], [0, 1] * 4],
    "probe.classify_by_nearest_mean": [[0] * 6, [0] * 6, [0, 1, 0, 1], [0], [0, 1, 0, 1], [0, 1] * 4],
    "probe.prefixes": [0.5, 0.5, 1, 1, 0.75, 0.625],
    "probe.few_shot": [0.5, 0.5, 1, 1, ..., ...],
    "probe.few_labels": [0.5, 0.5, 1, 1, ..., ...],
    "probe.r_squared": [0, 0, 7.2 / 4.3 - 14.4 / 4.3**2, ERROR,
                        1.6 * (2 / 3.5 - 3.2 / 3.5**2) + 0.4 * (2 / 1.1 - 0.8 / 1.1**2), 2 * (2 / 2.3 - 2 / 2.3**2)],
    "probe.explained": [[0] * 6, [0] * 6, ..., ERROR, ..., [2 * (2 / 2.3 - 2 / 2.3**2)] * 8],
    "probe.label_energy": [[0] * 4, [0] * 4, [0.9, 0, 0, 0], ERROR, [0.5, 0.5, 0, 0], ...],
    "probe.risk_decomposition": [0.5, 0.5, 0, ERROR, 0, 0],
    "probe.bootstrap": [[0.1] * 8, [0] * 8, ..., [3, 4] * 2, ..., ...],
    "projection.project": [[0] * 12, [0] * 12, LINE, ERROR, [2, 0, -2, 0, 0, 1, 0, -1], ...],
    "projection.explained": [[0, 0], [0, 0], [1, 0], ERROR, [0.8, 0.2], [0.25, 0.25]],
    "projection.neighbours_kept": [0.2, 0.2, 1, ERROR, 0.75, 1 / 6],
    "regions.local_complexity": [2] * 6,
    "gate_geometry.spline_features": [[1, 1, 1, 0, 0.1, 0.1, 0], [0] * 7, [0.375, 0, 0.75, ROOT(3) / 4, 0, 0, 0],
                                [1, 1, 1, 0, 3, 3, 0], [1 / 12, 0, 1 / 6, ROOT(1 / 108), 0, 0, 0],
                                [0.125, 0, 0.25, ROOT(1 / 56), 0, 0, 0]],
    "gate_geometry.norm_features": [[0.2] * 3 + [0], [0] * 4, [4.5, 3, 6, ROOT(3)], [5, 5, 5, 0],
                                    [1.5, 1, 2, ROOT(1 / 3)], [1, 1, 1, 0]],
}  # fmt: skip


AS_TENSORS = {
    "spectrum.alignment", "spectrum.lidar", "regions.local_complexity", "gate_geometry.spline_features",
    "gate_geometry.norm_features",
}  # fmt: skip
"""Whose row here begins with an operation that only tensors have."""
WITH_SIZE = {
    "spectrum.singular_values", "spectrum.spectral_map", "spectrum.principal", "spectrum.reshaped", "probe.bootstrap",
    "projection.project",
}  # fmt: skip
"""Measures whose answer has the unit of the features."""
REFUSED = {
    "spectrum.eigenvalues": "features / ",
    "spectrum.power_law": "features / ",
    "collapse.total_variance": "features / ",
    "gate_geometry.spline_features": "below 1e\\+150",
    "gate_geometry.norm_features": "below 1e\\+150",
    "regions.local_complexity": "below 1e\\+150",
}
"""Whose answer would be no floating-point number; and networks, which do not compute with such inputs."""


def public():
    """Names of all measures: the public functions of every module, ``features`` (their shared checks) apart."""
    for room in pkgutil.iter_modules(measures.__path__):
        module = importlib.import_module(f"sslens.measures.{room.name}")
        for name, value in inspect.getmembers(module, inspect.isfunction):
            if value.__module__.startswith(module.__name__) and not name.startswith("_") and room.name != "features":
                yield f"{room.name}.{name}"


def numbers(answer):
    if dataclasses.is_dataclass(answer):
        return [number for field in dataclasses.fields(answer) for number in numbers(getattr(answer, field.name))]
    return answer.double().flatten().tolist() if isinstance(answer, torch.Tensor) else [float(answer)]


@pytest.mark.parametrize("package", [probe, spectrum])
def test_a_package_shows_the_functions_of_its_files_and_not_the_files(package):
    for name in package.__all__:
        assert not inspect.ismodule(getattr(package, name)), name
    for file in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{file.name}")
        shown = getattr(package, file.name)
        assert shown is module or shown is getattr(module, file.name)


def test_every_public_measure_is_in_the_table():
    assert set(public()) == {*OF_FEATURES, *OF_LABELS, *OF_NETWORKS} and set(RIGHT) == set(OF_FEATURES)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", OF_FEATURES)
def test_degenerate_features_get_the_right_number_or_our_error(name, case):
    right = RIGHT[name][min(list(CASES).index(case), 5)]
    if right is ERROR:
        with pytest.raises(InputError, match="at least 2 row"):
            OF_FEATURES[name](CASES[case])
        return
    found = numbers(OF_FEATURES[name](CASES[case]))
    assert all(math.isfinite(number) for number in found)
    if right is not ...:
        assert found == pytest.approx(right if isinstance(right, list) else [right], rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("size", [1e-300, 1e-170, 1e-60, 1e60, 1e170, 1e300])
@pytest.mark.parametrize("name", OF_FEATURES)
def test_features_of_any_size_get_the_number_of_ordinary_ones_in_their_unit(name, size):
    h = torch.randn(12, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + 0.5
    far = abs(math.log10(size)) > 100
    if name in REFUSED:
        if far and (size > 1 or "/" in REFUSED[name]):
            with pytest.raises(InputError, match=REFUSED[name]):
                OF_FEATURES[name](h * size)
        return
    right = [number * (size if name in WITH_SIZE else 1) for number in numbers(OF_FEATURES[name](h))]
    # Without their unit, so that a tolerance means something at either end.
    largest = max(map(abs, right)) or 1.0
    found = [number / largest for number in numbers(OF_FEATURES[name](h * size))]
    assert found == pytest.approx([number / largest for number in right], rel=1e-7, abs=1e-9)


@pytest.mark.parametrize(
    "convert", [torch.Tensor.numpy, torch.Tensor.tolist, torch.Tensor.long], ids=lambda f: f.__name__
)
@pytest.mark.parametrize("name", [name for name in OF_FEATURES if name not in AS_TENSORS])
def test_arrays_lists_and_whole_numbers_are_taken_for_the_features_they_are(name, convert, unchecked):
    measure = OF_FEATURES[name]
    h = axes.double() + 3
    assert numbers(measure(convert(h))) == pytest.approx(numbers(measure(h)), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", OF_FEATURES)
def test_one_value_that_is_not_finite_is_an_error_that_says_where(name, value, kind):
    h = axes.to(kind)
    h[5, 2] = value
    with pytest.raises(InputError, match=r"finite.*1 of 32 values, first in row 5, column 2"):
        OF_FEATURES[name](h)


@pytest.mark.parametrize("h", [torch.ones(0, 4), torch.ones(4, 0), torch.ones(5), torch.ones(4, 4) + 0j], ids=str)
@pytest.mark.parametrize("name", OF_FEATURES)
def test_what_is_no_matrix_of_features_is_our_error_without_any_shape_checker(name, h, unchecked):
    if name == "regions.local_complexity":
        if h.is_floating_point():  # whole numbers are samples like others
            net = nn.Sequential(nn.Linear(4, 2), nn.ReLU())
            with pytest.raises(InputError):
                regions.local_complexity(net, h, radius=1.0, directions=1, generator=torch.Generator())
    else:
        with pytest.raises(InputError):
            OF_FEATURES[name](h)


@pytest.mark.parametrize("name", OF_LABELS)
def test_labels_get_the_right_number_or_our_error(name, unchecked):
    right = {"probe.accuracy": 0.75, "classes.confusion": [1, 1, 0, 0, 1, 0, 0, 0, 1]}
    right["classes.accuracy_by_class"] = [0.5, 1, 1]
    answer = numbers(OF_LABELS[name](torch.tensor([0, 1, 1, 2]), torch.tensor([0, 0, 1, 2])))
    assert answer == (right[name] if isinstance(right[name], list) else [right[name]])
    for predicted, truth in ([[], []], [[0], [0, 1]], [[0, 1], [0]], [[-1], [0]], [[0.0], [0.0]], [[[0]], [[0]]]):
        with pytest.raises(InputError):
            OF_LABELS[name](torch.tensor(predicted), torch.tensor(truth))


def test_an_interval_and_a_record_are_looked_into_for_their_numbers():
    assert numbers(Interval(1.0, 0.0, 2.0, 3, originals=4, error=0.5)) == [1, 0, 2, 3, 4, 0.5]
