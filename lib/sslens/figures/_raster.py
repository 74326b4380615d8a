"""Convex cells as pixels, their edges as lines: what a picture of many cells is made of."""

import base64
import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image

SIDE = 256
"""Pixels along the longer side of a picture."""
COARSE = 144
"""The same of one of many that a figure keeps."""


@final
@dataclass(frozen=True)
class Window:
    """The rectangle of pixels around places: its left and lower border, the side of a pixel, how many pixels.

    Rows count upwards, which is the one order that plotly draws alike on a page and in a PNG.

    >>> Window.around(np.array([[0.0, 0.0], [2.0, 1.0]])).height
    128
    """

    left: float
    bottom: float
    step: float
    width: int
    height: int

    @classmethod
    def around(cls, places: Float[np.ndarray, "v 2"], side: int = SIDE) -> "Window":
        """The smallest window that holds all places, its longer side of so many pixels."""
        low, high = places.min(0), places.max(0)
        step = float((high - low).max()) / side
        width, height = np.ceil((high - low) / step - 1e-9).clip(1)
        return cls(float(low[0]), float(low[1]), step, int(width), int(height))

    @property
    def ranges(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """From left to right, and from bottom to top."""
        return (self.left, self.left + self.width * self.step), (self.bottom, self.bottom + self.height * self.step)

    def pixels(self, places: Float[np.ndarray, "m 2"]) -> Float[np.ndarray, "m 2"]:
        """Places as columns and rows; the centres of pixels are whole numbers."""
        return (places - (self.left, self.bottom)) / self.step - 0.5


def owners(
    start: Float[np.ndarray, "m 2"], end: Float[np.ndarray, "m 2"], *, cell: Int[np.ndarray, "m"], window: Window
) -> Int[np.ndarray, "h w"]:
    """The cell at the centre of every pixel, -1 outside; given is every side of every cell, counter-clockwise.

    Along a row of pixels each cell begins where its left side is crossed; left sides run down, right ones up.

    >>> corners = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    >>> inside = owners(corners, np.roll(corners, -1, 0), cell=np.zeros(4, int), window=Window.around(corners))
    >>> inside.shape, inside.any()
    ((256, 256), np.False_)
    """
    start, end = window.pixels(start), window.pixels(end)
    side, row, column = _crossings(end, start, window.height)
    order = np.lexsort((column, row))
    latest = np.full((window.height, window.width + 1), -1)
    latest[row[order], np.ceil(column[order]).clip(0, window.width).astype(int)] = np.arange(len(order))
    latest = np.maximum.accumulate(latest, axis=1)[:, : window.width]
    found = np.where(latest < 0, -1, cell[side[order]][latest])
    _, row, column = _crossings(start, end, window.height)
    last = np.full(window.height, -1.0)
    np.maximum.at(last, row, column)
    found[np.arange(window.width) > last[:, None]] = -1
    return found


def _crossings(start: np.ndarray, end: np.ndarray, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where sides that run up meet the rows of pixels: which side, which row, at which column."""
    first, last = (np.ceil(each[:, 1]).clip(0, height).astype(int) for each in (start, end))
    rows = (last - first).clip(0)
    side = np.repeat(np.arange(len(rows)), rows)
    row = first[side] + np.arange(len(side)) - np.repeat(rows.cumsum() - rows, rows)
    (x, y), (u, v) = start[side].T, end[side].T
    return side, row, x + (row - y) * (u - x) / (v - y)


def outlines(owners: Int[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Pixels whose right or upper neighbour belongs to another cell.

    >>> outlines(np.array([[0, 0, 1]])).tolist()
    [[False, True, False]]
    """
    found = np.zeros(owners.shape, dtype=bool)
    found[:, :-1] |= owners[:, :-1] != owners[:, 1:]
    found[:-1] |= owners[:-1] != owners[1:]
    return found & (owners >= 0)


def png(shades: UInt8[np.ndarray, "h w"], palette: Sequence[Sequence[int]]) -> str:
    """A picture as a data address, from the place of each pixel in a palette; the palette's last colour is clear.

    >>> png(np.zeros((2, 2), np.uint8), [(0, 0, 0), (255, 255, 255)])[:22]
    'data:image/png;base64,'
    """
    image, file = Image.fromarray(shades), io.BytesIO()
    image.putpalette(bytes(part for colour in palette for part in colour))
    image.save(file, "PNG", transparency=len(palette) - 1)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def segments(ends: Float[np.ndarray, "e 2 2"]) -> Float[np.ndarray, "p 2"]:
    """Lines one after the other, with a gap (NaN) behind each.

    >>> segments(np.zeros((1, 2, 2))).tolist()
    [[0.0, 0.0], [0.0, 0.0], [nan, nan]]
    """
    return np.concatenate([ends, np.full((len(ends), 1, 2), np.nan)], axis=1).reshape(-1, 2)


def folds(edges: Int[np.ndarray, "e 2"], vertices: Float[np.ndarray, "v 2"]) -> Float[np.ndarray, "p 2"]:
    """The same lines as those of the edges in far fewer places: joined end to end, and straight on where they can be.

    >>> folds(np.array([[0, 1], [1, 2]]), np.array([[0.0, 0], [1, 0], [2, 0]])).tolist()
    [[0.0, 0.0], [2.0, 0.0], [nan, nan]]
    """
    gap = np.full((1, 2), np.nan)
    drawn = [part for chain in _chains(edges, vertices) for part in (vertices[chain], gap)]
    return np.concatenate(drawn) if drawn else gap[:0]


def _chains(edges: np.ndarray, vertices: np.ndarray) -> Iterator[list[int]]:
    ahead: dict[int, dict[int, tuple[float, float]]] = defaultdict(dict)
    steps = vertices[edges[:, 1]] - vertices[edges[:, 0]]
    ways = steps / np.maximum(np.hypot(*steps.T), np.finfo(float).tiny)[:, None]
    for (one, other), (x, y) in zip(edges.tolist(), ways.tolist(), strict=True):
        ahead[one][other], ahead[other][one] = (x, y), (-x, -y)
    for start in sorted(ahead, key=lambda vertex: len(ahead[vertex]) % 2 == 0):  # odd ones must be ends
        while ahead[start]:
            chain, (x, y) = [start], (0.0, 0.0)
            while onward := ahead[chain[-1]]:
                straight, there = max((x * u + y * v, vertex) for vertex, (u, v) in onward.items())
                del ahead[there][chain[-1]]
                x, y = onward.pop(there)
                if straight > 1 - 1e-14 and len(chain) > 1:
                    chain.pop()
                chain.append(there)
            yield chain


def stored(
    places: Float[np.ndarray, "p 2"], *, window: Window
) -> tuple[Float[np.ndarray, "p"], Float[np.ndarray, "p"]]:
    """Places as a figure stores them: four bytes a number where these err by less than a hundredth of a pixel.

    >>> stored(np.eye(2), window=Window.around(np.eye(2)))[0].dtype
    dtype('float32')
    """
    short = places.astype(np.float32)
    lost = np.nan_to_num(np.abs(short - places)).max(initial=0)
    x, y = (short if lost < window.step / 100 else places).T
    return x, y
