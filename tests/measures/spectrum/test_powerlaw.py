"""The power law against numpy's weighted polynomial fit and the normal equations; features given another spectrum."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.measures.spectrum.matrices import normal, rotation, with_spectrum

from sslens.measures.spectrum import eigenvalues, participation_ratio, power_law, singular_values, spectral_map
from sslens.types import InputError

seeds = st.integers(0, 2**32)


def noisy(seed, count, exponent=1.0):
    """A descending spectrum that scatters around a power law."""
    noise = (0.3 * normal(seed, count, 1).flatten()).exp()
    return (torch.arange(1, count + 1).double() ** -exponent * noise).sort(descending=True).values


def by_sums(values, first, last):
    """Exponent, intercept and R² from sums over the ranks, one rank at a time."""
    points = [(1 / k, math.log(k), math.log(values[k - 1])) for k in range(first, last + 1)]
    total = sum(w for w, _, _ in points)
    x_mean, y_mean = sum(w * x for w, x, _ in points) / total, sum(w * y for w, _, y in points) / total
    slope = sum(w * (x - x_mean) * y for w, x, y in points) / sum(w * (x - x_mean) ** 2 for w, x, _ in points)
    intercept = y_mean - slope * x_mean
    off = sum(w * (y - intercept - slope * x) ** 2 for w, x, y in points)
    return -slope, intercept, 1 - off / sum(w * (y - y_mean) ** 2 for w, _, y in points)


@pytest.mark.parametrize("exponent", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("ranks", [(4, 100), (1, 3), (10, 64)])
def test_an_exact_power_law_is_found_in_any_window(exponent, ranks):
    law = power_law(7 * torch.arange(1, 129).double() ** -exponent, ranks=ranks)
    assert law.exponent == pytest.approx(exponent, rel=1e-10)
    assert law.intercept == pytest.approx(math.log(7), rel=1e-10)
    assert law.standard_error == pytest.approx(0, abs=1e-7) and law.r_squared == pytest.approx(1, rel=1e-12)
    assert law.ranks == ranks


@given(seeds, st.sampled_from([(4, 100), (1, 20), (30, 60), (4, 6)]))
@settings(max_examples=30, deadline=None)
def test_the_fit_is_the_weighted_one(seed, ranks):
    values = noisy(seed, 120)
    law = power_law(values, ranks=ranks)
    assert (law.exponent, law.intercept, law.r_squared) == pytest.approx(by_sums(values.tolist(), *ranks), rel=1e-8)
    k = np.arange(ranks[0], ranks[1] + 1)
    fit, spread = np.polyfit(np.log(k), np.log(values.numpy()[k - 1]), 1, w=np.sqrt(1 / k), cov=True)
    assert (-law.exponent, law.intercept) == pytest.approx(tuple(fit), rel=1e-8)
    assert law.standard_error == pytest.approx(math.sqrt(spread[0, 0]), rel=1e-6)


def test_the_fit_is_that_of_the_authors_code():
    values = noisy(3, 200)
    index = np.arange(3, 100)  # there counted from 0
    columns = np.stack([-np.log(index + 1), np.ones(97)], 1)
    weights = np.diag(1 / (index + 1))
    solved = np.linalg.solve(columns.T @ weights @ columns, columns.T @ weights @ np.log(values.numpy()[index]))
    law = power_law(values)
    assert (law.exponent, law.intercept) == pytest.approx(tuple(solved), rel=1e-9)


@given(seeds, st.floats(-100, 100))
@settings(max_examples=20, deadline=None)
def test_a_factor_moves_the_intercept_and_nothing_else(seed, decades):
    plain, scaled = power_law(noisy(seed, 60)), power_law(noisy(seed, 60) * 10**decades)
    assert scaled.intercept == pytest.approx(plain.intercept + decades * math.log(10), abs=1e-9)
    for name in ("exponent", "standard_error", "r_squared"):
        assert getattr(scaled, name) == pytest.approx(getattr(plain, name), rel=1e-7, abs=1e-10)


def test_the_window_ends_where_the_spectrum_does_and_says_so():
    values = torch.arange(1, 65).double() ** -1.0
    assert power_law(values).ranks == (4, 64)
    values[40:] = 0
    assert power_law(values).ranks == (4, 40)
    assert power_law(values).exponent == pytest.approx(1, rel=1e-10)


def test_a_flat_spectrum_has_exponent_zero_and_is_met():
    law = power_law(torch.full((30,), 0.3))
    assert (law.exponent, law.standard_error, law.r_squared) == (0, 0, 1)
    assert law.intercept == pytest.approx(math.log(0.3), rel=1e-6)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_fewer_than_three_positive_values_in_the_window_are_no_power_law(count):
    values = torch.cat([torch.ones(count), torch.zeros(8)])
    with pytest.raises(InputError, match=rf"3 positive values.*last positive value has rank {count} of"):
        power_law(values)


@pytest.mark.parametrize(
    "values",
    [torch.ones(3, 3), torch.ones(9).long(), torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, -1.0]), [3.0, 2.0, 1.0],
     torch.tensor([torch.inf, 1, 1]), torch.tensor([3.0, torch.nan, 1.0]), torch.ones(0)],
    ids=str,
)  # fmt: skip
def test_what_is_no_descending_spectrum_is_refused(values, unchecked):
    with pytest.raises(InputError):
        power_law(values, ranks=(1, 3))


@pytest.mark.parametrize("ranks", [(0, 10), (4, 5), (10, 4), (1.0, 9.0), (1, True), (1, 2, 3), 7, None])
def test_a_window_is_two_whole_ranks_with_a_third_between(ranks, unchecked):
    with pytest.raises(InputError, match="ranks"):
        power_law(torch.ones(50), ranks=ranks)


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
    if beta > 0.1:  # below, the axes of the result are hardly told apart
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
