"""Panels of lines: their axes, their runs, logarithms, references, what is refused."""

import json
import math

import numpy as np
import pytest
from tests.figures.labelled import along, drawn
from xarray import DataArray

from sslens.figures import lines, theme
from sslens.types import InputError


def test_a_line_has_its_objectives_colour_and_its_name_and_its_seeds_are_thin():
    figure = lines(along([[[2.0, 1.0], [4.0, 3.0]]]).assign_coords(run=["SimCLR"]), title="Loss")
    thin, bold = figure.data
    assert (bold.name, bold.line.color) == ("SimCLR", theme.styles(["simclr"])["simclr"].colour)
    assert bold.y.tolist() == [3.0, 2.0]
    assert (thin.showlegend, thin.legendgroup, thin.line.color) == (False, "SimCLR", bold.line.color)


def test_axes_title_and_remarks_say_what_is_shown():
    layout = lines(along([[[2.0, 1.0], [4.0, 3.0]]], unit="nats"), title="Does it learn?").layout
    assert (layout.xaxis.title.text, layout.yaxis.title.text) == ("step", "loss (nats)")
    assert layout.title.text.startswith("Does it learn?")
    assert "thin lines: 2 seeds, bold: their mean" in layout.title.text


def test_the_axis_of_a_dimension_has_its_unit():
    array = along([1.0, 2.0], angle=[0, 45])
    array.coords["angle"].attrs["unit"] = "degrees"
    assert lines(array, title="Turned", over="angle").layout.xaxis.title.text == "angle (degrees)"


def test_runs_differ_in_more_than_colour():
    figure = lines(along([[1.0, 2.0], [2.0, 1.0]]), title="Loss")
    for channel in ("line.color", "line.dash", "marker.symbol"):
        assert figure.data[0][channel] != figure.data[1][channel]


def test_a_diverged_run_ends_in_a_marked_gap():
    line, mark = lines(along([[1.0, 2.0, math.nan]]), title="Loss").data
    assert math.isnan(line.y[2])
    assert (mark.x.tolist(), mark.text) == ([10], ("no finite value from 20 on",))


def test_step_zero_keeps_a_place_on_a_logarithmic_axis():
    figure = lines(along([4.0, 3.0, 2.0, 1.0], step=[0, 1, 10, 100]), title="Loss", log=["step"])
    axis = figure.layout.xaxis
    assert axis.type == "log"
    assert figure.data[0].x[0] == pytest.approx(1 / 3, rel=1e-4)
    assert axis.ticktext == ("0", "1", "10", "100")


def test_steps_are_stored_exactly():
    assert lines(along([1.0, 2.0], step=[0, 123_457]), title="Loss").data[0].x.tolist() == [0, 123_457]


def test_panels_stand_side_by_side_under_one_legend():
    arrays = [along([[1.0, 2.0], [2.0, 1.0]], name=name, unit=unit) for name, unit in PANELS.items()]
    figure = lines(*arrays, title="Which is better?")
    assert [axis.title.text for axis in figure.select_yaxes()] == ["loss", "RankMe", "kNN (fraction)"]
    assert len({axis.domain[0] for axis in figure.select_xaxes()}) == 3
    assert [axis.matches for axis in figure.select_xaxes()] == [None, "x", "x"]
    assert [trace.name for trace in figure.data if trace.showlegend] == ["vicreg", "simsiam"]
    styles = {trace.name: (trace.line.color, trace.line.dash) for trace in figure.data[:2]}
    assert all((trace.line.color, trace.line.dash) == styles[trace.name] for trace in figure.data)


PANELS = {"loss": "", "RankMe": "", "kNN": "fraction"}


def test_six_panels_stand_two_by_two_and_five_leave_no_empty_one():
    arrays = [along([1.0, 2.0], name=f"quantity {place}") for place in range(6)]
    six, five = lines(*arrays, title="Six"), lines(*arrays[:5], title="Five")
    assert len({axis.domain for axis in six.select_xaxes()}) == 2
    assert len({axis.domain for axis in six.select_yaxes()}) == 3
    assert len(list(five.select_xaxes())) == 5


def test_a_run_that_enters_late_is_still_in_the_legend():
    knn = along([[1.0, 2.0]], name="kNN").assign_coords(run=["simclr"])
    assert [trace.showlegend for trace in lines(along([[1.0, 2.0]]), knn, title="Both").data] == [True, True]


