"""Points: a map by class, runs against each other's numbers, and a dot for every row."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import plotly.graph_objects as go
from xarray import DataArray

from sslens.figures import _traces, theme
from sslens.types import InputError

BESIDE = ("top center", "bottom center")
"""Where the settings of one sweep after the other are written, so that two of the same run do not meet."""
CLEAR = 17
"""Across the space, in pixels, that a setting's name leaves to the marks and rings of its point."""


def points(places: DataArray, *, title: str, by: str = "class") -> go.Figure:
    """A 2-D map: a colour and a symbol per class, equal axes; every label of a sample stands under the pointer.

    ``places`` has one row per sample and two columns, whose labels name the axes; ``by`` is the coordinate of the
    samples that says the class of each. At most 2000 samples are drawn, evenly thinned; the remarks say so, and how
    many have no finite place. 600 points read well.

    Raises:
        InputError: not two columns, no such coordinate, or no finite point.

    >>> labels = {"component": ["PC 1", "PC 2"], "class": ("sample", ["cat", "dog"])}
    >>> map_of_two = DataArray([[0.0, 1.0], [1.0, 0.0]], dims=("sample", "component"), coords=labels)
    >>> [trace.name for trace in points(map_of_two, title="Do classes lie together?").data]
    ['cat', 'dog']
    """
    found = _traces.labelled("places", places)
    if found.ndim != 2 or found.shape[1] != 2:
        raise InputError("places", f"shape {found.shape}", "one row per sample and two columns")
    if by not in found.coords or found.coords[by].dims != found.dims[:1]:
        raise InputError("by", by, f"a coordinate of {found.dims[0]}, of these: {', '.join(map(str, found.coords))}")
    xy, classes = found.values.astype(np.float64), [str(label) for label in found.coords[by].values]
    finite = np.flatnonzero(np.isfinite(xy).all(1))
    if not len(finite):
        raise InputError("places", f"shape {xy.shape} without a finite point", "at least one finite point")
    index, lost = finite[_traces.thin(len(finite))], len(xy) - len(finite)
    shown = f"{len(index)} of {len(xy)} points" if len(index) < len(xy) else f"{len(xy)} points"
    figure = theme.figure(title, notes=[shown, f"{lost} without a finite place" * (lost > 0)], height=460)
    for name, style in _classes(found.coords[by].values).items():
        mine = index[[classes[place] == name for place in index]]
        if len(mine):
            hover = _hover(found, mine, by=by)
            figure.add_trace(_cloud(xy[mine], style=style, hover=hover).update(name=theme.text(name)))
    across, up = (theme.text(label) for label in found.coords[found.dims[1]].values)
    figure.update_layout(legend_title_text=theme.text(by), legend_itemwidth=30)
    figure.update_xaxes(title_text=across, **theme.LEVEL)
    return figure.update_yaxes(title_text=up, scaleanchor="x")


def _classes(labels: Iterable[object]) -> dict[str, theme.Style]:
    """A place in the palette for each class, in the order of their names: numbers by size."""
    names = {str(label) for label in labels}
    ordered = sorted(names, key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name))
    return {name: theme.style_at(place) for place, name in enumerate(ordered)}


def _hover(found: DataArray, index: np.ndarray, *, by: str) -> list[str]:
    """All that is known of each sample."""
    known = [name for name, each in found.coords.items() if each.dims == found.dims[:1] and name != by]
    columns = [_labels(str(name), found.coords[name].values[index]) for name in known]
    return [", ".join(parts) for parts in zip(*columns, strict=True)]


def _labels(name: str, labels: np.ndarray) -> list[str]:
    return [theme.text(f"{name} {label}") for label in labels]


def _cloud(places: np.ndarray, *, style: theme.Style, hover: Sequence[str]) -> go.Scatter:
    marker = {"color": style.colour, "symbol": style.symbol, "size": 7, "opacity": 0.8}
    x, y = (_traces.rounded(column) for column in places.T)
    words = "%{fullData.name}, %{text}<extra></extra>"
    return go.Scatter(x=x, y=y, mode="markers", marker=marker, text=list(hover), hovertemplate=words)


