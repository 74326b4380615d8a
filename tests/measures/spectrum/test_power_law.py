"""The power law against numpy's weighted polynomial fit and the normal equations."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.measures.spectrum.matrices import normal

from sslens.measures.spectrum import power_law
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
    [torch.ones(3, 3), torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, -1.0]), "321", None,
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


def test_eigenvalues_of_any_kind_of_numbers_are_taken_and_features_are_sent_to_theirs(unchecked):
    right = power_law(torch.tensor([8.0, 4.0, 2.0]), ranks=(1, 3))
    for values in (np.array([8.0, 4.0, 2.0]), [8.0, 4.0, 2.0], np.array([2, 4, 8])[::-1], (8, 4, 2)):
        assert power_law(values, ranks=(1, 3)) == right
    with pytest.raises(InputError, match=r"say eigenvalues\(values\)"):
        power_law(torch.ones(5, 3))
