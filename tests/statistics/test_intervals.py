"""Student-t intervals on the scale of their quantity: they stay in range, and hold the truth as often as they say."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy import stats
from xarray import DataArray

from sslens.statistics import SCALES, Interval, interval
from sslens.types import InputError, UnknownName
from tests.statistics.simulated import array, share_within_error

SEEDS = array([1.0, 2.0, 3.0], seed=[0, 1, 2])


@given(some.lists(some.floats(-1e6, 1e6), min_size=2, max_size=12), some.floats(0.5, 0.999))
def test_interval_is_scipys_student_t_interval(values, confidence):
    ours = Interval.of(values, confidence)
    error = stats.sem(values)
    low, high = stats.t.interval(confidence, len(values) - 1, np.mean(values), error) if error > 0 else (ours.mean,) * 2
    scale = max(map(abs, values)) + 1e-300
    assert (ours.low, ours.high) == pytest.approx((low, high), rel=1e-9, abs=1e-9 * scale)
    assert ours.n == len(values)


def test_interval_of_three_seeds_from_the_printed_table():
    ours = Interval.of([1.0, 2.0, 3.0])  # t of 2 degrees of freedom at 0.975 is 4.303 in every printed table
    assert (ours.mean, ours.high - ours.mean) == pytest.approx((2.0, 4.3027 / math.sqrt(3)), rel=1e-4)


def test_interval_of_one_value_knows_nothing():
    assert Interval.of([0.7]) == Interval(0.7, -math.inf, math.inf, 1)


def test_interval_of_equal_values_is_a_point():
    assert Interval.of([0.1] * 5) == Interval(0.1, 0.1, 0.1, 5)


@pytest.mark.parametrize("values", [[], [math.nan], [1.0, math.inf]])
def test_interval_of_nothing_or_of_the_infinite_is_refused(values):
    with pytest.raises(InputError):
        Interval.of(values)


@given(some.lists(some.floats(-1e3, 1e3), min_size=2, max_size=8), some.floats(-1e3, 1e3), some.floats(0.1, 10))
def test_an_interval_moves_and_grows_with_its_values(values, shift, scale):
    plain, moved = Interval.of(values), Interval.of([scale * value + shift for value in values])
    bound = 1e-6 * (1 + abs(shift) + max(map(abs, values)))
    for name in ("mean", "low", "high"):
        assert getattr(moved, name) == pytest.approx(scale * getattr(plain, name) + shift, abs=bound)


@given(some.lists(some.floats(-1e3, 1e3), min_size=2, max_size=8))
def test_more_confidence_is_a_wider_interval_around_the_same_mean(values):
    narrow, wide = Interval.of(values, 0.8), Interval.of(values, 0.99)
    assert narrow.mean == wide.mean and wide.low <= narrow.low <= narrow.mean <= narrow.high <= wide.high


def test_the_interval_of_an_array_is_that_of_its_values():
    assert interval(SEEDS) == Interval.of([1.0, 2.0, 3.0])
    assert interval(SEEDS, confidence=0.5) == Interval.of([1.0, 2.0, 3.0], 0.5)
    assert interval(array([1.0, 2.0], draw=[0, 1]), over="draw").n == 2


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_seed_that_diverged_makes_the_interval_nan_and_counts(value):
    found = interval(array([1.0, value, 3.0], seed=[0, 1, 2]))
    assert found.n == 3 and math.isnan(found.mean) and math.isnan(found.low) and math.isnan(found.high)


@pytest.mark.parametrize(
    "values", [array([[1.0]], seed=[0], step=[0]), array([1.0], step=[0]), DataArray(1.0)], ids=["two", "other", "none"]
)
def test_an_interval_is_of_a_vector_over_seeds(values):
    with pytest.raises(InputError, match="values must be numbers along seed alone"):
        interval(values)


def test_an_interval_over_no_seed_at_all_is_refused():
    with pytest.raises(InputError, match="at least one finite number"):
        interval(array([], seed=[]))


def test_an_interval_of_another_dimension_beside_seed_is_refused_and_sample_is_not():
    assert interval(array(np.eye(3), seed=[0, 1, 2], sample=[0, 1, 2])).n == 3


# Scales

RANGED = [name for name, scale in SCALES.items() if math.isfinite(scale.low)]


@pytest.mark.parametrize("name", SCALES)
def test_a_scale_and_its_inverse_undo_each_other_and_the_slope_is_the_derivative(name):
    scale = SCALES[name]
    for value in (1e-6, 0.2, 0.5, 0.9, 1 - 1e-6):
        assert scale.back(scale.stretch(value)) == pytest.approx(value, rel=1e-9)
        step = 1e-9
        slope = (scale.stretch(value + step / 2) - scale.stretch(value - step / 2)) / step
        assert scale.slope(value) == pytest.approx(slope, rel=1e-4)


@given(some.data(), some.sampled_from(RANGED), some.sampled_from([0.5, 0.95, 0.9999]))
def test_no_interval_leaves_the_range_of_its_quantity(data, name, confidence):
    low, high = SCALES[name].low, min(SCALES[name].high, 1e6)
    edges = some.sampled_from([low, high]) if name != "ratio" else some.just(0.0)
    values = data.draw(some.lists(some.one_of(edges, some.floats(low, high)), min_size=2, max_size=6))
    found = Interval.of(values, confidence, scale=name)
    slack = 1e-9 * (1 + abs(found.mean))
    assert low - slack <= found.low <= found.mean + slack and found.mean - slack <= found.high
    assert found.high <= high + slack or name == "ratio"


def test_the_plain_one_does_leave_it():
    assert Interval.of([0.9, 1.0, 1.0]).high > 1 >= Interval.of([0.9, 1.0, 1.0], scale="share").high
    assert Interval.of([0.1, 2.0, 0.1]).low < 0 < Interval.of([0.1, 2.0, 0.1], scale="ratio").low


def test_shares_by_the_delta_method_written_out():
    values, t = [0.8, 0.9, 0.95], 4.302652729749464
    mean, error = np.mean(values), np.std(values, ddof=1) / math.sqrt(3)
    line = math.log(mean / (1 - mean)) + np.array([-1, 1]) * t * error / (mean * (1 - mean))
    found = Interval.of(values, scale="share")
    assert (found.low, found.high) == pytest.approx(tuple(1 / (1 + np.exp(-line))))


@pytest.mark.parametrize("name", RANGED)
def test_with_all_values_at_an_end_it_is_a_point(name):
    end = 0.0 if name in ("share", "ratio") else 1.0
    found = Interval.of([end] * 3, scale=name)
    assert found.low == found.mean == found.high == end


@pytest.mark.parametrize(
    ("name", "value"), [("share", 1.01), ("share", -0.01), ("difference", -1.1), ("correlation", 1.1), ("ratio", -0.1)]
)
def test_a_value_beyond_the_range_is_refused(name, value):
    for judge in (
        lambda: Interval.of([0.5, value], scale=name),
        lambda: interval(array([0.5, value], seed=[0, 1]), scale=name),
    ):
        with pytest.raises(InputError, match=r"values must be in \["):
            judge()
    with pytest.raises(InputError, match="values must be in"):
        interval(array([[0.5, value], [0.5, 0.5]], seed=[0, 1], sample=[0, 1]), scale=name)


def test_another_scale_is_refused():
    with pytest.raises(UnknownName, match="Did you mean 'share'"):
        Interval.of([0.5, 0.6], scale="shares")


DRAWN = {
    "share of 100": ("share", 0.9, lambda draw, size: draw.binomial(100, 0.9, size) / 100),
    "share, skewed": ("share", 0.8, lambda draw, size: draw.beta(8, 2, size)),
    "difference": ("difference", 0.3, lambda draw, size: 2 * draw.beta(13, 7, size) - 1),
    "correlation": ("correlation", 0.5, lambda draw, size: 2 * draw.beta(9, 3, size) - 1),
    "ratio": ("ratio", 1.0, lambda draw, size: draw.gamma(5, 0.2, size)),
    "plain": ("plain", 0.0, lambda draw, size: draw.normal(size=size)),
}


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("name", DRAWN)
def test_they_hold_the_truth_in_95_of_100_cases(name, n):
    scale, truth, draw = DRAWN[name]
    rows = draw(np.random.default_rng(n), (1000, n))
    found = [Interval.of(row, scale=scale) for row in rows]
    deciding = [each for each in found if each.low < each.high]  # a point decides nothing
    held = sum(each.low <= truth <= each.high for each in deciding)
    assert share_within_error(held, len(deciding), at_least=0.95)
