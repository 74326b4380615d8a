"""Permutation tests of orders: against full enumeration, against scipy, and by their error rates."""

import math
from itertools import permutations, product

import numpy as np
import pytest
from scipy import stats

from sslens.statistics import FEWEST_SETTINGS, LEVEL, RankTest, rank_test
from sslens.types import InputError
from tests.statistics.simulated import array, share_within_error


def table(rows):
    return array(rows, seed=range(len(rows)), run=range(len(rows[0])))


def spearman(first, second):
    return float(stats.spearmanr(first, second).statistic)


def by_enumeration(scores, qualities):
    """One-sided p of the mean over seeds, high: every seed with an order of its own, and all with the same one."""
    orders = list(permutations(range(len(scores[0]))))
    each = [
        [spearman(np.array(row)[list(order)], other) for order in orders]
        for row, other in zip(scores, qualities, strict=True)
    ]
    found = np.mean([spearman(*pair) for pair in zip(scores, qualities, strict=True)]) - 1e-9
    own = [np.mean(chosen) >= found for chosen in product(*each)]
    same = [np.mean(chosen) >= found for chosen in zip(*each, strict=True)]
    return np.mean(own), np.mean(same)


@pytest.mark.parametrize("seed", range(4))
def test_p_is_that_of_all_orders_of_all_seeds(seed):
    draw = np.random.default_rng(seed)
    scores, qualities = draw.normal(size=(2, 2, 4))
    high = max(by_enumeration(scores, qualities))
    assert rank_test(table(scores), table(qualities)).high == pytest.approx(high, abs=1e-9)
    assert rank_test(table(-scores), table(qualities)).low == pytest.approx(high, abs=1e-9)


@pytest.mark.parametrize("settings", [5, 6])
def test_of_one_seed_it_is_scipys_exact_permutation_test(settings):
    first, second = np.random.default_rng(settings).normal(size=(2, settings))
    theirs = stats.permutation_test(
        (first,), lambda x: spearman(x, second), permutation_type="pairings", alternative="greater", n_resamples=np.inf,
        vectorized=False,
    )  # fmt: skip
    assert rank_test(table([first]), table([second])).high == pytest.approx(theirs.pvalue, abs=1e-9)


def test_ties_share_their_ranks_and_all_equal_values_are_no_evidence():
    tied = rank_test(table([[1, 1, 2, 3, 4]] * 3), table([[1, 1, 2, 3, 4]] * 3))
    assert tied.high == pytest.approx(2 / 120)  # the two tied ones may change places
    flat = rank_test(table([[1.0] * 5] * 3), table([[1.0, 2, 3, 4, 5]] * 3))
    assert (flat.high, flat.low, flat.least) == (1.0, 1.0, math.inf)


def test_four_settings_can_never_be_enough_and_five_can():
    for settings in (FEWEST_SETTINGS - 1, FEWEST_SETTINGS):
        order = table([list(range(settings))] * 10)
        assert (rank_test(order, order).high <= LEVEL) == (settings >= FEWEST_SETTINGS)


def test_least_is_the_first_correlation_that_chance_rarely_reaches():
    scores = table([[1, 2, 3, 4, 5, 6, 7]])
    least = rank_test(scores, scores).least
    assert least == pytest.approx(0.786, abs=5e-4)  # Zar's table: n = 7, one-sided 2.5 %
    others = [table([order]) for order in permutations(range(1, 8))][::499]
    for other in others:
        assert (rank_test(scores, other).high <= LEVEL) == (spearman(scores[0], other[0]) >= least - 1e-9)


def test_drawn_orders_come_near_the_exact_p(monkeypatch):
    draw = np.random.default_rng(3)
    scores, qualities = draw.normal(size=(2, 3, 7))
    exact = rank_test(table(scores), table(qualities))
    monkeypatch.setattr("sslens.statistics.ranks.ENUMERATED", 6)
    from sslens.statistics import ranks

    ranks._orders.cache_clear()
    drawn = rank_test(table(scores), table(qualities))
    ranks._orders.cache_clear()
    for ours, right in ((drawn.high, exact.high), (drawn.low, exact.low)):
        assert abs(ours - right) < 4 * math.sqrt(right * (1 - right) / 20_000) + 1e-4
    assert drawn != exact


def test_of_many_settings_p_is_never_zero_and_always_the_same():
    order = table([list(range(20))] * 3)
    found = rank_test(order, order)
    assert found.high == pytest.approx(1 / 20_001) and found == rank_test(order, order)


@pytest.mark.parametrize("shared", [False, True], ids=["own orders", "one order for all seeds"])
@pytest.mark.parametrize(("settings", "seeds"), [(5, 3), (7, 5)])
def test_unrelated_orders_are_rarely_found_related(settings, seeds, shared):
    """Settings whose effects on score and quality are unrelated, anew in each seed or the same in all of them."""
    draw = np.random.default_rng(settings)

    def orders():
        common = draw.normal(size=settings) if shared else 0
        return table(common + (0.1 if shared else 1.0) * draw.normal(size=(seeds, settings)))

    found = [rank_test(orders(), orders()) for _ in range(250)]
    for side in ("high", "low"):
        assert share_within_error(sum(getattr(each, side) <= LEVEL for each in found), 250, at_most=LEVEL)


def test_an_order_of_the_seeds_alone_would_be_found_in_settings_that_are_unrelated():
    """Why the settings' common order is asked too: convolving the seeds alone errs in far more than 5 % of cases."""
    from sslens.statistics.ranks import _orders, _ranks, _total

    draw, errors = np.random.default_rng(0), 0
    for _ in range(100):
        first, second = (draw.normal(size=7) + 0.1 * draw.normal(size=(5, 7)) for _ in range(2))
        pairs = [(_ranks(row), _ranks(other)) for row, other in zip(first, second, strict=True)]
        sums = np.stack([row[_orders(7)] @ other for row, other in pairs]).astype(np.int64)
        values, chance = _total(sums)
        found = sum(row @ other for row, other in pairs)
        errors += min(chance[values >= found].sum(), chance[values <= found].sum()) <= LEVEL
    assert not share_within_error(errors, 100, at_most=0.15)


def test_related_orders_are_found():
    draw = np.random.default_rng(0)
    quality = table(np.arange(7) + 0.5 * draw.normal(size=(3, 7)))
    found = rank_test(quality + 0.5 * draw.normal(size=(3, 7)), quality)
    assert found.high < 0.001 and found.low > 0.99 and found.settings == 7


def test_what_is_no_pair_of_orders_is_refused():
    good = table([[1.0, 2.0, 3.0]])
    for bad in (good.isel(seed=0), good.where(good < 3), good.rename(run="step")):
        with pytest.raises(InputError):
            rank_test(bad, good)
        with pytest.raises(InputError):
            rank_test(good, bad)
    with pytest.raises(InputError, match="run must be the same in both"):
        rank_test(good, good.assign_coords(run=[0, 1, 3]))


def test_a_test_travels_beside_its_correlations():
    correlations = array([0.5, 0.7], seed=[0, 1])
    test = RankTest(7, 0.01, 0.99, 0.6)
    assert RankTest.beside(correlations) is None
    assert RankTest.beside(correlations.assign_coords(test.coords)) == test
