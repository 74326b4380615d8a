"""The picture of a partition: cells coloured by a number, their edges, the decision boundary, samples."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Num
from plotly.colors import sample_colorscale, unlabel_rgb
from torch import Tensor

from sslens.figures import _raster, _traces, theme
from sslens.types import Cells, InputError

DETAIL = 5000
"""Most edges drawn as lines in a figure that a notebook keeps: some 20 kB."""
POINTED = 1000
"""Most cells that answer the pointer."""
EXACT = 200
"""Most cells that are filled as polygons."""
BOUNDARY = "#C00000"
LEVELS = 50
"""Shades that a number can have."""
COLOURS = sample_colorscale("YlGnBu", np.linspace(0, 0.75, LEVELS).tolist())
"""Distinct for every eye, and lighter than any edge."""
INSIDE = np.array([*(unlabel_rgb(shade) for shade in COLOURS), (190, 190, 190)])  # the last: no finite number
# Of pixels inside a cell, on an edge, and outside.
SHADES = [*INSIDE.round().astype(int).tolist(), *(0.6 * INSIDE).astype(int).tolist(), (255, 255, 255)]


def partition(
    cells: Cells,
    values: Mapping[str, Num[Tensor, "r"] | Sequence[str]],
    *,
    title: str,
    samples: Mapping[str, Float[Tensor, "n 2"]] | None = None,
    span: tuple[float, float] | None = None,
    detail: int = DETAIL,
) -> go.Figure:
    """Cells coloured by the first of ``values``; all of them, a number or a word per cell, stand under the pointer.

    ``samples`` are marked by name. ``span``: the numbers at both ends of the colours, the same for figures that are
    compared or scrubbed. Few cells are polygons, sharp at any zoom; the fill of many is one picture, exact at the
    centre of each pixel. Up to ``detail`` edges are lines; more are darker pixels, where pixels can show them. The
    ``detail`` / 20 largest cells, at most a thousand, answer the pointer. The remarks say what is not there. A live
    figure, which no notebook keeps, may ask for more detail; one of many in a figure for less, and gets coarser pixels.

    Raises:
        InputError: no cell, values that are not one number or word per cell, colours by words or by nothing finite, or
            a span that does not rise.

    >>> import torch
    >>> ring = torch.tensor([0, 1, 2])
    >>> cells = Cells(torch.eye(3, 2), torch.tensor([0, 3]), ring, torch.stack([ring, ring.roll(-1)], 1))
    >>> figure = partition(cells, {"slope": torch.ones(1)}, title="One region")
    >>> [trace.type for trace in figure.data]
    ['scatter', 'scatter', 'scatter', 'scatter', 'scatter']
    """
    shown, low, high = _colours(values, cells.count, span)
    vertices, (corners, following, owner) = _array(cells.vertices), _rings(cells)
    window = _raster.Window.around(vertices, _raster.SIDE if detail >= DETAIL else _raster.COARSE)
    pixels = _raster.owners(vertices[corners], vertices[following], cell=owner, window=window)
    outlines, lined = _raster.outlines(pixels), len(cells.edges) <= detail
    dense = not lined and outlines.mean() > 0.5
    pointed = _largest(pixels, cells.count, min(detail // 20, POINTED))
    notes = [f"{cells.count:,} region{'s' * (cells.count > 1)}"]
    notes += ["edges closer than pixels, not drawn" if dense else "edges in pixels"] * (not lined)
    notes += [f"values under the pointer: the {len(pointed):,} largest"] * (len(pointed) < cells.count)
    figure = theme.figure(title, notes=notes, height=580, legend=cells.boundary is not None or bool(samples))
    levels = _levels(shown, low, high)
    if cells.count <= EXACT and detail >= DETAIL:
        figure.add_traces(_polygons(cells, vertices, levels=levels, window=window))
    else:
        shades = levels[pixels]
        shades[outlines & (not lined and not dense)] += LEVELS + 1
        figure.add_trace(_picture(shades, window))
    kind = go.Scatter if detail <= DETAIL else go.Scattergl  # for all: WebGL lies above the rest, whatever the order
    figure.add_traces(_lines(kind, cells if lined else replace(cells, edges=cells.edges[:0]), vertices, window))
    centres = np.stack([np.bincount(owner, axis) for axis in vertices[corners].T], 1) / np.bincount(owner)[:, None]
    scale = {"color": _traces.rounded(shown[pointed]), "cmin": low, "cmax": high}
    figure.add_trace(_marks(values, pointed, centres[pointed], window).update(marker=scale))
    figure.add_traces([_cloud(kind, place, *each) for place, each in enumerate((samples or {}).items())])
    return _framed(figure, window)


def beside(pictures: Mapping[str, go.Figure], *, title: str) -> go.Figure:
    """Pictures of partitions side by side on axes of their own; what the next shows of one is framed there.

    Raises:
        InputError: no picture of a ``partition``, or pictures whose colours do not have the same span.

    >>> import torch
    >>> ring = torch.tensor([0, 1, 2])
    >>> cells = Cells(torch.eye(3, 2), torch.tensor([0, 3]), ring, torch.stack([ring, ring.roll(-1)], 1))
    >>> one = partition(cells, {"slope": torch.ones(1)}, title="")
    >>> [trace.xaxis for trace in beside({"before": one, "after": one}, title="One region").data]
    ['x', 'x', 'x', 'x2', 'x2', 'x2']
    """
    shown: list[Any] = list(pictures.values())
    spans = {(bar.marker.cmin, bar.marker.cmax) for each in shown for bar in each.select_traces({"name": "pointer"})}
    if len(spans) != 1:
        raise InputError("pictures", sorted(spans), "at least one picture of a partition, all with the same span")
    figure = theme.figure(title, height=80 + 600 // len(shown), legend=False, headroom=34)
    names = [theme.panel_name(name) for name in pictures]
    figure.set_subplots(1, len(shown), horizontal_spacing=0.2 / len(shown), subplot_titles=names)
    figure.update_annotations(font_size=12)
    for column, each in enumerate(shown, 1):
        x, y = each.layout.xaxis, each.layout.yaxis
        drawn = [trace for trace in each.data if trace.type == "image" or len(trace.x)]
        figure.add_traces(drawn, rows=1, cols=column)
        figure.update_xaxes(x.to_plotly_json(), nticks=4, title_text="", col=column)
        own = {"scaleanchor": f"x{column}", "constraintoward": "top"}
        figure.update_yaxes(y.to_plotly_json() | own, nticks=4, title_text="", col=column)
        if column > 1 and x.range != shown[column - 2].layout.xaxis.range:
            frame = dict(zip(("x0", "x1", "y0", "y1"), (*x.range, *y.range), strict=True))
            figure.add_shape(frame, line={"color": BOUNDARY, "width": 2}, row=1, col=column - 1)
    for pointer in list[Any](figure.select_traces({"name": "pointer"}))[:-1]:
        pointer.marker.showscale = False
    return figure


def _array(values: Tensor) -> np.ndarray:
    return values.detach().double().cpu().numpy()


def _colours(
    values: Mapping[str, Any], count: int, span: tuple[float, float] | None
) -> tuple[np.ndarray, float, float]:
    """The numbers that colour the cells, and those at both ends of the colours."""
    for name, column in values.items():
        if len(column) != count:
            raise InputError(f"values[{name!r}]", f"{len(column)} values", f"one for each of the {count} cells")
    first = next(iter(values), None)
    if first is None or not count:
        raise InputError("values", dict(values), "a number for each of at least one cell")
    shown = _traces.array(f"values[{first!r}]", values[first])
    finite = shown[np.isfinite(shown)]
    if not finite.size:
        raise InputError(f"values[{first!r}]", values[first], "numbers, at least one of them finite")
    if span is not None and not span[0] < span[1]:
        raise InputError("span", span, "two numbers that rise")
    low, high = map(float, span or (finite.min(), finite.max()))
    return shown, low, high if low < high else low + (abs(low) or 1.0)


def _rings(cells: Cells) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All sides of all cells: where each starts, where it ends, and whose it is."""
    starts, corners = cells.starts.cpu().numpy(), cells.corners.cpu().numpy()
    after = np.arange(1, len(corners) + 1)
    after[starts[1:] - 1] = starts[:-1]
    return corners, corners[after], np.repeat(np.arange(cells.count), np.diff(starts))


