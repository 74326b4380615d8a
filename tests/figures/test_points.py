"""The 2-D map; runs against a number; dots for every row."""

import math

import numpy as np
import pytest
from tests.figures.labelled import along
from xarray import DataArray

from sslens.figures import against, dots, points, theme
from sslens.types import InputError


def mapped(places, classes=None, axes=("PC 1", "PC 2"), **others):
    """Samples on a plane."""
    places = np.asarray(places, dtype=float)
    classes = ["cat"] * len(places) if classes is None else list(classes)
    known = {name: ("sample", list(values)) for name, values in {"class": classes, **others}.items()}
    labels = {"sample": np.arange(len(places)), "component": list(axes)[: places.shape[1]]}
    return DataArray(places, labels | known, ("sample", "component"))


def test_a_map_has_a_trace_per_class_and_equal_axes():
    figure = points(mapped(np.arange(8.0).reshape(4, 2), ["dog", "cat"] * 2), title="Map")
    cat, dog = figure.data
    assert (cat.name, dog.name) == ("cat", "dog")
    assert (cat.x.tolist(), dog.y.tolist()) == ([2, 6], [1, 5])
    assert (cat.text, dog.text) == (("sample 1", "sample 3"), ("sample 0", "sample 2"))
    assert figure.layout.yaxis.scaleanchor == "x"
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("PC 1", "PC 2")


def test_ten_classes_differ_in_colour_and_in_symbol():
    figure = points(mapped(np.eye(10, 2), [str(digit) for digit in range(10)]), title="Map")
    assert len({trace.marker.color for trace in figure.data}) == 10
    assert len({trace.marker.symbol for trace in figure.data}) == 10


def test_a_hundred_classes_differ_in_the_pair_and_stand_in_order():
    figure = points(mapped(np.eye(100, 2), [str(label) for label in range(100)]), title="Map")
    assert len({(trace.marker.color, trace.marker.symbol) for trace in figure.data}) == 100
    assert [trace.name for trace in figure.data] == [str(label) for label in range(100)]


def test_a_class_keeps_its_style_where_another_has_no_place():
    places = [[0, 0], [1, 1], [math.nan, 0]]
    both = points(mapped(places, ["b", "c", "a"]), title="Map").data
    assert [trace.marker.color for trace in both] == list(theme.PALETTE[1:3])


def test_all_that_is_known_of_a_sample_stands_under_the_pointer():
    shown = points(mapped([[0, 0]], origin=["<7>"]), title="Map").data[0]
    assert shown.text == ("sample 0, origin &lt;7&gt;",)


def test_any_coordinate_may_give_the_colours():
    figure = points(mapped([[0, 0], [1, 1]], origin=["left", "right"]), title="Map", by="origin")
    assert [trace.name for trace in figure.data] == ["left", "right"]
    assert figure.layout.legend.title.text == "origin"


def test_a_collapsed_map_is_drawn():
    assert len(points(mapped(np.zeros((3, 2)), ["cat", "dog", "dog"]), title="Map").data) == 2


def test_points_without_a_place_are_counted():
    figure = points(mapped([[0.0, 1.0], [math.nan, 1.0], [1.0, 1.0]]), title="Map")
    assert figure.data[0].text == ("sample 0", "sample 2")
    assert "2 of 3 points · 1 without a finite place" in figure.layout.title.text


def test_a_large_map_is_thinned_and_says_so():
    figure = points(mapped(np.random.default_rng(0).random((5000, 2))), title="Map")
    assert len(figure.data[0].x) == 2000
    assert "2000 of 5000 points" in figure.layout.title.text


@pytest.mark.parametrize(
    ("places", "by"),
    [
        (mapped(np.zeros((2, 1))), "class"),
        (mapped(np.zeros((2, 2))), "component"),
        (mapped(np.zeros((2, 2))), "kind"),
        (mapped(np.zeros((0, 2))), "class"),
        (mapped(np.full((2, 2), math.nan)), "class"),
        (mapped([[math.nan, 0], [0, math.nan]]), "class"),
    ],
)
def test_degenerate_maps_are_refused(places, by):
    with pytest.raises(InputError):
        points(places, title="Map", by=by)


def test_mark_up_in_names_is_text():
    figure = points(mapped([[0, 0]], ["<b>cat"], axes=("<u>", "y")), title="Map")
    assert (figure.data[0].name, figure.layout.xaxis.title.text) == ("&lt;b&gt;cat", "&lt;u&gt;")


RUNS = ["slow", "fast", "untrained"]
SWEEPS = {"learning rate": {"slow": "0.1", "fast": "1"}, "untrained": {"untrained": "0"}}


def of_runs(values, name):
    """Run x seed."""
    return along(values, name=name, run=RUNS, seed=range(2))


RANK = of_runs([[10.0, 12.0], [20.0, 24.0], [40.0, 40.0]], "RankMe")
KNN = of_runs([[0.25, 0.75], [0.5, 1.0], [0.125, 0.125]], "kNN")
SIZE = of_runs([[4.0, 4.0], [0.0, 0.0], [1.0, 1.0]], "variance")


