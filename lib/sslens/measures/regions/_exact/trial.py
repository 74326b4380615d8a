"""What no name says of a network's operations is tried: whether they keep samples apart, and whether they bend."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor, fx

from sslens.runtime import stream

Values = Mapping[fx.Node, Any]
"""What each operation gave."""
COUNTS = 3, 5
"""Samples of the batches whose first rows are held against samples on their own."""
DECADES = 3
"""Numbers are tried from 10⁻³ to 10³ in size, below zero and above."""
CASTS = ("to", "type_as")
ROUNDING = 1e-9
"""How far two ways to one number may lie apart, as a share of the largest number beside it."""


@final
class Trial(NamedTuple):
    """A network tried on batches of several sizes, and on the same samples one by one.

    >>> graph = fx.symbolic_trace(torch.nn.Flatten())
    >>> x, flat, _ = graph.graph.nodes
    >>> trial = Trial.of(lambda batch: {x: batch, flat: graph(batch)}, torch.zeros(2, 3))
    >>> trial.growing({x, flat}) == {x, flat}, trial.mixing({x, flat})
    (True, None)
    """

    together: list[Values]
    alone: list[Values]
    """Each twice in a batch: of a single row nothing has a spread."""

    @classmethod
    def of(cls, tried: Callable[[Float[Tensor, "n *shape"]], Values], sample: Float[Tensor, "*shape"]) -> "Trial":
        """``tried`` is the network: a batch in, the value of every operation out. The samples lie around the given one.

        Raises:
            InputError: whatever is wrong with network or sample.
        """
        generator = stream(0, "samples")
        noise = torch.randn(max(COUNTS), *sample.shape, generator=generator, dtype=torch.float64, device="cpu").to(
            sample.device
        )
        several = sample.double() + noise * (sample.abs().max() if sample.any() else 1)
        together = [tried(several[:count].clone()) for count in COUNTS]
        return cls(together, [tried(each.expand(2, *each.shape).clone()) for each in several[: min(COUNTS)]])

    def growing(self, dependent: set[fx.Node]) -> set[fx.Node]:
        """Operations that give a tensor with rows for every sample; others read only sizes and types of tensors."""
        found: set[fx.Node] = set()
        first, second = self.together
        for node in (node for node in first if node in dependent and isinstance(first[node], Tensor)):
            reads_values = bool(found & set(node.all_input_nodes)) and not _casts(node, dependent)
            if reads_values or not node.all_input_nodes or first[node].shape != second[node].shape:
                found.add(node)
        return found

    def mixing(self, growing: set[fx.Node]) -> fx.Node | None:
        """The first operation that gives a row of a batch other numbers than the sample on its own.

        Samples may be mixed, or kept on another axis than the first.
        """
        for count, values in zip(COUNTS, self.together, strict=True):
            for node in (node for node in values if node in growing):
                if not values[node].ndim or len(values[node]) % count:
                    return node
                rows = values[node].reshape(count, -1)[: len(self.alone)]
                own = torch.stack([single[node].reshape(2, -1)[0] for single in self.alone])
                if rows.shape != own.shape or not _agree(rows, own):
                    return node
        return None


def _casts(node: fx.Node, dependent: set[fx.Node]) -> bool:
    """Whether it gives a constant the type or the device of another tensor."""
    return node.op == "call_method" and node.target in CASTS and node.args[0] not in dependent


def bends(run: Callable[[Values], Any], node: fx.Node, *, values: Values, sources: list[fx.Node]) -> bool:
    """Whether an operation is no affine function of its sources, whose values are tensors.

    What it makes of the middle between two sets of random numbers is held against the middle of what it makes of each.
    Where it gives other things than floating-point numbers, a comparison for one, it bends.

    >>> x, relu, _ = fx.symbolic_trace(torch.nn.ReLU()).graph.nodes
    >>> tried = {"values": {x: torch.zeros(2, 3)}, "sources": [x]}
    >>> bends(lambda env: env[x].relu(), relu, **tried), bends(lambda env: 2 * env[x] + 1, relu, **tried)
    (True, False)
    """
    generator = stream(0, node.name)
    first, second = ({source: _random(values[source], generator) for source in sources} for _ in range(2))
    middle = {source: (first[source] + second[source]) / 2 for source in sources}
    found = [list(_tensors(run({**values, **_copied(given)}))) for given in (first, second, middle)]
    if not all(each.is_floating_point() for each in found[0]):
        return True
    return any(not _agree((one + other) / 2, between) for one, other, between in zip(*found, strict=True))


def _random(like: Tensor, generator: torch.Generator) -> Tensor:
    decades = DECADES * (2 * torch.rand(like.shape, generator=generator, dtype=torch.float64, device="cpu") - 1)
    numbers = torch.randn(like.shape, generator=generator, dtype=torch.float64, device="cpu") * 10**decades
    return numbers.to(like.device)


def _copied(given: dict[fx.Node, Tensor]) -> dict[fx.Node, Tensor]:
    """For an operation that writes over what enters it."""
    return {source: numbers.clone() for source, numbers in given.items()}


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for each in value:
            yield from _tensors(each)


def _agree(one: Tensor, other: Tensor) -> bool:
    """Up to rounding; what is not finite is refused elsewhere, with the layer it comes to."""
    if not one.numel():
        return True
    apart, size = (one - other).abs().max(), torch.maximum(one.abs().max(), other.abs().max())
    return not bool(apart > ROUNDING * size)
