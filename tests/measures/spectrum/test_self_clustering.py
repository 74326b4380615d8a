"""Self-clustering against a loop over the pairs, closed forms and limits."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.measures.spectrum.matrices import normal, rotation, shuffled

from sslens.measures.spectrum import self_clustering

seeds = st.integers(0, 2**32)


def slow_self_clustering(h):
    rows, (n, d) = [[value / math.hypot(*row) for value in row] for row in h.tolist()], h.shape
    squares = math.fsum(math.fsum(a * b for a, b in zip(u, v, strict=True)) ** 2 for u in rows for v in rows)
    return (d * squares - n * (d + n - 1)) / ((d - 1) * (n - 1) * n)


@given(seeds, st.sampled_from([(2, 3), (12, 4), (5, 9), (40, 2)]))
@settings(max_examples=30, deadline=None)
def test_self_clustering_is_the_authors_number_over_all_pairs(seed, shape):
    h = normal(seed, *shape) + 0.3
    assert self_clustering(h) == pytest.approx(slow_self_clustering(h), rel=1e-8, abs=1e-12)


def test_self_clustering_is_0_for_random_1_for_one_cluster_and_below_0_for_a_frame():
    assert self_clustering(normal(0, 1000, 32)) == pytest.approx(0, abs=1e-3)
    for one in (torch.full((9, 4), 0.1), torch.zeros(9, 4), normal(0, 9, 1) @ normal(1, 1, 4), normal(0, 9, 1)):
        assert self_clustering(one) == pytest.approx(1, rel=1e-12)
    assert self_clustering(torch.eye(4).repeat(3, 1)) == pytest.approx(-1 / 11, rel=1e-12)


def test_rows_of_zeros_lie_together_apart_from_all_others():
    directions = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    zeros = torch.cat([directions[:2], torch.zeros(3, 3)])
    assert self_clustering(zeros) == pytest.approx(
        self_clustering(torch.cat([directions, directions[2:].repeat(2, 1)]))
    )


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_lengths_rotation_and_the_order_of_the_samples_do_not_matter(seed):
    h, lengths = normal(seed, 12, 5), 10 ** (30 * normal(seed + 1, 12, 1).tanh())
    found = self_clustering(h)
    assert self_clustering(lengths * h @ rotation(seed, 5)) == pytest.approx(found, rel=1e-9, abs=1e-12)
    assert self_clustering(h[shuffled(seed, 12)]) == pytest.approx(found, rel=1e-12, abs=1e-14)


def test_float32_features_are_measured_in_float64():
    h = normal(0, 50, 8, torch.float32)
    assert self_clustering(h) == self_clustering(h.double())
