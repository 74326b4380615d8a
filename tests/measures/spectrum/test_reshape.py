"""Features given another spectrum, and taken to their principal axes: against numpy, and the two forms of one map."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.measures.spectrum.matrices import normal, rotation, with_spectrum

from sslens.measures.spectrum import (
    eigenvalues,
    participation_ratio,
    principal,
    reshaped,
    singular_values,
    spectral_map,
)
from sslens.types import InputError

seeds = st.integers(0, 2**32)


def anisotropic(rows, columns, seed=0):
    return normal(seed, rows, columns) * torch.arange(1, columns + 1).double() ** -0.7 + 3


@pytest.mark.parametrize("shape", [(200, 24), (30, 60), (40, 40)])
@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 2.0, 3])
def test_the_eigenvalues_become_the_power_law_exactly(shape, beta):
    h = normal(0, *shape) * torch.logspace(0, -4, shape[1]) + 2
    rank = min(shape[0] - 1, shape[1])
    wanted = torch.arange(1, rank + 1).double() ** -beta
    found = eigenvalues(spectral_map(h, beta))
    assert torch.allclose(found[:rank], wanted / wanted.sum() * eigenvalues(h).sum(), rtol=1e-9, atol=0)
    assert not found[rank:].any()


def test_mean_and_axes_stay_and_only_lengths_along_them_change():
    h = with_spectrum([8.0, 4.0, 2.0, 1.0], 50) + torch.tensor([3.0, -1.0, 0.0, 7.0])
    mapped = spectral_map(h, 1.0)
    assert mapped.shape == h.shape and torch.allclose(mapped.mean(0), h.mean(0), rtol=1e-12)
    axes = torch.linalg.eigh(torch.cov(h.T)).eigenvectors
    before, after = (h - h.mean(0)) @ axes, (mapped - mapped.mean(0)) @ axes
    ratio = after / before
    assert torch.allclose(ratio, ratio[:1].expand_as(ratio), rtol=1e-6)


@given(seeds, st.floats(0, 4))
@settings(max_examples=20, deadline=None)
def test_mapping_twice_is_mapping_once_and_rotations_pass_through(seed, beta):
    h, turn = normal(seed, 30, 5) * torch.tensor([9.0, 3, 1, 0.3, 0.1]), rotation(seed, 5)
    mapped = spectral_map(h, beta)
    if beta > 0.1:  # below, the axes of the result are hardly distinct
        assert torch.allclose(spectral_map(mapped, beta), mapped, rtol=1e-6, atol=1e-9)
    assert torch.allclose(spectral_map(h @ turn, beta), mapped @ turn, rtol=1e-6, atol=1e-8)


def test_ten_decades_are_whitened_without_a_trace_of_them():
    whitened = spectral_map(with_spectrum(torch.logspace(0, -10, 20), 60), 0.0)
    assert torch.allclose(eigenvalues(whitened) * 20 / eigenvalues(whitened).sum(), torch.ones(20).double(), rtol=1e-9)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_rounding_is_dropped_and_not_blown_up(kind):
    h = (normal(0, 100, 3) @ normal(1, 3, 10) + 5).to(kind)
    whitened = spectral_map(h, 0.0)
    assert whitened.dtype == torch.float64 and int((singular_values(whitened, centre=True) > 1e-6).sum()) == 3
    assert participation_ratio(whitened) == pytest.approx(3, rel=1e-9)


@pytest.mark.parametrize("beta", [0.0, 2.0, 100.0])
def test_collapsed_features_come_back_as_they_are(beta):
    h = torch.full((9, 3), 0.1)
    assert torch.allclose(spectral_map(h, beta), h.double(), rtol=1e-12)


def test_a_very_steep_law_collapses_to_the_first_axis():
    assert participation_ratio(spectral_map(normal(0, 60, 8), 60.0)) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("beta", [-0.5, 101, float("nan"), float("inf"), True, "1"])
def test_an_exponent_out_of_range_is_refused(beta, unchecked):
    with pytest.raises(InputError, match="beta"):
        spectral_map(normal(0, 9, 2), beta)


def test_principal_coordinates_are_numpys_of_the_known_features():
    known, queries = anisotropic(30, 5), anisotropic(7, 5, seed=1)
    h, others = principal(known, queries)
    values, axes = np.linalg.eigh(np.cov(known.numpy().T))
    axes = axes[:, ::-1]
    mean = known.numpy().mean(0)
    np.testing.assert_allclose(h.numpy() ** 2, ((known.numpy() - mean) @ axes) ** 2, atol=1e-9)
    np.testing.assert_allclose(others.numpy() ** 2, ((queries.numpy() - mean) @ axes) ** 2, atol=1e-9)
    np.testing.assert_allclose(h.var(0).numpy(), values[::-1], rtol=1e-9)


def test_principal_coordinates_keep_distances_where_every_direction_is_there():
    known, queries = anisotropic(30, 5), anisotropic(7, 5, seed=1)
    h, others = principal(known, queries)
    torch.testing.assert_close(torch.cdist(h, others), torch.cdist(known, queries))


def test_a_direction_the_known_features_have_not_is_zero_in_both():
    known, queries = anisotropic(30, 3), anisotropic(7, 3, seed=1)
    known[:, 2] = 5.0
    h, others = principal(known, queries)
    assert not h[:, 2].any() and not others[:, 2].any()
    assert others[:, :2].any(0).all()


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 3.0])
def test_reshaping_is_the_spectral_map_of_the_known_features_carried_to_the_queries(beta):
    known, queries = anisotropic(30, 5), anisotropic(7, 5, seed=1)
    h, others = reshaped(known, queries, beta=beta)
    mapped = spectral_map(known, beta)
    with_one = torch.cat([known, torch.ones(30, 1).double()], 1)
    affine = torch.linalg.lstsq(with_one, mapped).solution
    carried = torch.cat([queries, torch.ones(7, 1).double()], 1) @ affine
    torch.testing.assert_close(torch.cdist(others, h), torch.cdist(carried, mapped))


@given(beta=st.floats(0, 4), scale=st.floats(1e-3, 1e3))
def test_reshaped_variance_is_a_power_law_with_the_total_kept(beta, scale):
    known = anisotropic(30, 5) * scale
    h, _ = reshaped(known, known, beta=beta)
    values = h.var(0)
    torch.testing.assert_close(values / values[0], torch.arange(1, 6).double() ** -beta)
    torch.testing.assert_close(values.sum(), known.var(0).sum())
    torch.testing.assert_close(h.mean(0), torch.zeros(5).double(), atol=1e-12 * scale, rtol=0)


def test_collapsed_features_stay_collapsed():
    h, others = reshaped(torch.ones(6, 3), torch.rand(4, 3), beta=0.0)
    assert not h.any() and not others.any()


def test_queries_of_another_width_have_no_coordinates(unchecked):
    for measure in (principal, lambda known, queries: reshaped(known, queries, beta=0.0)):
        with pytest.raises(InputError, match="queries must be a matrix of 6 columns"):
            measure(torch.rand(9, 6), torch.rand(3, 5))
