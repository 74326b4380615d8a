"""Sliders: one figure with a slider through many, and panels over time whose cursor has a picture of its own."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sslens.figures import theme
from sslens.figures.lines import Panel, lines, panels_of
from sslens.types import InputError

BELOW = 104
"""Pixels that a slider takes."""
ACROSS, UP = 0.13, 0.42
"""Between the cells: a share of the figure's width, and of a cell's height."""
LISTS = ("shapes", "annotations", "images")
"""What a layout holds beside the data, one after the other."""
Cell = tuple[tuple[float, float], tuple[float, float]]
"""From left to right, and from bottom to top, in shares of the figure."""


def scrub(
    figures: Sequence[go.Figure], labels: Sequence[object], *, name: str = "step", at: object = None
) -> go.Figure:
    """One figure with a slider through many, on common axes; it needs no kernel, so a static page can be scrubbed too.

    Data and title move, and so do an axis's words and what is marked or written in the figure; the axes show what any
    of the figures shows. It opens ``at`` a label, else at the last figure, the end of training. Nothing plays by
    itself, if the page is written with ``auto_play=False``; with ``KEYBOARD`` as its post-script the arrow keys move
    the slider.

    Raises:
        InputError: no figure, not one label of its own for each, or none to open at.

    >>> one, two = (go.Figure(go.Scatter(y=[2.0, last])) for last in (1.0, 0.5))
    >>> [frame.name for frame in scrub([one, two], [0, 10]).frames]
    ['0', '10']
    """
    names = [theme.number(label) if isinstance(label, float) else str(label) for label in labels]
    if not figures:
        raise InputError("figures", list(figures), "at least one figure")
    if len(names) != len(figures) or len(set(names)) != len(names):
        raise InputError("labels", names, f"{len(figures)} different labels, one for each figure")
    if at is not None and at not in labels:
        raise InputError("at", at, f"one of {list(labels)}")
    opened = len(names) - 1 if at is None else list(labels).index(at)
    pictures, layouts = _aligned(figures), [figure.to_dict()["layout"] for figure in figures]
    moving = _moving_layouts(layouts)
    frames = [
        go.Frame(name=label, data=traces, layout=layout)
        for label, traces, layout in zip(names, pictures, moving, strict=True)
    ]
    scrubbed = go.Figure(pictures[opened], figures[opened].layout, frames)
    for kind in set(LISTS) & set(moving[opened]):
        scrubbed.layout[kind] = moving[opened][kind]
    for axis, span in _common_ranges(figures, layouts).items():
        scrubbed.update_layout({axis: {"range": span}})
    tallest = max(layout.get("height", 380) for layout in layouts)
    highest = max(layout.get("margin", {}).get("t", 48) for layout in layouts)
    return scrubbed.update_layout(
        sliders=[slider(names, name=name, at=opened)], height=tallest + BELOW, margin_t=highest
    )


def slider(names: Sequence[str], *, name: str, at: int) -> dict[str, Any]:
    """A slider through the frames of these names, at one of them by its place, as a figure's layout holds it.

    >>> slider(["0", "10"], name="step", at=1)["active"]
    1
    """
    at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}, "transition": {"duration": 0}}
    steps = [{"label": theme.text(label), "method": "animate", "args": [[label], at_once]} for label in names]
    now = {"prefix": f"{theme.text(name)} ", "font": {"size": 14}, "xanchor": "left"}
    return {"active": at, "steps": steps, "currentvalue": now, "pad": {"t": 48, "b": 4}, "len": 1, "x": 0}


def _aligned(figures: Sequence[go.Figure]) -> list[list[Any]]:
    """The traces of every figure in one order; a trace that a figure lacks is there, but not visible."""
    known: dict[tuple, Any] = {}
    own = []
    for figure in figures:
        keyed: dict[tuple, Any] = {}
        for trace in _traces_of(figure):
            kind = (trace.type, trace.name, getattr(trace, "mode", None), getattr(trace, "legendgroup", None))
            keyed[(*kind, sum(key[:4] == kind for key in keyed))] = trace
        known |= {key: trace for key, trace in keyed.items() if key not in known}
        own.append(keyed)
    return [_completed(keyed, known) for keyed in own]


def _completed(keyed: Mapping[tuple, Any], known: Mapping[tuple, Any]) -> list[Any]:
    shown = {key: True if trace.visible is None else trace.visible for key, trace in keyed.items()}
    return [type(trace)(keyed.get(key, trace), visible=shown.get(key, False)) for key, trace in known.items()]


def _traces_of(figure: go.Figure) -> Sequence[Any]:
    drawn: Any = figure.data
    return drawn


def _moving_layouts(layouts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a frame carries of each layout: its title, and of lists and axes' words what is not the same in all.

    A page lays a frame over what it shows, so that all that one of them sets is set in each.
    """
    moving: list[dict[str, Any]] = [{"title": {"text": ""} | layout.get("title", {})} for layout in layouts]
    for kind in LISTS:
        lists = [layout.get(kind, []) for layout in layouts]
        if any(things != lists[0] for things in lists):
            for own, things in zip(moving, _in_places(lists), strict=True):
                own[kind] = things
    for axis in _axes(layouts):
        words = [_words(layout.get(axis, {})) for layout in layouts]
        differing = sorted({name for each in words for name in each if each[name] != words[0][name]})
        for own, each in zip(moving, words, strict=True):
            own.update({axis: {name: each[name] for name in differing}} if differing else {})
    return moving


