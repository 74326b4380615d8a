"""Probes against loops in plain python and scikit-learn; what collapse and scale do to them."""

import math
from collections import defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from sslens.measures.probe import CHUNK, accuracy, few_shot, knn, ridge
from sslens.runtime import stream
from sslens.types import InputError

seeds = st.integers(0, 2**32)


def normal(seed, n, d):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def labels_of(seed, n, classes):
    return torch.randint(classes, (n,), generator=torch.Generator().manual_seed(seed))


def blobs(seed=0, n=200, d=6, classes=4, spread=0.3):
    centres, labels = 2 * torch.eye(d, dtype=torch.float64)[:classes], torch.arange(n) % classes
    return centres[labels] + spread * normal(seed, n, d), labels


def slow_knn(bank, labels, queries, k, temperature):
    """One query at a time, in plain python."""
    answers = []
    for query in queries.tolist():
        similar = []
        for row, label in zip(bank.tolist(), labels.tolist(), strict=True):
            lengths = math.hypot(*query) * math.hypot(*row)
            cosine = sum(a * b for a, b in zip(query, row, strict=True)) / lengths if lengths else 0.0
            similar.append((cosine, label))
        votes = defaultdict(float)
        for cosine, label in sorted(similar, reverse=True)[:k]:
            votes[label] += math.exp(cosine / temperature)
        answers.append(min(votes, key=lambda label: (-votes[label], label)))
    return answers


@given(seeds, st.integers(1, 25), st.sampled_from([0.05, 0.1, 1.0]))
@settings(max_examples=30, deadline=None)
def test_knn_is_the_vote_counted_one_by_one(seed, k, temperature):
    bank, labels, queries = normal(seed, 25, 4), labels_of(seed, 25, 3), normal(seed + 1, 10, 4)
    found = knn(bank, labels, queries, k=k, temperature=temperature)
    assert found.tolist() == slow_knn(bank, labels, queries, k, temperature)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_knn_ignores_scale_rotation_and_the_order_of_the_bank(seed):
    bank, labels, queries = normal(seed, 40, 5), labels_of(seed, 40, 3), normal(seed + 1, 10, 5)
    found = knn(bank, labels, queries, k=7)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(seed))
    turn = torch.linalg.qr(normal(seed + 2, 5, 5)).Q
    assert torch.equal(knn(bank[order], labels[order], queries, k=7), found)
    assert torch.equal(knn(bank @ turn, labels, queries @ turn, k=7), found)
    assert torch.equal(knn(bank * 1e-20, labels, queries * 1e9, k=7), found)


def test_knn_answers_the_same_in_chunks_and_one_by_one():
    bank, labels, queries = normal(0, 60, 5), labels_of(0, 60, 4), normal(1, CHUNK + 3, 5)
    together = knn(bank, labels, queries, k=5)
    assert torch.equal(together, torch.cat([knn(bank, labels, query[None], k=5) for query in queries]))


def test_a_small_temperature_follows_the_nearest_and_a_large_one_the_crowd():
    bank = torch.tensor([[1.0, 0.0], [1.0, 0.3], [1.0, 0.31]])
    labels, query = torch.tensor([2, 1, 1]), torch.tensor([[1.0, 0.01]])
    assert knn(bank, labels, query, k=3, temperature=1e-5).tolist() == [2]
    assert knn(bank, labels, query, k=3, temperature=100.0).tolist() == [1]


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]])
def test_equal_votes_go_to_the_smaller_label_in_any_order_of_the_bank(order):
    bank = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])[order]
    labels = torch.tensor([8, 3, 3, 8])[order]
    assert knn(bank, labels, torch.tensor([[1.0, 0.0], [0.0, 0.0]]), k=1).tolist() == [3, 3]


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("counts, answer", [((100, 101, 99), 1), ((100, 100, 100), 0)])
def test_a_collapsed_bank_answers_with_its_largest_class_not_with_its_rounding(counts, answer, kind):
    bank = (normal(0, 1, 50) * normal(1, 300, 1).exp()).to(kind)
    labels = torch.arange(3).repeat_interleave(torch.tensor(counts))[torch.randperm(300, generator=stream(0, "bank"))]
    assert knn(bank, labels, bank, k=20).tolist() == [answer] * 300


@pytest.mark.parametrize("options", [{"k": 0}, {"k": 5}, {"temperature": 0.0}, {"temperature": float("nan")}])
def test_knn_refuses_more_neighbours_than_there_are_and_no_temperature(options):
    with pytest.raises(InputError, match=next(iter(options))):
        knn(torch.eye(4), torch.arange(4), torch.eye(4), **{"k": 4, **options})


