"""The engine for a CPU: cuts cells with compiled loops."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from sslens.measures.regions import loops
from sslens.measures.regions.cells import Births, Cells, Cut, Lines
from sslens.measures.regions.compiling import Signs


def extended(rows: Float64[Tensor, "v n"], births: Births) -> Float64[Tensor, "more n"]:
    """The rows of vertices, and then of those born between them.

    >>> births = Births(torch.tensor([0, 2]), torch.tensor([1, 1]), torch.tensor([0.25, 0.5]).double())
    >>> extended(torch.tensor([[0.0], [4.0]]).double(), births).flatten()
    tensor([0.0000, 4.0000, 1.0000, 2.5000], dtype=torch.float64)
    """
    values = np.empty((len(rows) + len(births.first), rows.shape[1]))
    values[: len(rows)] = rows.numpy()
    loops._interpolate(values, _arrays(births), len(rows))
    return torch.from_numpy(values)


def read(z: Float64[Tensor, "v n"], lines: Lines, *, births: Births) -> Signs:
    """Values and signs of the lines' units, at the vertices that have a row and at those born since.

    >>> births = Births(torch.tensor([0]), torch.tensor([1]), torch.tensor([0.25]).double())
    >>> one = Lines(torch.tensor([0]), torch.zeros(1).double(), torch.tensor([0]))
    >>> signs = read(torch.tensor([[1.0], [-1.0]]).double(), one, births=births)
    >>> signs.positive, signs.negative, signs.values[:, 0]
    (array([1, 0, 1]), array([0, 1, 0]), array([ 1. , -1. ,  0.5]))
    """
    columns, tolerance, labels = _arrays(lines)
    count = len(z) + len(births.first)
    values, words = np.empty((count, len(columns))), np.empty((2, count), dtype=np.int64)
    np.take(z.numpy(), columns, axis=1, out=values[: len(z)], mode="clip")  # "raise" would make a copy of them first
    signs = Signs(values, words[0], words[1], tolerance, labels)
    loops._interpolate(signs.values, _arrays(births), len(z))
    loops._mark(signs)
    return signs


def pieces(cells: Cells, signs: Signs) -> Int64[Tensor, "r"]:
    """Into how many pieces each cell can fall at most: 1 + k (k + 1) / 2 for k units that cut it.

    >>> triangle = Cells(torch.tensor([0, 3]), torch.tensor([0, 1, 2]), torch.tensor([-1, -2, -3]))
    >>> above = np.array([1, 3, 0])
    >>> pieces(triangle, Signs(np.zeros((3, 2)), above, ~above & 3, np.zeros(2), np.arange(2)))
    tensor([4])
    """
    return torch.from_numpy(loops._pieces(_arrays(cells), signs))


def cut(cells: Cells, signs: Signs) -> Cut:
    """Cut every cell along the zero lines of the units, one unit after the other.

    A unit cuts a cell if it is above zero at one corner and below at another, beyond its tolerance; a corner within
    the tolerance lies on the line and belongs to both sides. A side that two cells share is cut once.

    >>> from sslens.measures.regions.cells import no_births
    >>> square = Cells(torch.tensor([0, 4]), torch.arange(4), -torch.arange(1, 5))
    >>> line = Lines(torch.tensor([0]), torch.zeros(1).double(), torch.tensor([7]))
    >>> signs = read(torch.tensor([[-1.0], [1], [1], [-1]]).double(), line, births=no_births())
    >>> result = cut(square, signs)
    >>> result.cells.corners.tolist(), result.cells.labels.tolist(), result.births.weight.tolist()
    ([4, 1, 2, 5, 5, 3, 0, 4], [-1, -2, -3, 7, -3, -4, -1, 7], [0.5, 0.5])
    """
    cells = _arrays(cells)
    signs, to, table, tally = _room(cells, signs, int((loops._pieces(cells, signs) - 1).sum()), len(cells.starts) - 1)
    loops._cut(cells, signs, to, table, tally)
    made, last, born, _ = tally
    parts = Cells(to.cells.starts[: made + 1], *(each[:last] for each in to.cells[1:]))
    return _tensors(Cut(parts, to.parents[:made], to.words[:made], Births(*(each[:born] for each in to.births))))


def count(cells: Cells, signs: Signs) -> int:
    """How many parts the units cut all cells into, without keeping them.

    >>> from sslens.measures.regions.cells import no_births
    >>> square = Cells(torch.tensor([0, 4]), torch.arange(4), -torch.arange(1, 5))
    >>> lines = Lines(torch.arange(2), torch.zeros(2).double(), torch.arange(2))
    >>> count(square, read(torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]]).double(), lines, births=no_births()))
    4
    """
    cells = _arrays(cells)
    return int(loops._count(cells, *_room(cells, signs, int(loops._pieces(cells, signs).max()) - 1, 1)))


def _room(cells: Cells, signs: Signs, grown: int, whole: int) -> tuple[Signs, Cut, Any, Any]:
    """Room for ``grown`` cells more than the ``whole`` ones: at each cut a cell, two vertices, four corners."""
    empty: Any = np.empty  # records whose fields are tensors elsewhere
    old, born = len(signs.positive), 2 * grown
    values, words = empty((old + born, len(signs.labels))), empty((2, old + born), dtype=np.int64)
    values[:old], words[0, :old], words[1, :old] = signs.values, signs.positive, signs.negative
    births = Births(empty(born, dtype=np.int64), empty(born, dtype=np.int64), empty(born))
    sides: Any = empty((2, len(cells.corners) + 4 * grown), dtype=np.int64)
    kept: Any = empty((2, whole + grown), dtype=np.int64)
    starts: Any = np.zeros(whole + grown + 1, dtype=np.int64)
    table = np.full((2, 1 << (2 * born + 1).bit_length()), -1, dtype=np.int64)
    tally = np.array([0, 0, 0, old])  # cells, corners and births so far, and the vertices before
    room = Signs(values, words[0], words[1], signs.tolerance, signs.labels)
    return room, Cut(Cells(starts, sides[0], sides[1]), kept[0], kept[1], births), table, tally


def _arrays(record: Any) -> Any:
    """The same record with arrays in place of its tensors; they share their memory."""
    return type(record)(*(each.contiguous().numpy() for each in record))


def _tensors(record: Any) -> Any:
    return type(record)(*(_tensors(each) if isinstance(each, tuple) else torch.from_numpy(each) for each in record))