def _largest(pixels: np.ndarray, count: int, most: int) -> np.ndarray:
    """The cells with most pixels; one without any cannot be pointed at."""
    size = np.bincount(pixels[pixels >= 0], minlength=count)
    order = np.argsort(-size, kind="stable")[:most]
    return order[size[order] > 0]


def _levels(shown: np.ndarray, low: float, high: float) -> np.ndarray:
    """The place of each cell's shade in the palette, and at the end that of pixels outside."""
    levels = ((np.where(np.isfinite(shown), shown, np.nan) - low) / (high - low)).clip(0, 1) * (LEVELS - 1)
    return np.append(np.nan_to_num(levels.round(), nan=LEVELS), len(SHADES) - 1).astype(np.uint8)


def _polygons(cells: Cells, vertices: np.ndarray, *, levels: np.ndarray, window: _raster.Window) -> list[go.Scatter]:
    """One trace for the cells of each shade, polygon after polygon with a gap between."""
    starts, corners = cells.starts.cpu().numpy(), cells.corners.cpu().numpy()
    found = []
    for level in np.unique(levels[:-1]).tolist():
        path = [np.zeros((0, 2))]
        for cell in np.flatnonzero(levels[:-1] == level).tolist():
            polygon = vertices[corners[starts[cell] : starts[cell + 1]]]
            path += [polygon, polygon[:1], np.full((1, 2), np.nan)]
        x, y = _raster.stored(np.concatenate(path), window=window)
        fill = {"fill": "toself", "fillcolor": f"rgb{tuple(SHADES[level])}", "name": "cells", "legendgroup": f"{level}"}
        found.append(go.Scatter(x=x, y=y, mode="none", hoverinfo="skip", showlegend=False, **fill))
    return found


