"""What wrong labels do to a separating line."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from sslens.figures import curves, theme
from sslens.types import InputError

SPAN = ((-0.35, 1.15), (-0.45, 0.45))
"""Of the plane that is shown."""
ARROW = 0.12
"""Length of an arrow, and the reach of a line beyond what is shown, in units of the plane."""


def separators(
    points: Mapping[str, Sequence[float]], weights: Mapping[str, curves.Numbers], *, title: str
) -> go.Figure:
    """Named points of one class in the plane, and lines w·x = 0 with an arrow to the side that is called theirs.

    Axes are equal and the same in every figure, so that ``dynamics.scrub`` can turn the lines.

    Raises:
        InputError: no point, no line, a point or weights that are not two finite numbers, or weights that are zero.

    >>> figure = separators({"puller": [0.1, 0.5]}, {"logistic": [1.0, 0.0]}, title="Turned")
    >>> [trace.name for trace in figure.data]
    ['logistic', 'points']
    """
    if not points or not weights:
        raise InputError("points, weights", (points, weights), "at least one point and one line")
    places = {name: _pair(f"points[{name!r}]", place) for name, place in points.items()}
    normals = {name: _pair(f"weights[{name!r}]", w) for name, w in weights.items()}
    if flat := [name for name, w in normals.items() if not w.any()]:
        raise InputError("weights", flat, "other than zero, or there is no line")
    figure = theme.figure(title, notes=["arrows: the side that is called right"], height=520)
    for place, (name, style) in enumerate(theme.styles(normals).items()):
        figure.add_trace(_line(normals[name], style=style, start=0.3 - 0.1 * place).update(name=theme.text(name)))
    x, y = np.array(list(places.values())).T
    look = {"color": "#000", "size": 11, "symbol": "circle-open", "line": {"width": 3}}
    above = ["top center" if height >= 0 else "bottom center" for height in y]
    words = {"text": [theme.text(name) for name in places], "textposition": above, "cliponaxis": False}
    hover = "%{text}: %{x:.3g}, %{y:.3g}<extra></extra>"
    dots = go.Scatter(
        x=curves.rounded(x), y=curves.rounded(y), mode="markers+text", marker=look, name="points", **words
    )
    figure.add_trace(dots.update(hovertemplate=hover))
    figure.update_xaxes(title_text="x₁", range=list(SPAN[0]))
    return figure.update_yaxes(title_text="x₂", range=list(SPAN[1]), scaleanchor="x")


def _pair(field: str, values: curves.Numbers) -> np.ndarray:
    pair = curves.array(field, values).astype(np.float64)
    if pair.shape != (2,) or not np.isfinite(pair).all():
        raise InputError(field, values, "two finite numbers")
    return pair


def _line(w: np.ndarray, *, style: theme.Style, start: float) -> go.Scatter:
    """The line through the origin, out of the picture on both sides, then its arrow."""
    normal = w / np.hypot(*w)
    along = np.array([-normal[1], normal[0]])
    foot = start * along
    path = np.array([-2 * along, 2 * along, [np.nan, np.nan], foot, foot + ARROW * normal])
    marks = {"symbol": "arrow", "angleref": "previous", "size": [0, 0, 0, 0, 14], "color": style.colour}
    look = {"color": style.colour, "dash": style.dash, "width": 2.5}
    x, y = (curves.rounded(column) for column in path.T)
    return go.Scatter(x=x, y=y, mode="lines+markers", line=look, marker=marks, hoverinfo="name")
