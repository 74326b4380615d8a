"""Where a network bends: the operations whose kinks cut its input space, and those that bend all along."""

import operator
import re
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, fx, nn
from torch.nn import functional

from sslens.types import InputError

RECTIFIERS = (nn.ReLU, nn.LeakyReLU, nn.PReLU)
RECTIFYING = {
    *(
        functional.relu,
        torch.relu,
        torch.relu_,
        functional.leaky_relu,
        functional.leaky_relu_,
        torch.abs,
        torch.abs_,
        torch.absolute,
    ),
    *(operator.abs, "relu", "relu_", "abs", "abs_", "absolute"),
}
"""Functions, and names of tensor methods, that bend where their input is zero."""
POOLS = (nn.MaxPool1d, nn.MaxPool2d)
POOLING = {functional.max_pool1d, functional.max_pool2d, torch.max_pool1d, torch.max_pool2d}
SMOOTH_RECTIFIERS = {"gelu", "silu", "mish", "elu", "selu", "celu", "softplus"}
"""Smooth relatives of ReLU: the sign of what enters them has a meaning, though nothing bends there."""
CURVED = {
    *("tanh", "sigmoid", "softmax", "logsoftmax", "softmin", "logsigmoid", "softsign", "tanhshrink", "exp", "log"),
    *("hardtanh", "hardswish", "hardsigmoid", "hardshrink", "softshrink", "threshold", "relu6", "rrelu", "clamp"),
    *("clip", "maximum", "minimum", "max", "min", "amax", "amin", "sort", "topk", "where", "pow", "sqrt", "rsqrt"),
    *("square", "sin", "cos", "norm", "normalize", "layernorm", "groupnorm", "instancenorm", "rmsnorm", "std", "var"),
    *("localresponsenorm", "multiheadattention", "scaleddotproductattention", "lstm", "gru", "rnn", "glu"),
    *("adaptivemaxpool", "fractionalmaxpool", "maxpool", "lppool", "round", "floor", "sign", "heaviside"),
}
"""What is refused by name: not piecewise affine, or with kinks that are not looked for."""


def fold(node: fx.Node, graph: fx.GraphModule, *, proxy: bool = False) -> str:
    """``rectifier`` or ``pool`` where the operation of this node bends, nothing where it is affine.

    Raises:
        InputError: an operation that is known not to be piecewise affine; where it is a smooth relative of ReLU, the
            hint offers ``proxy``, with which it counts as a rectifier.

    >>> graph = fx.symbolic_trace(nn.Sequential(nn.Linear(2, 3), nn.ReLU()))
    >>> [fold(node, graph) for node in graph.graph.nodes]
    ['', '', 'rectifier', '']
    """
    called = _called(node, graph)
    if isinstance(called, RECTIFIERS) or (node.op != "call_module" and called in RECTIFYING):
        return "rectifier"
    if isinstance(called, POOLS) or (node.op != "call_module" and called in POOLING):
        return "pool"
    word = _word(called)
    if node.op.startswith("call") and word in SMOOTH_RECTIFIERS and proxy:
        return "rectifier"
    if node.op.startswith("call") and word in SMOOTH_RECTIFIERS | CURVED:
        hint = "proxy=True takes ReLU in its place." if word in SMOOTH_RECTIFIERS else ""
        place = node.target if node.op == "call_module" else node.name
        raise InputError("net", f"{_shown(called)} in {place!r}", "made of affine maps, ReLU, abs, max-pool", hint)
    return ""


def replaced(node: fx.Node, graph: fx.GraphModule) -> bool:
    """Whether the operation is a smooth relative of ReLU, in whose place ReLU is taken.

    >>> graph = fx.symbolic_trace(nn.Sequential(nn.GELU()))
    >>> [replaced(node, graph) for node in graph.graph.nodes]
    [False, True, False]
    """
    return node.op.startswith("call") and _word(_called(node, graph)) in SMOOTH_RECTIFIERS


def in_place(node: fx.Node, graph: fx.GraphModule) -> bool:
    """Whether the operation writes its result over what enters it.

    >>> graph = fx.symbolic_trace(nn.Sequential(nn.ReLU(), nn.ReLU(inplace=True)))
    >>> [in_place(node, graph) for node in graph.graph.nodes]
    [False, False, True, False]
    """
    called = _called(node, graph)
    return bool(getattr(called, "inplace", node.kwargs.get("inplace")) or _shown(called).endswith("_"))


