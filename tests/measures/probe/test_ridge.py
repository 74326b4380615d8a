"""Ridge against scikit-learn, refitting and closed forms; what collapse and scale do to it."""

import importlib
import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge, RidgeCV
from tests.measures.probe.samples import blobs, labels_of, normal

from sslens.measures.probe import (
    LinearProbe,
    accuracy,
    classify_by_ridge,
    ridge,
    ridge_accuracy,
    ridge_loo,
    ridge_path,
)
from sslens.types import InputError

seeds = st.integers(0, 2**32)


def scale_of(h):
    return float((h - h.mean(0)).square().sum(1).mean().sqrt())


@given(seeds, st.sampled_from([(30, 4), (6, 9)]), st.floats(-4, 2))
@settings(max_examples=30, deadline=None)
def test_ridge_is_scikit_learns_on_features_of_unit_total_variance(seed, shape, decades):
    h, labels, penalty = normal(seed, *shape) * 3 + 7, labels_of(seed, shape[0], 3), 10**decades
    scale = scale_of(h)
    oracle = Ridge(alpha=penalty).fit(h / scale, torch.nn.functional.one_hot(labels, 3))
    queries = normal(seed + 1, 5, shape[1])
    assert np.allclose(ridge(h, labels, penalty=penalty, classes=3).scores(queries), oracle.predict(queries / scale))


def test_ridge_is_least_squares_with_the_penalty_as_extra_rows():
    h, labels, penalty = normal(0, 20, 3), labels_of(0, 20, 2), 0.5
    deviation, scale = h - h.mean(0), scale_of(h)
    rows = torch.cat([deviation / scale, math.sqrt(penalty) * torch.eye(3)])
    targets = torch.nn.functional.one_hot(labels, 2).double()
    goals = torch.cat([targets - targets.mean(0), torch.zeros(3, 2)])
    assert torch.allclose(ridge(h, labels, penalty=penalty).weight * scale, torch.linalg.lstsq(rows, goals).solution)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_a_path_is_the_single_probes_in_the_order_of_the_penalties(kind):
    h, labels = (each[:50] for each in blobs())
    penalties = [3.0, 1e-4, 0.3]
    for probe, penalty in zip(ridge_path(h.to(kind), labels, penalties=penalties), penalties, strict=True):
        single = ridge(h.to(kind), labels, penalty=penalty)
        assert torch.equal(probe.weight, single.weight) and torch.equal(probe.bias, single.bias)


@given(seeds, st.floats(-30, 30))
@settings(max_examples=20, deadline=None)
def test_ridge_ignores_amplitude_rotation_offset_and_empty_dimensions(seed, decades):
    (h, labels), turn = blobs(seed % 1000, n=40), torch.linalg.qr(normal(seed, 6, 6)).Q
    scores = ridge(h, labels).scores(h)
    changed = (h @ turn + 1) * 10**decades
    assert torch.allclose(ridge(changed, labels).scores(changed), scores, atol=1e-8)
    padded = torch.nn.functional.pad(h, (0, 5))
    assert torch.allclose(ridge(padded, labels).scores(padded), scores, atol=1e-10)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_ridge_on_collapsed_features_answers_with_the_most_frequent_class(kind):
    h, labels = torch.full((9, 4), 0.1, dtype=kind), torch.tensor([0, 0, 0, 2, 2, 2, 2, 1, 1])
    probe = ridge(h, labels)
    assert not probe.weight.any()
    assert torch.allclose(probe.bias, torch.tensor([3, 2, 4], dtype=torch.float64) / 9)
    assert probe.predict(torch.randn(5, 4)).tolist() == [2] * 5


def test_ridge_never_answers_with_a_class_it_has_not_seen():
    h, labels = blobs(classes=2)
    assert ridge(h, labels, classes=5).predict(100 * normal(3, 200, 6)).max() <= 1


@given(seeds, st.sampled_from([(12, 3), (9, 20), (2, 1)]))
@settings(max_examples=15, deadline=None)
def test_left_out_errors_are_those_of_refitting_without_each_sample(seed, shape):
    h, labels = 2 * normal(seed, *shape) + 5, labels_of(seed, shape[0], 3)
    penalties, targets = [1e-3, 0.3, 30.0], torch.nn.functional.one_hot(labels, 3).double().numpy()
    x, errors = (h / scale_of(h)).numpy(), []
    for penalty in penalties:
        total = 0.0
        for left in range(len(x)):
            others = np.arange(len(x)) != left
            mean = x[others].mean(0)
            a = x[others] - mean
            weight = np.linalg.solve(a.T @ a + penalty * np.eye(x.shape[1]), a.T @ targets[others])
            total += ((targets[others].mean(0) + (x[left] - mean) @ weight - targets[left]) ** 2).mean() / len(x)
        errors.append(total)
    chosen = ridge_loo(h, labels, penalties=penalties, classes=3)
    assert chosen.errors.tolist() == pytest.approx(errors, rel=1e-6)
    best = [penalty for penalty, error in zip(penalties, errors, strict=True) if error <= min(errors) * (1 + 1e-9)]
    assert chosen.penalty == max(best)