def shown(*quantities, **options):
    return against(RANK, *(quantities or (KNN,)), **{"title": "Does it help?", "sweeps": SWEEPS} | options)


def lines_of(figure, axis="y"):
    return [trace for trace in figure.data if trace.mode == "lines+markers" and trace.yaxis == axis]


def dots_of(figure, axis="y"):
    return [trace for trace in figure.data if trace.marker.size == 4 and trace.yaxis == axis]


def test_seeds_are_dots_and_meet_in_the_mean_of_their_run():
    figure = shown()
    line, single = lines_of(figure)
    assert (line.x.tolist(), line.y.tolist()) == ([11, 22], [0.5, 0.75])
    assert (single.x.tolist(), single.y.tolist()) == ([40], [0.125])
    assert (dots_of(figure)[0].x.tolist(), dots_of(figure)[0].y.tolist()) == ([10, 12, 20, 24], [0.25, 0.75, 0.5, 1.0])
    assert "small dots: 2 seeds, lines: their means" in figure.layout.title.text


def test_settings_are_written_beside_their_points():
    figure = shown(sweeps={"<rate>": {"slow": "<0.1>", "fast": "1"}})
    written = next(trace for trace in figure.data if trace.mode == "markers+text")
    assert (written.text, written.x.tolist()) == (("&lt;0.1&gt;", "1"), [11, 22])
    assert lines_of(figure)[0].name == "&lt;rate&gt;"
    assert "&lt;rate&gt; %{text}" in lines_of(figure)[0].hovertemplate


def test_an_arrow_in_every_piece_points_to_the_next_setting():
    arrows = next(trace for trace in shown().data if trace.marker.symbol == "arrow" and len(trace.x))
    assert (arrows.x.tolist()[:2], arrows.y.tolist()[:2]) == ([11, 16.5], [0.5, 0.625])
    assert (arrows.marker.angleref, arrows.marker.size) == ("previous", (0, 12, 0))


def test_an_arrow_on_a_logarithmic_axis_stands_in_the_middle_as_it_is_seen():
    figure = shown(SIZE, log=["variance", "RankMe"])
    arrows = next(trace for trace in figure.data if trace.marker.symbol == "arrow" and len(trace.x))
    assert arrows.y[1] == pytest.approx(math.sqrt(4 * 0.1), rel=1e-4)
    assert arrows.x[1] == pytest.approx(math.sqrt(11 * 22), rel=1e-4)


def test_a_sweep_has_its_colour_dash_and_symbol_and_one_place_in_the_legend():
    figure = shown(KNN, SIZE)
    first, second = lines_of(figure)
    assert first.line.color != second.line.color and first.line.dash != second.line.dash
    assert first.marker.symbol != second.marker.symbol
    assert [trace.name for trace in figure.data if trace.showlegend] == ["learning rate", "untrained"]


def test_a_run_may_be_in_two_sweeps():
    figure = shown(sweeps=SWEEPS | {"temperature": {"fast": "0.2", "slow": "0.5"}})
    assert lines_of(figure)[2].x.tolist() == [22, 11]


def test_panels_share_the_score_and_each_names_its_quantity():
    figure = shown(KNN, SIZE, log=["variance"])
    layout = figure.layout
    assert (layout.yaxis.title.text, layout.yaxis2.title.text, layout.xaxis2.title.text) == (
        "kNN", "variance", "RankMe",
    )  # fmt: skip
    assert (layout.yaxis.type, layout.yaxis2.type, layout.xaxis.matches) == (None, "log", "x2")
    assert lines_of(figure, "y2")[0].y.tolist() == pytest.approx([4, 0.1])  # the zero a decade below the smallest


def test_marked_runs_are_ringed_and_absent_ones_are_not():
    figure = shown(KNN, SIZE, rings={"small steps": ["slow", "slower"], "shrunk": ["none"]})
    rings = [trace for trace in figure.data if trace.name in ("small steps", "shrunk")]
    assert [(ring.name, ring.x.tolist(), ring.showlegend) for ring in rings] == [
        ("small steps", [11], True),
        ("small steps", [11], False),
    ]
    assert rings[0].marker.symbol.endswith("-open") and rings[0].y.tolist() == [0.5]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sweeps": {}}, "one sweep of runs"),
        ({"sweeps": {"rate": {}}}, "one sweep of runs"),
        ({"sweeps": {"rate": {"slower": "0.01"}}}, "slower among them"),
        ({"log": ["loss"]}, "RankMe, kNN"),
    ],
)
def test_what_is_no_sweep_of_these_runs_is_refused(options, words):
    with pytest.raises(InputError, match=words):
        shown(**options)


def test_a_run_with_a_diverged_seed_has_no_mean_and_the_remarks_say_so():
    diverged = KNN.copy()
    diverged[0, 1] = math.nan
    figure = shown(diverged)
    assert math.isnan(lines_of(figure)[0].y[0]) and dots_of(figure)[0].y[0] == 0.25
    assert "no mean, as a seed has no value: slow" in figure.layout.title.text


