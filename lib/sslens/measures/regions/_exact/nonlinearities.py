"""Which operations bend: the one place that knows where a network is not affine, and what decides on which side it is.

A *fold* is an operation of a network whose kinks cut its input space; its *units* are the numbers whose signs say on
which side of each kink an input lies.
"""

import operator
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, final

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor, fx, nn
from torch.nn import functional

from sslens.types import InputError

RECTIFIERS = (nn.ReLU, nn.LeakyReLU, nn.PReLU)
"""Modules that bend where their input is zero."""
RECTIFYING_FUNCTIONS = {
    *(functional.relu, torch.relu, torch.relu_, functional.leaky_relu, functional.leaky_relu_),
    *(functional.prelu, torch.prelu),
    *(torch.abs, torch.abs_, torch.absolute, operator.abs),
    *("relu", "relu_", "abs", "abs_", "absolute"),
}
"""Functions, and names of tensor methods, that bend where their input is zero."""
POOLS = (nn.MaxPool1d, nn.MaxPool2d)
POOLING_FUNCTIONS = {functional.max_pool1d, functional.max_pool2d, torch.max_pool1d, torch.max_pool2d}
"""What bends where two places of a window are equal and no other is larger."""
AFFINE = (nn.Flatten, nn.Linear, nn.Conv2d, nn.BatchNorm1d, nn.BatchNorm2d)
"""Modules that never bend in eval mode; a subclass may be anything."""
SMOOTH_RECTIFIERS = {"gelu", "silu", "mish", "elu", "selu", "celu", "softplus"}
"""Smooth relatives of ReLU: the sign of what enters them has a meaning, though nothing bends there."""
CURVED = {
    *("tanh", "sigmoid", "softmax", "logsoftmax", "softmin", "logsigmoid", "softsign", "tanhshrink", "exp", "log"),
    *("hardtanh", "hardswish", "hardsigmoid", "hardshrink", "softshrink", "threshold", "relu6", "rrelu", "clamp"),
    *("clampmin", "clampmax", "fmax", "fmin"),  # of which a bound may lie beyond all that a trial tries
    *("clip", "maximum", "minimum", "max", "min", "amax", "amin", "sort", "topk", "where", "pow", "sqrt", "rsqrt"),
    *("square", "sin", "cos", "norm", "normalize", "layernorm", "groupnorm", "instancenorm", "rmsnorm", "std", "var"),
    *("localresponsenorm", "multiheadattention", "scaleddotproductattention", "lstm", "gru", "rnn", "glu"),
    *("adaptivemaxpool", "fractionalmaxpool", "maxpool", "lppool", "round", "floor", "sign", "heaviside"),
}
"""What is refused by name: not piecewise affine, or with kinks that are not searched for."""

RELATIVE, FLOOR = 2.0**-42, 2.0**-48
"""A value counts as zero up to these shares of its unit's largest value, and of the largest value of the fold."""


def nonlinearity(node: fx.Node, graph: fx.GraphModule, *, proxy: bool = False) -> str:
    """``rectifier`` or ``pool`` where the operation of this node bends, nothing where it is affine.

    Raises:
        InputError: an operation that is known not to be piecewise affine; where it is a smooth relative of ReLU, the
            hint offers ``proxy``, with which it counts as a rectifier.

    >>> graph = fx.symbolic_trace(nn.Sequential(nn.Linear(2, 3), nn.ReLU()))
    >>> [nonlinearity(node, graph) for node in graph.graph.nodes]
    ['', '', 'rectifier', '']
    """
    called, is_function = _called(node, graph), node.op != "call_module"
    if isinstance(called, RECTIFIERS) or is_rectifying(node):
        return "rectifier"
    if isinstance(called, POOLS) or (is_function and called in POOLING_FUNCTIONS):
        return "pool"
    word = _word(called) if node.op.startswith("call") else ""
    if word in SMOOTH_RECTIFIERS and proxy:
        return "rectifier"
    if word in SMOOTH_RECTIFIERS | CURVED:
        hint = "proxy=True takes ReLU in its place." if word in SMOOTH_RECTIFIERS else ""
        raise refusal(node, graph, hint=hint)
    return ""