@given(seeds, st.sampled_from([(30, 4), (6, 9)]), st.floats(-4, 2))
@settings(max_examples=30, deadline=None)
def test_ridge_is_scikit_learns_on_features_of_unit_total_variance(seed, shape, decades):
    h, labels, strength = normal(seed, *shape) * 3 + 7, labels_of(seed, shape[0], 3), 10**decades
    scale = float((h - h.mean(0)).square().sum(1).mean().sqrt())
    oracle = Ridge(alpha=strength).fit(h / scale, torch.nn.functional.one_hot(labels, 3))
    queries = normal(seed + 1, 5, shape[1])
    assert np.allclose(ridge(h, labels, strength=strength, classes=3).scores(queries), oracle.predict(queries / scale))


def test_ridge_is_least_squares_with_the_penalty_as_extra_rows():
    h, labels, strength = normal(0, 20, 3), labels_of(0, 20, 2), 0.5
    deviation = h - h.mean(0)
    scale = deviation.square().sum(1).mean().sqrt()
    rows = torch.cat([deviation / scale, math.sqrt(strength) * torch.eye(3)])
    targets = torch.nn.functional.one_hot(labels, 2).double()
    goals = torch.cat([targets - targets.mean(0), torch.zeros(3, 2)])
    assert torch.allclose(ridge(h, labels, strength=strength).weight * scale, torch.linalg.lstsq(rows, goals).solution)


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


@pytest.mark.parametrize("strength", [0.0, -1.0, float("inf"), float("nan")])
def test_ridge_refuses_a_penalty_that_is_not_positive(strength):
    with pytest.raises(InputError, match="strength"):
        ridge(torch.eye(3), torch.arange(3), strength=strength)


def test_ridge_refuses_labels_beyond_the_classes():
    with pytest.raises(InputError, match="Got 2"):
        ridge(torch.eye(3), torch.arange(3), classes=2)


def test_probes_refuse_features_of_another_width():
    h, labels = blobs()
    for ask in (lambda: ridge(h, labels).predict(h[:, :3]), lambda: ridge(h, labels).scores(h[:, :3])):
        with pytest.raises(InputError, match="6 columns"):
            ask()


def test_few_labels_suffice_on_separate_blobs_and_are_chance_on_collapsed_features():
    h, labels = blobs(spread=0.1)
    easy = few_shot((h, labels), (h, labels), per_class=2, generator=stream(0, "few"))
    assert (easy.mean, easy.n) == (1.0, 10)
    flat = torch.ones_like(h)
    assert few_shot((flat, labels), (flat, labels), per_class=2, generator=stream(0, "few")).mean == 0.25


def test_few_shot_is_replayed_by_its_generator_and_widens_with_fewer_labels():
    bank, test = blobs(0, spread=1.5), blobs(1, spread=1.5)
    once, again = (few_shot(bank, test, per_class=3, generator=stream(1, "few")) for _ in range(2))
    assert once == again
    assert few_shot(bank, test, per_class=40, generator=stream(1, "few")).mean > once.mean + 0.05


def test_few_shot_sees_exactly_per_class_different_labels_of_each_class(monkeypatch):
    from sslens.measures import probe

    (h, labels), seen = blobs(n=50), []
    monkeypatch.setattr(probe, "ridge", lambda h, labels, **options: seen.append((h, labels)) or ridge(h, labels))
    few_shot((h, labels), (h, labels), per_class=5, draws=3, generator=stream(0, "few"))
    for rows, chosen in seen:
        assert chosen.bincount().tolist() == [5] * 4 and len(rows.unique(dim=0)) == 20
        assert all(int(labels[(h == row).all(1)]) == int(label) for row, label in zip(rows, chosen, strict=True))
    assert len(seen) == 3 and not torch.equal(seen[0][0], seen[1][0])


@pytest.mark.parametrize("truth, hint", [([0, 0, 1, 2, 2], "Class 1 has 1"), ([0, 2, 2, 0, 0], "Class 1 has 0")])
def test_few_shot_names_the_class_that_has_too_few_samples(truth, hint):
    labels = torch.tensor(truth)
    with pytest.raises(InputError, match=hint):
        few_shot((torch.eye(5), labels), (torch.eye(5), labels), per_class=2, generator=stream(0, "few"))


@pytest.mark.parametrize("options", [{"per_class": 0}, {"draws": 0}])
def test_few_shot_refuses_nothing_to_draw(options):
    h, labels = blobs()
    with pytest.raises(InputError, match=next(iter(options))):
        few_shot((h, labels), (h, labels), generator=stream(0, "few"), **options)


def test_accuracy_counts_matches():
    assert accuracy(torch.tensor([1, 1, 0]), torch.tensor([1, 0, 0])) == pytest.approx(2 / 3)
