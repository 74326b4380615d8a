"""Scree plots; runs against a number; dots with their intervals."""

import numpy as np
import pytest
import torch

from sslens.figures import theme
from sslens.figures.spectrum import against, dots, scree
from sslens.types import InputError, Interval, UnknownName


def test_a_scree_names_what_it_shows():
    figure = scree({"vicreg": [4.0, 1.0]}, kind="singular values", relative=False)
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("rank", "singular value")
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("linear", "log")
    assert "singular values" in figure.layout.title.text
    assert figure.data[0].line.color == theme.COLOURS["vicreg"]


def test_relative_divides_by_the_first_and_says_so():
    figure = scree({"vicreg": torch.tensor([4.0, 1.0])}, kind="eigenvalues")
    assert figure.data[0].y.tolist() == [1.0, 0.25]
    assert "relative to the first" in figure.layout.yaxis.title.text


def test_a_power_law_is_straight_on_logarithmic_ranks():
    ranks = np.arange(1, 65)
    figure = scree({"run": ranks**-1.5}, kind="eigenvalues", log_ranks=True)
    slopes = np.diff(np.log(figure.data[0].y)) / np.diff(np.log(figure.data[0].x))
    assert figure.layout.xaxis.type == "log"
    assert slopes == pytest.approx(-1.5, abs=2e-3)


def test_zeros_stay_in_sight_at_the_floor():
    line, marks = scree({"run": [1.0, 0.01, 0.0, 0.0]}, kind="eigenvalues").data
    assert line.y.tolist() == pytest.approx([1.0, 0.01, 0.001, 0.001])
    assert marks.x.tolist() == [3, 4]
    assert marks.text == ("0, drawn at the floor",) * 2


def test_a_given_floor_holds_up_what_is_smaller_and_tells_its_value():
    figure = scree({"run": [1.0, 1e-12]}, kind="eigenvalues", floor=1e-8)
    assert figure.data[1].text == ("1e-12, drawn at the floor",)
    assert "below 1e-08, zero included" in figure.layout.title.text


def test_a_spectrum_of_zeros_is_drawn():
    line, marks = scree({"collapsed": torch.zeros(4)}, kind="singular values").data
    assert np.isfinite(line.y).all()
    assert len(marks.x) == 4


def test_spectra_over_seeds_have_bands():
    values = [Interval(2.0, 1.0, 3.0, 3), Interval(1.0, -0.5, 2.0, 3)]
    band = scree({"run": values}, kind="eigenvalues").data[0]
    assert band.fill == "toself"
    assert (band.y[:4] > 0).all()


@pytest.mark.parametrize(
    ("spectra", "options"),
    [({}, {}), ({"run": []}, {}), ({"run": [float("nan")]}, {}), ({"run": [1.0]}, {"floor": 0.0})],
)
def test_degenerate_spectra_are_refused(spectra, options):
    with pytest.raises(InputError):
        scree(spectra, kind="eigenvalues", **options)


def test_an_unknown_kind_is_refused_with_the_closest():
    with pytest.raises(UnknownName, match="Did you mean 'eigenvalues'"):
        scree({"run": [1.0]}, kind="eigenvalue")


RUNS = [("lr", "0.1"), ("lr", "1"), ("lr", "0.1"), ("lr", "1"), ("untrained", "0")]
SCORES, RIGHT, SIZE = [10.0, 20.0, 12.0, 24.0, 40.0], [0.25, 0.5, 0.75, 1.0, 0.125], [4.0, 0.0, 4.0, 2.0, 1.0]


def test_runs_of_one_setting_meet_in_their_mean_and_every_run_is_a_dot():
    dots, line, other, single = against(SCORES, {"kNN": RIGHT}, runs=RUNS, quantity="RankMe").data
    assert (dots.x.tolist(), dots.y.tolist()) == (SCORES[:4], RIGHT[:4])
    assert (line.x.tolist(), line.y.tolist()) == ([11, 22], [0.5, 0.75])
    assert list(line.text) == ["lr 0.1, mean", "lr 1, mean"]
    assert (other.x.tolist(), single.x.tolist()) == ([40], [40])


def test_a_sweep_is_told_by_colour_dash_and_symbol_and_named_once():
    figure = against(SCORES, {"kNN": RIGHT, "amplitude": SIZE}, runs=RUNS, quantity="RankMe")
    first, second = (trace for trace in figure.data if trace.mode == "lines+markers" and trace.yaxis == "y")
    assert first.line.color != second.line.color and first.line.dash != second.line.dash
    assert first.marker.symbol != second.marker.symbol
    assert [trace.name for trace in figure.data if trace.showlegend] == ["lr", "untrained"]


