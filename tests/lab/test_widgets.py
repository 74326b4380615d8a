"""Controls that recompute a figure, and the same figure where nobody turns them."""

import subprocess
import sys

import ipywidgets
import plotly.graph_objects as go
import pytest

from sslens.lab import explore
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
        "import sys, plotly.graph_objects as go; from sslens.lab import explore;"
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


def test_an_error_is_told_as_text_and_the_last_good_figure_stays(live):
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

    controls, _, figure = parts(explore(fragile, height=(0, 9)))
    with pytest.raises(ZeroDivisionError):
        controls["height"].value = 1
    controls["height"].value = 2
    assert figure.data[0].y == (1,)


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
