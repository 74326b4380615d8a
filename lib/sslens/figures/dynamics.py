"""Training as pictures: quantities along steps, side by side, and a slider through figures."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from sslens.figures import curves, theme
from sslens.types import InputError


def lines(
    steps: curves.Numbers,
    curves_by_run: Mapping[str, curves.Numbers],
    *,
    quantity: str,
    unit: str = "",
    log: bool = False,
    log_steps: bool = False,
) -> go.Figure:
    """One quantity along training, one line per run with its band over seeds; a diverged run ends in a marked gap.

    Raises:
        InputError: steps that do not rise from zero or above, no run, or a run of another length or without a number.

    >>> lines([0, 10], {"vicreg": [2.0, 1.0]}, quantity="loss").layout.xaxis.title.text
    'step'
    """
    logged, units = ((quantity,) if log else ()), {quantity: unit}
    return panels(steps, {quantity: curves_by_run}, units=units, log=logged, log_steps=log_steps)


def panels(
    steps: curves.Numbers,
    quantities: Mapping[str, Mapping[str, curves.Numbers]],
    *,
    units: Mapping[str, str] | None = None,
    log: Collection[str] = (),
    log_steps: bool = False,
) -> go.Figure:
    """Several quantities along training side by side, the same runs in the same colours under one legend.

    On a logarithmic axis what is not positive is drawn at the lowest place with an open triangle; step 0 keeps a place
    of its own to the left of the first step.

    Raises:
        InputError: steps that do not rise from zero or above, no quantity, a unit or log axis for a quantity that is
            not there, no run, or a run of another length or without a number.

    >>> figure = panels([0, 10], {"loss": {"vicreg": [2.0, 1.0]}, "RankMe": {"vicreg": [9.0, 5.0]}})
    >>> figure.layout.yaxis2.title.text
    'RankMe'
    """
    axis, places = step_axis(steps, log=log_steps)
    read = _read(quantities, len(places))
    units = units or {}
    for field, named in (("units", units), ("log", log)):
        if strangers := [name for name in named if name not in read]:
            raise InputError(field, strangers, f"quantities of this figure: {', '.join(read)}")
    floors = {name: curves.floor_of(read[name].values()) if name in log else None for name in read}
    figure, across = _frame(read, floors)
    styles = theme.styles(dict.fromkeys(run for runs in read.values() for run in runs))
    listed: set[str] = set()
    for place, (quantity, runs) in enumerate(read.items()):
        cell: dict[str, Any] = {"row": place // across + 1, "col": place % across + 1}
        for run, values in runs.items():
            traces = curves.traces(places, values, name=run, style=styles[run], floor=floors[quantity])
            for trace in traces:
                trace.showlegend = trace.showlegend and run not in listed
                figure.add_trace(trace, **cell)
            listed.add(run)
        figure.update_yaxes(title_text=theme.named(quantity, units.get(quantity, "")), **cell)
        if quantity in log:
            figure.update_yaxes(type="log", exponentformat="e", **cell)
    figure.update_xaxes(**axis)
    return figure.update_layout({f"xaxis{place}": {"matches": "x"} for place in range(2, len(read) + 1)})


def _read(quantities: Mapping[str, Mapping[str, curves.Numbers]], length: int) -> dict[str, dict[str, curves.Curve]]:
    if not quantities or not all(quantities.values()):
        raise InputError("quantities", quantities, "at least one quantity of at least one run")
    return {
        quantity: {run: curves.curve(f"{quantity} of {run}", values, length=length) for run, values in runs.items()}
        for quantity, runs in quantities.items()
    }


def _frame(read: Mapping[str, Mapping[str, curves.Curve]], floors: Mapping[str, float | None]) -> tuple[go.Figure, int]:
    """The empty figure, its title and remarks, and how many panels stand side by side."""
    across = len(read) if len(read) <= 3 else 2 if len(read) == 4 else 3
    down = -(-len(read) // across)
    notes = [note for name, runs in read.items() for note in curves.notes(runs.values(), floors[name])]
    *others, last = read
    title = f"{', '.join(others)} and {last} along training" if others else f"{last} along training"
    figure = theme.figure(title[:1].upper() + title[1:], notes=dict.fromkeys(notes), height=140 + 240 * down)
    figure.set_subplots(down, across, horizontal_spacing=0.3 / across, vertical_spacing=0.18 / down)
    for column in range(1, across + 1):
        figure.update_xaxes(title_text="step", row=down, col=column)
    return figure, across


def step_axis(steps: curves.Numbers, *, log: bool) -> tuple[dict[str, Any], Float[np.ndarray, "t"]]:
    """Settings of the axis of steps, and where on it each step lies; on a logarithmic one 0 is left of the first step.

    Raises:
        InputError: steps that do not rise from zero or above.

    >>> step_axis([0, 3, 30], log=True)[1].tolist()
    [1.0, 3.0, 30.0]
    """
    places = curves.array("steps", steps)
    if not np.isfinite(places).all() or places[0] < 0 or np.any(np.diff(places) <= 0):
        raise InputError("steps", steps, "finite numbers that rise, from zero or above")
    if not log:
        return {}, places
    settings: dict[str, Any] = {"type": "log"}
    if places[0] == 0 and len(places) > 1:
        decades = 10.0 ** np.arange(np.ceil(np.log10(places[1])), np.floor(np.log10(places[-1])) + 1)
        places = np.concatenate([places[1:2] / 3, places[1:]])
        ticks = [float(places[0]), *decades.tolist()]
        settings |= {"tickvals": ticks, "ticktext": ["0", *(f"{tick:g}" for tick in decades)]}
    return settings, places


def scrub(figures: Sequence[go.Figure], labels: Sequence[object], *, name: str = "step") -> go.Figure:
    """One figure with a slider through many, on common axes; it needs no kernel, so a static page can be scrubbed too.

    It opens at the last figure, the end of training. Nothing plays by itself, if the page is written with
    ``auto_play=False``; with ``KEYBOARD`` as its post-script the arrow keys move the slider.

    Raises:
        InputError: no figure, or not one label of its own for each.

    >>> one, two = (lines([0, 1], {"vicreg": [2.0, last]}, quantity="loss") for last in (1.0, 0.5))
    >>> [frame.name for frame in scrub([one, two], [0, 10]).frames]
    ['0', '10']
    """
    names = [str(label) for label in labels]
    if not figures:
        raise InputError("figures", figures, "at least one figure")
    if len(names) != len(figures) or len(set(names)) != len(names):
        raise InputError("labels", names, f"{len(figures)} different labels, one for each figure")
    pictures, layouts = _aligned(figures), [figure.to_dict()["layout"] for figure in figures]
    frames = [
        go.Frame(name=label, data=traces, layout={"title": layout.get("title", {})})
        for label, traces, layout in zip(names, pictures, layouts, strict=True)
    ]
    scrubbed = go.Figure(pictures[-1], figures[-1].layout, frames)
    for axis, span in _common_ranges(figures).items():
        scrubbed.update_layout({axis: {"range": span}})
    return scrubbed.update_layout(
        sliders=[slider(names, name=name)],
        height=layouts[0].get("height", 380) + 70,
        margin={"b": 110},
    )


def slider(names: Sequence[str], *, name: str) -> dict[str, Any]:
    """A slider through the frames of these names, at the last of them, as a figure's layout holds it.

    >>> slider(["0", "10"], name="step")["active"]
    1
    """
    at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    steps = [{"label": theme.text(label), "method": "animate", "args": [[label], at_once]} for label in names]
    now = {"prefix": f"{theme.text(name)} ", "font": {"size": 14}, "xanchor": "left"}
    return {"active": len(names) - 1, "steps": steps, "currentvalue": now, "pad": {"t": 48, "b": 4}, "len": 1, "x": 0}


def _aligned(figures: Sequence[go.Figure]) -> list[list[Any]]:
    """The traces of every figure in one order; a trace that a figure lacks is there, but not visible."""
    known: dict[tuple, Any] = {}
    own = []
    for figure in figures:
        keyed: dict[tuple, Any] = {}
        drawn: Any = figure.data
        for trace in drawn:
            look = (trace.type, trace.name, getattr(trace, "mode", None), getattr(trace, "legendgroup", None))
            keyed[(*look, sum(key[:4] == look for key in keyed))] = trace
        known |= {key: trace for key, trace in keyed.items() if key not in known}
        own.append(keyed)
    return [[type(trace)(keyed.get(key, trace), visible=key in keyed) for key, trace in known.items()] for keyed in own]


def _common_ranges(figures: Sequence[go.Figure]) -> dict[str, list[float]]:
    """A range per numeric axis without one that holds what any of the figures shows, so that only the data move."""
    reaches: dict[str, list[np.ndarray]] = {}
    for figure in figures:
        drawn: Any = figure.data
        for trace in drawn:
            for letter in "xy" if trace.type in ("scatter", "bar") else "":
                values = np.asarray(trace[letter])
                if np.issubdtype(values.dtype, np.number):
                    axis = f"{letter}axis" + (trace[f"{letter}axis"] or letter)[1:]
                    reaches.setdefault(axis, []).append(_reach(trace, values))
    layout: Any = figures[0].layout
    spans = {axis: _span(np.concatenate(values), layout[axis].type == "log") for axis, values in reaches.items()}
    return {axis: span for axis, span in spans.items() if span and layout[axis].range is None}


def _reach(trace: Any, values: np.ndarray) -> np.ndarray:
    """What a trace needs room for: a bar begins at zero and ends in its whisker."""
    if trace.type != "bar":
        return values
    error = 0.0 if trace.error_y.array is None else np.nan_to_num(trace.error_y.array)
    return np.concatenate([[0.0], values + error])


def _span(values: np.ndarray, log: bool) -> list[float]:
    values = values[np.isfinite(values) & ((values > 0) | (not log))]
    if not values.size:
        return []
    values = np.log10(values) if log else values
    low, high = float(values.min()), float(values.max())
    margin = 0.04 * (high - low) or 0.5
    return [low if low == 0 and not log else low - margin, high + margin]


KEYBOARD = """
(() => {
  const plot = document.getElementById("{plot_id}");
  const slider = () => plot.layout.sliders[0];
  if (!(plot.layout.sliders || []).length) return;
  let at;
  const say = to => {
    at = to;
    const said = {role: "slider", "aria-label": slider().currentvalue.prefix.trim(), "aria-valuemin": 0,
                  "aria-valuemax": slider().steps.length - 1, "aria-valuenow": at,
                  "aria-valuetext": slider().steps[at].label};
    for (const [name, value] of Object.entries(said)) plot.setAttribute(name, value);
  };
  plot.tabIndex = 0;
  plot.addEventListener("keydown", event => {
    const last = slider().steps.length - 1;
    const next = {ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last}[event.key];
    if (next === undefined) return;
    event.preventDefault();
    say(Math.min(Math.max(next, 0), last));
    Plotly.animate(plot, ...slider().steps[at].args);
  });
  plot.on("plotly_sliderchange", event => say(event.step._index));
  say(slider().active || 0);
})();
"""
"""Script for ``plotly.io.to_html(post_script=..., auto_play=False)``: plotly's own slider listens to the mouse only."""
