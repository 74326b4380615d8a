"""Bars per class and the 2-D map."""

import math

import numpy as np
import pytest
import torch

from sslens.figures import theme
from sslens.figures.classes import bars, scatter
from sslens.types import InputError, Interval

ANIMALS = ["cat", "dog"]


def test_bars_carry_values_whiskers_and_names():
    values = {"vicreg": [Interval(0.5, 0.25, 1.0, 3), Interval(0.75, 0.5, 1.0, 3)], "random": [0.5, 0.5]}
    figure = bars(values, classes=ANIMALS, quantity="accuracy", unit="fraction")
    first, second = figure.data
    assert first.x == ("cat", "dog")
    assert first.y.tolist() == [0.5, 0.75]
    assert (first.error_y.array.tolist(), first.error_y.arrayminus.tolist()) == ([0.5, 0.25], [0.25, 0.25])
    assert second.error_y.array is None
    assert (first.marker.color, second.marker.color) == (theme.COLOURS["vicreg"], theme.COLOURS["random"])
    assert first.marker.pattern.shape != second.marker.pattern.shape
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("class", "accuracy (fraction)")


def test_one_seed_has_no_whiskers_and_says_so():
    figure = bars({"run": [Interval.of([0.5]), Interval.of([0.6])]}, classes=ANIMALS, quantity="accuracy")
    assert figure.data[0].error_y.array is None
    assert "one seed" in figure.layout.title.text


def test_a_class_without_a_value_has_no_bar():
    figure = bars({"run": [0.5, math.nan]}, classes=ANIMALS, quantity="accuracy")
    assert math.isnan(figure.data[0].y[1])
    assert "no finite value" in figure.layout.title.text


def test_class_names_that_are_numbers_stay_names():
    assert bars({"run": [0.5, 0.6]}, classes=["3", "7"], quantity="accuracy").layout.xaxis.type == "category"


@pytest.mark.parametrize("values", [{}, {"run": [0.5]}, {"run": [math.nan, math.nan]}, {"run": []}])
def test_degenerate_bars_are_refused(values):
    with pytest.raises(InputError):
        bars(values, classes=ANIMALS, quantity="accuracy")


def test_a_map_has_a_trace_per_class_and_equal_axes():
    points, labels = torch.arange(8.0).reshape(4, 2), torch.tensor([1, 0, 1, 0])
    figure = scatter(points, labels, classes=ANIMALS, title="Map", axes=("PC 1", "PC 2"))
    cat, dog = figure.data
    assert (cat.name, dog.name) == ("cat", "dog")
    assert (cat.x.tolist(), dog.y.tolist()) == ([2, 6], [1, 5])
    assert (cat.customdata.tolist(), dog.customdata.tolist()) == ([1, 3], [0, 2])
    assert cat.marker.symbol != dog.marker.symbol
    assert figure.layout.yaxis.scaleanchor == "x"
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("PC 1", "PC 2")


def test_a_collapsed_map_is_drawn():
    assert len(scatter(torch.zeros(3, 2), [0, 1, 1], classes=ANIMALS, title="Map").data) == 2


def test_points_without_a_place_are_counted():
    points = np.array([[0.0, 1.0], [math.nan, 1.0], [1.0, 1.0]])
    figure = scatter(points, [0, 0, 0], classes=ANIMALS, title="Map")
    assert figure.data[0].customdata.tolist() == [0, 2]
    assert "2 of 3 points · 1 without a finite place" in figure.layout.title.text


def test_a_large_map_is_thinned_and_says_so():
    figure = scatter(torch.rand(5000, 2), torch.zeros(5000, dtype=torch.long), classes=["cat"], title="Map")
    assert len(figure.data[0].x) == 2000
    assert "2000 of 5000 points" in figure.layout.title.text


@pytest.mark.parametrize(
    ("points", "labels"),
    [
        (torch.zeros(2, 2), [0]),
        (torch.zeros(2, 2), [0, 2]),
        (torch.zeros(2, 2), [0, -1]),
        (torch.zeros(0, 2), []),
        (torch.full((2, 2), math.nan), [0, 1]),
    ],
)
def test_degenerate_maps_are_refused(points, labels):
    with pytest.raises(InputError):
        scatter(points, labels, classes=ANIMALS, title="Map")


def test_mark_up_in_a_class_name_is_text():
    assert scatter(torch.zeros(1, 2), [0], classes=["<b>cat"], title="Map").data[0].name == "&lt;b&gt;cat"
