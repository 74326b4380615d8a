"""The turning line: where it runs, which way it points, what is refused."""

import math

import numpy as np
import pytest

from sslens.figures.dynamics import scrub
from sslens.figures.noise import separators
from sslens.types import InputError

POINTS = {"large margin": [1.0, 0.0], "puller": [0.05, 0.25]}


def test_a_line_stands_upright_on_its_weights_and_its_arrow_points_along_them():
    figure = separators(POINTS, {"logistic": [3.0, -4.0]}, title="Turned")
    line = np.stack([figure.data[0].x, figure.data[0].y], 1)
    assert line[:2] @ [3.0, -4.0] == pytest.approx([0, 0], abs=1e-5)
    assert np.abs(line[:2]).max() > 1.15
    arrow = line[4] - line[3]
    assert arrow / np.hypot(*arrow) == pytest.approx([0.6, -0.8], abs=1e-4)
    assert line[3] @ [3.0, -4.0] == pytest.approx(0, abs=1e-5)


def test_the_points_are_named_and_lie_where_they_are():
    dots = separators(POINTS, {"logistic": [1.0, 0.0]}, title="Turned").data[-1]
    assert (dots.x.tolist(), list(dots.text)) == (pytest.approx([1.0, 0.05]), list(POINTS))
    assert dots.y.tolist() == pytest.approx([0.0, 0.25])


def test_lines_differ_in_more_than_colour_and_axes_are_equal_and_do_not_move():
    figure = separators(POINTS, {"logistic": [1.0, 0.0], "exponential": [1.0, 1.0]}, title="Turned")
    first, second, _ = figure.data
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
