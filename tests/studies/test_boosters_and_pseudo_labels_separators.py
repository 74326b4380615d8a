"""The picture of a linear rule: points, mirror images, names off the lines, and the shaded side of each line."""

import math

import numpy as np
import pytest

from sslens.figures import scrub
from sslens.studies.boosters_and_pseudo_labels_separators import separators
from sslens.types import InputError

POINTS = {"large margin": [1.0, 0.0], "puller": [0.05, 0.25]}


def test_the_side_that_a_line_calls_this_class_is_shaded_lightly():
    side = separators(POINTS, {"logistic": [3.0, -4.0]}, title="Turned").data[0]
    corners = np.stack([side.x, side.y], 1)
    assert (corners @ [3.0, -4.0] >= -1e-9).all() and (corners @ [3.0, -4.0]).max() > 1
    assert side.fill == "toself" and side.opacity < 0.2 and side.showlegend is False


def test_names_stand_at_the_end_of_leaders_off_the_points():
    names = separators({"2 penalisers": [0.05, -0.05]}, {"logistic": [1.0, 1.0]}, title="Turned").data[-3]
    assert list(names.text) == ["", "2 penalisers", ""]
    start, end = np.array([names.x[0], names.y[0]]), np.array([names.x[1], names.y[1]])
    assert start.tolist() == pytest.approx([0.05, -0.05]) and np.hypot(*(end - start)) > 0.1


def test_a_line_stands_upright_on_its_weights_and_its_arrow_points_along_them():
    figure = separators(POINTS, {"logistic": [3.0, -4.0]}, title="Turned")
    line = np.stack([figure.data[1].x, figure.data[1].y], 1)
    assert line[:2] @ [3.0, -4.0] == pytest.approx([0, 0], abs=1e-5)
    assert np.abs(line[:2]).max() > 1.15
    arrow = line[4] - line[3]
    assert arrow / np.hypot(*arrow) == pytest.approx([0.6, -0.8], abs=1e-4)
    assert line[3] @ [3.0, -4.0] == pytest.approx(0, abs=1e-5)


def test_the_points_are_named_and_lie_where_they_are():
    *_, dots, mirrored = separators(POINTS, {"logistic": [1.0, 0.0]}, title="Turned").data
    assert (dots.x.tolist(), list(dots.text)) == (pytest.approx([1.0, 0.05]), list(POINTS))
    assert dots.y.tolist() == pytest.approx([0.0, 0.25])
    assert (mirrored.name, mirrored.x.tolist()) == ("the other class", pytest.approx([-1.0, -0.05]))
    assert dots.marker.symbol != mirrored.marker.symbol


def test_lines_differ_in_more_than_colour_and_axes_are_equal_and_do_not_move():
    figure = separators(POINTS, {"logistic": [1.0, 0.0], "exponential": [1.0, 1.0]}, title="Turned")
    first, second = figure.data[2:4]
    assert first.line.dash != second.line.dash and first.line.color != second.line.color
    assert figure.layout.yaxis.scaleanchor == "x"
    scrubbed = scrub([figure, separators(POINTS, {"logistic": [0.0, 9.0]}, title="Turned")], [0, 1])
    assert scrubbed.layout.xaxis.range == figure.layout.xaxis.range


def test_names_from_data_are_escaped():
    figure = separators({"<b>": [1, 0]}, {"<i>": [1, 0]}, title="<u>")
    _, line, names, dots, _ = figure.data
    assert (line.name, dots.text) == ("&lt;i&gt;", ("&lt;b&gt;",)) and "&lt;b&gt;" in names.text


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
