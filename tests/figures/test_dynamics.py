"""Curves along training, panels, and the slider."""

import json
import math

import plotly.graph_objects as go
import pytest
import torch

from sslens.figures import dynamics, spectrum, theme
from sslens.figures.dynamics import lines, panels, scrub
from sslens.types import InputError, Interval

BAND = [Interval(2.0, 1.0, 3.0, 3), Interval(1.0, 0.5, 1.5, 3)]


def test_a_line_has_its_objectives_colour_its_name_and_its_band():
    band, line = lines([0, 10], {"SimCLR": BAND}, quantity="loss", unit="nats").data
    assert (line.name, line.line.color) == ("SimCLR", theme.COLOURS["simclr"])
    assert line.y.tolist() == [2.0, 1.0]
    assert (band.fill, band.showlegend, band.hoverinfo) == ("toself", False, "skip")


def test_axes_and_title_say_what_is_shown():
    layout = lines([0, 10], {"SimCLR": BAND}, quantity="loss", unit="nats").layout
    assert (layout.xaxis.title.text, layout.yaxis.title.text) == ("step", "loss (nats)")
    assert layout.title.text.startswith("Loss along training")
    assert "3 seeds" in layout.title.text


def test_runs_differ_in_more_than_colour():
    figure = lines([0, 1], {"vicreg": [1.0, 2.0], "simsiam": [2.0, 1.0]}, quantity="loss")
    assert len({trace.line.dash for trace in figure.data}) == 2
    assert len({trace.marker.symbol for trace in figure.data}) == 2


def test_a_diverged_run_ends_in_a_marked_gap():
    line, mark = lines([0, 10, 20], {"run": [1.0, 2.0, math.nan]}, quantity="loss").data
    assert math.isnan(line.y[2])
    assert (mark.x.tolist(), mark.text) == ([10], ("no finite value from 20 on",))


def test_step_zero_keeps_a_place_on_a_logarithmic_axis():
    figure = lines([0, 1, 10, 100], {"run": [4.0, 3.0, 2.0, 1.0]}, quantity="loss", log_steps=True)
    axis = figure.layout.xaxis
    assert axis.type == "log"
    assert 0 < figure.data[0].x[0] < 1
    assert dict(zip(axis.ticktext, axis.tickvals, strict=True)) == pytest.approx(
        {"0": 1 / 3, "1": 1, "10": 10, "100": 100}
    )


def test_steps_are_stored_exactly():
    assert lines([0, 123_457], {"run": [1.0, 2.0]}, quantity="loss").data[0].x.tolist() == [0, 123_457]


def test_panels_stand_side_by_side_under_one_legend():
    curves = {"vicreg": [1.0, 2.0], "simsiam": [2.0, 1.0]}
    figure = panels([0, 10], {"loss": curves, "RankMe": curves, "kNN": curves}, units={"kNN": "fraction"})
    assert [axis.title.text for axis in figure.select_yaxes()] == ["loss", "RankMe", "kNN (fraction)"]
    assert len({axis.domain[0] for axis in figure.select_xaxes()}) == 3
    assert [axis.matches for axis in figure.select_xaxes()] == [None, "x", "x"]
    assert sorted(trace.name for trace in figure.data if trace.showlegend) == ["simsiam", "vicreg"]
    colours = {trace.name: trace.line.color for trace in figure.data[:2]}
    assert all(trace.line.color == colours[trace.name] for trace in figure.data)


def test_a_run_that_enters_late_is_still_in_the_legend():
    figure = panels([0, 1], {"loss": {"vicreg": [1.0, 2.0]}, "kNN": {"simclr": [1.0, 2.0]}})
    assert [trace.showlegend for trace in figure.data] == [True, True]


def test_an_amplitude_of_zero_is_at_the_floor_of_its_logarithmic_axis():
    figure = panels([0, 1], {"amplitude": {"run": [1.0, 0.0]}, "loss": {"run": [0.0, -1.0]}}, log=["amplitude"])
    assert (figure.layout.yaxis.type, figure.layout.yaxis2.type) == ("log", None)
    assert figure.data[1].text == ("0, drawn at the floor",)
    assert figure.data[2].y.tolist() == [0.0, -1.0]