def against(
    score: DataArray,
    *quantities: DataArray,
    title: str,
    sweeps: Mapping[str, Mapping[str, str]],
    rings: Mapping[str, Collection[str]] | None = None,
    log: Collection[str] = (),
) -> go.Figure:
    """Quantities of runs against one ``score`` of the same runs, in panels above each other, a line for each sweep.

    ``sweeps`` gives for each sweep its runs in order, each with the setting that is written beside it; an arrow in
    every piece of its line says where the sweep goes. Every seed is a small dot, lines go through the means. ``rings``
    names groups of runs; those that are drawn are ringed. ``log`` names logarithmic axes by their arrays; what is not
    positive has its place at the lower end there.

    Raises:
        InputError: no quantity, no sweep, a run or seed that is not in every array, or a logarithm of another name.

    >>> runs = {"run": ["cold", "hot"]}
    >>> rank, accuracy = (DataArray([1.0, 2.0], dims="run", coords=runs, name=name) for name in ("RankMe", "accuracy"))
    >>> figure = against(rank, accuracy, title="Does it help?", sweeps={"temperature": {"cold": "0.1", "hot": "1"}})
    >>> figure.data[0].text
    ('0.1', '1')
    """
    names = [str(each.name) for each in (score, *quantities)]
    if not quantities or not any(sweeps.values()):
        raise InputError("quantities, sweeps", (names[1:], dict(sweeps)), "at least one quantity and one sweep of runs")
    if strangers := [name for name in log if name not in names]:
        raise InputError("log", strangers, f"quantities of this figure: {', '.join(names)}")
    found = [_by_run(each, sweeps) for each in (score, *quantities)]
    if len(seeds := {each.seeds for each in found}) > 1:
        raise InputError("seeds", sorted(seeds, key=str), "the same in all arrays")
    count = len(found[0].seeds)
    notes = ["arrows: from setting to setting", f"small dots: {count} seeds, lines: their means" * (count > 1)]
    lost = {str(run) for each in found for run in each.places[np.isnan(each.mean)]}
    notes += [f"no mean, as a seed has no value: {', '.join(sorted(lost))}"] * bool(lost)
    scores, *panels = (_values(each, log=each.name in log) for each in found)
    figure = theme.figure(title, notes=notes, height=80 + 270 * len(panels))
    figure.set_subplots(len(panels), 1, shared_xaxes=True, vertical_spacing=0.06)
    for row, (panel, quantity) in enumerate(zip(panels, quantities, strict=True), 1):
        middle = _middle(score.name in log, quantity.name in log)
        traces = [*_sweeps(scores, panel, sweeps=sweeps, middle=middle), *_rings(scores, panel, rings=rings or {})]
        for trace in traces:
            figure.add_trace(trace.update(showlegend=bool(trace.showlegend) and row == 1), row=row, col=1)
        figure.update_yaxes(title_text=_traces.axis_title(quantity), **_scale(quantity.name in log), row=row, col=1)
    figure.update_xaxes(**_scale(score.name in log), **theme.LEVEL)
    return figure.update_xaxes(title_text=_traces.axis_title(score), row=len(panels), col=1)


def _scale(log: bool) -> dict[str, Any]:
    return {"type": "log", "tickformat": "~g"} if log else {}


def _by_run(values: DataArray, sweeps: Mapping[str, Mapping[str, str]]) -> _traces.Series:
    """The values of all runs, under the name of the quantity."""
    name = str(values.name)
    found, *others = _traces.series(name, values, over="run")
    if others:
        raise InputError(f"dims of {name}", list(values.dims), "run, and seed if there are some")
    wanted = dict.fromkeys(run for settings in sweeps.values() for run in settings)
    if strangers := [run for run in wanted if run not in found.places]:
        raise InputError(f"runs of {name}", found.places.tolist(), f"with {', '.join(strangers)} among them")
    return replace(found, name=name)


