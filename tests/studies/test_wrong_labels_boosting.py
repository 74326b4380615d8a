"""Label noise and the model class: Long and Servedio's points by a slow search, by trees, at their ends; drawn."""

import math

import numpy as np
import pytest
import torch

from sslens.figures import scrub
from sslens.studies import wrong_labels_boosting as boosting
from sslens.studies.wrong_labels_boosting import separators
from sslens.types import InputError, UnknownName

POINTS = {"large margin": [1.0, 0.0], "puller": [0.05, 0.25]}


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


@pytest.mark.parametrize("noise", [0.0, 0.2, 0.45])
def test_trees_are_right_on_every_point_whatever_the_noise(noise):
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


def test_a_sweep_takes_every_booster_to_every_noise():
    noises = [0.0, 0.05, 0.3]
    found = boosting.booster_accuracies(noises, gap=0.1)
    assert (
        found.dims == ("run", "share of labels flipped") and found["share of labels flipped"].values.tolist() == noises
    )
    for loss in boosting.LOSSES:
        weights = [boosting.linear_booster(noise, loss=loss, gap=0.1) for noise in noises]
        by_hand = [boosting.linear_accuracy(w, gap=0.1) for w in weights]
        assert found.sel(run=f"lines, {loss} loss").values.tolist() == by_hand
    assert found.sel(run="trees, exponential loss").values.tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(InputError, match="shares"):
        boosting.booster_accuracies([])


def test_over_margins_each_is_a_sweep_of_its_own():
    found = boosting.accuracy_over_margins(0.1)
    for gap in boosting.MARGINS:
        right = boosting.booster_accuracies([0.1], gap=gap)
        assert found.sel(margin=gap).values.tolist() == right.values[:, 0].tolist()


def test_the_named_points_are_the_four_of_which_two_are_one():
    named = boosting.named_points()
    assert torch.stack(list(named.values())).equal(boosting.long_servedio()[:3])
    assert boosting.long_servedio()[2].equal(boosting.long_servedio()[3])


def test_a_line_stands_upright_on_its_weights_and_its_arrow_points_along_them():
    figure = separators(POINTS, {"logistic": [3.0, -4.0]}, title="Turned")
    line = np.stack([figure.data[0].x, figure.data[0].y], 1)
    assert line[:2] @ [3.0, -4.0] == pytest.approx([0, 0], abs=1e-5)
    assert np.abs(line[:2]).max() > 1.15
    arrow = line[4] - line[3]
    assert arrow / np.hypot(*arrow) == pytest.approx([0.6, -0.8], abs=1e-4)
    assert line[3] @ [3.0, -4.0] == pytest.approx(0, abs=1e-5)


def test_the_points_are_named_and_lie_where_they_are():
    _, dots, mirrored = separators(POINTS, {"logistic": [1.0, 0.0]}, title="Turned").data
    assert (dots.x.tolist(), list(dots.text)) == (pytest.approx([1.0, 0.05]), list(POINTS))
    assert dots.y.tolist() == pytest.approx([0.0, 0.25])
    assert (mirrored.name, mirrored.x.tolist()) == ("the other class", pytest.approx([-1.0, -0.05]))
    assert dots.marker.symbol != mirrored.marker.symbol


def test_lines_differ_in_more_than_colour_and_axes_are_equal_and_do_not_move():
    figure = separators(POINTS, {"logistic": [1.0, 0.0], "exponential": [1.0, 1.0]}, title="Turned")
    first, second, *_ = figure.data
    assert first.line.dash != second.line.dash and first.line.color != second.line.color
    assert figure.layout.yaxis.scaleanchor == "x"
    scrubbed = scrub([figure, separators(POINTS, {"logistic": [0.0, 9.0]}, title="Turned")], [0, 1])
    assert scrubbed.layout.xaxis.range == figure.layout.xaxis.range


def test_names_from_data_are_escaped():
    figure = separators({"<b>": [1, 0]}, {"<i>": [1, 0]}, title="<u>")
    assert (figure.data[0].name, figure.data[1].text) == ("&lt;i&gt;", ("&lt;b&gt;",))


@pytest.mark.parametrize(
    ("points", "weights", "field"),
    [
        ({}, {"a": [1, 0]}, "points"),
        (POINTS, {}, "weights"),
        (POINTS, {"a": [0, 0]}, "weights"),
        (POINTS, {"a": [1, math.nan]}, "weights"),
        ({"p": [1, 2, 3]}, {"a": [1, 0]}, "points"),
    ],
)
def test_what_cannot_be_drawn_is_refused(points, weights, field):
    with pytest.raises(InputError, match=field):
        separators(points, weights, title="Turned")
