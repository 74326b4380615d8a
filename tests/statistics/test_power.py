"""What repetitions could have shown, held against simulated experiments."""

import math

import numpy as np
import pytest

from sslens.statistics import Interval, detectable, expected_false
from sslens.statistics.intervals import student
from tests.statistics.simulated import share_within_error


@pytest.mark.parametrize("n", [3, 5, 10, 30])
def test_an_effect_of_that_size_is_seen_in_80_of_100_experiments(n):
    effect = detectable(Interval(0.0, -1.0, 1.0, n, error=2.0 / math.sqrt(n)))
    values = effect + 2.0 * np.random.default_rng(n).normal(size=(5000, n))
    seen = np.abs(values.mean(1)) > student(n - 1) * values.std(1, ddof=1) / math.sqrt(n)
    assert share_within_error(seen.sum(), 5000, at_least=0.8, at_most=0.8)


@pytest.mark.parametrize(("n", "deviations"), [(3, 3.26), (5, 1.68), (10, 0.996)])
def test_in_standard_deviations_it_is_what_tables_of_power_say(n, deviations):
    values = np.linspace(-1, 1, n)
    assert detectable(Interval.of(values)) / values.std(ddof=1) == pytest.approx(deviations, rel=0.01)


def test_a_single_value_and_an_unknown_error_could_show_nothing_that_is_known():
    assert math.isnan(detectable(Interval.of([0.5]))) and math.isnan(detectable(Interval(0.5, 0.4, 0.6, 3)))


def test_one_verdict_in_twenty_errs():
    draws = np.random.default_rng(0).normal(size=(2000, 5))
    missed = sum(not found.low <= 0 <= found.high for found in map(Interval.of, draws))
    rate = expected_false(2000) / 2000
    assert share_within_error(missed, 2000, at_least=rate, at_most=rate)