def _values(found: _traces.Series, *, log: bool) -> dict[str, np.ndarray]:
    """The values of each run, one for each of its seeds."""
    rows = np.maximum(found.values, _traces.floor_of([found])) if log else found.values
    return {run: rows[:, place] for place, run in enumerate(found.places)}


def _middle(*log: bool) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """What finds the middle of two points as it is seen: on logarithmic axes that of their logarithms."""

    def middle(start: np.ndarray, end: np.ndarray) -> np.ndarray:
        return np.where(log, np.sqrt(np.abs(start * end)), (start + end) / 2)

    return middle


def _sweeps(
    scores: Mapping[str, np.ndarray],
    values: Mapping[str, np.ndarray],
    *,
    sweeps: Mapping[str, Mapping[str, str]],
    middle: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Iterator[go.Scatter]:
    """The line, the settings written beside it, the dots and the arrows of each sweep."""
    styles = theme.styles(sweeps)
    for turn, (name, settings) in enumerate(sweeps.items()):
        style = styles[name]
        seeds = np.concatenate([np.stack([scores[run], values[run]], 1) for run in settings])
        means = np.array([[scores[run].mean(), values[run].mean()] for run in settings])
        arrows = [row for start, end in pairwise(means) for row in (start, middle(start, end), [np.nan, np.nan])]
        hover = f"{theme.text(name)} %{{text}}: %{{x:.4~g}}, %{{y:.4~g}}<extra></extra>"
        words = [theme.text(each) for each in settings.values()]
        line = _scatter(means, mode="lines+markers", text=words, showlegend=True, hovertemplate=hover)
        line.update(line={"dash": style.dash, "width": 2}, marker={"size": 8, "symbol": style.symbol})
        side = BESIDE[turn % len(BESIDE)]
        beside = _scatter(means, mode="markers+text", text=words, textposition=side, hoverinfo="skip")
        beside.update(textfont={"size": 10, "color": style.colour}, marker={"size": CLEAR, "opacity": 0})
        dots = _scatter(seeds, mode="markers", marker={"size": 4, "opacity": 0.5}, hoverinfo="skip")
        arrow = {"symbol": "arrow", "angleref": "previous", "size": [0, 12, 0] * (len(arrows) // 3)}
        heads = _scatter(np.array(arrows).reshape(-1, 2), mode="markers", marker=arrow, hoverinfo="skip")
        for trace in (line, beside, dots, heads):
            trace.update(name=theme.text(name), legendgroup=name, marker_color=style.colour, line_color=style.colour)
            yield trace


def _rings(
    scores: Mapping[str, np.ndarray], values: Mapping[str, np.ndarray], *, rings: Mapping[str, Collection[str]]
) -> Iterator[go.Scatter]:
    """A dark circle of its own kind around the means of each group's runs, as far as they are there."""
    for place, (name, runs) in enumerate(rings.items()):
        means = [[scores[run].mean(), values[run].mean()] for run in runs if run in scores and run in values]
        if means:
            ring = _scatter(np.array(means), mode="markers", name=theme.text(name), showlegend=True)
            ring.marker = {"symbol": f"{theme.SYMBOLS[place % len(theme.SYMBOLS)]}-open", "size": 19, "color": "#222"}
            yield ring.update(marker_line_width=1.5, legendgroup=name, hoverinfo="name")


def _scatter(places: np.ndarray, **settings: Any) -> go.Scatter:
    x, y = (_traces.rounded(column) for column in places.T)
    return go.Scatter(x=x, y=y, showlegend=False).update(settings)


def dots(
    values: DataArray,
    *,
    title: str,
    rows: str,
    reference: float | None = None,
    span: tuple[float, float] | None = None,
    log: Collection[str] = (),
) -> go.Figure:
    """A dot for every row and seed with a large one at their mean; the labels of another dimension are panels.

    ``reference`` is marked by a line in each panel, ``span`` fixes the axis. ``log`` may name the array: what is not
    positive has its place at the lower end then.

    Raises:
        InputError: an array without ``rows`` or with more than one dimension beside them and the seeds, one without a
            finite number, or another name in ``log``.

    >>> labels = {"measure": ["RankMe", "variance"], "sweep": ["temperature"]}
    >>> found = DataArray([[0.5], [-1.0]], dims=("measure", "sweep"), coords=labels, name="Spearman correlation")
    >>> dots(found, title="Do they agree?", rows="measure").data[0].x.tolist()
    [0.5, -1.0]
    """
    name = str(values.name)
    if strangers := [each for each in log if each != name]:
        raise InputError("log", strangers, f"the quantity of this figure: {name}")
    found = _traces.series(name, values, over=rows)
    kind = found[0].repeated
    if len(others := [dim for dim in values.dims if dim not in (rows, kind)]) > 1:
        raise InputError(f"dims of {name}", list(values.dims), f"{rows}, seed and one more, not {others}")
    floor = _traces.floor_of(found) if log else None
    count = max(len(each.seeds) for each in found)
    notes = [f"one {kind}" if count == 1 else f"small dots: {count} {kind}s, large: their mean" * (count > 1)]
    notes += [f"no large dot: a {kind} without a value"] * any(np.isnan(each.mean).any() for each in found)
    labels = [str(label) for label in found[0].places]
    named = any(each.name for each in found)
    figure = theme.figure(title, notes=notes, height=122 + 26 * len(labels), legend=False, headroom=34 * named)
    titles = [theme.panel_name(each.name) for each in found]
    shared: Any = {"shared_yaxes": True, "horizontal_spacing": 0.03, "x_title": _traces.axis_title(values)}
    figure.set_subplots(1, len(found), subplot_titles=titles, **shared)
    for column, (each, style) in enumerate(zip(found, _panel_styles(found), strict=True), 1):
        for trace in _row_dots(each, labels, style=style, floor=floor):
            figure.add_trace(trace, row=1, col=column)
        if reference is not None:
            line = {"color": theme.NEUTRAL, "width": 1}
            panel: Any = {"row": 1, "col": column}
            figure.add_vline(reference, line=line, layer="below", **panel)
    figure.update_annotations(font_size=12).update_layout(margin_b=56)  # the axis has one title under all panels
    figure.update_yaxes(type="category", autorange="reversed", ticklabelstandoff=6)
    decades = {"dtick": 1} if log and _decades(found, floor) > 1.5 else {}
    return figure.update_xaxes(
        **_scale(bool(log)), **decades, **theme.LEVEL, matches="x", nticks=4, range=None if span is None else [*span]
    )


def _decades(found: Sequence[_traces.Series], floor: float | None) -> float:
    """How many powers of ten a logarithmic axis reaches over."""
    values = np.concatenate([each.values.ravel() for each in found])
    values = np.maximum(values[np.isfinite(values)], floor or 0.0)
    return float(np.log10(values.max() / values.min()))


def _panel_styles(found: Sequence[_traces.Series]) -> list[theme.Style]:
    styles = theme.styles(each.name for each in found)
    return [styles[each.name] for each in found]


def _row_dots(
    found: _traces.Series, labels: Sequence[str], *, style: theme.Style, floor: float | None
) -> Iterator[go.Scatter]:
    names = [theme.text(label) for label in labels]
    values = found.values if floor is None else np.maximum(found.values, floor)
    hover = "%{y}: %{x:.4~g}<extra>%{fullData.name}</extra>"
    if len(values) > 1:
        seeds = go.Scatter(x=_traces.rounded(values.ravel()), y=names * len(values), mode="markers")
        seeds.customdata = np.repeat(np.array(found.seeds), len(names))
        seeds.marker = {"color": style.colour, "size": 5, "opacity": 0.5}
        hover_one = f"%{{y}}, {found.repeated} %{{customdata}}: %{{x:.4~g}}<extra></extra>"
        yield seeds.update(hovertemplate=hover_one, name=f"{found.repeated}s")
    mean = go.Scatter(x=_traces.rounded(values.mean(0)), y=names, mode="markers", name=theme.text(found.name))
    mean.marker = {"color": style.colour, "symbol": style.symbol, "size": 10}
    yield mean.update(hovertemplate=hover)