def test_panels_share_the_score_and_each_names_its_quantity():
    figure = against(SCORES, {"kNN": RIGHT, "amplitude": SIZE}, runs=RUNS, quantity="RankMe", log=["amplitude"])
    layout = figure.layout
    assert (layout.yaxis.title.text, layout.yaxis2.title.text, layout.xaxis2.title.text) == (
        "kNN",
        "amplitude",
        "RankMe",
    )
    assert (layout.yaxis.type, layout.yaxis2.type, layout.xaxis.matches) == ("linear", "log", "x2")
    assert "kNN and amplitude against RankMe" in layout.title.text
    lowest = next(trace for trace in figure.data if trace.mode == "markers" and trace.yaxis == "y2")
    assert lowest.y.tolist() == pytest.approx([4, 0.1, 4, 2])  # the zero a decade below the smallest


def test_marked_settings_are_ringed_by_what_they_are_and_absent_ones_are_not():
    marks = {"small steps": [("lr", "0.1"), ("lr", "0.01")], "shrunk": [("variance", "0")]}
    figure = against(SCORES, {"kNN": RIGHT, "amplitude": SIZE}, runs=RUNS, quantity="RankMe", marks=marks)
    rings = [trace for trace in figure.data if trace.name in marks]
    assert [(ring.name, ring.x.tolist(), ring.showlegend) for ring in rings] == [
        ("small steps", [11], True),
        ("small steps", [11], False),
    ]
    assert rings[0].marker.symbol.endswith("-open") and rings[0].y.tolist() == [0.5]


@pytest.mark.parametrize(
    ("quantities", "options"),
    [({}, {}), ({"kNN": RIGHT[:4]}, {}), ({"kNN": RIGHT}, {"log": ["amplitude"]}), ({"kNN": RIGHT}, {"runs": []})],
)
def test_what_is_no_number_for_each_run_is_refused(quantities, options):
    with pytest.raises(InputError):
        against(SCORES, quantities, **({"runs": RUNS, "quantity": "RankMe"} | options))


PANELS = {
    "SimCLR temperature": {"RankMe": Interval(0.5, 0.25, 1.0, 3), "amplitude": Interval(-1.0, -1.0, -1.0, 3)},
    "all runs": {"RankMe": Interval(0.0, -0.5, 0.5, 3), "amplitude": 0.25},
}


def test_every_panel_has_a_dot_and_a_bar_for_every_row_in_order():
    first, second = dots(PANELS, quantity="correlation").data
    assert (first.x.tolist(), list(first.y)) == ([0.5, -1.0], ["RankMe", "amplitude"])
    assert (first.error_x.array.tolist(), first.error_x.arrayminus.tolist()) == ([0.5, 0], [0.25, 0])
    assert second.error_x.array[0] == 0.5 and np.isnan(second.error_x.array[1])
    assert first.marker.color != second.marker.color and first.marker.symbol != second.marker.symbol


def test_panels_are_titled_share_an_axis_and_show_the_reference():
    figure = dots(PANELS, quantity="loss of kNN", reference=0.005, span=(-1, 1))
    layout = figure.layout
    assert [each.text for each in layout.annotations] == ["SimCLR<br>temperature", "all<br>runs"]
    assert [(line.x0, line.x1) for line in layout.shapes] == [(0.005, 0.005)] * 2
    assert (layout.xaxis.title.text, layout.xaxis.range, layout.xaxis2.matches) == ("loss of kNN", (-1, 1), "x")
    assert layout.yaxis.autorange == "reversed" and layout.title.text.startswith("Loss of kNN")
    assert "intervals over 3 seeds" in layout.title.text


def test_one_seed_has_no_bar_and_bare_numbers_no_remark():
    lonely = dots({"sweep": {"RankMe": Interval.of([0.5])}}, quantity="correlation")
    assert lonely.data[0].error_x.array is None and "one seed, no interval" in lonely.layout.title.text
    assert "seed" not in dots({"sweep": {"RankMe": 0.5}}, quantity="correlation").layout.title.text


def test_a_ratio_of_zero_keeps_a_place_on_a_logarithmic_axis():
    figure = dots({"scaled": {"RankMe": 1.0, "amplitude": 0.0}}, quantity="after / before", reference=1, log=True)
    assert figure.layout.xaxis.type == "log"
    assert figure.data[0].x.tolist() == pytest.approx([1, 0.1])


@pytest.mark.parametrize("values", [{}, {"a": {}}, {"a": {"x": 1.0}, "b": {"y": 1.0}}, {"a": {"x": float("nan")}}])
def test_panels_of_different_rows_or_without_a_number_are_refused(values):
    with pytest.raises(InputError):
        dots(values, quantity="correlation")
