"""Lines over any axis: their places, their bands, their logarithms, what is refused."""

import math

import numpy as np
import pytest
import torch

from sslens.figures.counts import along
from sslens.types import InputError, Interval

WORDS = {"over": "units", "quantity": "regions", "title": "Regions of random networks"}


def test_every_line_keeps_places_of_its_own():
    figure = along(
        {"shallow": ([8, 16], [30.0, 100.0]), "deep": ([24, 48, 96], torch.tensor([50.0, 300, 900]))}, **WORDS
    )
    drawn = {trace.name: trace for trace in figure.data}
    assert drawn["shallow"].x.tolist() == [8, 16] and drawn["deep"].x.tolist() == [24, 48, 96]
    assert drawn["deep"].y.tolist() == [50, 300, 900]
    assert drawn["shallow"].line.dash != drawn["deep"].line.dash
    assert drawn["shallow"].marker.symbol != drawn["deep"].marker.symbol
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("units", "regions")
    assert figure.layout.xaxis.type is None


def test_intervals_become_bands_and_the_title_says_over_how_many_seeds():
    figure = along({"deep": ([1, 2], [Interval(2.0, 1.0, 3.0, 3), Interval(4.0, 3.5, 4.5, 3)])}, **WORDS)
    band = next(trace for trace in figure.data if trace.fill == "toself")
    assert band.y.tolist()[:4] == [1, 3.5, 4.5, 3]
    assert "intervals over 3 seeds" in figure.layout.title.text


def test_on_logarithmic_axes_zero_has_its_place_at_the_bottom():
    figure = along({"grid": ([10, 100], [0.0, 0.5])}, **WORDS, log="xy")
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", "log")
    assert np.asarray(figure.data[0].y).tolist() == pytest.approx([0.05, 0.5])
    assert "zero included" in figure.layout.title.text


def test_one_axis_alone_can_be_logarithmic():
    figure = along({"grid": ([10, 100], [0.0, 0.5])}, **WORDS, log="x")
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", None)
    assert figure.data[0].y.tolist() == [0, 0.5]


def test_names_from_data_are_escaped():
    figure = along({"<b>": ([1, 2], [1, 2])}, over="<i>", quantity="q", title="<u>")
    assert figure.data[0].name == "&lt;b&gt;" and figure.layout.xaxis.title.text == "&lt;i&gt;"
    assert figure.layout.title.text.startswith("&lt;u&gt;")


@pytest.mark.parametrize(
    ("lines", "log", "field"),
    [
        ({}, "", "lines"),
        ({"a": ([2, 1], [1, 1])}, "", "places of 'a'"),
        ({"a": ([1, math.nan], [1, 1])}, "", "places of 'a'"),
        ({"a": ([0, 1], [1, 1])}, "x", "places of 'a'"),
        ({"a": ([1, 2], [1])}, "", "a"),
        ({"a": ([1, 2], [math.nan, math.nan])}, "", "a"),
        ({"a": ([1, 2], [1, 2])}, "units", "log"),
    ],
)
def test_what_makes_no_line_is_refused(lines, log, field):
    with pytest.raises(InputError) as error:
        along(lines, **WORDS, log=log)
    assert error.value.field == field
