"""The picture of a linear rule in the plane: points, their mirror images, lines, and the side each line claims."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from sslens.figures import theme
from sslens.types import InputError

SPAN = ((-1.15, 1.15), (-0.45, 0.45))
"""Of the plane that is shown."""
ARROW, LEADER = 0.12, 0.09
"""Length of an arrow, and of a leader across and up, in units of the plane."""


def separators(
    points: Mapping[str, Sequence[float]], weights: Mapping[str, Sequence[float]], *, title: str
) -> go.Figure:
    """Named points of one class, their mirror images of the other, and lines w·x = 0 and their sides.

    The side is shaded in the colour of its line, and an arrow points into it. Axes are equal and the same in every
    figure, so that ``figures.scrub`` can turn the lines.

    Raises:
        InputError: no point, no line, a point or weights that are not two finite numbers, or weights that are zero.

    >>> figure = separators({"puller": [0.1, 0.5]}, {"logistic": [1.0, 0.0]}, title="Turned")
    >>> [trace.name for trace in figure.data if trace.showlegend is not False]
    ['logistic', 'this class', 'the other class']
    """
    if not points or not weights:
        raise InputError("points, weights", (dict(points), dict(weights)), "at least one point and one line")
    places = {name: _pair(f"points[{name!r}]", place) for name, place in points.items()}
    normals = {name: _pair(f"weights[{name!r}]", w) for name, w in weights.items()}
    if flat := [name for name, w in normals.items() if not w.any()]:
        raise InputError("weights", flat, "other than zero, or there is no line")
    figure = theme.figure(title, notes=["shaded, with an arrow: the side that a line calls this class"], height=400)
    styles = theme.styles(normals)
    figure.add_traces([_side(normals[name], colour=style.colour) for name, style in styles.items()])
    for place, (name, style) in enumerate(styles.items()):
        figure.add_trace(_line(normals[name], style=style, start=0.3 - 0.1 * place).update(name=theme.text(name)))
    figure.add_trace(_labels(places))
    xy = np.array(list(places.values()))
    words = {
        "text": [theme.text(name) for name in places],
        "hovertemplate": "%{text}: %{x:.3g}, %{y:.3g}<extra></extra>",
    }
    figure.add_trace(_marks(xy, "circle").update(name="this class", **words))
    figure.add_trace(_marks(-xy, "circle-open").update(name="the other class", hoverinfo="name"))
    figure.update_xaxes(title_text="x₁", range=list(SPAN[0]))
    return figure.update_yaxes(title_text="x₂", range=list(SPAN[1]), scaleanchor="x")


def _pair(field: str, values: Sequence[float]) -> np.ndarray:
    pair = np.asarray(values, dtype=np.float64)
    if pair.shape != (2,) or not np.isfinite(pair).all():
        raise InputError(field, values, "two finite numbers")
    return pair


def _marks(xy: np.ndarray, symbol: str) -> go.Scatter:
    marker = {"color": "#000", "size": 11, "symbol": symbol, "line": {"width": 2}}
    return go.Scatter(x=xy[:, 0], y=xy[:, 1], mode="markers", marker=marker, cliponaxis=False)


def _labels(places: Mapping[str, np.ndarray]) -> go.Scatter:
    """Names in the free corner of each point's quarter, at the end of a thin leader that keeps them off the lines."""
    x, y, text, sides = [], [], [], []
    for name, (across, up) in places.items():
        away = LEADER * np.array([-1 if up < 0 or across > 0.5 else 1, 1 if up >= 0 else -1])
        x += [across, across + away[0], None]
        y += [up, up + away[1], None]
        text += ["", theme.text(name), ""]
        sides += [f"{'top' if up >= 0 else 'bottom'} {'right' if away[0] > 0 else 'left'}"] * 3
    plain = {"line": {"color": theme.NEUTRAL, "width": 1}, "textposition": sides, "hoverinfo": "skip"}
    return go.Scatter(x=x, y=y, text=text, mode="lines+text", showlegend=False, **plain)


def _along(w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors: across a line, and along it."""
    normal = w / np.hypot(*w)
    return normal, np.array([-normal[1], normal[0]])


def _side(w: np.ndarray, *, colour: str) -> go.Scatter:
    """The half of the picture that a line calls this class."""
    normal, along = _along(w)
    corners = np.array([-3 * along, 3 * along, 3 * along + 3 * normal, -3 * along + 3 * normal])
    plain = {"mode": "none", "fill": "toself", "fillcolor": colour, "opacity": 0.12}
    return go.Scatter(x=corners[:, 0], y=corners[:, 1], showlegend=False, hoverinfo="skip", **plain)


def _line(w: np.ndarray, *, style: theme.Style, start: float) -> go.Scatter:
    """The line through the origin, out of the picture on both sides, then its arrow."""
    normal, along = _along(w)
    foot = start * along
    path = np.array([-2 * along, 2 * along, [np.nan, np.nan], foot, foot + ARROW * normal])
    marks = {"symbol": "arrow", "angleref": "previous", "size": [0, 0, 0, 0, 14], "color": style.colour}
    line = {"color": style.colour, "dash": style.dash, "width": 2.5}
    return go.Scatter(x=path[:, 0], y=path[:, 1], mode="lines+markers", line=line, marker=marks, hoverinfo="name")
