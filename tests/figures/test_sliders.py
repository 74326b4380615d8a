"""The slider through figures, and panels over time whose cursor has a picture."""

import json
import math

import plotly.graph_objects as go
import pytest
import torch
from tests.figures.labelled import along

from sslens.figures import KEYBOARD, images, lines, linked, partition, scrub
from sslens.types import Cells, InputError


def spectra(*last):
    arrays = [along([[1.0, value]], name="eigenvalue", run=["vicreg"], rank=[1, 2]) for value in last]
    return [lines(array, title="Spectrum", over="rank", log=["eigenvalue"], floor=1e-6) for array in arrays]


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
    low, high = figure.layout.xaxis.range
    assert low < 1 and high > 2


def test_a_mark_that_only_some_figures_have_comes_and_goes():
    figure = scrub(spectra(0.5, 0.0), [0, 1])
    assert [[trace.visible for trace in frame.data] for frame in figure.frames] == [[True, False], [True, True]]
    assert [trace.visible for trace in figure.data] == [True, True]


def test_scrubbing_needs_figures_and_labels_of_their_own():
    for pictures, labels in (([], []), (spectra(0.5), [0, 1]), (spectra(0.5, 0.2), [1, 1])):
        with pytest.raises(InputError):
            scrub(pictures, labels)


def test_the_slider_opens_at_a_label():
    pictures = spectra(0.5, 0.25, 0.125)
    for at, opened in ((0.0, 0), (0.05, 1), (None, 2)):
        figure = scrub(pictures, [0.0, 0.05, 0.1], at=at)
        assert figure.layout.sliders[0].active == opened
        assert list(figure.data[0].y) == list(pictures[opened].data[0].y)
    with pytest.raises(InputError, match=r"at must be one of \[0.0, 0.05, 0.1\]. Got 0.2"):
        scrub(pictures, [0.0, 0.05, 0.1], at=0.2)
    with pytest.raises(InputError, match=r"at must be one of \[0, 10\]. Got '0'"):
        scrub(pictures[:2], [0, 10], at="0")


def test_figures_of_any_kind_can_be_scrubbed():
    pictures = [go.Figure(go.Bar(x=["cat"], y=[height])) for height in (1.0, 3.0)]
    figure = scrub(pictures, ["before", "after"])
    assert figure.layout.yaxis.range[0] == 0
    assert figure.layout.yaxis.range[1] > 3
    assert json.loads(figure.to_json())["frames"][1]["name"] == "after"


def test_the_keyboard_script_takes_plotlys_place_holder():
    assert "{plot_id}" in KEYBOARD


def test_the_highest_title_and_the_tallest_figure_have_room():
    low, high = spectra(0.5, 0.2)
    high.update_layout(height=900, margin_t=120)
    layout = scrub([high, low], [0, 1]).layout
    assert (layout.margin.t, layout.height > 900) == (120, True)


def test_matched_axes_get_one_range():
    pair = [
        lines(along([1.0, 2.0], name="p", step=[0, end]), along([1.0, 2.0], name="q", step=[0, 5]), title="T")
        for end in (10, 20)
    ]
    layout = scrub(pair, [0, 1]).layout
    assert layout.xaxis.range[1] > 20 and layout.xaxis2.range is None


def test_bars_begin_at_zero_and_numbers_of_a_slider_are_short():
    figure = scrub(spectra(0.5, 0.2), [0.1 + 0.2, 0.5], name="<b>")
    assert [frame.name for frame in figure.frames] == ["0.3", "0.5"]
    assert figure.layout.sliders[0].currentvalue.prefix == "&lt;b&gt; "


def limited(*limits):
    loss = along([1.0, 2.0])
    return [lines(loss, title="T", references={"limit": ("loss", limit)}) for limit in limits]


def overlaid(shown, other):
    """What a page shows after a frame: it lays the settings of one over those of the other, place by place."""
    if isinstance(other, dict):
        return dict(shown or {}) | {name: overlaid((shown or {}).get(name), part) for name, part in other.items()}
    if isinstance(other, list) and all(isinstance(part, dict) for part in other) and other:
        shown = [*(shown or []), *[{}] * len(other)][: max(len(shown or []), len(other))]
        return [overlaid(old, new) for old, new in zip(shown, other, strict=False)] + shown[len(other) :]
    return other


def turned(figure, *places):
    """The layout that a page shows after the slider went to these places, one after the other."""
    stored = json.loads(figure.to_json())
    layout = stored["layout"]
    for place in places:
        layout = overlaid(layout, stored["frames"][place]["layout"])
    return layout


def visible(things):
    return [thing for thing in things if thing.get("visible", True)]


