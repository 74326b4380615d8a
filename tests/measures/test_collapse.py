"""Total variance and normalised standard deviation against closed forms and numpy."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sslens.measures.collapse import normalised_std, total_variance
from sslens.measures.spectrum import eigenvalues

seeds = st.integers(0, 2**32)


def normal(seed, n, d):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(seeds, st.floats(-100, 100), st.floats(-10, 10))
@settings(max_examples=30, deadline=None)
def test_total_variance_is_the_trace_of_the_covariance_and_scales_with_the_square(seed, offset, decades):
    h, scale = normal(seed, 9, 4), 10**decades
    assert total_variance(h) == pytest.approx(np.trace(np.cov(h.numpy(), rowvar=False)), rel=1e-10)
    assert total_variance(h) == pytest.approx(float(eigenvalues(h).sum()), rel=1e-10)
    assert total_variance((h + offset) * scale) == pytest.approx(total_variance(h) * scale**2, rel=1e-9)


def test_normalised_std_is_one_for_unit_vectors_along_every_axis():
    assert normalised_std(torch.eye(10)) == pytest.approx(1, rel=1e-12)
    both = torch.cat([torch.eye(10), -torch.eye(10)])
    assert normalised_std(both) == pytest.approx(math.sqrt(20 / 19), rel=1e-12)


def test_normalised_std_approaches_one_for_isotropic_embeddings():
    assert normalised_std(normal(0, 20_000, 32)) == pytest.approx(1, abs=2e-3)


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_normalised_std_is_numpys_and_ignores_the_length_of_each_embedding(seed):
    z = normal(seed, 15, 6) + 0.2
    unit = z.numpy() / np.linalg.norm(z.numpy(), axis=1, keepdims=True)
    assert normalised_std(z) == pytest.approx(math.sqrt(6) * unit.std(0, ddof=1).mean(), rel=1e-10)
    lengths = normal(seed + 1, 15, 1).exp()
    assert normalised_std(z * lengths) == pytest.approx(normalised_std(z), rel=1e-9)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_collapse_is_exactly_zero_in_any_length(kind):
    direction = torch.tensor([[0.1, 0.7, -0.3]], dtype=kind)
    assert total_variance(direction.repeat(500, 1)) == 0
    assert normalised_std(direction * torch.arange(1, 500)[:, None]) == 0
    assert normalised_std(torch.zeros(5, 3, dtype=kind)) == 0


def test_zero_rows_count_as_embeddings_at_the_origin():
    # Per dimension: 1 once, 0 three times -> variance 1/4; two dimensions.
    z = torch.tensor([[2.0, 0.0], [0.0, 3.0], [0.0, 0.0], [0.0, 0.0]])
    assert normalised_std(z) == pytest.approx(math.sqrt(2) * 0.5, rel=1e-12)
