"""Linear probes against scikit-learn, refitting and closed forms; what collapse and scale do to them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.neighbors import NearestCentroid

from sslens.measures.probe import nearest_mean, ridge, ridge_loo, ridge_path
from sslens.types import InputError

seeds = st.integers(0, 2**32)


def normal(seed, n, d):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def labels_of(seed, n, classes):
    return torch.randint(classes, (n,), generator=torch.Generator().manual_seed(seed))


def blobs(seed=0, n=200, d=6, classes=4, spread=0.3):
    centres, labels = 2 * torch.eye(d, dtype=torch.float64)[:classes], torch.arange(n) % classes
    return centres[labels] + spread * normal(seed, n, d), labels


def scale_of(h):
    return float((h - h.mean(0)).square().sum(1).mean().sqrt())


@given(seeds, st.sampled_from([(30, 4), (6, 9)]), st.floats(-4, 2))
@settings(max_examples=30, deadline=None)
def test_ridge_is_scikit_learns_on_features_of_unit_total_variance(seed, shape, decades):
    h, labels, strength = normal(seed, *shape) * 3 + 7, labels_of(seed, shape[0], 3), 10**decades
    scale = scale_of(h)
    oracle = Ridge(alpha=strength).fit(h / scale, torch.nn.functional.one_hot(labels, 3))
    queries = normal(seed + 1, 5, shape[1])
    assert np.allclose(ridge(h, labels, strength=strength, classes=3).scores(queries), oracle.predict(queries / scale))


def test_ridge_is_least_squares_with_the_penalty_as_extra_rows():
    h, labels, strength = normal(0, 20, 3), labels_of(0, 20, 2), 0.5
    deviation, scale = h - h.mean(0), scale_of(h)
    rows = torch.cat([deviation / scale, math.sqrt(strength) * torch.eye(3)])
    targets = torch.nn.functional.one_hot(labels, 2).double()
    goals = torch.cat([targets - targets.mean(0), torch.zeros(3, 2)])
    assert torch.allclose(ridge(h, labels, strength=strength).weight * scale, torch.linalg.lstsq(rows, goals).solution)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_a_path_is_the_single_probes_in_the_order_asked_for(kind):
    h, labels = (each[:50] for each in blobs())
    strengths = [3.0, 1e-4, 0.3]
    for probe, strength in zip(ridge_path(h.to(kind), labels, strengths=strengths), strengths, strict=True):
        single = ridge(h.to(kind), labels, strength=strength)
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
    strengths, targets = [1e-3, 0.3, 30.0], torch.nn.functional.one_hot(labels, 3).double().numpy()
    x, errors = (h / scale_of(h)).numpy(), []
    for strength in strengths:
        total = 0.0
        for left in range(len(x)):
            others = np.arange(len(x)) != left
            mean = x[others].mean(0)
            a = x[others] - mean
            weight = np.linalg.solve(a.T @ a + strength * np.eye(x.shape[1]), a.T @ targets[others])
            total += ((targets[others].mean(0) + (x[left] - mean) @ weight - targets[left]) ** 2).mean() / len(x)
        errors.append(total)
    chosen = ridge_loo(h, labels, strengths=strengths, classes=3)
    assert chosen.errors.tolist() == pytest.approx(errors, rel=1e-6)
    best = [strength for strength, error in zip(strengths, errors, strict=True) if error <= min(errors) * (1 + 1e-9)]
    assert chosen.strength == max(best)


def test_the_choice_is_scikit_learns():
    h, labels = blobs(spread=2.0)
    strengths, targets = [10.0**power for power in range(-4, 5)], torch.nn.functional.one_hot(labels).double()
    oracle = RidgeCV(alphas=strengths, store_cv_results=True).fit(h / scale_of(h), targets)
    chosen = ridge_loo(h, labels, strengths=strengths)
    assert chosen.strength == oracle.alpha_ not in (strengths[0], strengths[-1])
    assert np.allclose(chosen.errors, oracle.cv_results_.mean((0, 1)), rtol=1e-9)
    assert torch.equal(chosen.probe.weight, ridge(h, labels, strength=chosen.strength).weight)


def test_leaving_out_on_collapsed_features_tells_no_strength_from_another_and_takes_the_strongest():
    h, labels = torch.full((6, 4), 0.1), torch.arange(6) % 2
    chosen = ridge_loo(h, labels, strengths=[0.1, 10.0, 1.0])
    assert chosen.errors.tolist() == pytest.approx([0.36] * 3)  # the others hold 3 of 5 for the wrong class
    assert chosen.strength == 10.0 and not chosen.probe.weight.any()


@pytest.mark.parametrize("seed", range(20))
def test_strengths_that_only_rounding_tells_apart_are_equal_and_the_strongest_is_taken(seed):
    # Without the other of two samples there is no slope, whatever the strength.
    chosen = ridge_loo(normal(seed, 2, 3), torch.tensor([0, 1]), strengths=[1e-3, 0.3, 30.0, 7.0])
    assert chosen.errors.tolist() == pytest.approx([1.0] * 4) and chosen.strength == 30.0


@pytest.mark.parametrize("strength", [0.0, -1.0, float("inf"), float("nan")])
def test_ridge_refuses_a_penalty_that_is_not_positive(strength):
    for fit in (ridge_path, ridge_loo):
        with pytest.raises(InputError, match="strength"):
            fit(torch.eye(3), torch.arange(3), strengths=[1.0, strength])
    with pytest.raises(InputError, match="strength"):
        ridge(torch.eye(3), torch.arange(3), strength=strength)


@pytest.mark.parametrize("fit", [ridge_path, ridge_loo])
def test_no_strength_at_all_is_refused(fit):
    with pytest.raises(InputError, match="strengths must be at least one"):
        fit(torch.eye(3), torch.arange(3), strengths=[])


def test_a_single_sample_cannot_be_left_out():
    with pytest.raises(InputError, match="at least 2 row"):
        ridge_loo(torch.ones(1, 3), torch.tensor([0]), strengths=[1.0])


@pytest.mark.parametrize("fit", [ridge, nearest_mean])
def test_probes_refuse_labels_beyond_the_classes(fit):
    with pytest.raises(InputError, match="Got 2"):
        fit(torch.eye(3), torch.arange(3), classes=2)


@pytest.mark.parametrize("fit", [ridge, nearest_mean])
def test_probes_refuse_features_of_another_width(fit):
    h, labels = blobs()
    for ask in (lambda: fit(h, labels).predict(h[:, :3]), lambda: fit(h, labels).scores(h[:, :3])):
        with pytest.raises(InputError, match="6 columns"):
            ask()


@given(seeds, st.sampled_from([(40, 5), (6, 30)]), st.floats(-3, 3))
@settings(max_examples=30, deadline=None)
def test_the_nearest_mean_is_scikit_learns_and_scores_are_half_squared_distances(seed, shape, decades):
    h, labels = normal(seed, *shape) * 10**decades + 3, torch.arange(shape[0]) % 3
    queries = normal(seed + 1, 20, shape[1]) * 10**decades + 3
    probe = nearest_mean(h, labels)
    assert probe.predict(queries).tolist() == NearestCentroid().fit(h, labels).predict(queries).tolist()
    means = torch.stack([h[labels == c].mean(0) for c in range(3)])
    halves = -torch.cdist(queries, means).square() / 2
    scores = probe.scores(queries)
    assert torch.allclose(scores - scores[:, :1], halves - halves[:, :1], rtol=1e-8, atol=1e-6 * 10 ** (2 * decades))


@given(seeds, st.floats(-30, 30), st.floats(-1e4, 1e4))
@settings(max_examples=20, deadline=None)
def test_the_nearest_mean_ignores_amplitude_rotation_offset_and_empty_dimensions(seed, decades, offset):
    (h, labels), turn = blobs(seed % 1000, n=40, spread=1.0), torch.linalg.qr(normal(seed, 6, 6)).Q
    queries = 2 * normal(seed + 1, 50, 6)
    found = nearest_mean(h, labels).predict(queries)
    changed, asked = ((torch.nn.functional.pad(each @ turn, (0, 2)) + offset) * 10**decades for each in (h, queries))
    assert torch.equal(nearest_mean(changed, labels).predict(asked), found)


def test_the_nearest_mean_ignores_how_many_samples_a_class_has_and_ridge_does_not():
    h = torch.cat([torch.zeros(99, 1), torch.ones(1, 1)])
    labels, asked = (h[:, 0] > 0).long(), torch.tensor([[0.6]])
    assert nearest_mean(h, labels).predict(asked).tolist() == [1]
    assert ridge(h, labels, strength=1e3).predict(asked).tolist() == [0]


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_the_nearest_mean_of_collapsed_features_is_class_0_not_their_rounding(kind):
    labels = torch.tensor([0, 0, 0, 2, 2, 2, 2, 1, 1])
    h = 0.1 * (1 + torch.finfo(kind).eps * labels_of(0, 36, 2).view(9, 4).to(kind))
    assert len(h.unique()) == 2
    assert nearest_mean(h, labels).predict(torch.randn(50, 4)).tolist() == [0] * 50


def test_a_class_without_a_sample_has_no_mean_and_is_never_the_answer():
    h, labels = torch.tensor([[-1.0], [5.0]]), torch.tensor([0, 2])
    probe = nearest_mean(h, labels, classes=4)
    assert probe.predict(torch.tensor([[0.0], [9.0], [2.0001]])).tolist() == [0, 2, 2]
    assert probe.scores(torch.tensor([[1.0]]))[0].isneginf().tolist() == [False, True, False, True]
