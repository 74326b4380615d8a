"""What is claimed: each claim by its own numbers, premises, what is left out, and the answer in a sentence."""

import numpy as np
import pytest
from xarray import DataArray

from sslens.statistics import RankTest
from sslens.studies import one_number_claims as claims
from sslens.studies.one_number_agreement import ALL, rank_correlations
from sslens.studies.study import stacked

SEEDS = [0, 1, 2, 3, 4]
RUNS = [claims.UNTRAINED, claims.TRAINED, *claims.UNDERTRAINED, claims.STARVED, f"{claims.COVARIANCE} 16"]
NAMES = [claims.RANKME, claims.NEARNESS, claims.BLIND]


def spread(shape, *, mean, seed=0):
    return mean + 0.01 * np.random.default_rng(seed).normal(size=shape)


def orders(value, sweeps=(*claims.SWEPT, ALL)):
    """Correlations that chance gives once in a thousand, on their own side."""
    coords = {"choice": NAMES, "sweep": list(sweeps), "seed": SEEDS}
    found = DataArray(
        spread((3, len(sweeps), 5), mean=value), coords, tuple(coords), "correlation", {"setting": "set, 9 steps"}
    )
    rare, common = (0.001, 0.999) if value > 0 else (0.999, 0.001)
    return found.assign_coords(RankTest(7, rare, common, 0.5).coords)


def answers(accuracies):
    """1 and 0 for each run, seed and one of 4,000 images, with these accuracies."""
    draw = np.random.default_rng(1)
    rows = [draw.random((5, 4000)) < accuracy for accuracy in accuracies.values()]
    coords = {"run": list(accuracies), "seed": SEEDS}
    return DataArray(np.array(rows, float), coords, ("run", "seed", "sample"), "accuracy", {"setting": "set, 9 steps"})


LEARNED = answers(dict(zip(RUNS, (0.2, 0.6, 0.3, 0.4, 0.3, 0.5), strict=True)))
AT_CHANCE = answers(dict.fromkeys(RUNS, 0.1))


def losses(rankme, blind=0.3):
    """Regrets of a choice by RankMe and of a blind one, image by image: shares of the images."""
    draw = np.random.default_rng(2)
    rows = [draw.random((4, 5, 4000)) < value for value in (rankme, 0.1, blind)]
    coords = {"choice": NAMES, "sweep": list(claims.SWEPT), "seed": SEEDS}
    return DataArray(np.array(rows, float), coords, (*coords, "sample"), "lost", {"setting": "set, 9 steps"})


def ranks(**others):
    values = dict(zip(RUNS, (1, 20, 30, 40, 4, 25), strict=True)) | others
    table = np.exp(spread((len(values), 5), mean=np.log(np.array(list(values.values()))[:, None])))
    return DataArray(table, {"run": list(values), "seed": SEEDS}, ("run", "seed"))


def test_an_order_is_judged_in_every_sweep_and_elsewhere_where_it_holds_at_home():
    found = claims.order_verdicts(orders(0.8), elsewhere=orders(-0.8), correct=LEARNED)
    assert [verdict.holds for verdict in found] == [True] * 5 + [False]
    *home, away = claims.order_verdicts(orders(-0.8), elsewhere=orders(0.8), correct=LEARNED)
    assert [verdict.holds for verdict in home] == [False] * 5
    assert away.untested.startswith("its premise does not hold")


def test_encoders_that_learned_nothing_test_nothing():
    orders_, choice = orders(0.8), losses(0.0)
    found = claims.order_verdicts(orders_, elsewhere=orders_, correct=AT_CHANCE)
    found += claims.choice_verdicts(choice, elsewhere=choice, correct=AT_CHANCE)
    assert all(verdict.outcome == "not tested here" for verdict in found)


def test_a_sweep_alone_is_judged_alone():
    (found,) = claims.order_verdicts(
        orders(0.8, [claims.COVARIANCE]), elsewhere=orders(0.8, [claims.COVARIANCE]), correct=LEARNED
    )
    assert (found.claim.quantity, found.holds) == ("Spearman, VICReg covariance", True)


