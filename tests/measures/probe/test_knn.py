"""Neighbours against loops in plain python and scikit-learn; what collapse, scale and coarse products do to them."""

import math
from collections import defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier
from tests.measures.probe.samples import labels_of, normal

from sslens.measures.features import unit_rows
from sslens.measures.probe import accuracy, knn, knn_accuracy
from sslens.measures.probe.knn import CHUNK, CROWD, SPARE, _nearest
from sslens.runtime import stream
from sslens.types import InputError

LARGE = CROWD * (5 + SPARE)
"""Rows from which five neighbours are first searched in float32."""
seeds = st.integers(0, 2**32)


def slow_knn(known, labels, queries, k, temperature):
    """One query at a time, in plain python."""
    answers = []
    for query in queries.tolist():
        similar = []
        for row, label in zip(known.tolist(), labels.tolist(), strict=True):
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
    known, labels, queries = normal(seed, 25, 4), labels_of(seed, 25, 3), normal(seed + 1, 10, 4)
    found = knn(known, labels, queries, k=k, temperature=temperature)
    assert found.tolist() == slow_knn(known, labels, queries, k, temperature)


@given(seeds, st.floats(-9, 0), st.sampled_from([torch.float32, torch.float64]))
@settings(max_examples=25, deadline=None)
def test_knn_is_the_vote_counted_one_by_one_however_close_the_known_samples_lie(seed, decades, kind):
    known = (normal(seed, 1, 6) + 10**decades * normal(seed + 1, LARGE, 6)).to(kind)
    queries = (normal(seed, 1, 6) + 10**decades * normal(seed + 2, 5, 6)).to(kind)
    labels, answers = labels_of(seed, LARGE, 3), []
    vectors, others = (np.asarray(rows, dtype=np.longdouble) for rows in (known, queries))
    for query in others / np.sqrt((others**2).sum(1, keepdims=True)):
        cosine = (vectors / np.sqrt((vectors**2).sum(1, keepdims=True))) @ query
        kth = np.sort(cosine)[-5]
        votes = [np.exp(cosine[(labels == c).numpy() & (cosine >= kth - 1e-12)] / 0.1 - 10).sum() for c in range(3)]
        answers.append(next(c for c in range(3) if votes[c] >= max(votes) * (1 - 1e-9)))
    assert knn(known, labels, queries, k=5).tolist() == answers


def test_knn_is_scikit_learns_brute_force_with_the_same_weights():
    centres, labels = 2 * normal(0, 5, 16), torch.arange(5000) % 5
    known, queries = centres[labels] + 3 * normal(1, 5000, 16), centres[labels[:300]] + 3 * normal(2, 300, 16)
    peer = KNeighborsClassifier(20, metric="cosine", algorithm="brute")
    answers = peer.set_params(weights=lambda far: np.exp((1 - far) / 0.1)).fit(known, labels).predict(queries)
    assert knn(known, labels, queries).tolist() == answers.tolist()
    assert 0.4 < (torch.as_tensor(answers) == labels[:300]).double().mean() < 0.99


@pytest.mark.parametrize("rows", [40, LARGE])
@given(seeds)
@settings(max_examples=10, deadline=None)
def test_knn_ignores_scale_rotation_and_the_order_of_the_known_samples(rows, seed):
    known, labels, queries = normal(seed, rows, 5), labels_of(seed, rows, 3), normal(seed + 1, 10, 5)
    found = knn(known, labels, queries, k=5)
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed))
    turn = torch.linalg.qr(normal(seed + 2, 5, 5)).Q
    assert torch.equal(knn(known[order], labels[order], queries, k=5), found)
    assert torch.equal(knn(known @ turn, labels, queries @ turn, k=5), found)
    assert torch.equal(knn(known * 1e-20, labels, queries * 1e9, k=5), found)


@pytest.mark.parametrize("rows", [60, LARGE])
def test_knn_answers_the_same_in_chunks_and_one_by_one(rows):
    known, labels, queries = normal(0, rows, 5), labels_of(0, rows, 4), normal(1, CHUNK + 3, 5)
    together = knn(known, labels, queries, k=5)
    assert torch.equal(together, torch.cat([knn(known, labels, query[None], k=5) for query in queries]))


@given(seeds, st.integers(1, 30), st.floats(-9, 0))
@settings(max_examples=30, deadline=None)
def test_candidates_called_certain_hold_all_the_nearest(seed, k, decades):
    rows = CROWD * (k + SPARE)
    together = unit_rows(normal(seed, 1, 8) + 10**decades * normal(seed + 1, rows + 100, 8))
    known, others = together[:rows], together[rows:]
    similarity, neighbours, certain = _nearest(others, known, known.float(), k=k)
    assert neighbours.shape == (100, k + SPARE)
    assert torch.allclose(similarity, (others @ known.T).gather(1, neighbours), rtol=0, atol=1e-15)
    right = (others @ known.T).topk(k, dim=1).values
    assert torch.allclose(similarity.topk(k, dim=1).values[certain], right[certain], rtol=0, atol=1e-15)
    if decades > -0.5 and k < 10:
        assert certain.double().mean() > 0.9


