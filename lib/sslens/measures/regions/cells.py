"""The words between the cutting of cells and those who do it: polygons, births of vertices, what a cut returns.

The compiled loops use the same records with arrays in place of the tensors.
"""

from typing import Any, NamedTuple, Protocol, final, runtime_checkable

import torch
from jaxtyping import Float64, Int64
from torch import Tensor


@final
class Cells(NamedTuple):
    """Convex polygons one after the other: cell c has the corners ``starts[c]`` up to ``starts[c + 1]``.

    >>> Cells(torch.tensor([0, 3]), torch.tensor([0, 1, 2]), torch.tensor([-1, -2, -3])).starts
    tensor([0, 3])
    """

    starts: Int64[Tensor, "_"]
    corners: Int64[Tensor, "s"]
    """Numbers of vertices, counter-clockwise."""
    labels: Int64[Tensor, "s"]
    """What made the side that begins at the corner: a unit, counted through all layers; the border's sides −1, −2 …"""


@final
class Births(NamedTuple):
    """New vertices in the order of their making: each lies between two earlier ones.

    >>> Births(torch.tensor([0]), torch.tensor([1]), torch.tensor([0.25])).weight
    tensor([0.2500])
    """

    first: Int64[Tensor, "b"]
    second: Int64[Tensor, "b"]
    weight: Float64[Tensor, "b"]
    """Share of the second in the mean of both."""


@final
class Cut(NamedTuple):
    """What became of cells that units have cut.

    >>> halves = Cells(torch.tensor([0, 4, 8]), torch.tensor([4, 1, 2, 5, 5, 3, 0, 4]), torch.zeros(8))
    >>> Cut(halves, torch.tensor([0, 0]), torch.tensor([1, 0]), no_births()).parents
    tensor([0, 0])
    """

    cells: Cells
    parents: Int64[Tensor, "r"]
    """The cell that each cell is a part of."""
    words: Int64[Tensor, "r"]
    """The units above zero inside: one bit each, the first unit the lowest."""
    births: Births


@final
class Lines(NamedTuple):
    """Up to 64 units of a fold, whose zero lines are to cut.

    >>> Lines(torch.tensor([3]), torch.tensor([1e-12]), labels=torch.tensor([67])).labels
    tensor([67])
    """

    columns: Int64[Tensor, "k"]
    """Which units of the fold."""
    tolerance: Float64[Tensor, "k"]
    """Values of this size and below are zero."""
    labels: Int64[Tensor, "k"]
    """The same units, counted through all layers."""


@runtime_checkable
class Engine(Protocol):
    """Who cuts: compiled loops (``kernels``) or batched operations (``batched``). Both make the same cells.

    >>> from sslens.measures.regions import kernels
    >>> engine: Engine = kernels
    """

    @staticmethod
    def extended(rows: Float64[Tensor, "v n"], births: Births) -> Float64[Tensor, "more n"]:
        """The rows of vertices, and then of those born between them."""
        ...

    @staticmethod
    def read(z: Float64[Tensor, "v n"], lines: Lines, *, births: Births) -> Any:
        """Values and signs of the lines' units, at the vertices that have a row and at those born since."""
        ...

    @staticmethod
    def pieces(cells: Cells, signs: Any) -> Int64[Tensor, "r"]:
        """Into how many pieces each cell can fall at most: 1 + k (k + 1) / 2 for k units that cut it."""
        ...

    @staticmethod
    def cut(cells: Cells, signs: Any) -> Cut:
        """Cut every cell along the zero lines of the units, one unit after the other."""
        ...

    @staticmethod
    def count(cells: Cells, signs: Any) -> int:
        """How many parts the units cut all cells into, without keeping them."""
        ...


def no_births(device: torch.device | str = "cpu") -> Births:
    """Nothing new yet.

    >>> len(no_births().first)
    0
    """
    empty = torch.zeros(0, dtype=torch.int64, device=device)
    return Births(empty, empty, empty.double())
