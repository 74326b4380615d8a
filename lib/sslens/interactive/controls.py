"""Controls that recompute a figure, with the same figure as their record where nobody turns them."""

import html
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import isclose
from threading import Lock
from typing import Any, final

import plotly.graph_objects as go

from sslens import runtime
from sslens.types import InputError, UnknownName

_COMPUTING = (
    "<style>@keyframes sslens-late { from, to { visibility: hidden } }</style>"
    '<span role="status" style="animation: sslens-late 300ms"> computing ...</span>'
)
"""Sent before every computation, as a busy kernel sends nothing; the page shows it once 300 ms are over."""


@final
@dataclass(frozen=True)
class Zoom:
    """A control for a parameter (x, y, half-side), a box on the plane that the figure shows.

    Three sliders, and the mouse: a box drawn on the figure is taken, and a double click goes back to the first.

    Raises:
        InputError: half-sides that do not satisfy 0 < smallest < whole.

    >>> Zoom().smallest
    1e-06
    """

    whole: float = 1.0
    """Half-side of the largest box; centres lie within it around the origin."""
    smallest: float = 1e-6

    def __post_init__(self) -> None:
        if not 0 < self.smallest < self.whole:
            raise InputError("smallest", self.smallest, f"above 0 and below the whole, {self.whole}")

    def holds(self, box: Any) -> bool:
        """Whether a box is one of those that can be chosen.

        >>> Zoom(whole=1.0).holds((0.0, 2.0, 0.1))
        False
        """
        if not isinstance(box, tuple) or len(box) != 3 or not all(map(_is_number, box)):
            return False
        x, y, half = box
        return max(abs(x), abs(y)) <= self.whole and self.smallest <= half <= self.whole


def explore(figure_of: Callable[..., go.Figure], **controls: Any) -> Any:
    """A figure with a control for each named parameter of ``figure_of``; the plain figure where nobody is there.

    A control is ``(low, high)`` or ``(low, high, step)`` for a slider, a list of choices, a bool for a tick box, or a
    ``Zoom`` for a box that is also drawn by mouse. A slider's default must be a whole number of its steps above the
    lowest value.
    It begins at the parameter's default, else at the lowest, the first, or the bool given. Parameters without a
    control keep their defaults. What is wrong with a value, or whatever else ``figure_of`` raises for it, is said under
    the controls.

    Raises:
        UnknownName: a control for a parameter that ``figure_of`` has not.
        InputError: a parameter without default and control, a control of another form, or a default outside it.

    >>> def line(slope=2):
    ...     return go.Figure(go.Scatter(y=[0, slope]))
    >>> explore(line, slope=(0, 5)).data[0].y  # nobody in front of this kernel: the figure itself
    (0, 2)
    """
    start = _start(figure_of, controls)
    figure = _drawn(figure_of, start)
    return _Panel(figure_of, controls, start=start, figure=figure).box if runtime.is_interactive() else figure


def _drawn(figure_of: Callable[..., go.Figure], values: Mapping[str, Any]) -> go.Figure:
    figure = figure_of(**values)
    if not isinstance(figure, go.Figure) or figure.frames:
        raise InputError("figure_of", type(figure).__name__, "a function that returns a plotly Figure without frames")
    return figure