def test_orders_of_fewer_than_five_settings_are_not_tested():
    numbers = np.random.default_rng(0).normal(size=(4, 5))
    quality = DataArray(numbers, {"run": list("abcd"), "seed": SEEDS}, ("run", "seed"))
    chosen = stacked(dict.fromkeys(NAMES, quality.rename("score")), "choice")
    order = rank_correlations(chosen, quality, groups={claims.RATE: list("abcd")})
    (found,) = claims.order_verdicts(order, elsewhere=order, correct=LEARNED)
    assert found.untested == "too few settings: 4, an order needs at least 5"


def test_a_choice_is_held_against_half_a_point_and_a_blind_one():
    cheap, better, away = claims.choice_verdicts(losses(0.0), elsewhere=losses(0.1), correct=LEARNED)
    assert (cheap.interval.mean, better.interval.mean) == pytest.approx((0.0, 0.3), abs=0.01)
    assert (better.holds, away.holds) == (True, False)
    assert cheap.interval.n == 5 and cheap.interval.originals == 4000
    _, worse, _ = claims.choice_verdicts(losses(0.5), elsewhere=losses(0.1), correct=LEARNED)
    assert worse.holds is False


def test_an_undecided_cost_says_what_could_have_been_seen():
    cheap, *_ = claims.choice_verdicts(losses(0.006), elsewhere=losses(0.1), correct=LEARNED)
    assert cheap.holds is None and "5 seeds could have shown a difference of" in cheap.line()


def test_place_and_rotation_are_judged_where_they_are_known():
    coords = {"choice": NAMES, "run": RUNS, "seed": SEEDS}
    scores = DataArray(spread((3, len(RUNS), 5), mean=0), coords, tuple(coords))
    scores = scores.where(scores.choice != claims.BLIND, 0.0)
    value = scores.sel(choice=claims.RANKME, drop=True).copy()
    groups = {claims.COVARIANCE: [claims.STARVED, f"{claims.COVARIANCE} 16"]}
    fixed = value.copy(data=np.repeat([[0.1], [0.2], [0.3], [0.4], [0.1], [0.9]], 5, axis=1))
    scores.loc[claims.RANKME] = fixed
    judge = {"groups": groups, "correct": LEARNED}
    noisy = fixed + 0.001 * value
    (found,) = claims.factor_verdicts(scores, {claims.FACTORS_TASK: noisy}, **judge)
    assert found.holds is True and found.interval.mean == pytest.approx(0.4, abs=0.01)
    assert claims.factor_verdicts(scores, {claims.OWN: noisy}, **judge) == []


def test_undertrained_encoders_are_held_against_the_usual_one_if_they_know_less():
    under, starved, nearness = claims.blind_spot_verdicts(ranks(), order=orders(0.8), correct=LEARNED)
    assert (under.holds, starved.holds, nearness.holds) == (False, True, True)
    assert under.interval.mean == pytest.approx(35 / 20, rel=0.02)
    assert starved.interval.mean == pytest.approx(4 / 25, rel=0.02)
    equal, *_ = claims.blind_spot_verdicts(ranks(), order=orders(0.8), correct=AT_CHANCE)
    assert equal.outcome == "not tested here"


def test_a_rank_that_is_not_the_lowest_where_it_must_be_is_seen():
    wrong = ranks(**{claims.STARVED: 30.0})
    _, starved, nearness = claims.blind_spot_verdicts(wrong, order=orders(-0.8), correct=LEARNED)
    assert (starved.holds, nearness.holds) == (False, False)


def test_what_is_not_there_is_not_judged():
    few = ranks().sel(run=[claims.UNTRAINED, claims.TRAINED])
    (found,) = claims.blind_spot_verdicts(few, order=orders(0.8), correct=LEARNED)
    assert found.claim is claims.nearer_is_better


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        (True, "orders temperatures, learning rates, covariance, invariance; its choice costs little and beats"),
        (
            False,
            "does not order temperatures, learning rates, covariance, invariance; its choice costs accuracy and",
        ),
        (
            None,
            "orders nothing for sure; its choice may cost accuracy and is not known to beat a blind one; it may see",
        ),
    ],
)
def test_the_answer_says_what_came_out(outcome, line):
    assert line in claims.answer({claim.quantity: outcome for claim in claims.CLAIMS})


def test_the_answer_counts_what_it_does_not_say():
    found = {claim.quantity: claim in (claims.choosing_is_cheap, claims.starved_ranks_last) for claim in claims.CLAIMS}
    assert claims.answer(found).endswith("of 6 others 1 holds, 5 fail.")