def is_rectifying(node: fx.Node) -> bool:
    """Whether the operation is a function or a method that bends where its input is zero.

    >>> [is_rectifying(node) for node in fx.symbolic_trace(nn.Sequential(nn.ReLU())).graph.nodes]
    [False, False, False]
    """
    return node.op in ("call_function", "call_method") and node.target in RECTIFYING_FUNCTIONS


def refusal(node: fx.Node, graph: fx.GraphModule, *, hint: str = "") -> InputError:
    """What is said of an operation that is not piecewise affine, or whose kinks are not searched for.

    >>> graph = fx.symbolic_trace(nn.Sequential(nn.Tanh()))
    >>> print(refusal(list(graph.graph.nodes)[1], graph))
    net must be made of affine maps, ReLU, abs, max-pool. Got "Tanh in '0'".
    """
    place = node.target if node.op == "call_module" else node.name
    got = f"{_shown(_called(node, graph))} in {place!r}"
    return InputError("net", got, "made of affine maps, ReLU, abs, max-pool", hint)


def is_replaced(node: fx.Node, graph: fx.GraphModule) -> bool:
    """Whether the operation is a smooth relative of ReLU, in whose place ReLU is taken.

    >>> graph = fx.symbolic_trace(nn.Sequential(nn.GELU()))
    >>> [is_replaced(node, graph) for node in graph.graph.nodes]
    [False, True, False]
    """
    return node.op.startswith("call") and _word(_called(node, graph)) in SMOOTH_RECTIFIERS


def is_in_place(node: fx.Node, graph: fx.GraphModule) -> bool:
    """Whether the operation writes its result over what enters it.

    >>> graph = fx.symbolic_trace(nn.Sequential(nn.ReLU(), nn.ReLU(inplace=True)))
    >>> [is_in_place(node, graph) for node in graph.graph.nodes]
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


def units_of(x: Float[Tensor, "_ ..."], *, rows: int) -> Float[Tensor, "n units"]:
    """Numbers whose signs decide a fold that is no max-pool, one row for every point: what enters it.

    >>> units_of(torch.tensor([[[3.0, 5.0, 5.0]]]), rows=1)
    tensor([[3., 5., 5.]])
    """
    return x.reshape(rows, -1)


def extremes(z: Float64[Tensor, "v n"], layer: str) -> tuple[Float64[Tensor, "n"], ...]:
    """Largest and smallest value of each unit of a fold, and up to what size its values count as zero.

    Raises:
        InputError: values that are not finite.

    >>> extremes(torch.tensor([[1.0, -3.0], [2.0, 5.0]]).double(), "relu")[0].tolist()
    [2.0, 5.0]
    """
    high, low = z.amax(0), z.amin(0)
    size = torch.maximum(high, -low)
    demand_finite(size, layer)
    return high, low, torch.maximum(RELATIVE * size, FLOOR * size.amax())


def demand_finite(values: Float64[Tensor, "..."], layer: str) -> None:
    """Nothing is known beyond a fold that infinite numbers enter, or none.

    Raises:
        InputError: values that are not finite.

    >>> demand_finite(torch.zeros(2).double(), "relu")
    """
    if not values.isfinite().all():
        raise InputError("net", f"values that are not finite before {layer!r}", "finite at every fold")


def borrowed(node: fx.Node, graph: fx.GraphModule, *, result: Any) -> int:
    """Numbers that an operation holds for a moment beside what it takes and gives: a convolution's windows, in float64.

    >>> graph = fx.symbolic_trace(nn.Sequential(nn.Conv2d(2, 5, 3)))
    >>> borrowed(list(graph.graph.nodes)[1], graph, result=torch.zeros(1, 5, 10, 10))
    1800
    """
    convolution = _called(node, graph) if node.op == "call_module" else None
    if not isinstance(convolution, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return 0
    return result.numel() // convolution.out_channels * convolution.weight[0].numel() * convolution.groups


@final
class Window(NamedTuple):
    """How a max-pool slides over an image, along its two axes; in one dimension the first axis is trivial.

    The order is that of the arguments of ``max_pool2d``.

    >>> functional.max_pool2d(torch.arange(6.0).reshape(1, 2, 3), *Window((1, 2), (1, 1), (0, 0), (1, 1), False))
    tensor([[[1., 2.],
             [4., 5.]]])
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    ceiling: bool