def _start(figure_of: Callable[..., go.Figure], controls: Mapping[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(figure_of).parameters
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    for name in controls:
        if name not in parameters and not takes_any:
            raise UnknownName("control", name, parameters)
    for name, each in parameters.items():
        needed = each.default is each.empty and each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
        if needed and name not in controls:
            raise InputError("controls", list(controls), f"one for {name!r}, which has no default")
    defaults = {name: each.default for name, each in parameters.items() if each.default is not each.empty}
    return {name: _checked(name, control, default=defaults.get(name)) for name, control in controls.items()}


def _checked(name: str, control: Any, *, default: Any) -> Any:
    """The value a control begins with."""
    if isinstance(control, bool):
        legal, first, allowed = (True, False), control, "a bool"
    elif isinstance(control, tuple) and len(control) in (2, 3) and all(_is_number(part) for part in control):
        low, high, *step = control
        if not low < high or not all(0 < each <= high - low for each in step):
            raise InputError(name, control, "(low, high) or (low, high, step) with low < high and a step between")
        grid = f", a whole number of steps of {step[0]} above {low}" if step else ""
        first, allowed = low, f"a number in [{low}, {high}]{grid}"
        legal = [default] if _is_number(default) and low <= default <= high and _on_grid(default, low, *step) else []
    elif isinstance(control, list) and control:
        legal, first, allowed = control, control[0], f"one of {control}"
    elif isinstance(control, Zoom):
        legal, first, allowed = [default] * control.holds(default), (0.0, 0.0, control.whole), f"a box of {control}"
    else:
        raise InputError(name, control, "(low, high), (low, high, step), a list of choices, a bool or a Zoom")
    if default is not None and default not in legal:
        raise InputError(f"default of {name}", default, allowed)
    return first if default is None else default


def _on_grid(value: float, low: float, step: float | None = None) -> bool:
    """Whether a slider with this step, if it has one, can stand at a value: the page would show another one."""
    return step is None or isclose((value - low) / step, round((value - low) / step), abs_tol=1e-6)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _control(name: str, control: Any, *, value: Any) -> Any:
    import ipywidgets as widgets  # headless runs do without

    if isinstance(control, Zoom):
        from sslens.interactive.zoom_box import ZoomBox

        return ZoomBox(value, whole=control.whole, smallest=control.smallest)
    common = {"description": name.replace("_", " "), "value": value}
    common |= {"style": {"description_width": "initial"}, "layout": {"width": "auto", "min_width": "260px"}}
    if isinstance(control, bool):
        return widgets.Checkbox(**common, indent=False)
    if isinstance(control, list):
        return widgets.Dropdown(options=[(str(choice), choice) for choice in control], **common)
    low, high, *step = control
    if all(isinstance(number, int) for number in (*control, value)):
        return widgets.IntSlider(min=low, max=high, step=step[0] if step else 1, **common)
    fine = step[0] if step else _fine_step(low, high, through=value)
    return widgets.FloatSlider(min=low, max=high, step=fine, readout_format=".4g", **common)


def _fine_step(low: float, high: float, *, through: float) -> float:
    """About a hundredth of the way, so that a slider from ``low`` in such steps comes to stand at a value."""
    steps = round(100 * (through - low) / (high - low))
    return (through - low) / steps if steps else (high - low) / 100 if through == low else through - low


def _said(error: Exception) -> str:
    """The text of an error; the kind of it as well, if it is none of ours, whose text says all."""
    kind = "" if isinstance(error, InputError) else type(error).__name__
    return ": ".join(filter(None, (kind, str(error))))


@final
class _Panel:
    """Controls, message and figure; draws the latest values only, however fast they come."""

    def __init__(
        self,
        figure_of: Callable[..., go.Figure],
        controls: Mapping[str, Any],
        *,
        start: dict[str, Any],
        figure: go.Figure,
    ) -> None:
        import ipywidgets as widgets

        from sslens.interactive.live_figure import PANEL, live

        self.figure_of, self.lock = figure_of, Lock()
        self.wanted, self.drawn, self.figure = start, start, figure
        self.controls = {name: _control(name, control, value=start[name]) for name, control in controls.items()}
        # A line of its own even while nothing is said, so that the figure stays where it is.
        self.message, self.widget = widgets.HTML(layout={"min_height": "28px"}), live(figure)
        row = widgets.HBox(list(self.controls.values()), layout={"flex_flow": "row wrap"})
        self.box = widgets.VBox([row, self.message, self.widget]).add_class(PANEL)
        for name, control in self.controls.items():
            control.observe(self.changed, "value")
            if isinstance(controls[name], Zoom):
                self.widget.layout.on_change(partial(self.zoomed, control), "xaxis.range", "yaxis.range")

    def zoomed(self, control: Any, _: Any, across: Any, up: Any) -> None:
        """Hand on what a person made the figure show; a drawing moves its axes as well, which is no wish."""
        if not self.lock.locked():
            control.show(across, up)

    def changed(self, _: Any) -> None:
        """Note what is wanted and draw it, unless a drawing is under way: that one will see it."""
        self.wanted = {name: control.value for name, control in self.controls.items()}
        while self.wanted is not self.drawn and self.lock.acquire(blocking=False):
            try:
                self.message.value += _COMPUTING
                self.draw(self.wanted)
            finally:
                self.message.value = self.message.value.removesuffix(_COMPUTING)
                self.lock.release()

    def draw(self, values: dict[str, Any]) -> None:
        """Show the figure of these values, or say what is wrong with them and leave the last good figure."""
        from sslens.interactive.live_figure import redraw

        self.drawn = values
        try:
            figure = _drawn(self.figure_of, values)
        except Exception as error:  # whatever a stranger's function raises
            self.message.value = f'<span role="alert">{html.escape(_said(error))}</span>'
            return
        redraw(self.widget, before=self.figure, after=figure)
        self.figure, self.message.value = figure, ""