def test_a_reference_moves_with_its_figure():
    figure = scrub(limited(1.2, 1.9), [0, 1])
    assert [[shape.y0 for shape in frame.layout.shapes] for frame in figure.frames] == [[1.2], [1.9]]
    assert [shape.y0 for shape in figure.layout.shapes] == [1.9]
    assert [turned(figure, place)["shapes"][0]["y0"] for place in (0, 1)] == [1.2, 1.9]


def test_what_is_the_same_in_all_figures_stays_out_of_the_frames():
    figure = scrub(limited(1.2, 1.2), [0, 1])
    assert [set(frame.layout.to_plotly_json()) for frame in figure.frames] == [{"title"}] * 2


def test_marks_and_words_that_only_some_figures_have_come_and_go():
    bare, one, two = (go.Figure(go.Scatter(y=[1, 2])) for _ in range(3))
    one.add_hline(1.5, line_color="red").add_annotation(text="one", x=0, y=1)
    two.add_shape(type="rect", x0=0, x1=1, y0=1, y1=2, fillcolor="blue").add_annotation(text="two", x=0, y=2)
    two.add_annotation(text="more", x=1, y=2, visible=False)
    figure = scrub([bare, one, two], ["bare", "one", "two"])
    for way in ((0,), (1, 0), (2, 1, 0), (0, 1), (2, 1), (1, 2), (0, 2), ()):
        layout, given = turned(figure, *way), (bare, one, two)[way[-1] if way else 2].layout
        for kind in ("shapes", "annotations"):
            own = visible([each.to_plotly_json() for each in given[kind]])
            assert visible(layout[kind]) == [{"visible": True} | each for each in own]


def test_the_words_at_an_axis_move():
    grids = [images(torch.zeros(1, 1, 1, 4, 4), rows=[row], columns=["view"], title="T") for row in ("cat", "dog")]
    figure = scrub(grids, [0, 1])
    assert [frame.layout.yaxis.ticktext for frame in figure.frames] == [("cat",), ("dog",)]
    assert [set(frame.layout.to_plotly_json()) for frame in figure.frames] == [{"title", "yaxis"}] * 2
    assert figure.frames[0].layout.yaxis.tickvals is None


def test_words_that_only_some_axes_have_come_and_go():
    named, bare = (go.Figure(go.Scatter(y=[1, 2])) for _ in range(2))
    named.update_xaxes(tickvals=[0, 1], ticktext=["a", "b"], title_text="letters")
    figure = scrub([named, bare], ["named", "bare"])
    assert turned(figure, 1)["xaxis"].items() >= {"tickmode": "auto", "title": {"text": ""}}.items()
    back = {"tickmode": "array", "tickvals": [0, 1], "ticktext": ["a", "b"], "title": {"text": "letters"}}
    assert turned(figure, 1, 0)["xaxis"].items() >= back.items()


def test_the_title_of_one_figure_does_not_stay_on_another():
    figure = scrub([go.Figure(layout_title_text="one"), go.Figure()], [0, 1])
    assert [turned(figure, *way)["title"]["text"] for way in ((0,), (0, 1))] == ["one", ""]


@pytest.mark.parametrize(
    ("ranges", "whole"),
    [
        ([(0, 1), (-2, 0.5)], (-2, 1)),
        ([(1, 0), (0.5, -2)], (1, -2)),
        ([(0, 1), (None, 2)], (None, 2)),
        ([(0, 1), None], (0, 2.04)),
        ([None, (3, 4)], (0.96, 4)),
    ],
    ids=["both", "reversed", "open", "the first alone", "the last alone"],
)
def test_ranges_of_their_own_become_one_that_holds_them_all(ranges, whole):
    pictures = [go.Figure(go.Scatter(x=["a", "b"], y=[1, 2])).update_yaxes(range=each) for each in ranges]
    for at in (0, 1):
        assert scrub(pictures, [0, 1], at=at).layout.yaxis.range == pytest.approx(whole)


def test_a_trace_that_only_the_legend_shows_stays_there():
    hidden, shown = (go.Figure(go.Scatter(y=[1, 2], name="one", visible=each)) for each in ("legendonly", None))
    figure = scrub([hidden, shown], [0, 1], at=0)
    assert [frame.data[0].visible for frame in figure.frames] == ["legendonly", True]
    assert figure.data[0].visible == "legendonly"


STEPS = [0, 1, 10, 100]
CURVES = [along([[4.0, 2.0, 3.0, 1.0]], name=name, run=["train"], step=STEPS) for name in ("accuracy", "folds", "area")]


def picture(title="A line", height=1.0):
    figure = go.Figure(go.Scatter(x=[0, 1], y=[0, height]), {"title": {"text": title}})
    return figure.update_xaxes(range=[0, 1]).update_yaxes(range=[0, 2], scaleanchor="x")


def moving(**options):
    pictures = {step: picture(f"At {step}", place) for place, step in ((0, 0), (2, 10), (3, 100))}
    return linked(*CURVES, **{"title": "What moves?", "pictures": pictures} | options)


