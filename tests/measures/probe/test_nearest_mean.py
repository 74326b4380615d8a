"""The nearest class mean against scikit-learn and distances; what collapse and scale do to it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestCentroid
from tests.measures.probe.samples import blobs, labels_of, normal

from sslens.measures.probe import LinearProbe, classify_by_nearest_mean, classify_by_ridge, nearest_mean
from sslens.types import InputError

seeds = st.integers(0, 2**32)


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
    changed, others = ((torch.nn.functional.pad(each @ turn, (0, 2)) + offset) * 10**decades for each in (h, queries))
    assert torch.equal(nearest_mean(changed, labels).predict(others), found)


def test_the_nearest_mean_ignores_how_many_samples_a_class_has_and_ridge_does_not():
    h = torch.cat([torch.zeros(99, 1), torch.ones(1, 1)])
    labels, query = (h[:, 0] > 0).long(), torch.tensor([[0.6]])
    assert classify_by_nearest_mean(h, labels, query).tolist() == [1]
    assert classify_by_ridge(h, labels, query, penalty=1e3).tolist() == [0]


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


def test_it_refuses_labels_beyond_the_classes():
    with pytest.raises(InputError, match="Got 2"):
        nearest_mean(torch.eye(3), torch.arange(3), classes=2)


@pytest.mark.parametrize("predict", [LinearProbe.predict, LinearProbe.scores])
def test_it_refuses_features_of_another_width(predict):
    h, labels = blobs()
    with pytest.raises(InputError, match="6 columns"):
        predict(nearest_mean(h, labels), h[:, :3])