def window_of(node: fx.Node, graph: fx.GraphModule, *, axes: int) -> Window:
    """How the max-pool of this node slides over an image of one or two axes.

    >>> graph = fx.symbolic_trace(nn.Sequential(nn.MaxPool1d(3, stride=2)))
    >>> window_of(list(graph.graph.nodes)[1], graph, axes=1)
    Window(kernel=(1, 3), stride=(1, 2), padding=(0, 0), dilation=(1, 1), ceiling=False)
    """
    called = _called(node, graph)
    names = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode")
    given = vars(called) if isinstance(called, nn.Module) else dict(zip(names, node.args, strict=False)) | node.kwargs
    kernel, stride = given["kernel_size"], given.get("stride")
    return Window(
        _on_two_axes(kernel, axes, trivial=1),
        _on_two_axes(kernel if stride is None or stride == [] else stride, axes, trivial=1),
        _on_two_axes(given.get("padding", 0), axes, trivial=0),
        _on_two_axes(given.get("dilation", 1), axes, trivial=1),
        bool(given.get("ceil_mode", False)),
    )


def windows_of(node: fx.Node, graph: fx.GraphModule, *, x: Float[Tensor, "n c *space"]) -> Int[Tensor, "windows k"]:
    """The places in each window of a max-pool, channel by channel, counted through all channels; −1 for padding.

    >>> graph = fx.symbolic_trace(nn.Sequential(nn.MaxPool1d(2)))
    >>> windows_of(list(graph.graph.nodes)[1], graph, x=torch.zeros(1, 2, 4)).tolist()
    [[0, 1], [2, 3], [4, 5], [6, 7]]
    """
    space = (1, *x.shape[2:])[-2:]
    one = _places_of_windows(window_of(node, graph, axes=x.ndim - 2), space)
    channel = torch.arange(x.shape[1])[:, None, None] * (space[0] * space[1])
    return torch.where(one >= 0, channel + one, -1).flatten(0, 1)


def _places_of_windows(pool: Window, shape: tuple[int, ...]) -> Int[Tensor, "windows places"]:
    """Numbers of the pixels in each window, −1 for its padding."""
    (down, right), height_and_width = pool.padding, (1, *shape)
    numbered = torch.arange(1.0, 1 + shape[0] * shape[1]).reshape(height_and_width)
    numbered = functional.pad(numbered, (right, right, down, down))
    counts = functional.max_pool2d(torch.zeros(height_and_width), *pool).shape[1:]
    rows, columns = (
        torch.arange(count)[:, None] * pool.stride[axis] + torch.arange(pool.kernel[axis]) * pool.dilation[axis]
        for axis, count in enumerate(counts)
    )
    # A ceiling lets windows reach beyond the padding; nothing is there.
    numbered = functional.pad(numbered, (0, int(columns.max()) + 1, 0, int(rows.max()) + 1))
    return numbered[0][rows[:, None, :, None], columns[None, :, None, :]].flatten(0, 1).flatten(1).long() - 1


def _on_two_axes(value: Any, axes: int, *, trivial: int) -> tuple[int, int]:
    """A number, or one for each axis, as two."""
    several = tuple(value) if isinstance(value, Sequence) else (value,)
    first, second = (trivial, *several)[-2:] if axes == 1 else several * (2 // len(several))
    return first, second


def _called(node: fx.Node, graph: fx.GraphModule) -> Any:
    return graph.get_submodule(str(node.target)) if node.op == "call_module" else node.target


def _shown(called: Any) -> str:
    return type(called).__name__ if isinstance(called, nn.Module) else getattr(called, "__name__", str(called))


def _word(called: Any) -> str:
    """``LayerNorm`` and ``layer_norm``, ``InstanceNorm2d`` and ``relu_``: the bare word."""
    return re.sub(r"\dd$|_", "", _shown(called).lower())
