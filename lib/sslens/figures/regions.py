"""The picture of a partition: cells coloured by a number, their edges, the decision boundary, samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int, Num
from plotly.colors import sample_colorscale, unlabel_rgb
from torch import Tensor

from sslens.figures import curves, raster, theme
from sslens.types import InputError

DETAIL = 5000
"""Most edges drawn as lines in a figure that a notebook keeps: some 20 kB."""
POINTED = 1000
"""Most cells that answer the pointer."""
BOUNDARY = "#C00000"
_LEVELS = 50
_SHADES = sample_colorscale("YlGnBu", np.linspace(0, 0.75, _LEVELS).tolist())
"""Told apart by every eye, and lighter than any edge."""
_INSIDE = np.array([*(unlabel_rgb(shade) for shade in _SHADES), (190, 190, 190)])  # the last: no finite number
_PALETTE = [*_INSIDE.round().astype(int).tolist(), *(0.6 * _INSIDE).astype(int).tolist(), (255, 255, 255)]


@final
@dataclass(frozen=True, eq=False)
class Cells:
    """A partition as plain numbers, in the plane's coordinates.

    >>> import torch
    >>> places, ring = torch.eye(3, 2), torch.tensor([0, 1, 2])
    >>> Cells(places, starts=torch.tensor([0, 3]), corners=ring, edges=torch.stack([ring, ring.roll(-1)], 1)).count
    1
    """

    vertices: Float[Tensor, "v 2"]
    starts: Int[Tensor, "bounds"]
    """Where each cell begins in ``corners``, and where the last one ends."""
    corners: Int[Tensor, "m"]
    """Vertices around each cell counter-clockwise, cell after cell."""
    edges: Int[Tensor, "e 2"]
    """The two vertices of each edge."""
    boundary: Float[Tensor, "b 2 2"] | None = None
    """Segments on which the two largest outputs are equal."""

    @classmethod
    def of(cls, found: Any) -> "Cells":
        """Those of a partition as ``measures.regions`` finds it."""
        return cls(found.vertices, found.cells.starts, found.cells.corners, found.edges.vertices)

    @property
    def count(self) -> int:
        """How many cells."""
        return len(self.starts) - 1


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
    compared or scrubbed. The fill is one picture, exact at the centre of each pixel. Up to ``detail`` edges are lines;
    more are darker pixels, where pixels can show them. The ``detail`` / 20 largest cells, at most a thousand, answer
    the pointer. The title says what is not there. A live figure, which no notebook keeps, may ask for more detail; one
    of many in a figure for less, and gets coarser pixels.

    Raises:
        InputError: no cell, values that are not one number or word per cell, colours by words or by nothing finite, or
            a span that does not rise.

    >>> import torch
    >>> ring = torch.tensor([0, 1, 2])
    >>> cells = Cells(torch.eye(3, 2), torch.tensor([0, 3]), ring, torch.stack([ring, ring.roll(-1)], 1))
    >>> figure = partition(cells, {"slope": torch.ones(1)}, title="One region")
    >>> [trace.type for trace in figure.data]
    ['image', 'scatter', 'scatter', 'scatter', 'scatter']
    """
    shown, low, high = _colours(values, cells.count, span)
    vertices, (corners, following, owner) = _array(cells.vertices), _rings(cells)
    window = raster.Window.around(vertices, raster.SIDE if detail >= DETAIL else raster.COARSE)
    pixels = raster.owners(vertices[corners], vertices[following], cell=owner, window=window)
    outlines, lined = raster.outlines(pixels), len(cells.edges) <= detail
    dense = not lined and outlines.mean() > 0.5
    heard = _largest(pixels, cells.count, min(detail // 20, POINTED))
    notes = [f"{cells.count:,} region{'s' * (cells.count > 1)}"]
    notes += ["edges closer than pixels, not drawn" if dense else "edges in pixels"] * (not lined)
    notes += [f"the {len(heard):,} largest answer the pointer"] * (len(heard) < cells.count)
    figure = theme.figure(title, notes=notes, height=700, legend=cells.boundary is not None or bool(samples))
    shades = _levels(shown, low, high)[pixels]
    shades[outlines & (not lined and not dense)] += _LEVELS + 1
    figure.add_trace(_picture(shades, window))
    kind = go.Scatter if detail <= DETAIL else go.Scattergl  # for all: WebGL lies above the rest, whatever the order
    figure.add_traces(_lines(kind, cells if lined else replace(cells, edges=cells.edges[:0]), vertices, window))
    centres = np.stack([np.bincount(owner, axis) for axis in vertices[corners].T], 1) / np.bincount(owner)[:, None]
    look = {"color": curves.rounded(shown[heard]), "cmin": low, "cmax": high}
    figure.add_trace(_marks(values, heard, centres[heard], window).update(marker=look))
    figure.add_traces([_cloud(kind, place, *named) for place, named in enumerate((samples or {}).items())])
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
    figure = theme.figure(title, height=150 + 600 // len(shown))  # what is kept for a legend is the names' place
    figure.set_subplots(1, len(shown), horizontal_spacing=0.2 / len(shown), subplot_titles=[*map(theme.text, pictures)])
    for column, each in enumerate(shown, 1):
        x, y = each.layout.xaxis, each.layout.yaxis
        drawn = [trace for trace in each.data if trace.type == "image" or len(trace.x)]
        figure.add_traces(drawn, rows=1, cols=column)
        figure.update_xaxes(x.to_plotly_json(), col=column)
        figure.update_yaxes({**y.to_plotly_json(), "scaleanchor": f"x{column}"}, title_text="", col=column)
        if column > 1 and x.range != shown[column - 2].layout.xaxis.range:
            frame = dict(zip(("x0", "x1", "y0", "y1"), (*x.range, *y.range), strict=True))
            figure.add_shape(frame, line={"color": BOUNDARY, "width": 2}, row=1, col=column - 1)
    for pointer in list[Any](figure.select_traces({"name": "pointer"}))[:-1]:
        pointer.marker.showscale = False
    return figure.update_layout(showlegend=False)


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
    shown = curves.array(f"values[{first!r}]", values[first])
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
    levels = ((np.where(np.isfinite(shown), shown, np.nan) - low) / (high - low)).clip(0, 1) * (_LEVELS - 1)
    return np.append(np.nan_to_num(levels.round(), nan=_LEVELS), len(_PALETTE) - 1).astype(np.uint8)


def _picture(shades: np.ndarray, window: raster.Window) -> go.Image:
    half, step = window.step / 2, window.step
    places = {"x0": window.left + half, "dx": step, "y0": window.bottom + half, "dy": step}
    return go.Image(source=raster.png(shades, _PALETTE), name="cells", hoverinfo="skip", zsmooth=False, **places)


def _lines(kind: Any, cells: Cells, vertices: np.ndarray, window: raster.Window) -> list[Any]:
    """Edges, and the decision boundary on a ground that sets it off from lines; empty where there is none."""
    ends = cells.edges.cpu().numpy()
    edges = raster.folds(ends, vertices) if kind is go.Scatter else raster.segments(vertices[ends])
    border = raster.segments(np.zeros((0, 2, 2)) if cells.boundary is None else _array(cells.boundary))
    looks = {
        "edges": (edges, {"color": "#222", "width": 0.7}),
        "ground": (border[: len(border) * (len(ends) > 0)], {"color": "#FFF", "width": 5.5}),
        "decision boundary": (border, {"color": BOUNDARY, "width": 2.5}),
    }
    found = []
    for name, (places, line) in looks.items():
        x, y = raster.stored(places, window=window)
        found.append(kind(x=x, y=y, name=name, line=line, mode="lines", hoverinfo="skip", showlegend=False))
    found[-1].showlegend = cells.boundary is not None
    return found


def _marks(values: Mapping[str, Any], heard: np.ndarray, centres: np.ndarray, window: raster.Window) -> go.Scatter:
    """What stands under the pointer, at an invisible mark in the middle of each cell; and the bar of colours."""
    numbers = {name: each for name, each in values.items() if isinstance(each, Tensor)}
    words = {name: each for name, each in values.items() if name not in numbers}
    said = [f"{theme.text(name)}: %{{customdata[{place}]:.4~g}}" for place, name in enumerate(numbers)]
    shown: dict[str, Any] = {
        "customdata": np.stack([curves.rounded(_array(each)[heard]) for each in numbers.values()], 1)
    }
    if words:
        said.append("%{text}")
        rows = ([f"{name}: {each[cell]}" for name, each in words.items()] for cell in heard)
        shown["text"] = ["<br>".join(map(theme.text, row)) for row in rows]
    bar = {"title": {"text": theme.text(next(iter(values))), "side": "right", "font": {"size": 13}}}
    ticks = np.linspace(0, _LEVELS - 1, 10).astype(int)
    scale = [[float(tick) / (_LEVELS - 1), _SHADES[tick]] for tick in ticks]
    bar |= {"thickness": 14, "outlinewidth": 0}
    look = {"opacity": 0, "colorscale": scale, "showscale": True, "colorbar": bar}
    x, y = raster.stored(centres, window=window)
    shown |= {"x": x, "y": y, "hovertemplate": "<br>".join(said) + "<extra></extra>"}
    return go.Scatter(name="pointer", mode="markers", marker=look, showlegend=False, **shown)


def _cloud(kind: Any, place: int, name: str, points: Tensor) -> Any:
    style = theme.style_at(place)
    look = {"color": style.colour, "symbol": style.symbol, "size": 10, "line": {"color": "#FFF", "width": 1.5}}
    x, y = _array(points)[curves.thin(len(points))].T
    hover = "%{fullData.name}<extra></extra>"
    return kind(x=x, y=y, name=theme.text(name), mode="markers", marker=look, hovertemplate=hover)


def _framed(figure: go.Figure, window: raster.Window) -> go.Figure:
    across, up = window.ranges
    shared = {"constrain": "domain", "showgrid": False, "showline": False}
    figure.update_xaxes(title_text="along the first direction", range=across, **shared)
    return figure.update_yaxes(title_text="along the second direction", range=up, scaleanchor="x", **shared)