def _axes(layouts: Sequence[Mapping[str, Any]]) -> list[str]:
    names = dict.fromkeys(name for layout in layouts for name in layout)
    return [name for name in names if name.startswith(("xaxis", "yaxis"))]


def _words(axis: Mapping[str, Any]) -> dict[str, Any]:
    """Title and ticks of an axis, with what plotly takes where they are not given."""
    mode = "array" if "tickvals" in axis else "linear" if "dtick" in axis else "auto"
    taken = {"title": {"text": ""}, "tickmode": mode, "tickvals": [], "ticktext": []}
    return {name: axis.get(name, value) for name, value in taken.items()}


def _in_places(lists: Sequence[Sequence[Mapping[str, Any]]]) -> list[list[dict[str, Any]]]:
    """The lists with equal places for things that have the same settings; what a list lacks is there, but not visible.

    A page changes the settings of what has a place already, and takes nothing away.
    """
    keyed = [_by_settings(things) for things in lists]
    known = dict.fromkeys(key for own in keyed for key in own)
    return [_in_order(own, known) for own in keyed]


def _in_order(keyed: Mapping[tuple, Mapping[str, Any]], known: Collection[tuple]) -> list[dict[str, Any]]:
    return [{"visible": True} | dict(keyed[key]) if key in keyed else {"visible": False} for key in known]


def _by_settings(things: Sequence[Mapping[str, Any]]) -> dict[tuple, Mapping[str, Any]]:
    keyed: dict[tuple, Mapping[str, Any]] = {}
    for thing in things:
        settings = _settings(thing)
        keyed[settings, sum(key[0] == settings for key in keyed)] = thing
    return keyed


def _settings(value: object, *within: str) -> frozenset[tuple[str, ...]]:
    """The names of all that is set, however deep."""
    if not isinstance(value, Mapping):
        return frozenset({within})
    return frozenset().union(*(_settings(part, *within, name) for name, part in value.items()))


