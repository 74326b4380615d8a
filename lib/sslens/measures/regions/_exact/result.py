"""The exact partition of a slice of input space: its cells, what made them, what the network does inside."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64, UInt8
from torch import Tensor

from sslens.measures.regions._exact.affine import VALUES, affine_maps
from sslens.measures.regions._exact.cells import Polygons, areas, centres, following, owners
from sslens.measures.regions._exact.graph import Network
from sslens.measures.regions._exact.room import demand_maps, demand_room
from sslens.measures.regions.boundary import Boundary, decision_boundary
from sslens.measures.regions.planes import Plane
from sslens.types import Cells, UnknownName

UNPACKED = 2**26
"""Units of all cells that are unpacked at a time."""
SAME_MAP = 1e-9
"""Neighbours share an affine map if their slopes differ by at most this share of the largest slope, or by rounding."""


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


@final
class PackedPatterns(NamedTuple):
    """Activation patterns of some cells, as they were found: bits of what parts these cells, and all other units.

    >>> PackedPatterns(torch.tensor([[0b10]]), (torch.tensor([0, 1]),), torch.tensor([False, False, True])).unpacked()
    tensor([[False,  True,  True]])
    """

    words: Int64[Tensor, "r w"]
    columns: tuple[Int64[Tensor, "..."], ...]
    """For each word, which units its bits stand for, the lowest first; or, with an axis more, the units of each window
    of a max-pool, of which the word holds the number of the one that is the largest."""
    steady: Bool[Tensor, "units"]
    """For all other units, which are above zero in all these cells."""

    def unpacked(self, begin: int = 0, end: int | None = None) -> Bool[Tensor, "r units"]:
        """Which units are above zero in each cell; of one layer, those from ``begin`` up to ``end``."""
        end = len(self.steady) if end is None else end
        bits = self.steady[begin:end].repeat(len(self.words), 1)
        for word, columns in zip(self.words.T, self.columns, strict=True):
            if not begin <= int(columns.flatten()[0]) < end:
                continue
            places = torch.arange(len(columns), device="cpu")
            if columns.ndim == 1:
                bits[:, columns - begin] = (word[:, None] >> places & 1).bool()
                continue
            width = max(1, (columns.shape[1] - 1).bit_length())
            largest = word[:, None] >> width * places & (1 << width) - 1
            bits[:, columns - begin] = largest[..., None] == torch.arange(columns.shape[1], device="cpu")
        return bits

    def blocks(self) -> Iterator["PackedPatterns"]:
        """The same a few cells at a time, so that what is unpacked stays small."""
        for words in self.words.split(max(1, UNPACKED // max(1, len(self.steady)))):
            yield self._replace(words=words)


@final
@dataclass(frozen=True, eq=False)
class Partition:
    """The activation regions of a network on a plane within a domain, from ``partition``.

    >>> from sslens.measures.regions import partition, square
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())
    >>> _ = net[0].weight.data.copy_(torch.eye(2)), net[0].bias.data.zero_()
    >>> quadrants = partition(net, Plane.identity(), square(1))
    >>> quadrants.count, quadrants.linear_count, quadrants.area.tolist()
    (4, 4, [1.0, 1.0, 1.0, 1.0])
    >>> quadrants
    Partition: 4 regions by the folds of 1 layer; see .area, .slope_norm, .edges, .unpack(), .picture()
    """

    network: Network
    plane: Plane
    domain: Float64[Tensor, "p 2"]
    vertices: Float64[Tensor, "v 2"]
    """In coordinates of the plane."""
    polygons: Polygons
    """Convex cells, counter-clockwise: ``starts``, ``corners`` and what made each side, ``side_ids``."""
    packed_patterns: tuple[PackedPatterns, ...]
    """Activation patterns, chunk by chunk in the order of the cells."""

    def __repr__(self) -> str:
        layers = f"{len(self.layers)} layer" + "s" * (len(self.layers) != 1)
        ask = ".area, .slope_norm, .edges, .unpack(), .picture()"
        return f"Partition: {self.count:,} regions by the folds of {layers}; see {ask}"

    @property
    def count(self) -> int:
        """How many activation regions there are."""
        return len(self.polygons.starts) - 1

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the folds in the order of their call; ``name:2`` for the second use of the same module."""
        return tuple(layer.name for layer in self.network.layers)

    def polygon(self, cell: int) -> Float64[Tensor, "corners 2"]:
        """The corners of a cell, counter-clockwise."""
        return self.vertices[self.polygons.corners[self.polygons.starts[cell] : self.polygons.starts[cell + 1]]]

    @cached_property
    def area(self) -> Float64[Tensor, "r"]:
        """Areas of the cells, in units of the plane's coordinates."""
        return areas(self.polygons, self.vertices)

    @cached_property
    def centres(self) -> Float64[Tensor, "r 2"]:
        """A point inside each cell: the mean of its corners."""
        return centres(self.polygons, self.vertices)

    @cached_property
    def edges(self) -> Edges:
        """Sides of the cells: their ends, which unit made each, which cells it parts."""
        units = torch.tensor([layer.units for layer in self.network.layers], device="cpu")
        return edges_of(self.polygons, units.cumsum(0) - units)

    def unpack(self, layer: str | None = None) -> Bool[Tensor, "r units"]:
        """Which units are above zero in each cell: of one layer, or of all, one layer after the other.

        A unit that is zero in all of a cell is not above zero. Units of a max-pool are the places of each window,
        channel by channel, padding included; the one that is largest in the cell counts as above, of several the first.

        Raises:
            UnknownName: no layer of this name.
            InputError: they do not fit into the memory that is free.
        """
        if layer is not None and layer not in self.layers:
            raise UnknownName("layer", layer, self.layers)
        sizes = [each.units for each in self.network.layers]
        begin = 0 if layer is None else sum(sizes[: self.layers.index(layer)])
        wanted = sum(sizes) if layer is None else sizes[self.layers.index(layer)]
        got, hint = (
            f"{self.count:,} patterns of {wanted:,} units",
            "Ask for one layer, or for .patterns, eight times smaller.",
        )
        demand_room(2 * self.count * wanted, of="layer", got=got, hint=hint)
        return torch.cat([chunk.unpacked(begin, begin + wanted) for chunk in self.packed_patterns])

    @cached_property
    def patterns(self) -> UInt8[Tensor, "r bytes"]:
        """Activation patterns: ``unpack()`` with eight units in a byte, the first unit the lowest bit."""
        unpacked = (block.unpacked().numpy() for chunk in self.packed_patterns for block in chunk.blocks())
        packed = [np.packbits(bits, axis=1, bitorder="little") for bits in unpacked]
        return torch.from_numpy(np.concatenate(packed))

    @cached_property
    def _maps(self) -> tuple[Tensor, Tensor, float]:
        demand_maps(self.network, self.count)
        reach = float((self.domain.amax(0) - self.domain.amin(0)).max())
        return affine_maps(self.network, self.plane, centres=self.centres, reach=reach)

    @property
    def slope(self) -> Float64[Tensor, "r out 2"]:
        """What the network's outputs gain per unit of u and of v in each cell: output = slope · (u, v) + offset."""
        return self._maps[0]

    @property
    def offset(self) -> Float64[Tensor, "r out"]:
        """What each cell's affine map gives at (u, v) = (0, 0), be it in the cell or not."""
        return self._maps[1]

    @cached_property
    def slope_norm(self) -> Float64[Tensor, "r"]:
        """Spectral norm of each slope: the most that the outputs change per unit of length on the plane."""
        along_u, along_v = self.slope.unbind(2)
        mixed = (along_u * along_v).sum(1)
        u, v = along_u.square().sum(1), along_v.square().sum(1)
        return ((u + v + torch.hypot(u - v, 2 * mixed)) / 2).sqrt()  # 40 times faster than a batch of SVDs

    @cached_property
    def linear_region(self) -> Int64[Tensor, "r"]:
        """For each cell the number of its linear region: cells that hang together side to side with the same map."""
        slope, _, rounding = self._maps
        largest = float(slope.flatten(1).norm(dim=1).max())
        return joined(self.edges, slope, tolerance=max(SAME_MAP * largest, rounding))

    @property
    def linear_count(self) -> int:
        """How many linear regions there are; at most as many as activation regions."""
        return int(self.linear_region.max()) + 1

    def boundary(self) -> Boundary:
        """The decision boundary: where two outputs are equal and no other is larger; of one output, where it is 0."""
        some = self.vertices.split(max(1, VALUES // self.network.width))
        logits = torch.cat([self.network(self.plane.at(each)).cpu() for each in some])
        return decision_boundary(self.polygons, self.vertices, logits=logits)

    def picture(self, *, boundary: bool = False) -> Cells:
        """The cells as plain numbers, for a figure: vertices, cells and edges, and where wanted the decision boundary.

        >>> from sslens.measures.regions import partition, square
        >>> net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())
        >>> _ = net[0].weight.data.copy_(torch.eye(2)), net[0].bias.data.zero_()
        >>> cells = partition(net, Plane.identity(), square(1)).picture(boundary=True)
        >>> cells.count, cells.boundary.shape
        (4, torch.Size([1, 2, 2]))
        """
        segments = self.boundary().segments if boundary else None
        return Cells(self.vertices, self.polygons.starts, self.polygons.corners, self.edges.vertices, segments)


def edges_of(polygons: Polygons, offsets: Int64[Tensor, "layers"]) -> Edges:
    """The sides of cells that meet side to side; ``offsets`` holds the number of each layer's first unit.

    >>> two = Polygons(torch.tensor([0, 3, 6]), torch.tensor([0, 1, 2, 2, 1, 3]), torch.tensor([-1, 5, -2, 5, -3, -4]))
    >>> edges = edges_of(two, torch.tensor([0, 4]))
    >>> edges.vertices[edges.inner], edges.layer[edges.inner], edges.unit[edges.inner], edges.cells[edges.inner]
    (tensor([[1, 2]]), tensor([1]), tensor([1]), tensor([[0, 1]]))
    """
    corners, side_ids = polygons.corners, polygons.side_ids
    owner = owners(polygons)
    ends = following(polygons)
    key, order = (torch.minimum(corners, ends) << 32 | torch.maximum(corners, ends)).sort(stable=True)
    first = torch.cat([torch.ones(1, dtype=torch.bool, device="cpu"), key[1:] != key[:-1]])
    one = order[first]
    other = order[torch.cat([first[1:], torch.ones(1, dtype=torch.bool, device="cpu")])]
    beyond = torch.where(other == one, -1, owner[other])
    side_id = side_ids[one]
    layer = torch.where(side_id < 0, -1, torch.bucketize(side_id, offsets, right=True) - 1)
    unit = torch.where(side_id < 0, -1 - side_id, side_id - offsets[layer])
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
    some = max(1, VALUES // slope[0].numel())
    steps = [
        (slope[a] - slope[b]).flatten(1).norm(dim=1) for a, b in zip(left.split(some), right.split(some), strict=True)
    ]
    same = (torch.cat(steps) <= tolerance).numpy()
    pairs = left.numpy()[same], right.numpy()[same]
    graph = coo_array((same[same], pairs), shape=(len(slope), len(slope)))
    return torch.from_numpy(connected_components(graph, directed=False)[1]).long()
