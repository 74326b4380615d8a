"""Cells on their way through a network: cut at every fold, up to 64 units at a time, in chunks that fit memory."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import final

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from sslens.measures.regions.cells import Births, Cells, Engine, Lines, no_births
from sslens.measures.regions.naming import Names
from sslens.measures.regions.tracing import Network, Walk
from sslens.types import InputError

RELATIVE, FLOOR = 2.0**-42, 2.0**-48
"""A value counts as zero up to these shares of its unit's largest value, and of the largest value of the fold."""


def extremes(z: Float64[Tensor, "v n"], layer: str) -> tuple[Float64[Tensor, "n"], ...]:
    """Largest and smallest value of each unit of a fold, and up to what size its values count as zero.

    Raises:
        InputError: values that are not finite.

    >>> extremes(torch.tensor([[1.0, -3.0], [2.0, 5.0]]).double(), "relu")[0].tolist()
    [2.0, 5.0]
    """
    high, low = z.amax(0), z.amin(0)
    size = torch.maximum(high, -low)
    if not size.isfinite().all():
        raise InputError("net", f"values that are not finite before {layer!r}", "finite at every fold")
    return high, low, torch.maximum(RELATIVE * size, FLOOR * size.amax())


@final
@dataclass(frozen=True, eq=False)
class Front:
    """Cells at some place of the network, on their way.

    >>> from sslens.measures.regions import kernels, square
    >>> network = Network(torch.nn.Sequential(torch.nn.Linear(2, 70), torch.nn.ReLU()), torch.zeros(2))
    >>> start = Cutter(network, kernels, chunk=100).enter(square(100.0), square(100.0))
    >>> len(start.cells.starts), start.words.shape, [len(lines.columns) for lines in start.ahead]
    (2, torch.Size([1, 0]), [64, 6])
    """

    walk: Walk
    points: Float64[Tensor, "v 2"]
    names: Int64[Tensor, "v"]
    """Numbers of the vertices that hold in all chunks."""
    cells: Cells
    words: Int64[Tensor, "r w"]
    """Activation patterns, one bit for each unit that is not steady."""
    columns: tuple[Int64[Tensor, "_"], ...] = ()
    """The units, counted through all layers, that each word holds."""
    steady: tuple[Bool[Tensor, "_"], ...] = ()
    """Layer by layer: which of the units that cut none of these cells are above zero."""
    ahead: tuple[Lines, ...] = ()
    """What is still to cut at this fold."""
    births: Births = field(default_factory=no_births)
    """Vertices made at this fold, which have no rows yet."""

    @property
    def done(self) -> bool:
        """Whether all folds are behind."""
        return not self.ahead and self.walk.layer is None


