"""The engine for a CPU: cuts cells with compiled loops."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from sslens.measures.regions._exact import numba_kernels as kernels
from sslens.measures.regions._exact.cells import Cut, Lines, NewVertices, Polygons, Signs


def interpolated(rows: Float64[Tensor, "v n"], new_vertices: NewVertices) -> Float64[Tensor, "more n"]:
    """The rows of vertices, and then of the new ones between them.

    >>> new = NewVertices(torch.tensor([0, 2]), torch.tensor([1, 1]), torch.tensor([0.25, 0.5]).double())
    >>> interpolated(torch.tensor([[0.0], [4.0]]).double(), new).flatten()
    tensor([0.0000, 4.0000, 1.0000, 2.5000], dtype=torch.float64)
    """
    values = np.empty((len(rows) + len(new_vertices.first), rows.shape[1]))
    values[: len(rows)] = rows.numpy()
    kernels.interpolate(values, arrays_of(new_vertices))
    return torch.from_numpy(values)


def signs_of(z: Float64[Tensor, "v n"], lines: Lines, *, new_vertices: NewVertices) -> Signs:
    """Values and signs of the lines' units, at the vertices that have a row and at the new ones; as arrays.

    >>> new = NewVertices(torch.tensor([0]), torch.tensor([1]), torch.tensor([0.25]).double())
    >>> one = Lines(torch.tensor([0]), torch.zeros(1).double(), torch.tensor([0]))
    >>> signs = signs_of(torch.tensor([[1.0], [-1.0]]).double(), one, new_vertices=new)
    >>> signs.positive, signs.negative, signs.values[:, 0]
    (array([1, 0, 1]), array([0, 1, 0]), array([ 1. , -1. ,  0.5]))
    """
    columns, tolerance, side_ids = arrays_of(lines)
    count = len(z) + len(new_vertices.first)
    values, words = np.empty((count, len(columns))), np.empty((2, count), dtype=np.int64)
    np.take(z.numpy(), columns, axis=1, out=values[: len(z)], mode="clip")  # "raise" would make a copy of them first
    signs: Any = Signs(values, words[0], words[1], tolerance, side_ids)  # pyright: ignore[reportArgumentType]
    kernels.interpolate(signs.values, arrays_of(new_vertices))
    kernels.mark(signs)
    return signs


def most_pieces(polygons: Polygons, signs: Signs) -> Int64[Tensor, "r"]:
    """Into how many pieces each cell can fall at most: 1 + k (k + 1) / 2 for k units that cut it.

    >>> triangle = Polygons(torch.tensor([0, 3]), torch.tensor([0, 1, 2]), torch.tensor([-1, -2, -3]))
    >>> above = np.array([1, 3, 0])
    >>> most_pieces(triangle, Signs(np.zeros((3, 2)), above, ~above & 3, np.zeros(2), np.arange(2)))
    tensor([4])
    """
    return torch.from_numpy(kernels.most_pieces(arrays_of(polygons), signs))


def cut(polygons: Polygons, signs: Signs) -> Cut:
    """Cut every cell along the zero lines of the units, one unit after the other.

    A unit cuts a cell if it is above zero at one corner and below at another, beyond its tolerance; a corner within
    the tolerance lies on the line and belongs to both sides. A side that two cells share is cut once.

    >>> from sslens.measures.regions._exact.cells import no_new_vertices
    >>> square = Polygons(torch.tensor([0, 4]), torch.arange(4), -torch.arange(1, 5))
    >>> line = Lines(torch.tensor([0]), torch.zeros(1).double(), torch.tensor([7]))
    >>> signs = signs_of(torch.tensor([[-1.0], [1], [1], [-1]]).double(), line, new_vertices=no_new_vertices())
    >>> parts = cut(square, signs)
    >>> parts.polygons.corners.tolist(), parts.polygons.side_ids.tolist(), parts.new_vertices.weight.tolist()
    ([4, 1, 2, 5, 5, 3, 0, 4], [-1, -2, -3, 7, -3, -4, -1, 7], [0.5, 0.5])
    """
    arrays = arrays_of(polygons)
    grown = int((kernels.most_pieces(arrays, signs) - 1).sum())
    room = room_for(arrays, signs, grown=grown, whole=len(arrays.starts) - 1)
    kernels.cut(arrays, room)
    made, last, born, _ = room.tally
    _, corners, side_ids = room.parts.polygons
    parts = Polygons(room.parts.polygons.starts[: made + 1], corners[:last], side_ids[:last])
    new_vertices = NewVertices(*(each[:born] for each in room.parts.new_vertices))
    return _tensors_of(Cut(parts, room.parts.parents[:made], room.parts.patterns[:made], new_vertices))


def count(polygons: Polygons, signs: Signs) -> int:
    """How many parts the units cut all cells into, without keeping them.

    >>> from sslens.measures.regions._exact.cells import no_new_vertices
    >>> square = Polygons(torch.tensor([0, 4]), torch.arange(4), -torch.arange(1, 5))
    >>> lines = Lines(torch.arange(2), torch.zeros(2).double(), torch.arange(2))
    >>> z = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]]).double()
    >>> count(square, signs_of(z, lines, new_vertices=no_new_vertices()))
    4
    """
    arrays = arrays_of(polygons)
    grown = int(kernels.most_pieces(arrays, signs).max()) - 1
    return int(kernels.count_parts(arrays, room_for(arrays, signs, grown=grown, whole=1)))


def room_for(polygons: Polygons, signs: Signs, *, grown: int, whole: int) -> kernels.Room:
    """Room for ``grown`` cells more than the ``whole`` ones: at each cut a cell, two vertices, four corners.

    >>> square = Polygons(np.array([0, 4]), np.arange(4), -1 - np.arange(4))
    >>> signs = Signs(np.zeros((4, 1)), np.zeros(4, np.int64), np.zeros(4, np.int64), np.zeros(1), np.array([7]))
    >>> len(room_for(square, signs, grown=2, whole=1).parts.parents)
    3
    """
    empty: Any = np.empty  # records whose fields are tensors elsewhere
    old, born = len(signs.positive), 2 * grown
    values, words = empty((old + born, len(signs.side_ids))), empty((2, old + born), dtype=np.int64)
    values[:old], words[0, :old], words[1, :old] = signs.values, signs.positive, signs.negative
    new_vertices = NewVertices(empty(born, dtype=np.int64), empty(born, dtype=np.int64), empty(born))
    sides: Any = empty((2, len(polygons.corners) + 4 * grown), dtype=np.int64)
    kept: Any = empty((2, whole + grown), dtype=np.int64)
    starts: Any = np.zeros(whole + grown + 1, dtype=np.int64)
    table = np.full((2, 1 << (2 * born + 1).bit_length()), -1, dtype=np.int64)
    with_room = Signs(values, words[0], words[1], signs.tolerance, signs.side_ids)
    parts = Cut(Polygons(starts, sides[0], sides[1]), kept[0], kept[1], new_vertices)
    return kernels.Room(with_room, parts, table, np.array([0, 0, 0, old]))


def arrays_of(record: Any) -> Any:
    """The same record with arrays in place of its tensors; they share their memory.

    >>> arrays_of(NewVertices(torch.tensor([0]), torch.tensor([1]), torch.tensor([0.25]))).first
    array([0])
    """
    return type(record)(*(each.contiguous().numpy() for each in record))


def _tensors_of(record: Any) -> Any:
    return type(record)(*(_tensors_of(each) if isinstance(each, tuple) else torch.from_numpy(each) for each in record))
