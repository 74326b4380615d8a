"""Bars per class and the dots of their seeds."""

import math

import numpy as np
import pytest
from tests.figures.labelled import along

from sslens.figures import bars, theme
from sslens.types import InputError

SEEDS = [[[0.25, 0.5], [0.75, 1.0]], [[0.5, 0.5], [0.5, 0.5]]]


def accuracy(values=SEEDS, runs=("vicreg", "random"), classes=("cat", "dog"), **options):
    """Run x seed x class."""
    values = np.asarray(values, dtype=float)
    labels = {"run": list(runs)[: len(values)], "seed": range(values.shape[1]), "class": list(classes)}
    return along(values, name="accuracy", **options, **labels)


def test_bars_are_means_and_dots_are_seeds():
    figure = bars(accuracy(unit="fraction"), title="Which gain?")
    vicreg, dots, random, _ = figure.data
    assert vicreg.x == ("cat", "dog")
    assert vicreg.y.tolist() == [0.5, 0.75]
    assert (dots.x, dots.y.tolist()) == (("cat", "dog") * 2, [0.25, 0.5, 0.75, 1.0])
    assert dots.customdata.tolist() == [0, 0, 1, 1]
    assert (vicreg.error_y.array, random.error_y.array) == (None, None)
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("class", "accuracy (fraction)")
    assert "dots: 2 seeds, bars: their mean" in figure.layout.title.text


def test_dots_stand_on_the_bar_of_their_run():
    figure = bars(accuracy(), title="Which gain?")
    assert (figure.layout.barmode, figure.layout.scattermode) == ("group", "group")
    assert figure.layout.bargap == figure.layout.scattergap
    assert [trace.offsetgroup for trace in figure.data] == ["vicreg", "vicreg", "random", "random"]
    assert [trace.showlegend for trace in figure.data] == [True, False, True, False]


def test_runs_differ_in_colour_and_pattern():
    first, second = (trace for trace in bars(accuracy(), title="T").data if trace.type == "bar")
    known = theme.styles(["vicreg", "random"])
    assert (first.marker.color, second.marker.color) == (known["vicreg"].colour, known["random"].colour)
    assert first.marker.pattern.shape != second.marker.pattern.shape


def test_one_seed_has_no_dots_and_says_so():
    figure = bars(accuracy([[[0.5, 0.6]]]), title="T")
    assert len(figure.data) == 1
    assert "one seed" in figure.layout.title.text


def test_draws_are_called_draws():
    bar, dots = (figure := bars(accuracy([SEEDS[0]]).rename(seed="draw"), title="T")).data
    assert bar.y.tolist() == [0.5, 0.75]
    assert "dots: 2 draws, bars: their mean" in figure.layout.title.text
    assert dots.hovertemplate.startswith("%{x}, draw %{customdata}:")
    missing = accuracy([[[0.5, 0.5], [0.5, math.nan]]]).rename(seed="draw")
    assert "no bar: a draw without a finite value" in bars(missing, title="T").layout.title.text
    assert "one draw" in bars(missing.isel(draw=[0]), title="T").layout.title.text


def test_numbers_without_seeds_are_bars():
    figure = bars(accuracy().isel(seed=0, drop=True), title="T")
    assert [trace.type for trace in figure.data] == ["bar", "bar"]
    assert "seed" not in figure.layout.title.text


def test_a_class_with_a_missing_seed_has_no_bar_but_the_others_dots():
    figure = bars(accuracy([[[0.5, 0.5], [0.5, math.nan]]]), title="T")
    bar, dots = figure.data
    assert bar.y[0] == 0.5 and math.isnan(bar.y[1])
    assert dots.y.tolist()[:3] == [0.5, 0.5, 0.5] and math.isnan(dots.y[3])
    assert "no bar: a seed without a finite value" in figure.layout.title.text


def test_class_names_that_are_numbers_stay_names():
    figure = bars(accuracy(classes=("3", "7")), title="T")
    assert figure.layout.xaxis.type == "category"
    assert figure.data[0].x == ("3", "7")


def test_bars_may_stand_over_any_dimension():
    array = accuracy().rename({"class": "layer"})
    assert bars(array, title="T", over="layer").layout.xaxis.title.text == "layer"


def test_mark_up_in_names_is_text():
    figure = bars(accuracy(runs=("<i>", "b"), classes=("<b>", "dog")), title="T")
    assert (figure.data[0].name, figure.data[0].x[0]) == ("&lt;i&gt;", "&lt;b&gt;")


@pytest.mark.parametrize(
    "array",
    [along([1.0, 2.0]), accuracy(np.full((1, 2, 2), math.nan)), accuracy(classes=("cat", "cat"))],
    ids=["no classes", "nothing finite", "classes of one name"],
)
def test_what_makes_no_bars_is_refused(array):
    with pytest.raises(InputError):
        bars(array, title="T")
