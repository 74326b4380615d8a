"""Operations that bend number by number, each with its *units*: the numbers whose signs say on which side of each kink.

Between its kinks each of these operations is affine, and at its kinks it does not jump.
"""

import operator
from collections.abc import Callable, Mapping
from math import isinf
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn
from torch.fx.node import map_arg
from torch.nn import functional

Units = tuple[Tensor, ...]
"""A clamp has two units for every number, most folds have one."""


def _at_zero(input: Tensor, *_: Any, **__: Any) -> Units:
    return (input,)


def _at_bounds(input: Tensor, min: Any = None, max: Any = None) -> Units:
    bounds = [bound for bound in (min, max) if bound is not None and not (isinstance(bound, float) and isinf(bound))]
    units = [input - bound for bound in bounds]
    if all(isinstance(bound, Tensor) for bound in (min, max)):
        units.append(torch.zeros_like(input) + min - max)  # where they change places, the upper bound counts
    return tuple(units)


def _at_upper_bound(input: Tensor, max: Any) -> Units:
    return _at_bounds(input, max=max)


def _at_hard_bounds(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Units:
    return _at_bounds(input, min_val, max_val)


def _at_zero_and_six(input: Tensor, inplace: bool = False) -> Units:
    return _at_bounds(input, 0, 6)


def _at_three(input: Tensor, inplace: bool = False) -> Units:
    return _at_bounds(input, -3, 3)


def _around_zero(input: Tensor, lambd: float = 0.5) -> Units:
    return _at_bounds(input, -lambd, lambd)


def _at_threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Units:
    return (input - threshold,)


def _where_equal(input: Tensor, other: Tensor) -> Units:
    return (input - other,)


RECTIFYING = "relu", "leaky_relu", "prelu", "rrelu", "abs", "absolute"
"""What bends at zero alone."""
KINDS: Mapping[Callable[..., Units], tuple[str, ...]] = {
    _at_zero: RECTIFYING,
    _at_bounds: ("clamp", "clip", "clamp_min"),
    _at_upper_bound: ("clamp_max",),
    _at_hard_bounds: ("hardtanh",),
    _at_zero_and_six: ("relu6",),
    _at_three: ("hardsigmoid",),
    _around_zero: ("softshrink",),
    _at_threshold: ("threshold",),
    _where_equal: ("maximum", "minimum", "fmax", "fmin", "max", "min"),
}
OF_TWO = "max", "min"
"""Folds if they are given two tensors."""
MODULES: Mapping[type[nn.Module], Callable[[Any, Tensor], Units]] = {
    **dict.fromkeys((nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.RReLU), lambda _, x: _at_zero(x)),
    nn.Hardtanh: lambda module, x: _at_bounds(x, module.min_val, module.max_val),  # and ReLU6, which is one
    nn.Hardsigmoid: lambda _, x: _at_three(x),
    nn.Softshrink: lambda module, x: _around_zero(x, module.lambd),
    nn.Threshold: lambda module, x: _at_threshold(x, module.threshold, module.value),
}


def _functions() -> dict[Any, Callable[..., Units]]:
    """Functions and names of methods, with those that write over what enters them."""
    found: dict[Any, Callable[..., Units]] = {operator.abs: _at_zero}
    for units, names in KINDS.items():
        for name in [each + end for each in names for end in ("", "_")]:
            found[name] = units
            found |= {getattr(room, name): units for room in (torch, functional) if hasattr(room, name)}
    return found


FUNCTIONS = _functions()


def is_folding(node: fx.Node, called: Any) -> bool:
    """Whether the operation of a node, which calls this, bends number by number.

    >>> [is_folding(node, node.target) for node in fx.symbolic_trace(nn.Sequential(nn.ReLU())).graph.nodes]
    [False, False, False]
    """
    if isinstance(called, nn.Module):
        return isinstance(called, tuple(MODULES))
    if node.op not in ("call_function", "call_method") or called not in FUNCTIONS:
        return False
    return FUNCTIONS[called] is not _where_equal or name_of(called) not in OF_TWO or len(node.all_input_nodes) == 2


def is_rectifying(called: Any) -> bool:
    """Whether it bends at zero alone.

    >>> is_rectifying(nn.PReLU()), is_rectifying("relu_"), is_rectifying(torch.clamp)
    (True, True, False)
    """
    return isinstance(called, tuple(list(MODULES)[:4])) or (_hashable(called) and FUNCTIONS.get(called) is _at_zero)


def jumps(node: fx.Node, called: Any) -> bool:
    """Whether it is a threshold that gives another value below than at its place.

    >>> node = list(fx.symbolic_trace(nn.Sequential(nn.Threshold(1.0, 0.0))).graph.nodes)[1]
    >>> jumps(node, nn.Threshold(1.0, 0.0)), jumps(node, nn.Threshold(1.0, 1.0))
    (True, False)
    """
    if isinstance(called, nn.Threshold):
        return bool(called.threshold != called.value)
    if isinstance(called, nn.Module) or FUNCTIONS.get(called) is not _at_threshold:
        return False
    given = dict(zip(("input", "threshold", "value"), node.args, strict=False)) | node.kwargs
    return bool(given["threshold"] != given["value"])


def folding_units(node: fx.Node, called: Any, *, env: Mapping[fx.Node, Any]) -> list[Float[Tensor, "..."]]:
    """The units of a fold, from the values of the operations before it.

    >>> x, fold, _ = fx.symbolic_trace(nn.Sequential(nn.Hardtanh())).graph.nodes
    >>> folding_units(fold, nn.Hardtanh(), env={x: torch.tensor([0.5])})
    [tensor([1.5000]), tensor([-0.5000])]
    """
    args, kwargs = arguments(node, env)
    if isinstance(called, nn.Module):
        kind = next(kind for kind in MODULES if isinstance(called, kind))
        return list(MODULES[kind](called, *args, **kwargs))
    return list(FUNCTIONS[called](*args, **kwargs))


def arguments(node: fx.Node, env: Mapping[fx.Node, Any]) -> tuple[list[Any], dict[str, Any]]:
    """What an operation is given, from the values of those before it.

    >>> x, clamp, _ = fx.symbolic_trace(lambda x: x.clamp(min=0)).graph.nodes
    >>> arguments(clamp, {x: 3})
    ([3], {'min': 0})
    """
    found: Any = [map_arg(given, env.__getitem__) for given in (node.args, node.kwargs)]
    return list(found[0]), dict(found[1])


def name_of(called: Any) -> str:
    """What an operation is called.

    >>> name_of(nn.ReLU()), name_of(torch.relu), name_of("relu")
    ('ReLU', 'relu', 'relu')
    """
    return type(called).__name__ if isinstance(called, nn.Module) else getattr(called, "__name__", str(called))


def _hashable(called: Any) -> bool:
    return not isinstance(called, nn.Module)
