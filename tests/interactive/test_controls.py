"""Controls that recompute a figure, and the same figure where nobody turns them."""

import subprocess
import sys

import ipywidgets
import plotly.graph_objects as go
import pytest

from sslens.interactive import Zoom, explore
from sslens.types import InputError, UnknownName


def power(exponent=2, *, steps=3, mirrored=False, symbol="circle"):
    if exponent == 5:
        raise InputError("exponent", exponent, "anything but <b>5</b>")
    sign = -1 if mirrored else 1
    return go.Figure(go.Scatter(y=[sign * place**exponent for place in range(steps)], marker_symbol=symbol))


CONTROLS = {"exponent": (0, 5), "steps": (1, 9, 2), "mirrored": True, "symbol": ["circle", "square"]}


@pytest.fixture
def live(monkeypatch):
    monkeypatch.setenv("SSLENS_LIVE", "1")


def parts(panel):
    row, message, figure = panel.children
    return {control.description: control for control in row.children}, message, figure


def test_where_nobody_is_there_the_figure_of_the_defaults_is_returned():
    figure = explore(power, **CONTROLS)
    assert type(figure) is go.Figure
    assert figure.data[0].y == (0, 1, 4)


def test_where_nobody_is_there_no_widget_is_imported():
    code = (
        "import sys, plotly.graph_objects as go; from sslens.interactive import explore;"
        "explore(lambda height=1: go.Figure(go.Scatter(y=[height])), height=(0, 3));"
        "assert not {'ipywidgets', 'anywidget', 'IPython'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_person_gets_a_control_for_each_parameter_at_its_default(live):
    controls, message, figure = parts(explore(power, **CONTROLS))
    kinds = {name: (type(control), control.value) for name, control in controls.items()}
    assert kinds == {
        "exponent": (ipywidgets.IntSlider, 2),
        "steps": (ipywidgets.IntSlider, 3),
        "mirrored": (ipywidgets.Checkbox, False),
        "symbol": (ipywidgets.Dropdown, "circle"),
    }
    assert controls["exponent"].readout
    assert message.value == ""
    assert figure.data[0].y == (0, 1, 4)


def test_turning_a_control_changes_the_figure_in_place(live):
    controls, _, figure = parts(explore(power, **CONTROLS))
    controls["exponent"].value = 3
    assert figure.data[0].y == (0, 1, 8)
    controls["mirrored"].value = True
    assert figure.data[0].y == (0, -1, -8)
    controls["symbol"].value = "square"
    assert figure.data[0].marker.symbol == "square"


def test_an_error_is_shown_as_text_and_the_last_good_figure_stays(live):
    controls, message, figure = parts(explore(power, **CONTROLS))
    controls["exponent"].value = 5
    assert "&lt;b&gt;5&lt;/b&gt;" in message.value
    assert "<b>" not in message.value
    assert figure.data[0].y == (0, 1, 4)
    controls["exponent"].value = 1
    assert message.value == ""
    assert figure.data[0].y == (0, 1, 2)


def test_the_latest_value_wins_over_one_that_is_being_drawn(live):
    drawn = []

    def slow(height=0):
        drawn.append(height)
        if height == 1:
            controls["height"].value = 2
            controls["height"].value = 3
        return go.Figure(go.Scatter(y=[height]))

    controls, _, figure = parts(explore(slow, height=(0, 9)))
    controls["height"].value = 1
    assert figure.data[0].y == (3,)
    assert drawn == [0, 1, 3]


def test_a_failure_of_the_function_does_not_stop_the_panel(live):
    def fragile(height=0):
        return go.Figure(go.Scatter(y=[1 / (height - 1)]))

    controls, message, figure = parts(explore(fragile, height=(0, 9)))
    controls["height"].value = 1
    assert message.value == '<span role="alert">ZeroDivisionError: division by zero</span>'
    assert figure.data[0].y == (-1,)
    controls["height"].value = 2
    assert (figure.data[0].y, message.value) == ((1,), "")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (KeyError("<b>"), "KeyError: &#x27;&lt;b&gt;&#x27;"),
        (RuntimeError(), "RuntimeError"),
        ("no figure", "figure_of must be a function that returns a plotly Figure"),
    ],
)
def test_whatever_goes_wrong_is_said_and_no_traceback_is_shown(live, capsys, given, said):
    def fragile(height=0):
        if height == 1 and isinstance(given, Exception):
            raise given
        return given if height == 1 else go.Figure(go.Scatter(y=[height]))

    controls, message, figure = parts(explore(fragile, height=(0, 9)))
    controls["height"].value = 1
    assert message.value.startswith(f'<span role="alert">{said}')
    assert "Traceback" not in message.value + "".join(capsys.readouterr())
    assert figure.data[0].y == (0,)
    controls["height"].value = 2
    assert (figure.data[0].y, message.value) == ((2,), "")


def test_a_computation_is_announced_before_it_begins_and_no_longer_afterwards(live):
    said = []

    def watched(height=0):
        if said:
            said.append(panel.children[1].value)
        if height == 2:
            raise KeyboardInterrupt
        return go.Figure(go.Scatter(y=[height]))

    panel = explore(watched, height=(0, 9))
    controls, message, _ = parts(panel)
    said.append(message.value)
    controls["height"].value = 1
    assert said[0] == message.value == ""
    assert "computing ..." in said[1]
    with pytest.raises(KeyboardInterrupt):
        controls["height"].value = 2
    assert message.value == ""


def test_fractions_make_a_fractional_slider_and_missing_defaults_begin_at_the_low_end(live):
    controls, *_ = parts(explore(lambda width: go.Figure(go.Scatter(y=[width])), width=(0.5, 2.0)))
    slider = controls["width"]
    assert (type(slider), slider.value, slider.min, slider.max) == (ipywidgets.FloatSlider, 0.5, 0.5, 2.0)


