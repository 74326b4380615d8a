"""Label noise and the model class: Long and Servedio's points by a slow search, by trees, and at their known ends."""

import math

import pytest
import torch

from sslens.measures import boosting
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
def test_a_linear_booster_names_every_point_without_noise_and_half_of_them_with_it(loss):
    accuracies = [boosting.linear_accuracy(boosting.linear_booster(noise, loss=loss)) for noise in (0, 0.2, 0.4)]
    assert accuracies == [1.0, 0.5, 0.5]


@pytest.mark.parametrize("noise", [0.0, 0.2, 0.45])
def test_trees_name_every_point_whatever_the_noise(noise):
    assert boosting.tree_accuracy(noise) == 1.0


def test_a_separating_direction_exists_with_margin_the_gap():
    points = boosting.long_servedio(0.1)
    assert (points @ torch.tensor([1.0, 0.0], dtype=torch.float64)).min().item() == 0.1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: boosting.linear_booster(0.6), "noise"),
        (lambda: boosting.linear_booster(float("nan")), "noise"),
        (lambda: boosting.tree_accuracy(0.5), "noise"),
        (lambda: boosting.tree_accuracy(0.1, depth=0), "depth"),
        (lambda: boosting.long_servedio(0.0), "gap"),
    ],
)
def test_numbers_out_of_range_are_refused(call, words):
    with pytest.raises(InputError, match=words):
        call()


def test_a_misspelt_loss_is_refused():
    with pytest.raises(UnknownName, match="Did you mean 'logistic'"):
        boosting.linear_booster(0.1, loss="logistik")


def test_a_sweep_asks_every_booster_at_every_noise():
    noises = [0.0, 0.05, 0.3]
    found = boosting.accuracies(noises, gap=0.1)
    for loss in boosting.LOSSES:
        weights = [boosting.linear_booster(noise, loss=loss, gap=0.1) for noise in noises]
        by_hand = [boosting.linear_accuracy(w, gap=0.1) for w in weights]
        assert found[f"lines, {loss} loss"].tolist() == by_hand
    assert found["trees, exponential loss"].tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(InputError, match="noises"):
        boosting.accuracies([])