def _common_ranges(figures: Sequence[go.Figure], layouts: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """A range per axis that holds what any of the figures shows, so that only the data move.

    That is the range of its own, where a figure has one, and else what it draws on a numeric axis.
    """
    ranges: dict[str, list[list[Any]]] = {}
    for axis, values in _reaches(figures, layouts).items():
        log = any(layout.get(axis, {}).get("type") == "log" for layout in layouts)
        if span := _span(np.concatenate(values), log):
            ranges[axis] = [span]
    for axis in _axes(layouts):
        fixed = [layout[axis]["range"] for layout in layouts if "range" in layout.get(axis, {})]
        if fixed:
            ranges[axis] = fixed + ranges.get(axis, [])
    return {axis: _union(spans) for axis, spans in ranges.items()}


def _reaches(figures: Sequence[go.Figure], layouts: Sequence[Mapping[str, Any]]) -> dict[str, list[np.ndarray]]:
    """The numbers drawn along each axis by the figures that fix no range for it."""
    reaches: dict[str, list[np.ndarray]] = {}
    for figure, layout in zip(figures, layouts, strict=True):
        for trace in (trace for trace in _traces_of(figure) if trace.type in ("scatter", "bar")):
            for letter in "xy":
                values = np.asarray(trace[letter])
                own = f"{letter}axis" + (trace[f"{letter}axis"] or letter)[1:]
                matched = layout.get(own, {}).get("matches")
                shared = f"{letter}axis" + matched[1:] if matched else own
                if np.issubdtype(values.dtype, np.number) and "range" not in layout.get(shared, {}):
                    reaches.setdefault(shared, []).append(np.append(values, [0.0] * (trace.type == "bar")))
    return reaches


def _union(ranges: Sequence[Sequence[Any]]) -> list[Any]:
    """From the lowest to the highest end, the way the first range runs; an end that is open in one stays open."""
    turned = [None not in span and span[0] > span[1] for span in ranges]
    spans = [span[::-1] if back else span for span, back in zip(ranges, turned, strict=True)]
    lows, highs = ([span[end] for span in spans] for end in (0, 1))
    whole = [None if None in lows else min(lows), None if None in highs else max(highs)]
    return whole[::-1] if turned[0] else whole


def _span(values: np.ndarray, log: bool) -> list[float]:
    values = values[np.isfinite(values) & ((values > 0) | (not log))]
    if not values.size:
        return []
    values = np.log10(values) if log else values
    low, high = float(values.min()), float(values.max())
    margin = 0.04 * (high - low) or 0.5
    return [low if low == 0 and not log else low - margin, high + margin]


def linked(
    *panels: Panel,
    title: str,
    pictures: Mapping[int, go.Figure],
    spans: Mapping[str, tuple[int, int]] | None = None,
    log: Collection[str] = ("step",),
) -> go.Figure:
    """Panels over steps, a cursor through them, and in the last cell the picture that belongs to its step.

    ``pictures`` are given by step, ``spans`` (parts of training) by their first and last one. The slider goes from
    picture to picture and opens at the last; every second span is shaded, and all that take time are named above the
    panels. Only what moves is stored for every picture.

    Raises:
        InputError: as ``lines``; no picture, or steps at which nothing was measured.

    >>> from xarray import DataArray
    >>> loss = DataArray([2.0, 1.0], dims="step", coords={"step": [0, 10]}, name="loss")
    >>> picture = go.Figure(go.Scatter(x=[0, 1], y=[0, 1]), {"title": {"text": "A line"}})
    >>> figure = linked(loss, title="What moves?", pictures={0: picture, 10: picture})
    >>> [frame.name for frame in figure.frames], [trace.xaxis for trace in figure.data]
    (['0', '10'], ['x', 'x2'])
    """
    spans, read = spans or {}, panels_of(panels, over="step", log=log)
    _check(pictures, spans, steps={step for panel in read for each in panel.found for step in each.places.tolist()})
    figure: Any = lines(*panels, title=title, log=log)
    *above, corner = cells = _grid(len(read) + 1)
    for place, cell in enumerate(above):
        _lay(figure, place, cell, x={"title": {"text": "step" if place + 2 >= len(above) else ""}})
    _lay(figure, len(above), corner, **_axes_of(pictures[max(pictures)]))

    def at(step: float) -> float:
        return float(read[0].axis.at(np.array([step]))[0])

    words, shades = _spans(spans, at, panels=len(above), log="step" in log)
    steps = sorted(pictures)
    versions = _aligned([pictures[step] for step in steps])
    moving, frames = _moving(versions), []
    for step, version in zip(steps, versions, strict=True):
        layout = {"shapes": [*shades, *_cursor(at(step), panels=len(above))]}
        layout["annotations"] = [*words, _heading(pictures[step], corner)]
        traces = [_on(version[place], cells) for place in moving]
        which = [len(figure.data) + place for place in moving]
        frames.append(go.Frame(name=f"{step:.10g}", data=traces, traces=which, layout=layout))
    figure.add_traces([_on(trace, cells) for trace in versions[-1]])
    figure.frames = frames
    figure.update_layout(frames[-1].layout)
    return _with_slider(figure, [frame.name for frame in frames], rows=-(-len(cells) // 2))


def _check(pictures: Mapping[int, go.Figure], spans: Mapping[str, tuple[int, int]], *, steps: set[float]) -> None:
    if not pictures:
        raise InputError("pictures", dict(pictures), "at least one picture")
    ends = [step for span in spans.values() for step in span]
    for field, named in (("pictures", list(pictures)), ("spans", ends)):
        if strangers := [step for step in named if step not in steps]:
            known = ", ".join(map(theme.number, sorted(steps)))
            raise InputError(field, strangers, f"at steps that were measured: {known}")


def _axes_of(picture: go.Figure) -> dict[str, Any]:
    layout: Any = picture.layout
    return {letter: layout[f"{letter}axis"].to_plotly_json() for letter in "xy"}


def _moving(versions: Sequence[Sequence[Any]]) -> list[int]:
    """Places of the traces that are not the same in all pictures; of a single picture, of all its traces."""
    columns = enumerate(zip(*versions, strict=True))
    return [place for place, same in columns if len(same) == 1 or list(same) != [same[0]] * len(same)]


def _grid(count: int) -> list[Cell]:
    """Cells two by two, row by row from the top."""
    rows = -(-count // 2)
    width, height = (1 - ACROSS) / 2, 1 / (rows + UP * (rows - 1))
    lows = [max(0.0, 1 - height - row * height * (1 + UP)) for row in range(rows)]
    lefts = (0.0, 1 - width)
    across = [(left, left + width) for left in lefts]
    return [(across[place % 2], (lows[place // 2], lows[place // 2] + height)) for place in range(count)]


def _number(place: int) -> str:
    return str(place + 1) if place else ""


def _lay(figure: Any, place: int, cell: Cell, **own: Mapping[str, Any]) -> None:
    """Give a pair of axes their cell, and settings of their own."""
    for letter, other, domain in zip("xy", "yx", cell, strict=True):
        settings = dict(own.get(letter, {})) | {"domain": domain, "anchor": other + _number(place)}
        if "scaleanchor" in settings:
            settings["scaleanchor"] = other + _number(place)
        figure.update_layout({f"{letter}axis{_number(place)}": settings})


def _on(trace: Any, cells: Sequence[Cell]) -> Any:
    """The trace on the axes of the last cell, its bar of colours beside it."""
    moved = type(trace)(trace, xaxis=f"x{len(cells)}", yaxis=f"y{len(cells)}")
    if trace.type == "scatter" and trace.marker.showscale:
        (_, right), (low, high) = cells[-1]
        moved.marker.colorbar.update(x=right, xanchor="left", y=(low + high) / 2, len=high - low, lenmode="fraction")
    return moved


def _cursor(x: float, *, panels: int) -> list[dict[str, Any]]:
    line = {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "line": {"color": "#000", "width": 1.5, "dash": "dot"}}
    return [line | _whole(place) for place in range(panels)]


def _whole(place: int) -> dict[str, str]:
    """Along a panel's own steps, and from its foot to its top."""
    return {"xref": f"x{_number(place)}", "yref": f"y{_number(place)} domain"}


def _spans(
    spans: Mapping[str, tuple[int, int]], at: Callable[[float], float], *, panels: int, log: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Names of the spans above the panels of the first row, and in all panels a shade behind every second one."""
    words: list[dict[str, Any]] = []
    shades: list[dict[str, Any]] = []
    upright = {"showarrow": False, "font": {"size": 11, "color": "#555"}, "y": 1, "yanchor": "bottom"}
    dark = {"type": "rect", "y0": 0, "y1": 1, "layer": "below", "fillcolor": "#000", "opacity": 0.07}
    for turn, (name, (first, end)) in enumerate(spans.items()):
        if first == end:
            continue
        low, high = at(first), at(end)
        middle = float(np.log10(low * high) / 2) if log else (low + high) / 2  # plotly wants the exponent here alone
        word = upright | {"text": theme.text(name), "x": middle}
        shade = dark | {"line": {"width": 0}, "x0": low, "x1": high}
        words += [word | _whole(place) for place in range(min(panels, 2))]
        shades += [shade | _whole(place) for place in range(panels * (turn % 2))]
    return words, shades


def _heading(picture: go.Figure, corner: Cell) -> dict[str, Any]:
    (left, _), (_, top) = corner
    layout: Any = picture.layout
    place = {"xref": "paper", "yref": "paper", "x": left, "y": top, "xanchor": "left", "yanchor": "bottom"}
    return place | {"text": layout.title.text, "showarrow": False, "align": "left", "font": {"size": 12}}


def _with_slider(figure: Any, names: Sequence[str], *, rows: int) -> go.Figure:
    above = figure.layout.margin.t + 20  # the names of the spans stand there
    height = above + 330 * rows + BELOW + 30 * bool(figure.layout.showlegend)
    return figure.update_layout(
        sliders=[slider(names, name="step", at=len(names) - 1)], height=height, margin={"t": above, "r": 70}
    )


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