@pytest.mark.parametrize(
    ("steps", "curves"),
    [
        ([0, 1], {}),
        ([], {"run": [1.0]}),
        ([0, 1], {"run": [1.0]}),
        ([0, 1], {"run": [math.nan, math.nan]}),
        ([1, 0], {"run": [1.0, 2.0]}),
        ([-1, 0], {"run": [1.0, 2.0]}),
        ([0, math.inf], {"run": [1.0, 2.0]}),
        (torch.zeros(0), {"run": [1.0]}),
    ],
)
def test_degenerate_curves_are_refused(steps, curves):
    with pytest.raises(InputError):
        lines(steps, curves, quantity="loss", log_steps=True)


@pytest.mark.parametrize("options", [{"log": ["amplitude"]}, {"units": {"amplitude": "1"}}])
def test_settings_for_a_quantity_that_is_not_shown_are_refused(options):
    with pytest.raises(InputError, match="amplitude"):
        panels([0, 1], {"loss": {"run": [1.0, 2.0]}}, **options)


def test_a_single_step_is_drawn():
    assert len(lines([0], {"run": [1.0]}, quantity="loss", log_steps=True).data) == 1


def test_a_year_of_steps_stays_small():
    figure = lines(range(50_000), {"run": torch.rand(50_000)}, quantity="loss")
    assert len(figure.data[0].x) == 2000
    assert len(figure.to_json()) < 30_000


def spectra(*last):
    return [spectrum.scree({"run": [1.0, value]}, kind="eigenvalues", floor=1e-6) for value in last]


def test_a_slider_has_a_frame_and_a_step_per_figure_and_plays_nothing():
    figure = scrub(spectra(0.5, 0.25, 0.125), [0, 10, 20], name="step")
    (slider,) = figure.layout.sliders
    assert [frame.name for frame in figure.frames] == ["0", "10", "20"]
    assert [step.args[0] for step in slider.steps] == [("0",), ("10",), ("20",)]
    assert all(step.args[1]["mode"] == "immediate" for step in slider.steps)
    assert slider.currentvalue.prefix == "step "
    assert not figure.layout.updatemenus
    assert [frame.data[0].y[1] for frame in figure.frames] == [0.5, 0.25, 0.125]


def test_a_scrubbed_figure_opens_at_the_end():
    figure = scrub(spectra(0.5, 0.25, 0.125), [0, 10, 20])
    assert figure.layout.sliders[0].active == 2
    assert figure.data[0].y[1] == 0.125


def test_only_the_data_move():
    figure = scrub(spectra(0.5, 1e-4), [0, 1])
    low, high = figure.layout.yaxis.range
    assert low < math.log10(1e-4)
    assert high > 0
    assert figure.layout.xaxis.range == (0.5, 2.52)


def test_a_mark_that_only_some_figures_have_comes_and_goes():
    figure = scrub(spectra(0.5, 0.0), [0, 1])
    assert [[trace.visible for trace in frame.data] for frame in figure.frames] == [[True, False], [True, True]]
    assert [trace.visible for trace in figure.data] == [True, True]


def test_scrubbing_needs_figures_and_labels_of_their_own():
    for pictures, labels in (([], []), (spectra(0.5), [0, 1]), (spectra(0.5, 0.2), [1, 1])):
        with pytest.raises(InputError):
            scrub(pictures, labels)


def test_figures_of_any_kind_can_be_scrubbed():
    pictures = [go.Figure(go.Bar(x=["cat"], y=[height])) for height in (1.0, 3.0)]
    figure = scrub(pictures, ["before", "after"])
    assert figure.layout.yaxis.range[0] == 0
    assert figure.layout.yaxis.range[1] > 3
    assert json.loads(figure.to_json())["frames"][1]["name"] == "after"


def test_the_keyboard_script_takes_plotlys_place_holder():
    assert "{plot_id}" in dynamics.KEYBOARD