def _picture(shades: np.ndarray, window: _raster.Window) -> go.Image:
    half, step = window.step / 2, window.step
    places = {"x0": window.left + half, "dx": step, "y0": window.bottom + half, "dy": step}
    return go.Image(source=_raster.png(shades, SHADES), name="cells", hoverinfo="skip", zsmooth=False, **places)


def _lines(kind: Any, cells: Cells, vertices: np.ndarray, window: _raster.Window) -> list[Any]:
    """Edges, and the decision boundary on a ground that sets it off from lines; empty where there is none."""
    ends = cells.edges.cpu().numpy()
    edges = _raster.folds(ends, vertices) if kind is go.Scatter else _raster.segments(vertices[ends])
    border = _raster.segments(np.zeros((0, 2, 2)) if cells.boundary is None else _array(cells.boundary))
    styles = {
        "edges": (edges, {"color": "#222", "width": 0.7}),
        "ground": (border[: len(border) * (len(ends) > 0)], {"color": "#FFF", "width": 5.5}),
        "decision boundary": (border, {"color": BOUNDARY, "width": 2.5}),
    }
    found = []
    for name, (places, line) in styles.items():
        x, y = _raster.stored(places, window=window)
        found.append(kind(x=x, y=y, name=name, line=line, mode="lines", hoverinfo="skip", showlegend=False))
    found[-1].showlegend = cells.boundary is not None
    return found


def _marks(values: Mapping[str, Any], pointed: np.ndarray, centres: np.ndarray, window: _raster.Window) -> go.Scatter:
    """What stands under the pointer, at an invisible mark in the middle of each cell; and the bar of colours."""
    numbers = {name: each for name, each in values.items() if isinstance(each, Tensor)}
    words = {name: each for name, each in values.items() if name not in numbers}
    said = [f"{theme.text(name)}: %{{customdata[{place}]:.4~g}}" for place, name in enumerate(numbers)]
    shown: dict[str, Any] = {
        "customdata": np.stack([_traces.rounded(_array(each)[pointed]) for each in numbers.values()], 1)
    }
    if words:
        said.append("%{text}")
        columns = [_labels(name, each, pointed) for name, each in words.items()]
        shown["text"] = ["<br>".join(row) for row in zip(*columns, strict=True)]
    bar = {"title": {"text": theme.text(next(iter(values))), "side": "right", "font": {"size": 13}}}
    ticks = np.linspace(0, LEVELS - 1, 10).astype(int)
    scale = [[float(tick) / (LEVELS - 1), COLOURS[tick]] for tick in ticks]
    bar |= {"thickness": 14, "outlinewidth": 0}
    marker = {"opacity": 0, "colorscale": scale, "showscale": True, "colorbar": bar}
    x, y = _raster.stored(centres, window=window)
    shown |= {"x": x, "y": y, "hovertemplate": "<br>".join(said) + "<extra></extra>"}
    return go.Scatter(name="pointer", mode="markers", marker=marker, showlegend=False, **shown)


def _labels(name: str, words: Sequence[str], pointed: np.ndarray) -> list[str]:
    return [theme.text(f"{name}: {words[cell]}") for cell in pointed]


def _cloud(kind: Any, place: int, name: str, points: Tensor) -> Any:
    style = theme.style_at(place)
    marker = {"color": style.colour, "symbol": style.symbol, "size": 10, "line": {"color": "#FFF", "width": 1.5}}
    x, y = _array(points)[_traces.thin(len(points))].T
    hover = "%{fullData.name}<extra></extra>"
    return kind(x=x, y=y, name=theme.text(name), mode="markers", marker=marker, hovertemplate=hover)


def _framed(figure: go.Figure, window: _raster.Window) -> go.Figure:
    across, up = window.ranges
    shared = theme.LEVEL | {"constrain": "domain", "showgrid": False, "showline": False}
    figure.update_xaxes(title_text="along the first direction", range=across, **shared)
    return figure.update_yaxes(title_text="along the second direction", range=up, scaleanchor="x", **shared)
