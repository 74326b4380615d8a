"""Every public measure on every kind of bad or degenerate features: the right number or our own error, never a NaN.

A measure that is added to a room and not to this table fails the first test.
"""

import dataclasses
import importlib
import inspect
import math
import pkgutil

import pytest
import torch
from torch import nn

from sslens import measures
from sslens.measures import classes, collapse, plane, probe, regions, spectrum
from sslens.types import InputError, Interval


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


OF_FEATURES = {
    "spectrum.singular_values": lambda h: spectrum.singular_values(h, centre=True),
    "spectrum.eigenvalues": spectrum.eigenvalues,
    "spectrum.rankme": spectrum.rankme,
    "spectrum.participation_ratio": spectrum.participation_ratio,
    "spectrum.stable_rank": spectrum.stable_rank,
    "collapse.amplitude": collapse.amplitude,
    "collapse.unit_deviation": collapse.unit_deviation,
    "probe.knn": lambda h: probe.knn(h, labels_of(h), h, k=1),
    "probe.ridge": lambda h: probe.ridge(h, labels_of(h), classes=2).predict(h),
    "probe.few_shot": few,
    "plane.plane": plane.plane,
    "plane.explained": plane.explained,
    "regions.local_complexity": complexity,
}
OF_LABELS = {
    "probe.accuracy": probe.accuracy,
    "classes.confusion": lambda predicted, truth: classes.confusion(predicted, truth, classes=3),
    "classes.accuracy_by_class": lambda predicted, truth: classes.accuracy_by_class(predicted, truth, classes=3),
}

OF_NETWORKS: set[str] = set()
"""Measures of a network, which has no such degenerate features; each has its own tests of bad input."""

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
    "collapse.amplitude": [0, 0, 30, ERROR, 10 / 3, 8 / 7],
    "collapse.unit_deviation": [0, 0, ROOT(4 / 3) * 5 / 6, ERROR, ROOT(6) * ROOT(2 / 3) / 3, 2 * ROOT(2 / 7)],
    "probe.knn": [[0] * 6, [0] * 6, [0, 1, 0, 1], [0], [0, 1, 0, 1], [0, 1] * 4],
    "probe.ridge": [[0] * 6, [0] * 6, [0, 1, 0, 1], [0], [0, 1, 0, 1], [0, 1] * 4],
    "probe.few_shot": [0.5, 0.5, 1, 1, ..., ...],
    "plane.plane": [[0] * 12, [0] * 12, LINE, ERROR, [2, 0, -2, 0, 0, 1, 0, -1], ...],
    "plane.explained": [[0, 0], [0, 0], [1, 0], ERROR, [0.8, 0.2], [0.25, 0.25]],
    "regions.local_complexity": [2] * 6,
}  # fmt: skip


def public():
    """Names of all measures: the public functions of every room, ``features`` (their shared checks) apart."""
    for room in pkgutil.iter_modules(measures.__path__):
        module = importlib.import_module(f"sslens.measures.{room.name}")
        for name, value in inspect.getmembers(module, inspect.isfunction):
            if value.__module__.startswith(module.__name__) and not name.startswith("_") and room.name != "features":
                yield f"{room.name}.{name}"


def numbers(answer):
    if dataclasses.is_dataclass(answer):
        return [number for field in dataclasses.fields(answer) for number in numbers(getattr(answer, field.name))]
    return answer.double().flatten().tolist() if isinstance(answer, torch.Tensor) else [float(answer)]


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


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", OF_FEATURES)
def test_one_value_that_is_not_finite_is_an_error_that_says_where(name, value, kind):
    h = axes.to(kind)
    h[5, 2] = value
    with pytest.raises(InputError, match=r"finite.*1 of 32 values, first in row 5, column 2"):
        OF_FEATURES[name](h)


@pytest.mark.parametrize("h", [torch.ones(0, 4), torch.ones(4, 0), torch.ones(5), torch.ones(4, 4).long()], ids=str)
@pytest.mark.parametrize("name", OF_FEATURES)
def test_what_is_no_matrix_of_features_is_our_error_without_any_shape_checker(name, h, unchecked):
    if name == "regions.local_complexity":
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
    assert numbers(Interval(1.0, 0.0, 2.0, 3)) == [1, 0, 2, 3]
