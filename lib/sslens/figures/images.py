"""Images: a grid of pictures with named rows and columns, and a table of numbers as colours."""

import base64
import io
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from xarray import DataArray

from sslens.figures import _traces, theme
from sslens.types import InputError

GAP = 2
"""White pixels between two images; the first column stands apart by twice as many."""
DIVERGING = [[0, "#0072B2"], [0.5, "#F7F7F7"], [1, "#D55E00"]]
"""From below the centre to above it."""


def images(
    pixels: Float[Tensor, "r c ch h w"], *, rows: Sequence[str], columns: Sequence[str], title: str
) -> go.Figure:
    """A grid of images in one compact picture with sharp pixels: the original in the first column, its views beside it.

    Pixels are brightness in [0, 1]; what lies outside is shown as the nearest end.

    Raises:
        InputError: no image, pixels that are not finite, neither 1 nor 3 channels, or names that do not fit the grid.

    >>> import torch
    >>> views = images(torch.zeros(1, 2, 1, 8, 8), rows=["digit 3"], columns=["original", "view 1"], title="Views")
    >>> views.layout.xaxis.ticktext
    ('original', 'view 1')
    """
    brightness = _brightness(pixels)
    for field, names, count in (("rows", rows, brightness.shape[0]), ("columns", columns, brightness.shape[1])):
        if len(names) != count:
            raise InputError(field, list(names), f"as many names as there are {field}, {count}")
    mosaic, tops, lefts = _mosaic(brightness)
    height, width = brightness.shape[3:]
    figure = theme.figure(title, legend=False, headroom=26, height=_height(mosaic.shape[0] / mosaic.shape[1]))
    figure.update_layout(margin_b=8)
    figure.add_trace(go.Image(source=_png(mosaic), zsmooth=False, hoverinfo="skip"))
    figure.update_xaxes(side="top", **_named(lefts + (width - 1) / 2, columns))
    return figure.update_yaxes(constraintoward="top", **_named(tops + (height - 1) / 2, rows))


def _brightness(pixels: Tensor) -> np.ndarray:
    if not pixels.is_floating_point():
        raise InputError("pixels", str(pixels.dtype), "brightness in [0, 1] as floating numbers")
    brightness = pixels.detach().double().cpu().numpy()
    if 0 in brightness.shape or brightness.shape[2] not in (1, 3):
        raise InputError("pixels", tuple(brightness.shape), "at least one image of 1 or 3 channels, (r, c, ch, h, w)")
    if not np.isfinite(brightness).all():
        raise InputError("pixels", "pixels that are not finite", "brightness in [0, 1]")
    return brightness