def test_one_line_without_a_name_needs_no_legend():
    figure = lines(along([1.0, 2.0]), title="Loss")
    assert not figure.data[0].showlegend and not figure.layout.showlegend


def test_a_panel_may_hold_arrays_with_places_of_their_own_and_all_are_named():
    cut = along([[0.1, 0.4]], name="accuracy", run=["cut"], columns=[2, 64])
    narrow = along([[0.3]], name="accuracy", run=["narrow"], columns=[8])
    figure = lines([cut, narrow], title="Cut short", over="columns", log=["columns"])
    assert [trace.x.tolist() for trace in drawn(figure)] == [[2, 64], [8]]
    assert figure.layout.xaxis.ticktext == ("2", "8", "64")


def test_each_panel_may_have_an_axis_of_its_own():
    spectrum = along([[4.0, 1.0]], name="eigenvalue", run=["simclr"], rank=[1, 2])
    accuracy = along([[0.2, 0.5]], name="accuracy", run=["simclr"], layer=["backbone", "embedding"])
    figure = lines(spectrum, accuracy, title="Both", over=["rank", "layer"], log=["rank", "eigenvalue"])
    layout = figure.layout
    assert (layout.xaxis.title.text, layout.xaxis2.title.text, layout.xaxis2.matches) == ("rank", "layer", None)
    assert (layout.xaxis.type, layout.yaxis.type, layout.xaxis2.type, layout.yaxis2.type) == ("log", "log", None, None)
    assert layout.xaxis2.ticktext == ("backbone", "embedding")
    assert drawn(figure)[1].x.tolist() == [0, 1]


def test_panels_over_the_same_dimension_have_the_same_axis():
    early, late = along([1.0, 2.0], name="p", step=[0, 1]), along([1.0, 2.0], name="q", step=[0, 30])
    figure = lines(early, late, title="Both", log=["step"])
    assert figure.layout.xaxis.ticktext == figure.layout.xaxis2.ticktext == ("0", "1", "30")


def test_zeros_on_a_logarithmic_axis_are_marked_at_the_bottom_and_other_axes_are_as_they_are():
    figure = lines(along([1.0, 0.0], name="variance"), along([0.0, -1.0]), title="Both", log=["variance"])
    assert (figure.layout.yaxis.type, figure.layout.yaxis2.type) == ("log", None)
    assert figure.data[0].y.tolist() == pytest.approx([1, 0.1])
    assert figure.data[1].marker.symbol == "triangle-down-open"
    assert figure.data[1].text == ("0, drawn at the floor",)
    assert figure.data[2].y.tolist() == [0.0, -1.0]


RANKS = np.arange(1, 65)


def spectrum(*values, unit=""):
    """One spectrum."""
    return along([list(values)], name="eigenvalue", unit=unit, run=["vicreg"], rank=RANKS[: len(values)])


def test_a_spectrum_is_lines_over_its_ranks():
    figure = lines(spectrum(4.0, 1.0, unit="relative"), title="Spectrum", over="rank", log=["eigenvalue"])
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("rank", "eigenvalue (relative)")
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == (None, "log")


def test_a_power_law_is_straight_on_logarithmic_ranks():
    figure = lines(spectrum(*RANKS**-1.5), title="Spectrum", over="rank", log=["eigenvalue", "rank"])
    slopes = np.diff(np.log(figure.data[0].y)) / np.diff(np.log(figure.data[0].x))
    assert figure.layout.xaxis.type == "log"
    assert slopes == pytest.approx(-1.5, abs=2e-3)


def test_a_given_floor_holds_up_what_is_smaller_and_says_its_value():
    figure = lines(spectrum(1.0, 1e-12), title="Spectrum", over="rank", log=["eigenvalue"], floor=1e-8)
    assert figure.data[1].text == ("1e-12, drawn at the floor",)
    assert "below 1e-08, zero included" in figure.layout.title.text


def test_a_spectrum_of_zeros_is_drawn():
    line, marks = lines(spectrum(0, 0, 0), title="Spectrum", over="rank", log=["eigenvalue"]).data
    assert np.isfinite(line.y).all()
    assert len(marks.x) == 3