@pytest.mark.parametrize("rows", [1, 2, 5, 5 + SPARE, 6 + SPARE])
def test_hardly_more_known_samples_than_neighbours_is_answered_too(rows):
    known, labels, queries = normal(0, rows, 3), labels_of(0, rows, 2), normal(1, 40, 3)
    k = min(5, rows)
    assert knn(known, labels, queries, k=k).tolist() == slow_knn(known, labels, queries, k, 0.1)


@pytest.mark.parametrize("spread", [1.0, 0.01])
def test_a_product_in_half_precision_is_noticed_and_changes_no_answer(spread):
    known, labels = normal(0, 1, 32) + spread * normal(1, LARGE, 32), labels_of(0, LARGE, 10)
    queries = normal(0, 1, 32) + spread * normal(2, 200, 32)
    right = knn(known, labels, queries, k=3)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(knn(known, labels, queries, k=3), right)
        assert not _nearest(unit_rows(queries), unit_rows(known), unit_rows(known).float(), k=3)[2].any()


def test_a_small_temperature_follows_the_nearest_and_a_large_one_the_crowd():
    known = torch.tensor([[1.0, 0.0], [1.0, 0.3], [1.0, 0.31]])
    labels, query = torch.tensor([2, 1, 1]), torch.tensor([[1.0, 0.01]])
    assert knn(known, labels, query, k=3, temperature=1e-5).tolist() == [2]
    assert knn(known, labels, query, k=3, temperature=100.0).tolist() == [1]


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]])
def test_equal_votes_go_to_the_smaller_label_in_any_order_of_the_known_samples(order):
    known = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])[order]
    labels = torch.tensor([8, 3, 3, 8])[order]
    assert knn(known, labels, torch.tensor([[1.0, 0.0], [0.0, 0.0]]), k=1).tolist() == [3, 3]


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("counts, answer", [((100, 101, 99), 1), ((100, 100, 100), 0)])
def test_collapsed_features_answer_with_their_largest_class_not_with_their_rounding(counts, answer, kind):
    known = (normal(0, 1, 50) * normal(1, 300, 1).exp()).to(kind)
    labels = torch.arange(3).repeat_interleave(torch.tensor(counts))[torch.randperm(300, generator=stream(0, "known"))]
    assert knn(known, labels, known, k=20).tolist() == [answer] * 300


def test_a_query_beside_many_copies_of_one_point_and_one_among_others_are_answered_together():
    copies = torch.nn.functional.pad(torch.ones(1001, 1), (7, 0)).double()  # all equally near: 501 say 2, 500 say 3
    known = torch.cat([torch.nn.functional.pad(normal(0, LARGE, 7), (0, 1)), copies])
    labels = torch.cat([torch.arange(LARGE) % 2, 2 + torch.arange(1001) % 2])
    queries = torch.stack([copies[0], known[3], copies[0] * 7, known[8]])
    assert _nearest(unit_rows(queries), unit_rows(known), unit_rows(known).float(), k=1)[2].tolist() == [0, 1, 0, 1]
    assert knn(known, labels, queries, k=1).tolist() == [2, 1, 2, 0]


@pytest.mark.parametrize("options", [{"k": 0}, {"k": 5}, {"temperature": 0.0}, {"temperature": float("nan")}])
def test_knn_refuses_more_neighbours_than_there_are_and_no_temperature(options):
    with pytest.raises(InputError, match=next(iter(options))):
        knn(torch.eye(4), torch.arange(4), torch.eye(4), **{"k": 4, **options})


def test_knn_refuses_queries_of_another_width(unchecked):
    with pytest.raises(InputError, match="queries must be a matrix of 4 columns"):
        knn(torch.eye(4), torch.arange(4), torch.eye(5), k=1)


@pytest.mark.parametrize("options", [{}, {"k": 1}, {"k": 7, "temperature": 1.0}])
def test_its_accuracy_is_that_of_its_predictions(options):
    known, queries = (normal(0, 60, 5), labels_of(0, 60, 4)), (normal(1, 30, 5), labels_of(1, 30, 4))
    assert knn_accuracy(known, queries, **options) == accuracy(knn(*known, queries[0], **options), queries[1])


def test_its_accuracy_takes_one_true_label_for_each_query(unchecked):
    with pytest.raises(InputError, match=r"predicted must be an integer tensor .* of 3 labels"):
        knn_accuracy((torch.eye(4), torch.arange(4)), (torch.eye(4), torch.arange(3)), k=1)


def test_without_a_number_twenty_vote_or_all_there_are():
    draw = torch.Generator().manual_seed(5)
    known, labels = torch.randn(60, 3, generator=draw), torch.randint(3, (60,), generator=draw)
    queries = torch.randn(40, 3, generator=draw)
    assert torch.equal(knn(known, labels, queries), knn(known, labels, queries, k=20))
    assert torch.equal(knn(known[:8], labels[:8], queries), knn(known[:8], labels[:8], queries, k=8))
    with pytest.raises(InputError, match=r"k must be an int in \[1, 8\]. Got 20"):
        knn(known[:8], labels[:8], queries, k=20)