def test_there_is_a_frame_for_every_picture_and_it_opens_at_the_last():
    figure = moving()
    assert [frame.name for frame in figure.frames] == ["0", "10", "100"]
    (slider,) = figure.layout.sliders
    assert (slider.active, [step.label for step in slider.steps]) == (2, ["0", "10", "100"])
    assert figure.data[-1].y == (0, 3)


def test_only_the_picture_is_stored_for_every_step():
    figure = moving()
    assert [len(frame.data) for frame in figure.frames] == [1, 1, 1]
    assert {frame.traces for frame in figure.frames} == {(len(figure.data) - 1,)}


def test_the_cells_lie_two_by_two_and_apart():
    layout = moving().layout
    columns = [layout[f"xaxis{place}"].domain for place in ("", 2, 3, 4)]
    rows = [layout[f"yaxis{place}"].domain for place in ("", 2, 3, 4)]
    assert columns[0] == columns[2] and columns[1] == columns[3] and columns[0][1] < columns[1][0]
    assert rows[0] == rows[1] and rows[2] == rows[3] and rows[2][1] < rows[0][0]
    assert min(map(min, columns + rows)) == 0 and max(map(max, columns + rows)) == pytest.approx(1)


def test_the_picture_keeps_its_own_axes_and_scale():
    figure = moving()
    assert (figure.data[-1].xaxis, figure.data[-1].yaxis) == ("x4", "y4")
    assert figure.layout.xaxis4.range == (0, 1)
    assert (figure.layout.yaxis4.scaleanchor, figure.layout.yaxis4.anchor) == ("x4", "x4")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_cursor_stands_at_the_step_of_the_picture_in_every_panel(place):
    for at, frame in zip((1 / 3, 10, 100), moving().frames, strict=True):  # step 0 is left of the first one
        cursor = frame.layout.shapes[place]
        assert cursor.x0 == cursor.x1 == pytest.approx(at)
        assert cursor.xref == ["x", "x2", "x3"][place]


def test_spans_are_named_in_the_middle_on_the_logarithmic_axis_and_every_second_is_shaded():
    figure = moving(spans={"fall": (1, 10), "rise": (10, 100), "end": (100, 100)})
    words = [note for note in figure.layout.annotations if note.text in ("fall", "rise")]
    assert [note.x for note in words] == pytest.approx([0.5, 0.5, 1.5, 1.5])  # above both panels of the first row
    shades = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert {(shape.x0, shape.x1) for shape in shades} == {(10, 100)}
    assert len(shades) == 3


def test_the_pictures_title_stands_above_it_and_changes_with_the_step():
    headings = [frame.layout.annotations[-1].text for frame in moving().frames]
    assert headings == ["At 0", "At 10", "At 100"]


def test_a_partition_keeps_its_bar_of_colours_beside_it():
    ring = torch.tensor([0, 1, 2])
    cells = Cells(torch.eye(3, 2), torch.tensor([0, 3]), ring, torch.stack([ring, ring.roll(-1)], 1))
    shown = partition(cells, {"slope": torch.ones(1)}, title="One region")
    figure = moving(pictures={100: shown})
    bar = next(trace.marker.colorbar for trace in figure.data if trace.name == "pointer")
    low, high = figure.layout.yaxis4.domain
    assert (bar.y, bar.len) == (pytest.approx((low + high) / 2), pytest.approx(high - low))
    assert {trace.yaxis for trace in figure.data if trace.name in ("cells", "edges", "pointer")} == {"y4"}


def test_pictures_need_not_have_the_same_traces():
    other = go.Figure(go.Bar(x=[0, 1], y=[1, 2]), {"title": {"text": "Bars"}})
    first, last = moving(pictures={0: other, 100: picture()}).frames
    assert [trace.visible for trace in first.data] == [True, False]
    assert [trace.visible for trace in last.data] == [False, True]


def test_nothing_of_the_given_pictures_is_changed():
    pictures = {100: picture()}
    before = pictures[100].to_json()
    moving(pictures=pictures)
    assert pictures[100].to_json() == before


def test_a_linear_axis_has_the_names_of_spans_in_the_middle_too():
    words = moving(spans={"fall": (0, 10)}, log=()).layout.annotations
    assert [note.x for note in words if note.text == "fall"] == [5, 5]


def test_the_slider_and_the_legend_have_room_of_their_own():
    layout = moving().layout
    assert (layout.legend.yref, layout.template.layout.legend.yref) == (None, "container")
    assert layout.height - layout.margin.t > 2 * 300


@pytest.mark.parametrize(
    "options",
    [
        {"pictures": {}},
        {"pictures": {4: picture()}},
        {"spans": {"fall": (0, 4)}},
    ],
    ids=["none", "no such step", "no such end"],
)
def test_what_does_not_fit_is_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        moving(**options)
