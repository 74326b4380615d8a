"""Pairs on the sphere against loops over the pairs, closed forms and limits."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import hyp0f1
from tests.measures.spectrum.matrices import normal, rotation, shuffled

from sslens.measures.spectrum import alignment, alignment_uniformity, uniformity
from sslens.types import InputError

seeds = st.integers(0, 2**32)
SHAPES = [(2, 3), (7, 1), (12, 4), (5, 9)]


def directions(h):
    return [[value / math.hypot(*row) for value in row] for row in h.tolist()]


def slow_uniformity(h, t):
    rows = directions(h)
    pairs = [math.dist(rows[i], rows[j]) ** 2 for i in range(len(rows)) for j in range(i + 1, len(rows))]
    return math.log(math.fsum(math.exp(-t * pair) for pair in pairs) / len(pairs))


@given(seeds, st.sampled_from(SHAPES), st.sampled_from([0.5, 1.0, 2.0, 3.0]))
@settings(max_examples=30, deadline=None)
def test_alignment_is_the_mean_distance_counted_row_by_row(seed, shape, exponent):
    a, b = normal(seed, *shape), normal(seed + 1, *shape)
    pairs = zip(directions(a), directions(b), strict=True)
    oracle = sum(math.dist(u, v) ** exponent for u, v in pairs) / shape[0]
    assert alignment(a, b, exponent=exponent) == pytest.approx(oracle, rel=1e-9)
    if exponent == 2:
        assert alignment(a, b) == pytest.approx(oracle, rel=1e-9)


def test_alignment_of_equal_opposite_and_unrelated_views():
    h = normal(0, 2000, 500)
    assert alignment(h, 7 * h) == pytest.approx(0, abs=1e-28)
    assert alignment(h, -h) == pytest.approx(4, rel=1e-12) and alignment(h, -h, exponent=1.0) == pytest.approx(2)
    assert alignment(h, normal(1, 2000, 500)) == pytest.approx(2, abs=0.01)
    assert alignment(torch.zeros(3, 2), torch.zeros(3, 2)) == 0


@pytest.mark.parametrize("shape", [(4, 3), (5, 2), (5, 3)])
def test_alignment_needs_a_second_view_of_every_row(shape, unchecked):
    with pytest.raises(InputError, match=r"b must be of the shape of a, \(4, 2\)"):
        alignment(normal(0, 4, 2), normal(1, *shape))


@pytest.mark.parametrize("exponent", [0, -1, 11, math.nan])
def test_alignment_needs_an_exponent_above_0(exponent):
    with pytest.raises(InputError, match="exponent"):
        alignment(normal(0, 4, 2), normal(1, 4, 2), exponent=exponent)


@given(seeds, st.sampled_from(SHAPES), st.sampled_from([0.5, 2.0, 20.0]))
@settings(max_examples=30, deadline=None)
def test_uniformity_is_the_mean_over_pairs_counted_one_by_one(seed, shape, t):
    h = normal(seed, *shape) + 0.5
    assert uniformity(h, t=t) == pytest.approx(slow_uniformity(h, t), rel=1e-8, abs=1e-12)


def test_uniformity_in_several_blocks_is_that_of_all_distances_at_once(monkeypatch):
    h = normal(0, 301, 6) + 1
    distances = torch.nn.functional.pdist(h / h.norm(dim=1, keepdim=True))
    oracle = float(distances.square().mul(-2).exp().mean().log())
    for chunk in (7, 100, 300, 301, 1000):
        monkeypatch.setattr(alignment_uniformity, "CHUNK", chunk)
        assert uniformity(h) == pytest.approx(oracle, rel=1e-12)


def test_uniformity_of_collapse_of_two_poles_and_of_an_even_sphere():
    assert uniformity(torch.full((9, 4), 0.1)) == pytest.approx(0, abs=1e-14) and uniformity(torch.zeros(9, 4)) == 0
    poles = torch.tensor([[1.0, 0.0], [-3.0, 0.0]])
    assert uniformity(poles) == pytest.approx(-8) and uniformity(poles, t=100) == pytest.approx(-400)
    for d in (3, 64):
        found, bound = uniformity(normal(0, 2000, d)), -4 + math.log(hyp0f1(d / 2, 4))
        assert found == pytest.approx(bound, abs=0.02)
    assert uniformity(normal(0, 2000, 1000)) == pytest.approx(-4, abs=0.01)


def test_a_row_of_zeros_stays_at_the_centre_and_counts():
    h = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    assert uniformity(h, t=1) == pytest.approx(math.log((2 * math.exp(-1) + 1) / 3))
    assert alignment(h, h.flip(0)) == pytest.approx(2 / 3)


@pytest.mark.parametrize("t", [0, -2, 101, math.inf])
def test_uniformity_needs_a_kernel_scale_above_0(t):
    with pytest.raises(InputError, match="t must be"):
        uniformity(normal(0, 4, 2), t=t)


MEASURES = {
    "alignment": lambda h: alignment(h, h.roll(1, 0)),
    "uniformity": uniformity,
}


@pytest.mark.parametrize("name", MEASURES)
@given(seeds)
@settings(max_examples=20, deadline=None)
def test_lengths_and_rotation_do_not_matter(name, seed):
    h, lengths = normal(seed, 12, 5), 10 ** (30 * normal(seed + 1, 12, 1).tanh())
    assert MEASURES[name](lengths * h @ rotation(seed, 5)) == pytest.approx(MEASURES[name](h), rel=1e-9, abs=1e-12)


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_neither_does_the_order_of_the_samples(seed):
    h = normal(seed, 12, 5)
    assert uniformity(h[shuffled(seed, 12)]) == pytest.approx(uniformity(h), rel=1e-12, abs=1e-14)


def test_float32_features_are_measured_in_float64():
    h = normal(0, 50, 8, torch.float32)
    for measure in MEASURES.values():
        assert measure(h) == measure(h.double())
    assert np.isfinite(uniformity(torch.full((3, 2), 3e38)))
