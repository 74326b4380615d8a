"""Labelled numbers as figures read, thin and round them; seeds, means, gaps, floors, axes."""

import math

import numpy as np
import pytest
import torch
from tests.figures.labelled import along
from xarray import DataArray

from sslens.figures import _traces, theme
from sslens.figures._traces import Series
from sslens.types import InputError

STYLE = theme.style_at(0)


def one(values, **options):
    (found,) = _traces.series("loss", along(values, **options), over="step")
    return found


def test_five_digits_in_four_bytes():
    stored = _traces.rounded([math.pi, 1e-9 / 3, 0.0])
    assert stored.dtype == np.float32
    assert stored.tolist() == pytest.approx([3.1416, 3.3333e-10, 0.0], rel=1e-6)


def test_numbers_beyond_four_bytes_keep_eight():
    assert _traces.rounded([1e-60, 1.0]).tolist() == [1e-60, 1.0]


def test_a_long_line_is_thinned_to_its_limit_and_keeps_its_ends():
    index = _traces.thin(100_000)
    assert (len(index), index[0], index[-1]) == (2000, 0, 99_999)
    assert np.all(np.diff(index) > 0)


@pytest.mark.parametrize("values", [[1, 2], np.array([1.0, 2.0]), torch.tensor([1.0, 2.0], dtype=torch.bfloat16)])
def test_lists_arrays_and_tensors_read_the_same(values):
    assert _traces.array("scores", values).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("values", [[], np.zeros((2, 2)), torch.zeros(0), ["a", "b"]])
def test_what_is_no_row_of_numbers_is_refused_by_name(values):
    with pytest.raises(InputError, match="scores"):
        _traces.array("scores", values)


def test_a_series_for_every_combination_of_labels_beside_the_axis_and_the_seeds():
    labels = {"run": ["simclr", "vicreg"], "seed": [0, 1], "layer": ["backbone"], "step": [0, 10]}
    values = np.arange(8.0).reshape(2, 2, 1, 2)
    first, second = _traces.series("loss", along(values, **labels), over="step")
    assert (first.name, second.name, second.seeds) == ("simclr, backbone", "vicreg, backbone", (0, 1))
    assert second.values.tolist() == [[4, 5], [6, 7]]


def test_draws_of_data_are_repetitions_as_seeds_are_and_called_what_they_are():
    labels = {"run": ["supervised"], "draw": [0, 1], "step": [0, 10]}
    found = _traces.series("accuracy", along([[[1.0, 2.0], [3.0, 4.0]]], **labels), over="step")
    assert len(found) == 1 and found[0].mean.tolist() == [2, 3]
    assert found[0].titles == ["draw 0", "draw 1", "mean of 2 draws"]
    assert _traces.notes(found) == ["thin lines: 2 draws, bold: their mean"]
    thin, bold = _traces.traces(found[0], found[0].places, style=STYLE)
    assert "draw %{customdata}" in thin.hovertemplate and "mean of 2 draws" in bold.hovertemplate


def test_the_order_of_dimensions_does_not_matter():
    array = along([[[1.0, 2.0], [3.0, 4.0]]])
    turned = _traces.series("loss", array.transpose("step", "seed", "run"), over="step")[0]
    assert turned.values.tolist() == [[1, 2], [3, 4]]


def test_numbers_beside_the_axis_are_named_with_their_dimension_and_one_run_by_its_label():
    swept = _traces.series("loss", along([[1.0, 2.0]], depth=[2], step=[0, 1]), over="step")
    single = _traces.series("loss", along([[1.0, 2.0]]).sel(run="vicreg"), over="step")
    assert (swept[0].name, single[0].name, one([1.0, 2.0]).name) == ("depth 2", "vicreg", "")


def test_what_is_not_finite_is_a_gap_and_nothing_is_dropped():
    found = one([1.0, math.inf, math.nan])
    assert np.array_equal(found.values, [[1.0, np.nan, np.nan]], equal_nan=True)


def test_a_dimension_without_labels_counts_from_one_but_steps_do_not():
    assert _traces.series("value", DataArray([4.0, 1.0], dims="rank"), over="rank")[0].places.tolist() == [1, 2]
    with pytest.raises(InputError, match="labels for step"):
        _traces.series("value", DataArray([4.0, 1.0], dims="step"), over="step")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (along([1.0, 2.0], rank=[1, 2]), "dimensions with step"),
        (along([1.0, 2.0], step=[1, 0]), "numbers that rise"),
        (along([1.0, 2.0], step=[0, math.nan]), "numbers that rise"),
        (along([1.0, 2.0], step=["a", "a"]), "words that differ"),
        (along([math.nan, math.inf]), "finite"),
        (along(np.zeros((0,)), step=[]), "finite"),
        (DataArray(["a"], {"step": [0]}, ["step"]), "numbers"),
    ],
)
def test_what_is_no_series_is_refused_by_name(array, words):
    with pytest.raises(InputError, match=words):
        _traces.series("loss", array, over="step")


def test_bare_numbers_are_refused():
    with pytest.raises(InputError, match="labelled numbers"):
        _traces.series("loss", [1.0, 2.0], over="step")


def test_seeds_are_thin_lines_with_gaps_between_and_their_mean_is_bold():
    thin, bold = _traces.traces(one([[[1.0, 2.0], [3.0, 6.0]]]), np.array([0.0, 10.0]), style=STYLE)
    assert np.array_equal(thin.x, [0, 10, np.nan, 0, 10, np.nan], equal_nan=True)
    assert np.array_equal(thin.y, [1, 2, np.nan, 3, 6, np.nan], equal_nan=True)
    assert thin.customdata.tolist() == [0, 0, 0, 1, 1, 1]
    assert bold.y.tolist() == [2, 4]
    assert bold.line.width > 2 * thin.line.width
    assert thin.line.color == bold.line.color == STYLE.colour
    assert (thin.showlegend, bold.showlegend, bold.name) == (False, True, "vicreg")
    assert "mean of 2 seeds" in bold.hovertemplate