def test_a_level_is_drawn_in_the_panel_of_its_quantity_and_a_moment_in_all_over_its_dimension():
    arrays = along([1.0, 2.0], name="accuracy"), along([1.0, 2.0])
    figure = lines(*arrays, title="Both", references={"chance": ("accuracy", 0.1), "learned": ("step", 10)})
    chance, *learned = figure.layout.shapes
    assert (chance.y0, chance.y1, chance.yref, chance.label.text) == (0.1, 0.1, "y", "chance")
    assert [(line.x0, line.x1, line.xref) for line in learned] == [(10, 10, "x"), (10, 10, "x2")]
    assert theme.NEUTRAL not in theme.PALETTE and chance.line.color == theme.NEUTRAL


def test_a_moment_at_step_zero_stands_where_step_zero_does():
    figure = lines(along([2.0, 1.0], step=[0, 3]), title="T", log=["step"], references={"start": ("step", 0)})
    assert figure.layout.shapes[0].x0 == figure.data[0].x[0] == 1


def test_a_curve_of_reference_is_in_the_legend_and_has_no_runs_style():
    law = DataArray(1 / RANKS, {"rank": RANKS}, ["rank"], "eigenvalue")
    figure = lines(spectrum(4.0, 1.0), title="T", over="rank", log=["eigenvalue"], references={"<1/k>": law})
    curve = figure.data[-1]
    assert (curve.name, curve.mode, curve.line.color) == ("&lt;1/k&gt;", "lines", theme.NEUTRAL)
    assert curve.y[1] == pytest.approx(0.5)


def test_names_from_data_are_escaped():
    array = along([[1.0]], name="<b>", run=["<i>"], **{"<s>": ["<u>"]})
    figure = lines(array, title="<p>", over="<s>", references={"<a>": ("<b>", 1.0)})
    assert figure.layout.yaxis.title.text == "&lt;b&gt;" and figure.layout.xaxis.title.text == "&lt;s&gt;"
    assert figure.data[0].name == "&lt;i&gt;" and figure.layout.xaxis.ticktext == ("&lt;u&gt;",)
    assert figure.layout.title.text == "&lt;p&gt;" and figure.layout.shapes[0].label.text == "&lt;a&gt;"


LOSS = along([1.0, 2.0])


@pytest.mark.parametrize(
    ("panels", "options", "words"),
    [
        ([], {}, "at least one array"),
        ([[]], {}, "at least one"),
        ([[LOSS, LOSS.rename("rank")]], {}, "one name and unit"),
        ([[LOSS, LOSS]], {}, "names that differ"),
        ([LOSS], {"over": "rank"}, "dimensions with rank"),
        ([LOSS], {"over": ["step", "rank"]}, "one for each of the 1 panels"),
        ([LOSS], {"log": ["variance"]}, "axes of this figure: loss, step"),
        ([LOSS], {"floor": 0.0}, "a positive number"),
        ([LOSS], {"references": {"chance": ("accuracy", 0.1)}}, "at an axis of this figure: loss, step"),
        ([LOSS], {"references": {"law": LOSS.rename("rank")}}, "at an axis of this figure"),
        ([along([1.0, 2.0], step=[-1, 0])], {"log": ["step"]}, "from 0 up"),
        ([along([math.nan, math.nan])], {}, "at least one of them finite"),
    ],
)
def test_what_does_not_fit_is_named(panels, options, words):
    with pytest.raises(InputError, match=words):
        lines(*panels, **{"title": "T"} | options)


def test_a_single_step_is_drawn():
    assert len(lines(along([1.0], step=[5]), title="T", log=["step"]).data) == 1


def test_a_year_of_steps_stays_small():
    values = np.random.default_rng(0).random(50_000)
    figure = lines(along(values, step=range(50_000)), title="T")
    assert len(figure.data[0].x) == 2000
    assert len(figure.to_json()) < 30_000


def test_ten_runs_of_five_seeds_stay_small():
    runs, steps = [f"temperature {place}" for place in range(10)], range(60)
    values = np.random.default_rng(0).random((10, 5, 60))
    figure = lines(along(values, run=runs, seed=range(5), step=steps), title="T")
    assert len(json.dumps(json.loads(figure.to_json()))) < 80_000
    assert len({(trace.line.color, trace.line.dash) for trace in drawn(figure, "lines") if trace.showlegend}) == 10
