"""Lines: a panel for each quantity, a line for each run, thin ones for its seeds."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
import plotly.graph_objects as go
from xarray import DataArray

from sslens.figures import _traces, theme
from sslens.types import InputError

Panel = DataArray | Sequence[DataArray]
"""One quantity: an array, or several of the same name that have places of their own along the axis."""
Reference = tuple[str, float] | DataArray
"""A straight line at a value of an axis, named as in ``log``; or a curve in the panel of its name."""
DECADES = {
    "type": "log",
    "exponentformat": "power",
    "tickfont": {"size": 11},
    "minor": {"showgrid": True, "gridcolor": "#F2F2F2"},
}
"""A vertical logarithmic axis."""


def lines(
    *panels: Panel,
    title: str,
    over: str | Sequence[str] = "step",
    log: Collection[str] = (),
    floor: float | None = None,
    references: Mapping[str, Reference] | None = None,
) -> go.Figure:
    """One panel per array, side by side, under one legend: a line for every run, in the same colour in all panels.

    ``over`` names the dimension along the horizontal axis, one for all or one for each panel; every other dimension
    but ``seed`` makes lines. Seeds (or what else is repeated: ``draw``) are thin lines and their mean is bold; it ends
    in a marked gap where a seed ends. ``log`` names the logarithmic axes by an array's name or by a dimension: zero
    keeps a place left of the first step, and what is below ``floor`` (a decade under the smallest positive value) is
    drawn there as an open triangle.

    Raises:
        InputError: no panel, an array without ``over``, labels or a finite number, arrays of different names or lines
            of the same name in one panel, labels that do not rise, or a logarithm, floor or reference that fits no
            axis.

    >>> loss = DataArray([[2.0, 1.0]], dims=("run", "step"), coords={"run": ["simclr"], "step": [0, 10]}, name="loss")
    >>> figure = lines(loss, title="Does it learn?")
    >>> figure.layout.xaxis.title.text, figure.layout.yaxis.title.text
    ('step', 'loss')
    """
    read = panels_of(panels, over=over, log=log, floor=floor)
    figure = _framed(read, title=title)
    styles = theme.styles(each.name for panel in read for each in panel.found)
    listed: set[str] = set()
    for panel, cell in zip(read, _cells(len(read)), strict=True):
        for each in panel.found:
            for trace in _traces.traces(each, panel.axis.at(each.places), style=styles[each.name], floor=panel.floor):
                trace.showlegend = trace.showlegend and each.name not in listed
                figure.add_trace(trace, **cell)
            listed.add(each.name)
    _add_references(figure, read, references or {})
    return figure


@final
@dataclass(frozen=True, eq=False)
class Content:
    """A panel ready to be drawn."""

    quantity: str
    over: str
    titles: tuple[str, str]
    """Of the horizontal and of the vertical axis."""
    found: list[_traces.Series]
    axis: _traces.Axis = field(default_factory=_traces.Axis)
    floor: float | None = None
    """Lowest place of a vertical logarithmic axis."""


def panels_of(
    panels: Sequence[Panel], *, over: str | Sequence[str], log: Collection[str], floor: float | None = None
) -> list[Content]:
    """The panels with their series and axes; panels over the same dimension have the same horizontal axis.

    Raises:
        InputError: as ``lines``.
    """
    if not panels:
        raise InputError("panels", list(panels), "at least one array")
    dims = [over] * len(panels) if isinstance(over, str) else list(over)
    if len(dims) != len(panels):
        raise InputError("over", dims, f"one dimension, or one for each of the {len(panels)} panels")
    if floor is not None and not 0 < floor < float("inf"):
        raise InputError("floor", floor, "a positive number")
    read = [_content(panel, dim) for panel, dim in zip(panels, dims, strict=True)]
    known = list(dict.fromkeys([each.quantity for each in read] + dims))
    if strangers := [name for name in log if name not in known]:
        raise InputError("log", strangers, f"axes of this figure: {', '.join(known)}")
    return [_scaled(each, read, log=log, floor=floor) for each in read]


def _content(panel: Panel, over: str) -> Content:
    arrays: list[Any] = [panel] if isinstance(panel, DataArray) else list(panel)
    found = [each for array in arrays for each in _traces.series(str(getattr(array, "name", "")), array, over=over)]
    titles = sorted({_traces.axis_title(array) for array in arrays})
    if len(titles) != 1:
        raise InputError("panels", titles, "arrays of one name and unit, at least one, in each panel")
    names = [each.name for each in found]
    if len(set(names)) < len(names):
        raise InputError(f"lines of {titles[0]}", names, "names that differ")
    unit = arrays[0].coords[over].attrs.get("unit", "") if over in arrays[0].coords else ""
    return Content(str(arrays[0].name or ""), over, (theme.named(over, str(unit)), titles[0]), found)


def _scaled(panel: Content, panels: Sequence[Content], *, log: Collection[str], floor: float | None) -> Content:
    along = [each for other in panels if other.over == panel.over for each in other.found]
    axis = _traces.axis(panel.over, along, log=panel.over in log)
    lowest = _traces.floor_of(panel.found) if floor is None else floor
    return replace(panel, axis=axis, floor=lowest if panel.quantity in log else None)


def _columns(count: int) -> int:
    """How many of so many panels stand side by side.

    >>> [_columns(count) for count in (1, 3, 4, 6)]
    [1, 3, 2, 2]
    """
    return count if count <= 3 else 2


def _cells(count: int) -> list[dict[str, Any]]:
    """Row and column of each panel, in plotly's words."""
    return [{"row": place // _columns(count) + 1, "col": place % _columns(count) + 1} for place in range(count)]


def _framed(panels: Sequence[Content], *, title: str) -> go.Figure:
    """The empty panels with their axes."""
    across, down = _columns(len(panels)), -(-len(panels) // _columns(len(panels)))
    notes = [note for panel in panels for note in _traces.notes(panel.found, panel.floor)]
    named = any(each.name for panel in panels for each in panel.found)
    figure = theme.figure(title, notes=notes, height=340 if down == 1 else 40 + 250 * down, legend=named)
    filled = [{}] * len(panels) + [None] * (across * down - len(panels))
    specs = [filled[row * across : (row + 1) * across] for row in range(down)]
    figure.set_subplots(down, across, specs=specs, horizontal_spacing=0.25 / across, vertical_spacing=0.22 / down)
    first: dict[str, str] = {}
    for place, (panel, cell) in enumerate(zip(panels, _cells(len(panels)), strict=True)):
        own = f"x{place + 1}" if place else "x"
        shared = first.setdefault(panel.over, own)
        x, y = panel.titles
        figure.update_xaxes(title_text=x, matches=None if shared == own else shared, **panel.axis.settings, **cell)
        figure.update_yaxes(title_text=y, **(DECADES if panel.floor is not None else {}), **cell)
    return figure


def _add_references(figure: go.Figure, panels: Sequence[Content], references: Mapping[str, Reference]) -> None:
    axes = dict.fromkeys(axis for panel in panels for axis in (panel.quantity, panel.over))
    for place, (name, reference) in enumerate(references.items()):
        line = {"color": theme.NEUTRAL, "width": 1.5, "dash": theme.DASHES[1 + place % 3]}
        axis = str(reference.name) if isinstance(reference, DataArray) else reference[0]
        if axis not in axes:
            raise InputError(f"references[{name!r}]", axis, f"at an axis of this figure: {', '.join(axes)}")
        for panel, cell in zip(panels, _cells(len(panels)), strict=True):
            if isinstance(reference, DataArray) and axis == panel.quantity:
                figure.add_trace(_curve(reference, panel, name=name).update(line=line), **cell)
            elif axis == panel.quantity:
                figure.add_hline(reference[1], line=line, label=_label(name), **cell)
            elif axis == panel.over:
                upright = _label(name) | {"textangle": 0, "xanchor": "left", "yanchor": "top"}
                figure.add_vline(panel.axis.at(np.array([reference[1]]))[0], line=line, label=upright, **cell)


def _label(name: str) -> dict[str, Any]:
    return {"text": theme.text(name), "textposition": "end", "font": {"size": 11, "color": theme.NEUTRAL}}


def _curve(reference: DataArray, panel: Content, *, name: str) -> go.Scatter:
    (found,) = _traces.series(name, reference, over=panel.over)
    x, y = _traces.stored(panel.axis.at(found.places)), _traces.rounded(found.values[0])
    hover = "%{fullData.name}: %{y:.4~g}<extra></extra>"
    return go.Scatter(x=x, y=y, mode="lines", name=theme.text(name), legendgroup=name, hovertemplate=hover)
