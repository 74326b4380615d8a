"""Seeds crossed with test samples: the two-way variance, by hand, by its parts and by simulation."""

import math

import numpy as np
import pytest
from scipy import stats
from xarray import DataArray

from sslens.statistics import Interval, crossed, difference, interval
from sslens.types import InputError
from tests.statistics.simulated import array, share_within_error


def table(values, origins=None):
    found = array(values, seed=range(len(values)), sample=range(len(values[0])))
    return found if origins is None else found.assign_coords(origin=("sample", list(origins)))


def test_mean_and_error_of_the_textbook_table():
    values = [[1.0, 2.0, 6.0], [3.0, 4.0, 5.0]]
    ms_seed = 3 * ((3 - 3.5) ** 2 + (4 - 3.5) ** 2) / 1
    ms_original = 2 * ((2 - 3.5) ** 2 + (3 - 3.5) ** 2 + (5.5 - 3.5) ** 2) / 2
    rest = sum((values[s][i] - (3, 4)[s] - (2, 3, 5.5)[i] + 3.5) ** 2 for s in range(2) for i in range(3)) / 2
    assert (ms_seed, ms_original, rest) == pytest.approx((1.5, 6.5, 1.5))
    found = crossed(table(values))
    assert found.mean == 3.5 and found.error == pytest.approx(math.sqrt((1.5 + 6.5 - 1.5) / 6))
    assert (found.repetitions, found.originals) == (2, 3)


def test_it_is_never_less_than_either_part():
    values = np.array([[0.0, 1.0], [1.5, 0.5]])  # the rest is larger than both, and both are of the same kind
    parts = stats.sem(values.mean(1)), stats.sem(values.mean(0))
    for each in (values, values.T):
        assert crossed(table(each)).error == pytest.approx(max(parts))


def test_without_differences_between_samples_it_is_students_interval_over_seeds():
    values = np.repeat(np.array([[0.1], [0.5], [0.3]]), 7, axis=1)
    plain, both = Interval.of(values[:, 0]), interval(table(values))
    assert (both.mean, both.low, both.high, both.n) == pytest.approx((plain.mean, plain.low, plain.high, plain.n))
    assert both.originals == 7


def test_samples_of_one_original_are_one_observation():
    few = np.tile(np.random.default_rng(0).integers(0, 2, 20).astype(float), (3, 1))
    copies = np.repeat(few, 5, axis=1)
    one, five = crossed(table(few)), crossed(table(copies, np.repeat(range(20), 5)))
    assert (five.mean, five.error, five.originals) == pytest.approx((one.mean, one.error, 20))
    assert crossed(table(copies)).error < one.error / 2


def test_the_mean_is_that_of_the_samples_however_many_an_original_has():
    values = np.random.default_rng(0).random((3, 10))
    origins = [0, 0, 0, 0, 0, 0, 1, 2, 2, 3]
    found = crossed(table(values, origins))
    assert found.mean == pytest.approx(values.mean()) and found.originals == 4
    shuffled = np.random.default_rng(1).permutation(10)
    again = crossed(table(values[:, shuffled], np.array(origins)[shuffled]))
    assert (again.mean, again.error) == pytest.approx((found.mean, found.error))


def test_a_single_seed_has_no_interval_and_a_single_original_is_refused():
    found = interval(table([[1.0, 0.0, 1.0]]), scale="share")
    assert (found.low, found.high, found.n) == (-math.inf, math.inf, 1)
    with pytest.raises(InputError, match="of two originals or more"):
        crossed(table([[1.0, 0.0], [1.0, 1.0]], [5, 5]))
    with pytest.raises(InputError, match="along seed and sample"):
        crossed(array([1.0], seed=[0]))


def test_a_diverged_seed_makes_it_nan():
    assert math.isnan(interval(table([[1.0, 0.0], [math.nan, math.nan]])).mean)


def test_no_exception_among_so_many_originals_leaves_what_clopper_and_pearson_leave():
    right = table(np.ones((5, 300)))
    low = stats.binomtest(300, 300).proportion_ci(method="exact").low
    found = interval(right, scale="share")
    assert (found.low, found.high) == pytest.approx((low, 1.0))
    none = interval(difference(right, right), scale="difference")
    assert (none.low, none.high) == pytest.approx((low - 1, 1 - low))
    one_off = right.copy()
    one_off[0, 0] = 0.0
    assert interval(one_off, scale="share").low <= low


def drawn(draw, *, seeds, originals, spread, most=1, mean=0.8):
    """Whether each of some seeds is right about each sample: a probit model of crossed effects with this mean."""
    by_seed, by_original = spread
    counts = draw.integers(1, most + 1, originals)
    origin = np.repeat(np.arange(originals), counts)
    level = stats.norm.ppf(mean) * math.sqrt(1 + by_seed**2 + by_original**2)
    effect = by_seed * draw.normal(size=(seeds, 1)) + by_original * draw.normal(size=originals)[origin]
    right = level + effect + draw.normal(size=(seeds, len(origin))) > 0
    return table(right.astype(float), origin)


@pytest.mark.parametrize(("spread", "most"), [((0.1, 1.0), 4), ((0.5, 0.3), 1), ((0.0, 2.0), 1)])
@pytest.mark.parametrize("seeds", [3, 5])
def test_it_holds_the_accuracy_on_all_images_and_an_interval_over_seeds_does_not(seeds, spread, most):
    draw = np.random.default_rng(0)
    tables = [drawn(draw, seeds=seeds, originals=80, spread=spread, most=most) for _ in range(300)]
    both = [interval(each, scale="share") for each in tables]
    assert share_within_error(sum(each.low <= 0.8 <= each.high for each in both), len(both), at_least=0.95)
    if spread == (0.0, 2.0):
        alone = [interval(each.mean("sample"), scale="share") for each in tables]
        held = sum(each.low <= 0.8 <= each.high for each in alone)
        assert held / len(alone) < 0.9 and not share_within_error(held, len(alone), at_least=0.95)


@pytest.mark.parametrize("seeds", [3, 5])
def test_two_equal_treatments_rarely_differ_and_two_that_are_not_equal_do(seeds):
    draw = np.random.default_rng(1)

    def apart(second: float) -> int:
        decided = 0
        for _ in range(300):
            hardness = draw.normal(size=100)
            pair = [
                DataArray(
                    (level + hardness + draw.normal(size=(seeds, 100)) > 0).astype(float), dims=("seed", "sample")
                )
                for level in (0.5, second)
            ]
            found = interval(difference(*pair), scale="difference")
            decided += found.low > 0 or found.high < 0
        return decided

    assert share_within_error(apart(0.5), 300, at_most=0.05)
    assert apart(2.0) > 270