@pytest.mark.parametrize("control", [(1,), (3, 1), (0, 5, 0), (0, 5, 9), [], "abc", None, (0, "a"), 3])
def test_a_control_of_no_known_form_is_refused(control):
    with pytest.raises(InputError, match="exponent"):
        explore(power, exponent=control)


@pytest.mark.parametrize("control", [(3, 5), [1, 3], True])
def test_a_default_outside_its_control_is_refused(control):
    with pytest.raises(InputError, match="default of exponent"):
        explore(power, exponent=control)


def test_a_misspelt_control_is_refused_with_the_closest():
    with pytest.raises(UnknownName, match="Did you mean 'exponent'"):
        explore(power, exponant=(0, 3))


def test_a_parameter_without_default_or_control_is_refused():
    with pytest.raises(InputError, match="width"):
        explore(lambda width, height=1: go.Figure(), height=(0, 3))


def test_what_is_no_figure_is_refused():
    with pytest.raises(InputError, match="figure_of"):
        explore(lambda height=1: height, height=(0, 3))


def boxed(box=(0.2, 0.1, 0.1)):
    x, y, half = box
    ranges = {"xaxis_range": (x - half, x + half), "yaxis_range": (y - half, y + half)}
    return go.Figure(go.Scatter(y=list(box)), {**ranges, "title_text": f"half-side {half:.3g}"})


def test_a_box_drawn_on_the_figure_moves_the_sliders_and_is_computed_anew(live):
    panel = explore(boxed, box=Zoom())
    (box,), _, figure = (panel.children[0].children, *panel.children[1:])
    assert figure.data[0].y == pytest.approx((0.2, 0.1, 0.1))
    figure.plotly_relayout({"xaxis.range": [0.5, 0.7], "yaxis.range": [0.0, 0.1]})  # as the page reports it
    assert box.value == pytest.approx((0.6, 0.05, 0.1))
    assert figure.data[0].y == pytest.approx(box.value)
    assert figure.layout.yaxis.range == pytest.approx((-0.05, 0.15))  # the square around what was drawn
    assert [slider.value for slider in box.sliders] == pytest.approx(box.value)


def test_the_sliders_of_a_box_move_it_by_shares_of_its_size(live):
    panel = explore(boxed, box=Zoom())
    (box,), figure = panel.children[0].children, panel.children[2]
    assert box.sliders[0].step == pytest.approx(0.1 / 5)
    box.sliders[2].value = 0.01
    assert figure.data[0].y == pytest.approx((0.2, 0.1, 0.01))
    assert box.sliders[0].step == pytest.approx(0.01 / 5)


def test_what_shows_no_range_is_the_whole_and_no_box_leaves_it(live):
    panel = explore(boxed, box=Zoom(whole=2.0))
    box = panel.children[0].children[0]
    box.show(None, None)
    assert box.value == pytest.approx((0, 0, 2))
    box.show((-9, 9), (5, 6))
    assert box.value == pytest.approx((0, 2, 2))
    box.show((0, 1e-12), (0, 1e-12))
    assert box.value[2] == pytest.approx(1e-6)


@pytest.mark.parametrize("default", [(0.0, 0.0), (0.0, 3.0, 0.1), (0.0, 0.0, 0.0), (0.0, 0.0, "1"), 1.0])
def test_a_box_out_of_reach_is_refused(default):
    with pytest.raises(InputError, match="default of box"):
        explore(lambda box=default: go.Figure(), box=Zoom())


def test_a_box_without_default_begins_at_the_whole():
    assert explore(lambda box: boxed(box), box=Zoom()).data[0].y == (0, 0, 1)


def test_half_sides_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="smallest"):
        Zoom(whole=1.0, smallest=1.0)


def test_a_page_that_shows_the_nearest_step_does_not_move_the_box(live):
    panel = explore(boxed, box=Zoom())
    box, figure = panel.children[0].children[0], panel.children[2]
    figure.plotly_relayout({"xaxis.range": [0.5, 0.73], "yaxis.range": [0.0, 0.23]})
    steps = round((box.value[0] + 1) / box.x.step)
    box.x.value = steps * box.x.step - 1
    assert box.value == pytest.approx((0.615, 0.115, 0.115))
    box.x.value = (steps + 1) * box.x.step - 1  # a person's key
    assert box.value == pytest.approx((box.x.value, 0.115, 0.115))
    assert figure.data[0].y == pytest.approx(box.value)


def level(height=0.3):
    return go.Figure(go.Scatter(y=[height]))


def test_a_default_that_the_slider_would_step_over_is_refused():
    with pytest.raises(
        InputError, match=r"default of height must be a number in \[0.01, 1.01\], a whole number of steps"
    ):
        explore(level, height=(0.01, 1.01, 0.1))
    assert explore(level, height=(0.0, 1.0, 0.1)).data[0].y == (0.3,)
    assert explore(level, height=(-0.1, 1.0, 0.2)).data[0].y == (0.3,)


@pytest.mark.parametrize(("low", "high"), [(0.01, 1.0), (0.0, 7.0), (0.2999, 5.0), (0.3, 1.0), (-3.0, 0.3)])
def test_a_slider_without_a_step_stands_at_its_default(live, low, high):
    controls, _, _ = parts(explore(level, height=(low, high)))
    slider = controls["height"]
    steps = (0.3 - low) / slider.step
    assert slider.value == 0.3
    assert steps == pytest.approx(round(steps), abs=1e-9)
    assert 0 < slider.step <= (high - low) / 50
