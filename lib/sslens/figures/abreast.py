"""Panels abreast, each quantity over an axis of its own: numbers, plain or logarithmic, or words in their order."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import plotly.graph_objects as go

from sslens.figures import curves, theme
from sslens.types import InputError, Interval

Line = Mapping[float, Interval | float] | Mapping[str, Interval | float] | curves.Numbers
"""A value for each place, a number on the axis or a word; or values in a row, for places 1, 2, 3, ..."""
NAMED = 8
"""Most places of a logarithmic axis that are named one by one."""


def panels(
    quantities: Mapping[str, Mapping[str, Line]], *, over: Sequence[str], title: str, log: Collection[str] = ()
) -> go.Figure:
    """One panel per quantity, one line per name in it, with its band; ``over`` names each panel's horizontal axis.

    A name has one style in all panels. ``log``: the quantities and axes that are logarithmic; what is not positive has
    its place at the bottom there, marked by an open triangle.

    Raises:
        InputError: no quantity or no line, not one axis per quantity, a logarithm of anything else, or places that
            are neither all words nor numbers that rise (and are positive where the axis is logarithmic).

    >>> figure = panels({"kNN": {"SimCLR": {16: 0.3, 64: 0.4}}}, over=["width"], title="Wider", log=["width"])
    >>> figure.data[0].x.tolist(), figure.layout.xaxis.title.text
    ([16.0, 64.0], 'width')
    """
    if not quantities or not all(quantities.values()) or len(over) != len(quantities):
        raise InputError("quantities, over", (quantities, over), "at least one line in each, and one axis for each")
    if strangers := [name for name in log if name not in (*quantities, *over)]:
        raise InputError("log", strangers, f"quantities or axes of this figure: {', '.join([*quantities, *over])}")
    panels = [_Panel.of(*each, over=name, log=log) for each, name in zip(quantities.items(), over, strict=True)]
    notes = [note for panel in panels for note in curves.notes(panel.lines.values(), panel.floor)]
    figure = theme.figure(title, notes=dict.fromkeys(notes))
    figure.set_subplots(1, len(panels), horizontal_spacing=0.24 / len(panels))
    styles, listed = theme.styles(dict.fromkeys(name for panel in panels for name in panel.lines)), set()
    for column, panel in enumerate(panels, 1):
        cell: dict[str, Any] = {"row": 1, "col": column}
        for name, line in panel.lines.items():
            for trace in curves.traces(panel.places[name], line, name=name, style=styles[name], floor=panel.floor):
                figure.add_trace(trace.update(showlegend=trace.showlegend and name not in listed), **cell)
            listed.add(name)
        figure.update_yaxes(panel.up, **cell)
        figure.update_xaxes(panel.across, **cell)
    return figure


@final
@dataclass(frozen=True, eq=False)
class _Panel:
    """A quantity as it will be drawn: lines and where their values lie, settings of both axes."""

    lines: dict[str, curves.Curve]
    places: dict[str, np.ndarray]
    up: dict[str, Any]
    across: dict[str, Any]
    floor: float | None
    """Lowest place of a logarithmic axis."""

    @classmethod
    def of(cls, quantity: str, lines: Mapping[str, Line], *, over: str, log: Collection[str]) -> "_Panel":
        placed = {name: _placed(line) for name, line in lines.items()}
        places, across = _axis(placed, over, log=over in log)
        read = {name: curves.curve(f"{quantity} of {name}", list(line.values())) for name, line in placed.items()}
        at = {name: np.array([places[place] for place in line]) for name, line in placed.items()}
        up = {"title_text": theme.named(quantity)} | ({"type": "log", "exponentformat": "e"} if quantity in log else {})
        floor = curves.floor_of(read.values()) if quantity in log else None
        return cls(read, at, up, across | {"title_text": theme.named(over)}, floor)


def _placed(line: Line) -> dict[Any, Interval | float]:
    if isinstance(line, Mapping):
        return dict(line)
    values = line if isinstance(line, Sequence) else curves.array("line", line).tolist()
    return dict(enumerate(values, 1))


def _axis(
    lines: Mapping[str, Mapping[Any, Interval | float]], name: str, *, log: bool
) -> tuple[dict[Any, float], dict[str, Any]]:
    """Where each place lies, and the settings of the axis."""
    found = list(dict.fromkeys(place for line in lines.values() for place in line))
    if all(isinstance(place, str) for place in found):
        words = {"tickvals": list(range(len(found))), "ticktext": [theme.text(place) for place in found]}
        return {place: float(at) for at, place in enumerate(found)}, words | {"range": [-0.25, len(found) - 0.75]}
    allowed = "all words, or numbers that rise" + ", above 0" * log
    if any(isinstance(place, str) for place in found):
        raise InputError(f"places of {name}", found, allowed)
    for line in lines.values():
        at = curves.array(f"places of {name}", list(line))
        if not np.isfinite(at).all() or (np.diff(at) <= 0).any() or (log and at[0] <= 0):
            raise InputError(f"places of {name}", list(line), allowed)
    settings: dict[str, Any] = {"type": "log"} if log else {}
    if log and len(found) <= NAMED:
        settings |= {"tickvals": sorted(found), "ticktext": [f"{place:g}" for place in sorted(found)]}
    return {place: float(place) for place in found}, settings
