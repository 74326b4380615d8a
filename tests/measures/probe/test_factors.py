"""Factors read from features against scikit-learn; energy of labels against loops, projections and closed forms."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score
from tests.measures.probe.samples import labels_of, normal
from torch.nn.functional import one_hot

from sslens.measures.probe import explained, label_energy, r_squared
from sslens.types import InputError

seeds = st.integers(0, 2**32)


def rotation(seed, d):
    return torch.linalg.qr(normal(seed, d, d)).Q


def sides(seed, n=40, d=5, noise=1.0):
    """Features of which a factor is a noisy linear function, and as many again to be judged."""
    h = normal(seed, 2 * n, d) @ torch.diag(torch.tensor([3.0, 1, 1, 0.3, 0.1]).double()) + 2
    values = h @ normal(seed + 1, d) + noise * normal(seed + 2, 2 * n)
    return (h[:n], values[:n]), (h[n:], values[n:])


@given(seeds, st.floats(-3, 2), st.floats(0.1, 10))
@settings(max_examples=25, deadline=None)
def test_r_squared_is_scikit_learns_on_features_of_unit_total_variance(seed, decades, noise):
    (h, values), (queries, truth) = sides(seed, noise=noise)
    scale = (h - h.mean(0)).square().sum(1).mean().sqrt()
    guessed = Ridge(alpha=10**decades).fit(h / scale, values).predict(queries / scale)
    found = r_squared((h, values), (queries, truth), penalty=10**decades)
    assert found == pytest.approx(r2_score(truth, guessed), rel=1e-8, abs=1e-10)


def test_what_queries_explain_are_their_squared_errors_and_r_squared_is_the_mean():
    (h, values), (queries, truth) = sides(3)
    scale = (h - h.mean(0)).square().sum(1).mean().sqrt()
    guessed = Ridge(alpha=0.3).fit(h / scale, values).predict(queries / scale)
    right = 1 - (truth - torch.from_numpy(guessed)).square() / truth.var(correction=0)
    found = explained((h, values), (queries, truth))
    assert found.tolist() == pytest.approx(right.tolist(), abs=1e-8)
    assert float(found.mean()) == pytest.approx(r2_score(truth, guessed), abs=1e-10)


@given(seeds, st.floats(-6, 6), st.floats(-100, 100))
@settings(max_examples=20, deadline=None)
def test_r_squared_ignores_the_unit_and_zero_of_the_factor_and_amplitude_and_rotation_of_the_features(
    seed, decades, zero
):
    (h, values), (queries, truth) = sides(seed)
    turn, unit, found = rotation(seed, 5), 10**decades, r_squared((h, values), (queries, truth))
    changed = r_squared((h, -values * 3 + zero), (queries, -truth * 3 + zero))
    assert changed == pytest.approx(found, rel=1e-7, abs=1e-9)
    assert r_squared((h @ turn * unit, values), (queries @ turn * unit, truth)) == pytest.approx(found, abs=1e-8)


def test_r_squared_is_one_for_a_linear_function_and_negative_for_one_turned_round():
    h = normal(0, 50, 3)
    place = h @ torch.tensor([1.0, -2, 0.5]).double()
    assert r_squared((h, place), (h, place), penalty=1e-9) == pytest.approx(1, abs=1e-6)
    # ŷ = −y: 1 − Σ(2y)² / Σ(y − ȳ)² is about −3
    assert r_squared((h, place), (h, -place), penalty=1e-9) == pytest.approx(-3, abs=0.5)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_collapsed_features_hold_no_factor_and_differ_from_zero_by_the_means_only(kind):
    flat, values, truth = torch.full((30, 4), 0.1, dtype=kind), normal(0, 30), normal(1, 20)
    found = r_squared((flat, values), (flat[:20], truth))
    means = float((values.mean() - truth.mean()).square() / truth.var(correction=0))
    assert found == pytest.approx(-means, rel=1e-9) and -0.3 < found <= 0


@pytest.mark.parametrize(
    ("values", "truth", "said"),
    [
        (torch.ones(4).double(), torch.ones(4).double(), "truth must be numbers that differ"),
        (torch.ones(3).double(), torch.arange(4.0), "values must be a floating-point vector of 4"),
        (torch.arange(4) > 1, torch.arange(4.0), "values must be a floating-point tensor, not one of truth values"),
        (torch.ones(4, 1), torch.arange(4.0), "values must be a floating-point vector"),
        (torch.arange(4.0), torch.tensor([0, 1, float("nan"), 2]), "truth must be finite.*row 2"),
    ],
)
def test_factors_that_are_not_one_real_number_per_sample_or_do_not_vary_are_refused(values, truth, said, unchecked):
    with pytest.raises(InputError, match=said):
        r_squared((torch.eye(4), values), (torch.eye(4), truth))


def test_label_energy_takes_labels_and_targets_of_any_kind(unchecked):
    h, labels = torch.randn(12, 3, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 3
    targets = one_hot(labels).double()
    right = label_energy(h, labels).tolist()
    for each in (labels.tolist(), labels.numpy(), targets, targets.numpy(), targets.tolist()):
        assert label_energy(h, each).tolist() == pytest.approx(right, rel=1e-12, abs=1e-15)


def test_r_squared_refuses_another_width_a_single_sample_and_no_penalty(unchecked):
    values = torch.arange(4.0)
    with pytest.raises(InputError, match=r"queries must be .* at least 2 row"):
        r_squared((torch.eye(4), values), (torch.eye(4)[:1], values[:1]))
    with pytest.raises(InputError, match="queries must be a matrix of 4 columns"):
        r_squared((torch.eye(4), values), (torch.eye(4)[:, :3], values))
    with pytest.raises(InputError, match="penalty"):
        r_squared((torch.eye(4), values), (torch.eye(4), values), penalty=0.0)


def slow_energy(h, targets):
    """Eigenvectors of the centred Gram matrix, one projection at a time."""
    x, y = (np.asarray(each, dtype=np.float64) for each in (h, targets))
    x, y = x - x.mean(0), y - y.mean(0)
    values, vectors = np.linalg.eigh(x @ x.T)
    total = sum(number**2 for number in y.ravel())
    shares = []
    for place in np.argsort(values)[::-1][: min(x.shape)]:
        shares.append(sum(sum(a * b for a, b in zip(vectors[:, place], c, strict=True)) ** 2 for c in y.T) / total)
    return shares


@given(seeds, st.sampled_from([(12, 4), (20, 3)]), st.integers(2, 4))
@settings(max_examples=20, deadline=None)
def test_label_energy_is_counted_one_projection_at_a_time(seed, shape, classes):
    h, labels = normal(seed, *shape) * torch.arange(1, shape[1] + 1) + 2, labels_of(seed, shape[0], classes)
    labels[:2] = torch.tensor([0, 1])
    assert label_energy(h, labels).tolist() == pytest.approx(slow_energy(h, one_hot(labels)), rel=1e-6, abs=1e-9)
    targets = normal(seed + 1, shape[0], 2)
    assert label_energy(h, targets).tolist() == pytest.approx(slow_energy(h, targets), rel=1e-6, abs=1e-9)


@given(seeds)
@settings(max_examples=15, deadline=None)
def test_the_running_sum_is_what_least_squares_on_the_leading_directions_explains(seed):
    h, labels = normal(seed, 30, 5) * torch.tensor([5.0, 3, 2, 1, 0.5]) + 1, torch.arange(30) % 3
    targets, energy = one_hot(labels).double().numpy(), label_energy(h, labels).cumsum(0)
    left = np.linalg.svd((h - h.mean(0)).numpy(), full_matrices=False)[0]
    for k in range(1, 6):
        guessed = LinearRegression().fit(left[:, :k], targets).predict(left[:, :k])
        explained = 1 - ((targets - guessed) ** 2).sum() / ((targets - targets.mean(0)) ** 2).sum()
        assert float(energy[k - 1]) == pytest.approx(explained, abs=1e-10)


@given(seeds, st.floats(-30, 30), st.permutations(range(3)))
@settings(max_examples=15, deadline=None)
def test_label_energy_ignores_rotation_amplitude_offset_order_and_the_classes_names(seed, decades, names):
    h, labels = normal(seed, 24, 4) * torch.tensor([8.0, 4, 2, 1]), torch.arange(24) % 3
    found = label_energy(h, labels)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(seed))
    assert torch.allclose(label_energy((h @ rotation(seed, 4) + 1) * 10**decades, labels), found, atol=1e-8)
    assert torch.allclose(label_energy(h[order], labels[order]), found, atol=1e-8)
    assert torch.allclose(label_energy(h, torch.tensor(names)[labels]), found, atol=1e-10)
    assert torch.allclose(label_energy(h, 5 - 3 * one_hot(labels).double()), found, atol=1e-10)


def test_classes_that_are_the_leading_directions_hold_all_the_energy_and_noise_is_spread_evenly():
    labels, n, d = torch.arange(400) % 4, 400, 20
    h = 10 * torch.eye(d, dtype=torch.float64)[labels] + 0.1 * normal(0, n, d)
    energy = label_energy(h, labels)
    assert float(energy[:3].sum()) == pytest.approx(1, abs=1e-3)
    random = torch.stack([label_energy(h, labels_of(seed, n, 4)) for seed in range(200)]).mean(0)
    assert random.tolist() == pytest.approx([1 / (n - 1)] * d, rel=0.4)
    wrong = labels.where(labels_of(1, n, 2).bool(), labels_of(2, n, 4))
    noise = label_energy(h, (one_hot(wrong) - one_hot(labels)).double())
    assert float(noise[:3].sum()) < 0.5 * float(label_energy(h, wrong)[:3].sum()) + 0.2


def test_as_many_directions_as_samples_hold_all_the_energy():
    h, labels = normal(0, 10, 30), torch.arange(10) % 3
    energy = label_energy(h, labels)
    assert energy.shape == (10,) and float(energy.sum()) == pytest.approx(1, abs=1e-9)
    assert energy[-1] == 0  # centred, ten samples span nine directions


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_directions_made_by_rounding_alone_hold_no_energy(kind):
    labels = torch.arange(50) % 2
    assert not label_energy(torch.full((50, 8), 0.1, dtype=kind), labels).any()
    line = (normal(0, 50, 1) @ normal(1, 1, 8)).to(kind)
    assert not label_energy(line, labels)[1:].any()


@pytest.mark.parametrize("targets", [torch.zeros(6).long(), torch.full((6, 3), 0.1)], ids=["labels", "targets"])
def test_targets_that_do_not_vary_have_no_energy_to_share(targets):
    with pytest.raises(InputError, match="targets must be at least 2 different"):
        label_energy(normal(0, 6, 3), targets)


@pytest.mark.parametrize("targets", [torch.arange(5), normal(0, 5, 2)], ids=["labels", "targets"])
def test_targets_of_other_samples_are_refused(targets, unchecked):
    with pytest.raises(InputError, match="6"):
        label_energy(normal(0, 6, 3), targets)
