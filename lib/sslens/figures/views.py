"""Images as pictures: what a model is asked to agree on."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from sslens.figures import theme
from sslens.types import InputError

GAP = 2
"""White pixels between two images; the first column stands apart by twice as many."""


def grid(
    images: Float[Tensor, "r c ch h w"], *, rows: Sequence[str], columns: Sequence[str], title: str = "Views"
) -> go.Figure:
    """A grid of images in one compact picture with sharp pixels: the original in the first column, its views beside it.

    Pixels are brightness in [0, 1]; what lies outside is shown as the nearest end.

    Raises:
        InputError: no image, pixels that are not finite, neither 1 nor 3 channels, or names that do not fit the grid.

    >>> import torch
    >>> grid(torch.zeros(1, 2, 1, 8, 8), rows=["digit 3"], columns=["original", "view 1"]).layout.xaxis.ticktext
    ('original', 'view 1')
    """
    if not images.is_floating_point():
        raise InputError("images", str(images.dtype), "brightness in [0, 1] as floating numbers")
    pixels = images.detach().double().cpu().numpy()
    if 0 in pixels.shape or pixels.shape[2] not in (1, 3):
        raise InputError("images", tuple(pixels.shape), "at least one image of 1 or 3 channels, (r, c, ch, h, w)")
    if not np.isfinite(pixels).all():
        raise InputError("images", "pixels that are not finite", "brightness in [0, 1]")
    for field, names, count in (("rows", rows, pixels.shape[0]), ("columns", columns, pixels.shape[1])):
        if len(names) != count:
            raise InputError(field, list(names), f"as many names as there are {field}, {count}")
    mosaic, tops, lefts = _mosaic(pixels)
    height, width = pixels.shape[3:]
    figure = theme.figure(title, legend=False, height=_height(mosaic.shape[0] / mosaic.shape[1]))
    figure.update_layout(margin={"t": 68, "b": 8}, title_pad_b=32)
    figure.add_trace(go.Image(source=_png(mosaic), zsmooth=False, hoverinfo="skip"))
    figure.update_xaxes(side="top", **_named(lefts + (width - 1) / 2, columns))
    figure.update_yaxes(**_named(tops + (height - 1) / 2, rows))
    return figure


def _mosaic(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One picture in bytes (h, w, ch), and where its rows and columns begin."""
    r, c, channels, h, w = pixels.shape
    tops, lefts = np.arange(r) * (h + GAP), np.arange(c) * (w + GAP) + GAP * (np.arange(c) > 0)
    mosaic = np.full((tops[-1] + h, lefts[-1] + w, channels), 255, dtype=np.uint8)
    tiles = (pixels.clip(0, 1) * 255).round().astype(np.uint8).transpose(0, 1, 3, 4, 2)  # (r, c, h, w, ch)
    for row, top in enumerate(tops):
        for column, left in enumerate(lefts):
            mosaic[top : top + h, left : left + w] = tiles[row, column]
    return mosaic, tops, lefts


def _png(mosaic: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(mosaic.squeeze(2) if mosaic.shape[2] == 1 else mosaic).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _height(shape: float) -> int:
    """Figure height at which a mosaic of this shape (height over width) fills a page of usual width."""
    return int(np.clip(80 + 680 * shape, 180, 900))


def _named(places: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    ticks = {"tickvals": places.tolist(), "ticktext": [theme.text(name) for name in names]}
    return {"showgrid": False, "showline": False, "ticks": "", "ticklabelstandoff": 4, **ticks}
