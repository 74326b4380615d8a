"""What no name says of a network's operations is tried: whether they keep samples apart, and whether they bend."""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor, fx

from sslens.runtime import stream

Values = Mapping[fx.Node, Any]
"""What each operation gave."""
COUNTS = 2, 3
"""Samples of the batches that tell what grows with them."""
DECADES = 3
"""Numbers are tried from 10⁻³ to 10³ in size, below zero and above."""
PROBES, SOME = 8, [6, 1, 4]
"""Rows of random numbers, and the places of those that go their way without the others."""
CASTS = ("to", "type_as")
MADE = ("new_zeros", "new_ones", "new_full", "new_empty", "new_tensor")
"""Methods that take nothing from a tensor but its type and device."""
ROUNDING = 1e-9
"""How far two ways to one number may lie apart, as a share of the largest number beside it."""


@final
class Trial(NamedTuple):
    """A network tried on batches of two sizes.

    >>> graph = fx.symbolic_trace(torch.nn.Flatten())
    >>> x, flat, _ = graph.graph.nodes
    >>> trial = Trial.of(lambda batch: {x: batch, flat: graph(batch)}, torch.zeros(2, 3))
    >>> trial.growing({x, flat}) == {x, flat}
    True
    """

    samples: Float[Tensor, "n *shape"]
    smaller: Values
    larger: Mapping[fx.Node, torch.Size]
    """Of the larger batch the shapes alone."""

    @classmethod
    def of(cls, tried: Callable[[Float[Tensor, "n *shape"]], Values], sample: Float[Tensor, "*shape"]) -> "Trial":
        """``tried`` is the network: a batch in, the value of every operation out. The samples lie around the given one.

        Raises:
            InputError: whatever is wrong with network or sample.
        """
        generator = stream(0, "samples")
        noise = torch.randn(COUNTS[1], *sample.shape, generator=generator, dtype=torch.float64, device="cpu")
        samples = sample.double() + noise.to(sample.device) * (sample.abs().max() if sample.any() else 1)
        larger = {node: each.shape for node, each in tried(samples.clone()).items() if isinstance(each, Tensor)}
        return cls(samples, tried(samples[: COUNTS[0]].clone()), larger)

    def growing(self, dependent: set[fx.Node]) -> set[fx.Node]:
        """Operations that give a tensor with rows for every sample; others read only sizes and types of tensors."""
        found: set[fx.Node] = set()
        for node in (node for node in self.smaller if node in dependent and isinstance(self.smaller[node], Tensor)):
            reads_values = bool(found & set(node.all_input_nodes)) and not _casts(node, dependent)
            if reads_values or not node.all_input_nodes or self.smaller[node].shape != self.larger[node]:
                found.add(node)
        return found


@final
class Probe:
    """Random numbers on their way through a network, new ones behind every fold, and some of their rows by themselves.

    So nothing agrees, cancels or is zero by chance of what a network gives to be seen.

    >>> x, mean, _ = fx.symbolic_trace(lambda x: x.mean(0, keepdim=True)).graph.nodes
    >>> probe = Probe(lambda node, env: env[x].mean(0, keepdim=True))
    >>> probe.loosen(x, torch.ones(PROBES, 2))
    >>> probe.step(mean, [x])
    >>> probe.keeps_apart(x, []), probe.keeps_apart(mean, [x])
    (True, False)
    """

    def __init__(self, run: Callable[[fx.Node, Values], Any]) -> None:
        self.run, self.generator = run, stream(0, "probe")
        self.many: dict[fx.Node, Any] = {}
        self.some: dict[fx.Node, Any] = {}

    def step(self, node: fx.Node, sources: list[fx.Node]) -> None:
        """The operation, of copies of what it may write over."""
        for env in (self.many, self.some):
            env[node] = self.afresh(node, sources, env=env)

    def afresh(self, node: fx.Node, sources: list[fx.Node], *, env: Values) -> Any:
        """What the operation gives."""
        return self.run(node, {**env, **{source: env[source].clone() for source in sources}})

    def loosen(self, node: fx.Node, values: Float[Tensor, "rows *shape"]) -> None:
        """New random numbers as large as these, for what an operation gave."""
        size = values.abs().unflatten(0, (PROBES, -1)).amax(0)
        noise = torch.randn(PROBES, *size.shape, generator=self.generator, dtype=torch.float64, device="cpu").to(
            size.device
        )
        self.many[node], self.some[node] = (noise * size).flatten(0, 1), (noise[SOME] * size).flatten(0, 1)

    def put(self, node: fx.Node, other: fx.Node) -> None:
        """What the other gave is now the value of this one."""
        self.many[node], self.some[node] = self.many[other], self.some[other]

    def forget(self, nodes: list[fx.Node]) -> None:
        """What nobody needs any more."""
        for env in (self.many, self.some):
            for node in nodes:
                env.pop(node, None)

    def keeps_apart(self, node: fx.Node, sources: list[fx.Node]) -> bool:
        """Whether a row is the same whatever rows are beside it, and stands on the first axis.

        Where what the operation sums up cancels, rounding is all that is left, and depends on how many rows there are:
        then the rows by themselves are those of the others from here on.
        """
        many, some = self.many[node], self.some[node]
        if not many.ndim or len(many) % PROBES or len(some) % len(SOME):
            return False
        rows = many.reshape(PROBES, -1)[SOME]
        own = some.reshape(len(SOME), -1)
        if rows.shape != own.shape or _agree(rows, own):
            return rows.shape == own.shape
        self.some[node] = many.unflatten(0, (PROBES, -1))[SOME].flatten(0, 1)
        return self._only_rounding(node, sources, rows - own)

    def _only_rounding(self, node: fx.Node, sources: list[fx.Node], left: Float[Tensor, "some k"]) -> bool:
        """Whether it is as nothing beside what the operation makes of numbers as large that do not cancel."""
        loose = {each: self._random(self.many[each]) for each in sources}
        return bool(left.abs().max() <= ROUNDING * self.run(node, {**self.many, **loose}).abs().max())

    def _random(self, like: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        noise = torch.randn(like.shape, generator=self.generator, dtype=torch.float64, device="cpu")
        return noise.to(like.device) * like.abs()


def _casts(node: fx.Node, dependent: set[fx.Node]) -> bool:
    """Whether it gives a constant the type or the device of another tensor."""
    casts = node.target in MADE or (node.target in CASTS and node.args[0] not in dependent)
    return node.op == "call_method" and casts


def bends(run: Callable[[Values], Any], node: fx.Node, *, values: Values, sources: list[fx.Node]) -> bool:
    """Whether an operation is no affine function of its sources, whose values are tensors.

    What it makes of the middle between two sets of random numbers is held against the middle of what it makes of each.
    Where it gives other things than finite floating-point numbers, a comparison or a logarithm of what is negative, it
    bends: no affine function does.

    >>> x, relu, _ = fx.symbolic_trace(torch.nn.ReLU()).graph.nodes
    >>> tried = {"values": {x: torch.zeros(2, 3)}, "sources": [x]}
    >>> bends(lambda env: env[x].relu(), relu, **tried), bends(lambda env: 2 * env[x] + 1, relu, **tried)
    (True, False)
    """
    generator = stream(0, node.name)
    first, second = ({source: _random(values[source], generator) for source in sources} for _ in range(2))
    middle = {source: (first[source] + second[source]) / 2 for source in sources}
    found = [list(_tensors(run({**values, **_copied(given)}))) for given in (first, second, middle)]
    if not all(each.is_floating_point() and each.isfinite().all() for each in chain(*found)):
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