def test_the_choice_is_scikit_learns():
    h, labels = blobs(spread=2.0)
    penalties, targets = [10.0**power for power in range(-4, 5)], torch.nn.functional.one_hot(labels).double()
    oracle = RidgeCV(alphas=penalties, store_cv_results=True).fit(h / scale_of(h), targets)
    chosen = ridge_loo(h, labels, penalties=penalties)
    assert chosen.penalty == oracle.alpha_ not in (penalties[0], penalties[-1])
    assert np.allclose(chosen.errors, oracle.cv_results_.mean((0, 1)), rtol=1e-9)
    assert torch.equal(chosen.probe.weight, ridge(h, labels, penalty=chosen.penalty).weight)


def test_leaving_out_on_collapsed_features_takes_the_largest_of_equally_good_penalties():
    h, labels = torch.full((6, 4), 0.1), torch.arange(6) % 2
    chosen = ridge_loo(h, labels, penalties=[0.1, 10.0, 1.0])
    assert chosen.errors.tolist() == pytest.approx([0.36] * 3)  # the others hold 3 of 5 for the wrong class
    assert chosen.penalty == 10.0 and not chosen.probe.weight.any()


@pytest.mark.parametrize("seed", range(20))
def test_penalties_that_differ_by_rounding_alone_are_equal_and_the_largest_is_taken(seed):
    # Without the other of two samples there is no slope, whatever the penalty.
    chosen = ridge_loo(normal(seed, 2, 3), torch.tensor([0, 1]), penalties=[1e-3, 0.3, 30.0, 7.0])
    assert chosen.errors.tolist() == pytest.approx([1.0] * 4) and chosen.penalty == 30.0


@pytest.mark.parametrize("penalty", [0.0, -1.0, float("inf"), float("nan")])
def test_ridge_refuses_a_penalty_that_is_not_positive(penalty):
    for fit in (ridge_path, ridge_loo):
        with pytest.raises(InputError, match="penalty"):
            fit(torch.eye(3), torch.arange(3), penalties=[1.0, penalty])
    with pytest.raises(InputError, match="penalty"):
        ridge(torch.eye(3), torch.arange(3), penalty=penalty)


@pytest.mark.parametrize("fit", [ridge_path, ridge_loo])
def test_no_penalty_at_all_is_refused(fit):
    with pytest.raises(InputError, match="penalties must be at least one"):
        fit(torch.eye(3), torch.arange(3), penalties=[])


def test_a_single_sample_cannot_be_left_out():
    with pytest.raises(InputError, match="at least 2 row"):
        ridge_loo(torch.ones(1, 3), torch.tensor([0]), penalties=[1.0])


def test_it_refuses_labels_beyond_the_classes():
    with pytest.raises(InputError, match="Got 2"):
        ridge(torch.eye(3), torch.arange(3), classes=2)


@pytest.mark.parametrize("predict", [LinearProbe.predict, LinearProbe.scores])
def test_it_refuses_features_of_another_width(predict):
    h, labels = blobs()
    with pytest.raises(InputError, match="6 columns"):
        predict(ridge(h, labels), h[:, :3])


@pytest.mark.parametrize("options", [{}, {"penalty": 30.0}])
def test_predictions_and_accuracy_are_those_of_the_fitted_probe(options):
    known, queries = blobs(0, n=40, spread=2.0), blobs(1, n=30, spread=2.0)
    predicted = ridge(*known, **options).predict(queries[0])
    assert torch.equal(classify_by_ridge(*known, queries[0], **options), predicted)
    assert ridge_accuracy(known, queries, **options) == accuracy(predicted, queries[1])


@pytest.mark.parametrize("fit", [ridge, partial(ridge_loo, penalties=[0.3]), partial(ridge_path, penalties=[0.3])])
def test_features_are_checked_and_converted_once(fit, monkeypatch):
    module, calls = importlib.import_module("sslens.measures.features"), []
    converted = module._sized

    def counted(h, name, *options):
        calls.append(name)
        return converted(h, name, *options)

    monkeypatch.setattr(module, "_sized", counted)
    fit(torch.eye(4), torch.arange(4))
    assert calls == ["features"]