def entering(node: fx.Node) -> fx.Node:
    """What an operation is applied to.

    >>> entering(list(fx.symbolic_trace(nn.Sequential(nn.ReLU())).graph.nodes)[1])
    input_1
    """
    return node.all_input_nodes[0]


def units(x: Float[Tensor, "_ ..."], pairs: Int[Tensor, "pairs 2"] | None, *, rows: int) -> Float[Tensor, "n units"]:
    """Numbers whose signs decide a fold, one row for every point: pre-activations, or what decides a max-pool.

    A max-pool has, in every channel, the difference of each two places that share a window as a unit.

    >>> units(torch.tensor([[[3.0, 5.0, 5.0]]]), torch.tensor([[0, 1], [1, 2]]), rows=1)
    tensor([[-2.,  0.]])
    """
    if pairs is None:
        return x.reshape(rows, -1)
    flat, pairs = x.flatten(2), pairs.to(x.device)
    return (flat[:, :, pairs[:, 0]] - flat[:, :, pairs[:, 1]]).reshape(rows, -1)


def pairs(node: fx.Node, graph: fx.GraphModule, *, x: Float[Tensor, "n c *space"]) -> Int[Tensor, "pairs 2"]:
    """Places of an image, flattened, that meet in one of the windows of a max-pool: each pair once.

    >>> graph = fx.symbolic_trace(nn.Sequential(nn.MaxPool1d(2)))
    >>> pairs(list(graph.graph.nodes)[1], graph, x=torch.zeros(1, 1, 4)).tolist()
    [[0, 1], [2, 3]]
    """
    kernel, stride, padding, dilation, ceiling = window(node, graph, axes=x.ndim - 2)
    shape = (1, *x.shape[2:])[-2:]
    places = functional.pad(
        torch.arange(1.0, 1 + shape[0] * shape[1]).reshape(1, *shape), (padding[1],) * 2 + (padding[0],) * 2
    )
    counts = functional.max_pool2d(torch.zeros(1, *shape), kernel, stride, padding, dilation, ceiling).shape[1:]
    along = [
        torch.arange(count)[:, None] * stride[axis] + torch.arange(kernel[axis]) * dilation[axis]
        for axis, count in enumerate(counts)
    ]
    # A ceiling lets windows reach beyond the padding; nothing is there.
    places = functional.pad(places, (0, int(along[1].max()) + 1, 0, int(along[0].max()) + 1))
    windows = places[0][along[0][:, None, :, None], along[1][None, :, None, :]].flatten(0, 1).flatten(1).long() - 1
    meeting = windows[:, torch.combinations(torch.arange(windows.shape[1]), 2)].flatten(0, 1).sort(1).values
    return meeting[meeting[:, 0] >= 0].unique(dim=0)


def window(node: fx.Node, graph: fx.GraphModule, *, axes: int) -> list[Any]:
    """Kernel size, stride, padding and dilation of a max-pool along two axes, the first trivial in 1-D; its ceiling.

    >>> graph = fx.symbolic_trace(nn.Sequential(nn.MaxPool1d(3, stride=2)))
    >>> window(list(graph.graph.nodes)[1], graph, axes=1)
    [(1, 3), (1, 2), (0, 0), (1, 1), False]
    """
    called = _called(node, graph)
    names = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode")
    given = vars(called) if isinstance(called, nn.Module) else dict(zip(names, node.args, strict=False)) | node.kwargs
    usual = (given["kernel_size"], 0, 1)
    window: list[Any] = []
    for name, alone, default in zip(names[1:5], (1, 1, 0, 1), (None, *usual), strict=True):
        value = given.get(name)
        value = default if value is None or value == [] else value
        value = tuple(value) if isinstance(value, Sequence) else (value,) * axes
        window.append(((alone,) * 2 + value)[-2:] if axes == 1 else value * (2 // len(value)))
    return [*window, bool(given.get("ceil_mode", False))]


def _called(node: fx.Node, graph: fx.GraphModule) -> Any:
    return graph.get_submodule(str(node.target)) if node.op == "call_module" else node.target


def _shown(called: Any) -> str:
    return type(called).__name__ if isinstance(called, nn.Module) else getattr(called, "__name__", str(called))


def _word(called: Any) -> str:
    """``LayerNorm`` and ``layer_norm``, ``InstanceNorm2d`` and ``relu_``: the bare word."""
    return re.sub(r"\dd$|_", "", _shown(called).lower())