@pytest.mark.parametrize("other", [KNN.isel(seed=[0]), KNN.isel(seed=0, drop=True), KNN.assign_coords(seed=[0, 2])])
def test_seeds_are_never_matched_by_their_place(other):
    with pytest.raises(InputError, match="the same in all arrays"):
        shown(other)


def test_no_quantity_and_one_that_is_not_of_runs_are_refused():
    for quantities in ((), (along([1.0, 2.0]),), (KNN.expand_dims(layer=["a", "b"]),), (KNN.isel(run=[0, 1]),)):
        with pytest.raises(InputError):
            against(RANK, *quantities, title="T", sweeps=SWEEPS)


PANELS = along(
    [[[0.25, -1.0], [0.75, -1.0]], [[0.0, 0.5], [0.0, 0.0]]],
    name="correlation",
    sweep=["SimCLR temperature", "all runs"],
    seed=[0, 1],
    measure=["RankMe", "variance"],
)


def test_every_panel_has_the_seeds_and_a_large_dot_at_their_mean_in_the_order_of_the_rows():
    figure = dots(PANELS, title="Do they agree?", rows="measure")
    seeds, mean, _, other = figure.data
    assert (mean.x.tolist(), list(mean.y)) == ([0.5, -1.0], ["RankMe", "variance"])
    assert (seeds.x.tolist(), seeds.customdata.tolist()) == ([0.25, -1, 0.75, -1], [0, 0, 1, 1])
    assert seeds.marker.size < mean.marker.size
    assert mean.marker.color != other.marker.color and mean.marker.symbol != other.marker.symbol
    assert "small dots: 2 seeds, large: their mean" in figure.layout.title.text


def test_panels_are_titled_share_an_axis_and_show_the_reference():
    figure = dots(PANELS, title="Do they agree?", rows="measure", reference=0.005, span=(-1.0, 1.0))
    layout = figure.layout
    assert [each.text for each in layout.annotations] == ["SimCLR temperature", "all runs", "correlation"]
    assert [(line.x0, line.x1) for line in layout.shapes] == [(0.005, 0.005)] * 2
    assert (layout.xaxis.range, layout.xaxis2.matches) == ((-1, 1), "x")
    assert layout.yaxis.autorange == "reversed" and layout.title.text.startswith("Do they agree?")
    assert not dots(PANELS, title="T", rows="measure").layout.shapes


def test_names_of_panels_are_broken_into_lines():
    array = PANELS.assign_coords(sweep=["VICReg covariance weight", "<b>"])
    figure = dots(array, title="T", rows="measure")
    names = [each.text for each in figure.layout.annotations]
    assert names == ["VICReg covariance<br>weight", "&lt;b&gt;", "correlation"]


def test_one_seed_is_a_single_dot_and_bare_numbers_have_no_remark():
    single = dots(PANELS.isel(seed=[0]), title="T", rows="measure")
    assert len(single.data) == 2 and "one seed" in single.layout.title.text
    assert "seed" not in dots(PANELS.isel(seed=0, drop=True), title="T", rows="measure").layout.title.text


def test_draws_are_called_draws():
    figure = dots(PANELS.rename(seed="draw"), title="T", rows="measure")
    draws, *_ = figure.data
    assert "small dots: 2 draws, large: their mean" in figure.layout.title.text
    assert (draws.name, draws.hovertemplate[:20]) == ("draws", "%{y}, draw %{customd")


def test_rows_without_panels_are_a_single_one():
    figure = dots(PANELS.isel(sweep=0, seed=0, drop=True), title="T", rows="measure")
    assert len(figure.data) == 1 and not figure.data[0].name


def test_a_row_with_a_missing_seed_has_no_mean():
    array = PANELS.copy()
    array[0, 1, 0] = math.nan
    seeds, mean, *_ = dots(array, title="T", rows="measure").data
    assert math.isnan(mean.x[0]) and seeds.x[0] == 0.25
    assert "no large dot: a seed without a value" in dots(array, title="T", rows="measure").layout.title.text


def test_a_ratio_of_zero_keeps_a_place_on_a_logarithmic_axis():
    ratio = along([[1.0, 0.0]], name="after / before", change=["scaled"], measure=["RankMe", "variance"])
    figure = dots(ratio, title="T", rows="measure", reference=1.0, log=["after / before"])
    assert figure.layout.xaxis.type == "log"
    assert figure.data[0].x.tolist() == pytest.approx([1, 0.1])


@pytest.mark.parametrize(
    ("array", "options", "words"),
    [
        (PANELS, {"rows": "layer"}, "dimensions with layer"),
        (PANELS.expand_dims(layer=["a"]), {}, "seed and one more"),
        (PANELS * math.nan, {}, "finite"),
        (PANELS, {"log": ["measure"]}, "the quantity of this figure: correlation"),
    ],
)
def test_what_makes_no_rows_is_refused(array, options, words):
    with pytest.raises(InputError, match=words):
        dots(array.rename("correlation"), **{"title": "T", "rows": "measure"} | options)