def test_one_seed_is_a_single_line_and_says_so():
    single = one([[[1.0, 2.0]]])
    (line,) = _traces.traces(single, np.arange(2.0), style=STYLE)
    assert "seed 0" in line.hovertemplate
    assert _traces.notes([single]) == ["one seed"]
    assert _traces.notes([one([1.0, 2.0])]) == []


def test_a_mean_with_a_diverged_seed_ends_in_a_marked_gap_and_the_other_seeds_go_on():
    diverged = one([[[1.0, math.nan, math.nan], [3.0, 6.0, 9.0]]])
    thin, bold, marks = _traces.traces(diverged, np.array([0.0, 10.0, 20.0]), style=STYLE)
    assert np.array_equal(bold.y, [2, np.nan, np.nan], equal_nan=True)
    assert thin.y.tolist()[4:7] == [3, 6, 9]
    assert sorted(zip(marks.y.tolist(), marks.text, strict=True)) == [
        (1.0, "seed 0: no finite value from 10 on"),
        (2.0, "mean of 2 seeds: no finite value from 10 on"),
    ]
    assert marks.marker.size[0] < marks.marker.size[1]


def test_a_missing_seed_leaves_no_mean_and_the_remarks_say_whose():
    missing = one([[[math.nan, math.nan], [3.0, 6.0]]])
    assert "vicreg: no mean, as a seed has no value" in _traces.notes([missing])
    _, bold, *_ = _traces.traces(missing, np.arange(2.0), style=STYLE)
    assert bold.showlegend and np.isnan(bold.y).all()


def test_gaps_are_marked_where_they_begin_and_where_a_late_line_starts():
    late = one([math.nan, 1.0, math.nan, 2.0])
    marks = _traces.traces(late, np.array([0.0, 10.0, 20.0, 30.0]), style=STYLE)[-1]
    assert sorted(zip(marks.x.tolist(), marks.text, strict=True)) == [
        (10, "no finite value before 10"),
        (10, "no finite value from 20 on"),
    ]


def test_what_lies_below_the_floor_is_marked_on_it_for_seeds_and_mean():
    low = one([[[1.0, 0.0], [1.0, -4.0]]])
    thin, bold, marks = _traces.traces(low, np.arange(2.0), style=STYLE, floor=0.1)
    assert thin.y[1] == pytest.approx(0.1) and bold.y.tolist() == pytest.approx([1, 0.1])
    assert marks.text == (
        "seed 0: 0, drawn at the floor", "seed 1: -4, drawn at the floor", "mean of 2 seeds: -2, drawn at the floor",
    )  # fmt: skip
    assert marks.marker.symbol == "triangle-down-open"
    assert "▽ below 0.1, zero included" in _traces.notes([low], 0.1)


def test_the_floor_is_a_decade_below_the_smallest_positive_value():
    assert _traces.floor_of([one([0.0, 0.5, 2.0])]) == pytest.approx(0.05)
    assert _traces.floor_of([one([0.0, 0.0])]) == pytest.approx(0.1)


def numbers(*labels):
    places = np.array(labels, dtype=float)
    return Series("run", places, np.ones((1, len(places))))


def test_zero_keeps_a_place_left_of_the_first_on_a_logarithmic_axis():
    axis = _traces.axis("step", [numbers(0, 1, 10, 100)], log=True)
    assert axis.at(np.array([0.0, 1.0])).tolist() == pytest.approx([1 / 3, 1])
    ticks = dict(zip(axis.settings["ticktext"], axis.settings["tickvals"], strict=True))
    assert ticks == pytest.approx({"0": 1 / 3, "1": 1, "10": 10, "100": 100})


def test_few_places_of_a_logarithmic_axis_are_named_and_many_are_not():
    assert _traces.axis("k", [numbers(2, 64), numbers(8)], log=True).settings["ticktext"] == ["2", "8", "64"]
    many = _traces.axis("k", [numbers(*range(1, 65))], log=True).settings["ticktext"]
    assert many == ["1", "2", "5", "10", "20", "50"]


def test_names_of_places_stand_apart():
    ticks = _traces.axis("step", [numbers(1, 1000, 1001, 1002)], log=True).settings["ticktext"]
    assert ticks == ["1", "1,000"]


def test_words_stand_in_their_order():
    found = [Series("run", np.array(words, dtype=object), np.ones((1, 2))) for words in (("b", "a"), ("a", "<c>"))]
    axis = _traces.axis("layer", found, log=False)
    assert axis.at(np.array(["a", "<c>"], dtype=object)).tolist() == [1, 2]
    assert axis.settings["ticktext"] == ["b", "a", "&lt;c&gt;"]
    with pytest.raises(InputError, match="on this axis: b, a"):
        axis.at(np.array(["d"], dtype=object))


@pytest.mark.parametrize(
    ("found", "log", "words"),
    [
        ([numbers(-1, 1)], True, "from 0 up"),
        ([numbers(0)], True, "from 0 up"),
        ([numbers(1), Series("run", np.array(["a"], dtype=object), np.ones((1, 1)))], False, "all words"),
        ([Series("run", np.array(["a"], dtype=object), np.ones((1, 1)))], True, "numbers on a logarithmic axis"),
    ],
)
def test_places_that_fit_no_axis_are_refused(found, log, words):
    with pytest.raises(InputError, match=words):
        _traces.axis("layer", found, log=log)