@final
class Cutter:
    """Drives fronts through a network, the first cells first, and divides what has grown beyond a chunk.

    >>> from sslens.measures.regions import kernels, square
    >>> network = Network(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU()), torch.zeros(2))
    >>> _ = [parameter.fill_(1.0) for parameter in network.graph.parameters()]
    >>> cutter = Cutter(network, kernels, chunk=100)
    >>> [len(front.cells.starts) - 1 for front in cutter.fronts(cutter.enter(square(1.0), square(1.0)))]
    [2]
    """

    def __init__(self, network: Network, engine: Engine, *, chunk: int) -> None:
        self.network, self.engine, self.chunk = network, engine, chunk
        self.offsets = [0, *torch.tensor([layer.units for layer in network.layers]).cumsum(0).tolist()]
        self.names = Names(0)

    @torch.no_grad()
    def fronts(self, front: Front) -> Iterator[Front]:
        """What has reached the end of the network: chunk by chunk, together all that the front becomes."""
        waiting = [front]
        while waiting:
            front = waiting.pop()
            if front.done:
                yield front
            else:
                waiting += reversed(self._onward(front))

    @torch.no_grad()
    def enter(self, inputs: Float64[Tensor, "p *shape"], domain: Float64[Tensor, "p 2"]) -> Front:
        """The domain as the one cell at the beginning, and the inputs that stand in its corners."""
        walk, corners = self.network.walk(inputs), torch.arange(len(domain), device=inputs.device)
        cells = Cells(torch.tensor([0, len(domain)], device=inputs.device), corners, -1 - corners)
        self.names = Names(len(domain))
        walk.advance()
        return self._arrived(Front(walk, domain.to(inputs.device), corners, cells, corners.new_empty(1, 0)))

    @torch.no_grad()
    def count(self, front: Front) -> int:
        """How many cells the front becomes; those of the last cut are not made."""
        total, waiting = 0, [front]
        while waiting:
            front = waiting.pop()
            if front.walk.layer == len(self.network.layers) - 1 and len(front.ahead) < 2:
                signs = [self.engine.read(front.walk.units(), lines, births=front.births) for lines in front.ahead]
                total += self.engine.count(front.cells, signs[0]) if signs else len(front.cells.starts) - 1
            else:
                waiting += self._onward(front)
        return total

    def _onward(self, front: Front) -> list[Front]:
        if not front.ahead:
            return [self._through(front)]
        lines, *later = front.ahead
        signs = self.engine.read(front.walk.units(), lines, births=front.births)
        pieces = self.engine.pieces(front.cells, signs)
        if len(pieces) > 1 and int(pieces.sum()) > self.chunk:
            return self._divided(self._settled(front), pieces)
        cut = self.engine.cut(front.cells, signs)
        births = Births(*(torch.cat(pair) for pair in zip(front.births, cut.births, strict=True)))
        words = torch.cat([front.words[cut.parents], cut.words[:, None]], 1)
        columns = (*front.columns, lines.labels)
        return [replace(front, cells=cut.cells, words=words, columns=columns, ahead=tuple(later), births=births)]

    def _through(self, front: Front) -> Front:
        """All cells through the fold and on to the next one."""
        last = front.walk.layer == len(self.network.layers) - 1
        front = self._settled(front, rows=not last)
        if last:
            front.walk.place = len(self.network.nodes)
            return front
        front.walk.step()
        front.walk.advance()
        return self._arrived(front)

    def _arrived(self, front: Front) -> Front:
        """Which units of the fold ahead can cut, by words of 64, and on which side the others are."""
        z, layer = front.walk.units(), front.walk.layer or 0
        high, low, tolerance = extremes(z, self.network.layers[layer].name)
        active = ((high > tolerance) & (low < -tolerance)).nonzero().flatten()
        lines = [Lines(some, tolerance[some], some + self.offsets[layer]) for some in active.split(64) if len(some)]
        return replace(front, steady=(*front.steady, high > tolerance), ahead=tuple(lines))

    def _settled(self, front: Front, *, rows: bool = True) -> Front:
        """New vertices get coordinates, a name, and where the network goes on, rows."""
        births = front.births
        if not len(births.first):
            return front
        if rows:
            front.walk.extend(lambda values: self.engine.extended(values, births))
        points, names = self.engine.extended(front.points, births), self.names.extended(front.names, births)
        return replace(front, points=points, names=names, births=no_births(points.device))

    def _divided(self, front: Front, pieces: Int64[Tensor, "r"]) -> list[Front]:
        """Neighbouring cells together as long as what they can become fits a chunk; at least one cell each."""
        self.names.divided = True
        chunk = (pieces.cumsum(0) - 1) // max(self.chunk // 2, int(pieces.max()))
        ends = torch.unique_consecutive(chunk, return_counts=True)[1].cumsum(0).tolist()
        return [self._part(front, begin, end) for begin, end in zip([0, *ends[:-1]], ends, strict=True)]

    def _part(self, front: Front, begin: int, end: int) -> Front:
        starts = front.cells.starts[begin : end + 1]
        inside = slice(int(starts[0]), int(starts[-1]))
        used = torch.zeros(len(front.points), dtype=torch.bool, device=front.points.device)
        used[front.cells.corners[inside]] = True
        index, number = used.nonzero().flatten(), used.cumsum(0) - 1
        cells = Cells(starts - starts[0], number[front.cells.corners[inside]], front.cells.labels[inside])
        points, names, words = front.points[index], front.names[index], front.words[begin:end]
        return replace(front, walk=front.walk.take(index), points=points, names=names, cells=cells, words=words)
