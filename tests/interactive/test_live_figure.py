"""Figures that change in place."""

import gzip

import plotly.graph_objects as go
import pytest

from sslens.figures import theme
from sslens.interactive import live_figure


def line(*heights, **layout):
    return go.Figure(go.Scatter(y=heights), layout=layout)


def test_a_live_figure_brings_a_loader_and_not_plotlys_script():
    state = live_figure.live(line(1, 2)).get_state()
    assert len(state["_esm"]) < 3000
    assert state["_script"] == live_figure.script().model_id


def test_all_figures_share_one_script_that_unpacks_to_plotlys():
    first, second = live_figure.live(line(1, 2)), live_figure.live(line(3, 4))
    assert first._script == second._script
    assert gzip.decompress(live_figure.script().packed) == live_figure.SCRIPT.read_bytes()


def test_a_page_opened_again_sees_the_present_data():
    widget = live_figure.live(line(1, 2))
    widget.data[0].y = [3, 4]
    widget.layout.title.text = "later"
    state = widget.get_state()
    assert list(state["_widget_data"][0]["y"]) == [3, 4]
    assert state["_widget_layout"]["title"]["text"] == "later"


def test_a_script_that_is_ready_late_is_answered_with_the_present_data():
    widget = live_figure.live(line(1, 2))
    sent = []
    widget.send = lambda content, buffers=None: sent.append(content)
    widget._handle_custom_msg("state", [])
    assert sent == ["state"]


def test_plotlys_own_widget_stands_in_where_the_script_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(live_figure, "SCRIPT", tmp_path / "nothing.js")
    widget = live_figure.live(line(1, 2))
    assert not isinstance(widget, live_figure.LiveFigure)
    assert list(widget.data[0].y) == [1, 2]


def test_live_figures_have_no_cloud_button():
    assert live_figure.live(line(1))._config == theme.CONFIG


def test_redrawing_changes_what_differs_and_leaves_the_zoom():
    before, after = line(1, 2, title="one", xaxis_title="step"), line(3, 4, 5, title="two", xaxis_title="step")
    widget = live_figure.live(before)
    widget.layout.xaxis.range = [0, 1]  # what a person's zoom leaves behind
    live_figure.redraw(widget, before=before, after=after)
    assert list(widget.data[0].y) == [3, 4, 5]
    assert widget.layout.title.text == "two"
    assert widget.layout.xaxis.range == (0, 1)


def test_redrawing_is_one_message_with_only_what_differs(monkeypatch):
    before, after = line(1, 2, title="one"), line(1, 9, title="one")
    widget = live_figure.live(before)
    sent = []
    monkeypatch.setattr(type(widget), "_send_update_msg", lambda _, **message: sent.append(message))
    monkeypatch.setattr(type(widget), "_send_restyle_msg", lambda *_, **__: sent.append("restyle"))
    live_figure.redraw(widget, before=before, after=after)
    assert len(sent) == 1
    assert set(sent[0]["restyle_data"]) == {"y"}
    assert not sent[0]["relayout_data"]


def test_redrawing_empties_what_the_new_figure_lacks():
    before = line(1, 2, title="one").update_traces(text=["a", "b"])
    widget = live_figure.live(before)
    live_figure.redraw(widget, before=before, after=line(1, 2))
    assert widget.data[0].text is None
    assert widget.layout.title.text is None


@pytest.mark.parametrize("after", [go.Figure(go.Bar(y=[5])), go.Figure([go.Scatter(y=[1]), go.Scatter(y=[2])])])
def test_redrawing_turns_one_kind_of_figure_into_another(after):
    before = line(1, 2)
    widget = live_figure.live(before)
    live_figure.redraw(widget, before=before, after=after)
    assert [trace.type for trace in widget.data] == [trace.type for trace in after.data]
    assert [list(trace.y) for trace in widget.data] == [list(trace.y) for trace in after.data]
