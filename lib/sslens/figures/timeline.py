"""One time axis for everything: quantities along training, and the picture that belongs to the step under a cursor."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sslens.figures import curves, dynamics, theme
from sslens.types import InputError

ACROSS, UP = 0.13, 0.3
"""Between the cells: a share of the figure's width, and of a cell's height."""
Cell = tuple[tuple[float, float], tuple[float, float]]
"""From left to right, and from bottom to top, in shares of the figure."""


def linked(
    steps: curves.Numbers,
    quantities: Mapping[str, Mapping[str, curves.Numbers]],
    *,
    pictures: Mapping[int, go.Figure],
    units: Mapping[str, str] | None = None,
    spans: Mapping[str, tuple[int, int]] | None = None,
) -> go.Figure:
    """Panels on one logarithmic axis of steps, a cursor through them, and in the last cell the picture of its step.

    ``pictures`` and ``spans`` (parts of training, from which look to which) count looks, places in ``steps``. The
    slider goes from picture to picture and opens at the last; every second span is shaded, and all that take time
    are named above the panels. Only what moves is stored for every picture.

    Raises:
        InputError: as ``dynamics.panels``; no picture, pictures of different kinds, or looks that are not there.

    >>> picture = go.Figure(go.Scatter(x=[0, 1], y=[0, 1]), {"title": {"text": "A line"}})
    >>> figure = linked([0, 10], {"loss": {"run": [2.0, 1.0]}}, pictures={0: picture, 1: picture})
    >>> [frame.name for frame in figure.frames], [trace.xaxis for trace in figure.data]
    (['0', '10'], ['x', 'x2'])
    """
    figure: Any = dynamics.panels(steps, quantities, units=units, log_steps=True)
    places, spans = dynamics.step_axis(steps, log=True)[1], spans or {}
    _check(pictures, spans, looks=len(places))
    *panels, corner = cells = _grid(len(quantities) + 1)
    for place, cell in enumerate(panels):
        lowest = place + 2 >= len(panels)
        _lay(figure, place, cell, x={"title": {"text": "step" if lowest else ""}})
    last: Any = pictures[max(pictures)].layout
    own = {letter: last[f"{letter}axis"].to_plotly_json() for letter in "xy"}
    _lay(figure, len(panels), corner, **own)
    labels = curves.array("steps", steps)
    words, shades = _named(spans, places, panels=len(panels))
    moving, frames = _moving(list(pictures.values())), []
    for look, picture in sorted(pictures.items()):
        layout = {"shapes": [*shades, *_cursor(float(places[look]), panels=len(panels))]}
        layout["annotations"] = [*words, _heading(picture, corner)]
        traces = [_on(_traces(picture)[place], cells) for place in moving]
        which = [len(figure.data) + place for place in moving]
        frames.append(go.Frame(name=f"{labels[look]:.10g}", data=traces, traces=which, layout=layout))
    figure.add_traces([_on(trace, cells) for trace in _traces(pictures[max(pictures)])])
    figure.frames = frames
    figure.update_layout(frames[-1].layout)
    return _with_slider(figure, [frame.name for frame in frames], rows=-(-len(cells) // 2))


def _check(pictures: Mapping[int, go.Figure], spans: Mapping[str, tuple[int, int]], *, looks: int) -> None:
    kinds = {tuple(trace.type for trace in _traces(picture)) for picture in pictures.values()}
    if len(kinds) != 1:
        raise InputError("pictures", sorted(kinds), "at least one picture, all of the same traces")
    ends = [look for span in spans.values() for look in span]
    for field, named in (("pictures", list(pictures)), ("spans", ends)):
        if strangers := [look for look in named if look not in range(looks)]:
            raise InputError(field, strangers, f"looks from 0 to {looks - 1}")


def _traces(picture: go.Figure) -> Sequence[Any]:
    drawn: Any = picture.data
    return drawn


def _moving(pictures: Sequence[go.Figure]) -> list[int]:
    """Places of the traces that are not the same in all pictures; of a single picture, of all its traces."""
    versions = list(zip(*map(_traces, pictures), strict=True))
    return [place for place, same in enumerate(versions) if len(same) == 1 or any(one != same[0] for one in same)]


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


def _named(
    spans: Mapping[str, tuple[int, int]], places: np.ndarray, *, panels: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Names of the spans above the panels of the first row, and in all panels a shade behind every second one."""
    words: list[dict[str, Any]] = []
    shades: list[dict[str, Any]] = []
    look = {"showarrow": False, "font": {"size": 11, "color": "#555"}, "y": 1, "yanchor": "bottom"}
    dark = {
        "type": "rect",
        "y0": 0,
        "y1": 1,
        "layer": "below",
        "line": {"width": 0},
        "fillcolor": "#000",
        "opacity": 0.07,
    }
    for turn, (name, (first, end)) in enumerate(spans.items()):
        if first == end:
            continue
        low, high = float(places[first]), float(places[end])
        middle = {"text": theme.text(name), "x": float(np.log10(low * high) / 2)}
        words += [look | middle | _whole(place) for place in range(min(panels, 2))]
        shades += [dark | {"x0": low, "x1": high} | _whole(place) for place in range(panels * (turn % 2))]
    return words, shades


def _heading(picture: go.Figure, corner: Cell) -> dict[str, Any]:
    (left, _), (_, top) = corner
    layout: Any = picture.layout
    place = {"xref": "paper", "yref": "paper", "x": left, "y": top, "xanchor": "left", "yanchor": "bottom"}
    return place | {"text": layout.title.text, "showarrow": False, "align": "left", "font": {"size": 12}}


def _with_slider(figure: Any, names: Sequence[str], *, rows: int) -> go.Figure:
    height, raised = 310 * rows, 18  # the names of the spans need room below the legend
    title, margin = figure.layout.title.pad.b + raised, figure.layout.margin.t + raised
    figure.update_layout(legend_y=1.01 + raised / height, title_pad_b=title, height=height + margin + 120)
    slider = dynamics.slider(names, name="step")
    return figure.update_layout(sliders=[slider], margin={"b": 120, "t": margin, "r": 70})
