"""Boosted lines under label noise: Long and Servedio's points by a slow search, and the margin at which noise wins."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from sslens.studies import boosters_and_pseudo_labels_boosting as boosting
from sslens.types import InputError, UnknownName


def risk(w, noise, loss, gap=0.05):
    total = 0.0
    for x, y in [(1, 0), (gap, 5 * gap), (gap, -gap), (gap, -gap)]:
        margin = w[0] * x + w[1] * y
        for share, m in ((1 - noise, margin), (noise, -margin)):
            total += share / 4 * (math.log1p(math.exp(-m)) if loss == "logistic" else math.exp(-m))
    return total


@pytest.mark.parametrize("loss", boosting.LOSSES)
@pytest.mark.parametrize("noise", [0.05, 0.2, 0.4])
def test_the_weights_minimise_the_expected_loss(loss, noise):
    w = boosting.linear_booster(noise, loss=loss).tolist()
    least = risk(w, noise, loss)
    steps = [1e-3 * max(1, abs(w[0])) * s for s in (-1, 0, 1)]
    around = [risk((w[0] + a, w[1] + b), noise, loss) for a in steps for b in steps]
    assert least == min(around) and sorted(around)[1] > least


@pytest.mark.parametrize("loss", boosting.LOSSES)
def test_a_linear_booster_is_right_on_every_point_without_noise_and_on_half_of_them_with_it(loss):
    accuracies = [boosting.linear_accuracy(boosting.linear_booster(noise, loss=loss)) for noise in (0, 0.2, 0.4)]
    assert accuracies == [1.0, 0.5, 0.5]


def test_a_separating_direction_exists_with_margin_the_gap():
    points = boosting.long_servedio(0.1)
    assert (points @ torch.tensor([1.0, 0.0], dtype=torch.float64)).min().item() == 0.1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: boosting.linear_booster(0.6), "noise"),
        (lambda: boosting.linear_booster(float("nan")), "noise"),
        (lambda: boosting.critical_margin(-0.1), "noise"),
        (lambda: boosting.critical_margins([]), "shares"),
        (lambda: boosting.points_kept([]), "shares"),
        (lambda: boosting.long_servedio(0.0), "gap"),
    ],
)
def test_numbers_out_of_range_are_refused(call, words):
    with pytest.raises(InputError, match=words):
        call()


def test_a_misspelt_loss_is_refused():
    with pytest.raises(UnknownName, match="Did you mean 'logistic'"):
        boosting.linear_booster(0.1, loss="logistik")


def test_a_sweep_takes_both_losses_to_every_noise():
    noises = [0.0, 0.05, 0.3]
    found = boosting.points_kept(noises, gap=0.1)
    assert found.dims == ("run", "share of labels flipped")
    for loss in boosting.LOSSES:
        weights = [boosting.linear_booster(noise, loss=loss, gap=0.1) for noise in noises]
        by_hand = [boosting.linear_accuracy(w, gap=0.1) for w in weights]
        assert found.sel(run=f"lines, {loss} loss").values.tolist() == by_hand


@pytest.mark.parametrize("loss", boosting.LOSSES)
def test_the_expected_loss_is_that_of_a_slow_sum_and_its_potential_is_convex(loss):
    w = torch.tensor([3.0, -1.0], dtype=torch.float64)
    found = boosting.expected_loss(w, boosting.long_servedio(), noise=0.2, loss=loss)
    assert found.item() == pytest.approx(risk([3.0, -1.0], 0.2, loss), rel=1e-12)
    margins = torch.linspace(-4, 4, 81, dtype=torch.float64)
    slopes = boosting.potential(margins, loss=loss).diff()
    assert (slopes < 0).all() and (slopes.diff() > 0).all()


def keeps_the_penalisers_of_logistic_regression(noise, gap):
    """scikit-learn on the eight weighted examples, without intercept or penalty."""
    points = np.array([[1, 0], [gap, 5 * gap], [gap, -gap], [gap, -gap]])
    x, y = np.concatenate([points, points]), np.repeat([1, 0], 4)
    weights = np.repeat([1 - noise, noise], 4)
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-12, max_iter=10_000, solver="newton-cg")
    w = model.fit(x, y, weights).coef_[0]
    return w[0] > w[1]


def keeps_the_penalisers_of_nelder_mead(noise, gap):
    """A search without gradients over the slow sum."""
    options = {"xatol": 1e-9, "fatol": 1e-15, "maxiter": 20_000, "maxfev": 20_000}
    w = minimize(risk, [1.0, 1.0], args=(noise, "exponential", gap), method="Nelder-Mead", options=options).x
    return w[0] > w[1]


@pytest.mark.parametrize("noise", [0.05, 0.2, 0.4])
@pytest.mark.parametrize(
    ("loss", "keeps"),
    [
        ("logistic", keeps_the_penalisers_of_logistic_regression),
        ("exponential", keeps_the_penalisers_of_nelder_mead),
    ],
)
def test_just_below_the_critical_margin_another_solver_gives_up_the_penalisers_and_just_above_it_keeps_them(
    noise, loss, keeps
):
    critical = boosting.critical_margin(noise, loss=loss)
    assert (keeps(noise, 0.98 * critical), keeps(noise, 1.02 * critical)) == (False, True)


@pytest.mark.parametrize("loss", boosting.LOSSES)
def test_the_critical_margin_is_where_bisection_over_the_exact_minimiser_ends(loss):
    low, high = 0.001, 1 / 6
    for _ in range(20):
        middle = (low + high) / 2
        w = boosting.linear_booster(0.1, loss=loss, gap=middle)
        low, high = (low, middle) if w[0] > w[1] else (middle, high)
    assert boosting.critical_margin(0.1, loss=loss) == pytest.approx(low, rel=1e-3)


def test_critical_margins_rise_with_noise_and_vanish_without_it():
    found = boosting.critical_margins([0.0, 0.001, 0.01, 0.1, 0.3, 0.49, 0.5])
    assert (found[:, [0, -1]] == 0).all()
    assert (found[:, 1:-1].diff("share of labels flipped") > 0).all() and (found[:, 1] > 0).all()


def test_the_named_points_are_the_four_of_which_two_are_one():
    named = boosting.named_points()
    assert torch.stack(list(named.values())).equal(boosting.long_servedio()[:3])
    assert boosting.long_servedio()[2].equal(boosting.long_servedio()[3])