def _mosaic(brightness: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One picture in bytes (h, w, ch), and where its rows and columns begin."""
    r, c, channels, h, w = brightness.shape
    tops, lefts = np.arange(r) * (h + GAP), np.arange(c) * (w + GAP) + GAP * (np.arange(c) > 0)
    mosaic = np.full((tops[-1] + h, lefts[-1] + w, channels), 255, dtype=np.uint8)
    tiles = (brightness.clip(0, 1) * 255).round().astype(np.uint8).transpose(0, 1, 3, 4, 2)  # (r, c, h, w, ch)
    for row, top in enumerate(tops):
        for column, left in enumerate(lefts):
            mosaic[top : top + h, left : left + w] = tiles[row, column]
    return mosaic, tops, lefts


def _png(mosaic: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(mosaic.squeeze(2) if mosaic.shape[2] == 1 else mosaic).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _height(shape: float) -> int:
    """Height at which a mosaic of this shape (height over width) fills a page of usual width."""
    return int(np.clip(10 + 680 * shape, 120, 830))


def _named(places: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    ticks = {"tickvals": places.tolist(), "ticktext": [theme.text(name) for name in names]}
    return {"showgrid": False, "showline": False, "ticks": "", "ticklabelstandoff": 4, **ticks}


def heat(
    values: DataArray, *, title: str, centre: float | None = None, digits: int = 2, marked: DataArray | None = None
) -> go.Figure:
    """A table as colours, its first dimension down and its second across, with the number in each cell.

    With a ``centre``, colours part there: blue below, orange above, pale between; around 0 signs are written, too.
    ``marked`` frames the cells where it is true. Labels across that rise in even steps are a numeric axis, so that
    other things can be marked between the columns.

    Raises:
        InputError: not two dimensions, no finite number, or marks of another shape.

    >>> labels = {"labels per class": [1, 5], "beta": [0.0, 0.5, 1.0]}
    >>> gain = DataArray([[-2.0, 0.0, 1.0], [0.5, 0.0, 0.1]], coords=labels, name="gain", attrs={"unit": "points"})
    >>> figure = heat(gain, title="Which exponent helps?", centre=0.0, marked=gain == gain.max("beta"))
    >>> figure.layout.xaxis.title.text, figure.data[0].texttemplate
    ('beta', '%{z:+.2f}')
    """
    found = _traces.labelled(str(values.name), values)
    if found.ndim != 2:
        raise InputError(f"dims of {values.name}", list(found.dims), "two: rows and columns")
    if marked is not None and (marked.dims != found.dims or marked.shape != found.shape):
        raise InputError("marked", (marked.dims, marked.shape), f"as the values: {(found.dims, found.shape)}")
    notes = ["framed: " + str(marked.name)] if marked is not None and marked.name else []
    figure = theme.figure(title, notes=notes, height=90 + 46 * max(len(found), 3), legend=False)
    x, across = _column_axis(found)
    figure.add_trace(_cells(found, x, centre=centre, digits=digits))
    if marked is not None:
        figure.add_trace(_frames(np.argwhere(marked.values), x))
    down, name = (theme.text(dim) for dim in found.dims)
    ticks = {"tickvals": list(range(len(found))), "ticktext": _texts(found.coords[found.dims[0]].values)}
    figure.update_xaxes(title_text=name, showgrid=False, **across)
    return figure.update_yaxes(title_text=down, autorange="reversed", showgrid=False, **ticks)


def _column_axis(found: DataArray) -> tuple[np.ndarray, dict[str, Any]]:
    """Where the columns lie, and the settings of their axis."""
    labels = found.coords[found.dims[1]].values
    steps = np.diff(labels.astype(float)) if labels.dtype.kind in "iuf" and len(labels) > 1 else np.zeros(1)
    if steps.min() > 0 and np.allclose(steps, steps[0]):
        return labels.astype(float), {"range": [labels[0] - steps[0] / 2, labels[-1] + steps[0] / 2]}
    return np.arange(len(labels)), {"tickvals": list(range(len(labels))), "ticktext": _texts(labels)}


def _named_labels(found: DataArray, dim: str) -> list[str]:
    return [f"{theme.text(dim)} {label}" for label in _texts(found.coords[dim].values)]


def _texts(labels: np.ndarray) -> list[str]:
    return [theme.text(label) if isinstance(label, str) else theme.number(label) for label in labels.tolist()]


def _cells(found: DataArray, x: np.ndarray, *, centre: float | None, digits: int) -> go.Heatmap:
    shown = np.round(found.values.astype(np.float64), digits) + 0.0  # no -0.0
    sign = "+" if centre == 0 else ""
    cells = go.Heatmap(x=x, y=np.arange(len(found)), z=shown.astype(np.float32), xgap=1, ygap=1, hoverongaps=False)
    cells.update(texttemplate=f"%{{z:{sign}.{digits}f}}", textfont_size=11, colorbar={"thickness": 12})
    cells.update(colorbar_title={"text": _traces.axis_title(found), "side": "right", "font": {"size": 13}})
    if centre is None:
        cells.colorscale = "Cividis"
    else:
        reach = float(np.nanmax(np.abs(shown - centre))) or 1.0
        cells.update(colorscale=DIVERGING, zmin=centre - reach, zmax=centre + reach)
    down, across = (_named_labels(found, str(dim)) for dim in found.dims)
    cells.customdata = np.array([", ".join(names) for names in product(down, across)]).reshape(found.shape)
    return cells.update(hovertemplate=f"%{{customdata}}: %{{z:{sign}.{digits}f}}<extra></extra>")


def _frames(at: np.ndarray, x: np.ndarray) -> go.Scatter:
    """A frame around each cell, in places of the axes: it keeps to the cell at any width."""
    half = (x[1] - x[0]) / 2 if len(x) > 1 else 0.5
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1], [np.nan, np.nan]])
    middles = np.stack([x[at[:, 1]], at[:, 0].astype(float)], 1)
    path = (middles[:, None] + corners * 0.94 * np.array([half, 0.5])).reshape(-1, 2)
    line = {"color": "#000", "width": 2}
    return go.Scatter(x=path[:, 0], y=path[:, 1], mode="lines", line=line, hoverinfo="skip", showlegend=False)
