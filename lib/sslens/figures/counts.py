"""Numbers over any axis: lines that bring their own places, on plain or logarithmic axes."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import plotly.graph_objects as go

from sslens.figures import curves, theme
from sslens.types import InputError, OneOf, checked

DECADES = {"type": "log", "dtick": 1, "exponentformat": "none", "separatethousands": True, "minor": {"showgrid": True}}
"""A logarithmic axis with a number at every power of ten."""


def along(
    lines: Mapping[str, tuple[curves.Numbers, curves.Numbers]], *, over: str, quantity: str, title: str, log: str = ""
) -> go.Figure:
    """One quantity over another, a line with its band per entry; ``lines`` gives the places and the values of each.

    ``log`` names the logarithmic axes: "x", "y" or "xy". What is not positive has its place at the bottom of such a y
    axis, marked by an open triangle.

    Raises:
        InputError: no line, places that do not rise, are not finite, or not positive on a logarithmic axis, or values
            that are not one per place or none of them finite.
        UnknownName: ``log`` is anything else.

    >>> figure = along({"grid": ([10, 100], [0.1, 0.6])}, over="side", quantity="share", title="Seen", log="x")
    >>> figure.data[0].y.tolist(), figure.layout.xaxis.type, figure.layout.yaxis.title.text
    ([0.1..., 0.6...], 'log', 'share')
    """
    if not lines:
        raise InputError("lines", lines, "at least one line")
    log = checked("log", log, Annotated[str, OneOf(("", "x", "y", "xy"))])
    read = {name: _read(name, *line, positive="x" in log) for name, line in lines.items()}
    values = [each for _, each in read.values()]
    floor = curves.floor_of(values) if "y" in log else None
    figure = theme.figure(title, notes=curves.notes(values, floor))
    for name, style in theme.styles(read).items():
        figure.add_traces(curves.traces(*read[name], name=name, style=style, floor=floor))
    for axis, name in (("x", over), ("y", quantity)):
        kind = DECADES if axis in log else {}
        figure.update_layout({f"{axis}axis": {"title": {"text": theme.text(name)}, **kind}})
    return figure


def _read(
    name: str, places: curves.Numbers, values: curves.Numbers, *, positive: bool
) -> tuple[np.ndarray, curves.Curve]:
    x = curves.array(f"places of {name!r}", places)
    rises = bool(np.isfinite(x).all() and (np.diff(x) > 0).all())
    if not rises or (positive and x[0] <= 0):
        raise InputError(f"places of {name!r}", places, "finite numbers that rise" + ", above 0" * positive)
    return x, curves.curve(name, values, length=len(x))
