"""Coherence against leverage scores written with a pseudo-inverse."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.measures.spectrum.matrices import normal, rotation, shuffled

from sslens.measures.spectrum import coherence

pytestmark = pytest.mark.filterwarnings("ignore::sslens.measures.spectrum.FewSamples")
seeds = st.integers(0, 2**32)


def leverage(h):
    """(n / r) max_i of h_i (HᵀH)⁺ h_iᵀ, the diagonal of the projection on the columns: no singular vector in sight."""
    h = np.asarray(h, dtype=np.float64)
    inverse = np.linalg.pinv(h.T @ h, rcond=1e-12, hermitian=True)
    return len(h) / np.linalg.matrix_rank(h) * max(row @ inverse @ row for row in h)


@given(seeds, st.sampled_from([(30, 4), (9, 9), (4, 30), (200, 2)]))
@settings(max_examples=30, deadline=None)
def test_coherence_is_the_largest_leverage(seed, shape):
    h = normal(seed, *shape) + 0.5
    assert coherence(h) == pytest.approx(leverage(h), rel=1e-8)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_coherence_counts_the_directions_that_are_there(kind):
    h = (normal(0, 40, 2) @ normal(1, 2, 6)).to(kind)
    assert coherence(h) == pytest.approx(leverage((h.double() @ normal(2, 6, 2)).numpy()), rel=1e-5)


def test_coherence_tells_an_even_frame_from_an_outlier():
    angles = torch.arange(24).double() * math.tau / 24
    circle = torch.stack([angles.cos(), angles.sin()], 1)
    assert coherence(circle) == pytest.approx(1, rel=1e-12)
    outlier = torch.cat([torch.cat([circle, torch.zeros(24, 1)], 1), torch.tensor([[0.0, 0.0, 0.01]])])
    assert coherence(outlier) == pytest.approx(25 / 3, rel=1e-12)
    assert coherence(torch.zeros(5, 2)) == 0 and coherence(torch.full((5, 2), 0.1)) == pytest.approx(1, rel=1e-12)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_coherence_ignores_invertible_maps_and_order(seed):
    h = normal(seed, 20, 4)
    mapped = h @ rotation(seed, 4) * torch.tensor([1.0, 10, 0.1, 3]) @ rotation(seed + 1, 4)
    assert coherence(mapped[shuffled(seed, 20)]) == pytest.approx(coherence(h), rel=1e-8)
