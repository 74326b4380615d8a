"""Comparisons of numbers on their way, and what chooses by them: a fold whose units are the differences compared.

What a comparison gives is the same in all of a cell, so that in a cell ``where``, ``masked_fill`` and products with it
are affine. They are a fold if what they give does not jump where the comparison changes.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, fx

from sslens.measures.regions._exact.folds import arguments
from sslens.types import InputError

COMPARISONS = {
    *(operator.gt, operator.ge, operator.lt, operator.le, torch.gt, torch.ge, torch.lt, torch.le),
    *(torch.greater, torch.greater_equal, torch.less, torch.less_equal),
    *("gt", "ge", "lt", "le", "greater", "greater_equal", "less", "less_equal"),
}
CHOOSERS = {
    *(torch.where, "where", torch.masked_fill, "masked_fill", "masked_fill_"),
    *(operator.mul, operator.imul, torch.mul, torch.multiply, "mul", "mul_", "multiply"),
    *(operator.truediv, torch.div, "div"),
}
"""What may read a comparison beside numbers."""
CARRIERS = CHOOSERS | {
    *("to", "type", "type_as", "float", "double", "int", "long", "detach", "contiguous", "clone"),
    *(operator.invert, torch.logical_not, torch.bitwise_not, "logical_not", "bitwise_not"),
    *(operator.add, operator.sub, operator.neg, torch.add, torch.sub, torch.rsub, torch.neg, "add", "sub"),
}
"""What gives, of one comparison and constants, numbers that change with it, each with its own."""
NEAR = 1e-9
"""How far what is chosen may be from a multiple of what is compared, as a share of either."""

Run = Callable[[Mapping[fx.Node, Any]], Any]


def held(nodes: list[fx.Node], growing: set[fx.Node]) -> dict[fx.Node, fx.Node]:
    """Operations whose values are the same in all of a cell, each with the comparison that it comes from.

    >>> class Net(torch.nn.Module):
    ...     def forward(self, x):
    ...         return x * (x > 0).float()
    >>> nodes = list(fx.symbolic_trace(Net()).graph.nodes)
    >>> held(nodes, set(nodes[:-1]))
    {gt: gt, float_1: gt}
    """
    found: dict[fx.Node, fx.Node] = {}
    for node in nodes:
        sources = [source for source in node.all_input_nodes if source in growing]
        if not sources or node.op not in ("call_function", "call_method"):
            continue
        if node.target in COMPARISONS and not any(source in found for source in sources):
            found[node] = node
        elif node.target in CARRIERS and len(sources) == 1 and sources[0] in found:
            found[node] = found[sources[0]]
    return found


def compared(node: fx.Node, env: Mapping[fx.Node, Any]) -> Float[Tensor, "..."]:
    """The difference whose sign a comparison looks at.

    >>> x, other, gt, _ = fx.symbolic_trace(lambda x, other: x > other).graph.nodes
    >>> compared(gt, {x: torch.tensor([3.0]), other: torch.tensor([1.0])})
    tensor([2.])
    """
    args, kwargs = arguments(node, env)
    one, other = (*args, *kwargs.values())
    return one - other


def meets(run: Run, comparison: fx.Node, *, env: Mapping[fx.Node, Any]) -> bool:
    """Whether what an operation chooses does not jump where the comparison changes, of some random numbers.

    Both sides are affine in these numbers; they meet wherever the difference compared is zero if theirs is a multiple
    of it, number by number.

    >>> x, gt, mul, _ = fx.symbolic_trace(lambda x: x * (x > 0)).graph.nodes
    >>> env = {x: torch.randn(4, 3, dtype=torch.float64)}
    >>> [meets(lambda env, at=at: (at + env[x]) * env[gt], gt, env=env) for at in (0, 1)]
    [True, False]
    """
    unit = compared(comparison, env)
    above, below = (run({**env, comparison: torch.full_like(unit, side, dtype=torch.bool)}) for side in (True, False))
    step = above - below
    try:
        unit = unit.expand_as(step)
    except RuntimeError:
        return False
    one, other = step * unit.roll(1, 0), step.roll(1, 0) * unit
    return bool(((one - other).abs() <= NEAR * (one.abs() + other.abs())).all())


def jump(comparison: fx.Node, chooser: fx.Node | None) -> InputError:
    """What is said of a comparison that is no fold.

    >>> x, gt, add, _ = fx.symbolic_trace(lambda x: x + (x > 0)).graph.nodes
    >>> print(jump(gt, add))
    net must be made of affine maps, ReLU, abs, max-pool. Got "gt in 'gt'". What 'add' makes of it is not known to ...
    """
    maker = repr(chooser.name) if chooser else "the network"
    hint = f"What {maker} makes of it is not known to meet where it changes, as relu, maximum and clamp do."
    name = getattr(comparison.target, "__name__", comparison.target)
    return InputError("net", f"{name} in {comparison.name!r}", "made of affine maps, ReLU, abs, max-pool", hint)
