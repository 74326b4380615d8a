"""Sides of cells: which two cells share one, which unit made it, which cells hang together across it."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from sslens.measures.regions.cells import Cells
from sslens.measures.regions.polygons import following, owners


@final
@dataclass(frozen=True, eq=False)
class Edges:
    """Sides of cells, each once.

    >>> Edges(torch.tensor([[0, 1]]), torch.tensor([-1]), torch.tensor([-1]), torch.tensor([[0, -1]])).inner
    tensor([False])
    """

    vertices: Int64[Tensor, "e 2"]
    """The cell on the left of the way from the first to the second is the first of ``cells``."""
    layer: Int64[Tensor, "e"]
    """Which fold made the side; −1 for the border of the domain."""
    unit: Int64[Tensor, "e"]
    """Which of the fold's units made it (a pixel of a map: channels first); the number of the border's side."""
    cells: Int64[Tensor, "e 2"]
    """The cells on both sides; −1 outside the domain."""

    @property
    def inner(self) -> Bool[Tensor, "e"]:
        """Which sides lie inside the domain."""
        return self.layer >= 0


def edges_of(cells: Cells, offsets: Int64[Tensor, "layers"]) -> Edges:
    """The sides of cells that meet side to side; ``offsets`` holds the number of each layer's first unit.

    >>> two = Cells(torch.tensor([0, 3, 6]), torch.tensor([0, 1, 2, 2, 1, 3]), torch.tensor([-1, 5, -2, 5, -3, -4]))
    >>> edges = edges_of(two, torch.tensor([0, 4]))
    >>> edges.vertices[edges.inner], edges.layer[edges.inner], edges.unit[edges.inner], edges.cells[edges.inner]
    (tensor([[1, 2]]), tensor([1]), tensor([1]), tensor([[0, 1]]))
    """
    corners, labels = cells.corners, cells.labels
    owner = owners(cells)
    ends = following(cells)
    key, order = (torch.minimum(corners, ends) << 32 | torch.maximum(corners, ends)).sort(stable=True)
    first = torch.cat([torch.ones(1, dtype=torch.bool), key[1:] != key[:-1]])
    one = order[first]
    other = order[torch.cat([first[1:], torch.ones(1, dtype=torch.bool)])]
    beyond = torch.where(other == one, -1, owner[other])
    label = labels[one]
    layer = torch.where(label < 0, -1, torch.bucketize(label, offsets, right=True) - 1)
    unit = torch.where(label < 0, -1 - label, label - offsets[layer])
    return Edges(torch.stack([corners, ends], 1)[one], layer, unit, torch.stack([owner[one], beyond], 1))


def joined(edges: Edges, slope: Float64[Tensor, "r out 2"], *, tolerance: float) -> Int64[Tensor, "r"]:
    """For every cell the number of the linear region it belongs to: cells with equal slopes, from side to side.

    Maps of neighbours agree on the side they share, so equal slopes make equal maps. Slopes count as equal if they
    differ by at most ``tolerance``, in Frobenius norm.

    >>> edges = Edges(*(torch.tensor(each) for each in ([[0, 1], [2, 3]], [0, 0], [0, 1], [[0, 1], [1, 2]])))
    >>> joined(edges, torch.tensor([1.0, 1.0, 2.0]).double()[:, None, None].expand(3, 1, 2), tolerance=1e-9)
    tensor([0, 0, 1])
    """
    from scipy.sparse import coo_array  # half a second of import that only this needs
    from scipy.sparse.csgraph import connected_components

    left, right = edges.cells[edges.inner & (edges.cells[:, 1] >= 0)].T
    steps = (slope[left] - slope[right]).flatten(1).norm(dim=1)
    same = (steps <= tolerance).numpy()
    pairs = left.numpy()[same], right.numpy()[same]
    graph = coo_array((same[same], pairs), shape=(len(slope), len(slope)))
    return torch.from_numpy(connected_components(graph, directed=False)[1]).long()
