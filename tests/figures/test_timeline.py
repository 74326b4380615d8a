"""Curves, cursor and picture on one time axis."""

import plotly.graph_objects as go
import pytest
import torch

from sslens.figures import regions, timeline
from sslens.types import InputError

STEPS = [0, 1, 10, 100]
CURVES = {name: {"train": [4.0, 2.0, 3.0, 1.0]} for name in ("accuracy", "folds", "regions")}


def picture(title="A line", height=1.0):
    figure = go.Figure(go.Scatter(x=[0, 1], y=[0, height]), {"title": {"text": title}})
    return figure.update_xaxes(range=[0, 1]).update_yaxes(range=[0, 2], scaleanchor="x")


def linked(**options):
    given = {"pictures": {look: picture(f"At {STEPS[look]}", look) for look in (0, 2, 3)}} | options
    return timeline.linked(STEPS, CURVES, **given)


def test_there_is_a_frame_for_every_picture_and_it_opens_at_the_last():
    figure = linked()
    assert [frame.name for frame in figure.frames] == ["0", "10", "100"]
    (slider,) = figure.layout.sliders
    assert (slider.active, [step.label for step in slider.steps]) == (2, ["0", "10", "100"])
    assert figure.data[-1].y == (0, 3)


def test_only_the_picture_is_stored_for_every_step():
    figure = linked()
    assert [len(frame.data) for frame in figure.frames] == [1, 1, 1]
    assert {frame.traces for frame in figure.frames} == {(len(figure.data) - 1,)}


def test_the_cells_lie_two_by_two_and_apart():
    layout = linked().layout
    columns = [layout[f"xaxis{place}"].domain for place in ("", 2, 3, 4)]
    rows = [layout[f"yaxis{place}"].domain for place in ("", 2, 3, 4)]
    assert columns[0] == columns[2] and columns[1] == columns[3] and columns[0][1] < columns[1][0]
    assert rows[0] == rows[1] and rows[2] == rows[3] and rows[2][1] < rows[0][0]
    assert min(map(min, columns + rows)) == 0 and max(map(max, columns + rows)) == pytest.approx(1)


def test_the_picture_keeps_its_own_axes_and_scale():
    figure = linked()
    assert (figure.data[-1].xaxis, figure.data[-1].yaxis) == ("x4", "y4")
    assert figure.layout.xaxis4.range == (0, 1)
    assert (figure.layout.yaxis4.scaleanchor, figure.layout.yaxis4.anchor) == ("x4", "x4")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_cursor_stands_at_the_step_of_the_picture_in_every_panel(place):
    for look, frame in zip((0, 2, 3), linked().frames, strict=True):
        cursor = frame.layout.shapes[place]
        assert cursor.x0 == cursor.x1 == pytest.approx([1 / 3, 1, 10, 100][look])  # step 0 is left of the first one
        assert cursor.xref == ["x", "x2", "x3"][place]


def test_spans_are_named_in_the_middle_on_the_logarithmic_axis_and_every_second_is_shaded():
    figure = linked(spans={"fall": (1, 2), "rise": (2, 3)})
    words = [note for note in figure.layout.annotations if note.text in ("fall", "rise")]
    assert [note.x for note in words] == pytest.approx([0.5, 0.5, 1.5, 1.5])  # above both panels of the first row
    shades = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert {(shape.x0, shape.x1) for shape in shades} == {(10, 100)}
    assert len(shades) == 3


def test_the_pictures_title_stands_above_it_and_changes_with_the_step():
    headings = [frame.layout.annotations[-1].text for frame in linked().frames]
    assert headings == ["At 0", "At 10", "At 100"]


def test_a_partition_keeps_its_bar_of_colours_beside_it():
    ring = torch.tensor([0, 1, 2])
    cells = regions.Cells(torch.eye(3, 2), torch.tensor([0, 3]), ring, torch.stack([ring, ring.roll(-1)], 1))
    shown = regions.partition(cells, {"slope": torch.ones(1)}, title="One region")
    figure = linked(pictures={3: shown})
    bar = next(trace.marker.colorbar for trace in figure.data if trace.name == "pointer")
    low, high = figure.layout.yaxis4.domain
    assert (bar.y, bar.len) == (pytest.approx((low + high) / 2), pytest.approx(high - low))
    assert {trace.yaxis for trace in figure.data if trace.type == "image"} == {"y4"}


def test_nothing_of_the_given_pictures_is_changed():
    pictures = {3: picture()}
    before = pictures[3].to_json()
    linked(pictures=pictures)
    assert pictures[3].to_json() == before


def test_steps_may_be_tensors():
    assert timeline.linked(torch.tensor(STEPS), CURVES, pictures={1: picture()}).frames[0].name == "1"


@pytest.mark.parametrize(
    "options",
    [
        {"pictures": {}},
        {"pictures": {4: picture()}},
        {"pictures": {0: picture(), 1: go.Figure(go.Bar(y=[1]))}},
        {"spans": {"fall": (0, 4)}},
    ],
    ids=["none", "no such look", "of two kinds", "no such end"],
)
def test_what_does_not_fit_is_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        linked(**options)
