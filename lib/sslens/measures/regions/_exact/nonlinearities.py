"""Which operations bend: the one place that knows where a network is not affine, and what decides on which side it is.

A *fold* is an operation of a network whose kinks cut its input space; its *units* are the numbers whose signs say on
which side of each kink an input lies.
"""

import operator
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, final

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor, fx, nn
from torch.nn import functional

from sslens.measures.regions._exact.folds import arguments, folding_units, is_folding, jumps, name_of
from sslens.types import InputError

RECTIFIERS = (nn.ReLU, nn.LeakyReLU, nn.PReLU)
"""Modules that bend where their input is zero."""
POOLS = (nn.MaxPool1d, nn.MaxPool2d)
OVER_LINES = {functional.max_pool1d, torch.max_pool1d}
POOLING_FUNCTIONS = OVER_LINES | {functional.max_pool2d, torch.max_pool2d}
"""What bends where two places of a window are equal and no other is larger."""
AFFINE = (nn.Flatten, nn.Linear, nn.Conv2d, nn.BatchNorm1d, nn.BatchNorm2d)
"""Modules that never bend in eval mode; a subclass may be anything."""
SMOOTH_RECTIFIERS = {"gelu", "silu", "mish", "elu", "selu", "celu", "softplus"}
"""Smooth relatives of ReLU: the sign of what enters them has a meaning, though nothing bends there."""
NORMS = {"layernorm", "groupnorm", "instancenorm", "rmsnorm"}
"""What divides a sample by its own size: it bends, smoothly and everywhere, and makes no kink."""
CURVED = {
    *("tanh", "sigmoid", "softmax", "logsoftmax", "softmin", "logsigmoid", "softsign", "tanhshrink", "exp", "log"),
    *("hardswish", "hardshrink", "max", "min", "amax", "amin", "aminmax", "sort", "topk", "pow", "sqrt", "rsqrt"),
    *("square", "sin", "cos", "norm", "normalize", "std", "var", *NORMS),
    *("localresponsenorm", "multiheadattention", "scaleddotproductattention", "lstm", "gru", "rnn", "glu"),
    *("adaptivemaxpool", "fractionalmaxpool", "maxpool", "lppool", "round", "floor", "sign", "heaviside", "setitem"),
}
"""What is refused by name: not piecewise affine, or with kinks that are not searched for."""

OFFER = "partition and segment take proxy=True: ReLU in its place."
HINTS = dict.fromkeys(("max", "min", "amax", "amin", "aminmax"), "Over an axis, max_pool1d can take its place.") | {
    "hardshrink": "It jumps; softshrink does not.",
    "hardswish": "It is quadratic in its middle; relu and hardtanh are not.",
}

RELATIVE, FLOOR = 2.0**-42, 2.0**-48
"""A value counts as zero up to these shares of its unit's largest value, and of the largest that its unit sums up."""


def nonlinearity(node: fx.Node, graph: fx.GraphModule, *, proxy: bool = False) -> str:
    """``fold`` where the operation of this node bends number by number, ``pool`` for a max-pool, nothing elsewhere.

    Raises:
        InputError: an operation that is known not to be piecewise affine; where it is a smooth relative of ReLU, the
            hint offers ``proxy``, with which it counts as a fold.

    >>> graph = fx.symbolic_trace(nn.Sequential(nn.Linear(2, 3), nn.ReLU()))
    >>> [nonlinearity(node, graph) for node in graph.graph.nodes]
    ['', '', 'fold', '']
    """
    called, is_function = called_by(node, graph), node.op != "call_module"
    if isinstance(called, POOLS) or (is_function and called in POOLING_FUNCTIONS):
        return "pool"
    if is_folding(node, called):
        if jumps(node, called):
            raise refusal(node, graph, hint="It jumps at its threshold: the value below must be the threshold.")
        return "fold"
    word = _word(called) if node.op.startswith("call") else ""
    if word in SMOOTH_RECTIFIERS and proxy:
        return "fold"
    if word in SMOOTH_RECTIFIERS | CURVED:
        raise refusal(node, graph, hint=HINTS.get(word, OFFER if word in SMOOTH_RECTIFIERS else ""))
    return ""


def is_affine(node: fx.Node, graph: fx.GraphModule) -> bool:
    """Whether the operation is a module of torch that is affine whatever its weights are.

    >>> graph = fx.symbolic_trace(nn.Sequential(nn.Linear(2, 3), nn.ReLU()))
    >>> [is_affine(node, graph) for node in graph.graph.nodes]
    [False, True, False, False]
    """
    called = called_by(node, graph)
    return (
        type(called) in AFFINE and not vars(called)["_forward_hooks"] and getattr(called, "running_mean", 0) is not None
    )


def units_before(node: fx.Node, graph: fx.GraphModule, *, env: Mapping[fx.Node, Any]) -> list[Float[Tensor, "..."]]:
    """The units of a fold that is no max-pool, from the values of the operations before it.

    >>> graph = fx.symbolic_trace(nn.Sequential(nn.GELU()))
    >>> x, gelu, _ = graph.graph.nodes
    >>> units_before(gelu, graph, env={x: torch.tensor([0.5])})
    [tensor([0.5000])]
    """
    return [env[entering(node)]] if is_replaced(node, graph) else folding_units(node, called_by(node, graph), env=env)


def is_norm(node: fx.Node, graph: fx.GraphModule) -> bool:
    """Whether the operation is layer norm or one of its kin.

    >>> graph = fx.symbolic_trace(nn.Sequential(nn.LayerNorm(2)))
    >>> [is_norm(node, graph) for node in graph.graph.nodes]
    [False, True, False]
    """
    return node.op.startswith("call") and _word(called_by(node, graph)) in NORMS


def refusal(node: fx.Node, graph: fx.GraphModule, *, hint: str = "") -> InputError:
    """What is said of an operation that is not piecewise affine, or whose kinks are not searched for.

    >>> graph = fx.symbolic_trace(nn.Sequential(nn.Tanh()))
    >>> print(refusal(list(graph.graph.nodes)[1], graph))
    net must be made of affine maps, ReLU, abs, max-pool. Got "Tanh in '0'".
    """
    place = node.target if node.op == "call_module" else node.name
    got = f"{name_of(called_by(node, graph))} in {place!r}"
    return InputError("net", got, "made of affine maps, ReLU, abs, max-pool", hint)


def called_by(node: fx.Node, graph: fx.GraphModule) -> Any:
    """The module, the function, or the name of the method that this node calls.

    >>> graph = fx.symbolic_trace(nn.Sequential(nn.Tanh()))
    >>> [called_by(node, graph) for node in graph.graph.nodes]
    ['input', Tanh(), 'output']
    """
    return graph.get_submodule(str(node.target)) if node.op == "call_module" else node.target


def carried_out(node: fx.Node, graph: fx.GraphModule, *, env: Mapping[fx.Node, Any]) -> Any:
    """What an operation gives, from the values of those before it.

    >>> graph = fx.symbolic_trace(nn.Sequential(nn.ReLU()))
    >>> x, relu, _ = graph.graph.nodes
    >>> carried_out(relu, graph, env={x: torch.tensor([-1.0, 2.0])})
    tensor([0., 2.])
    """
    args, kwargs = arguments(node, env)
    match node.op:
        case "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        case "output":
            return args[0]
        case "get_attr":
            return operator.attrgetter(str(node.target))(graph)
    return called_by(node, graph)(*args, **kwargs)


def is_replaced(node: fx.Node, graph: fx.GraphModule) -> bool:
    """Whether the operation is a smooth relative of ReLU, in whose place ReLU is taken.

    >>> graph = fx.symbolic_trace(nn.Sequential(nn.GELU()))
    >>> [is_replaced(node, graph) for node in graph.graph.nodes]
    [False, True, False]
    """
    return node.op.startswith("call") and _word(called_by(node, graph)) in SMOOTH_RECTIFIERS


def is_in_place(node: fx.Node, graph: fx.GraphModule) -> bool:
    """Whether the operation writes its result over what enters it.

    >>> graph = fx.symbolic_trace(nn.Sequential(nn.ReLU(), nn.ReLU(inplace=True)))
    >>> [is_in_place(node, graph) for node in graph.graph.nodes]
    [False, False, True, False]
    """
    called = called_by(node, graph)
    name = name_of(called)
    return bool(getattr(called, "inplace", node.kwargs.get("inplace")) or (name.endswith("_") and name[:1] != "_"))


def entering(node: fx.Node) -> fx.Node:
    """What an operation is applied to.

    >>> entering(list(fx.symbolic_trace(nn.Sequential(nn.ReLU())).graph.nodes)[1])
    input_1
    """
    return node.all_input_nodes[0]


def extremes(
    z: Float64[Tensor, "v n"], layer: str, *, scale: Float64[Tensor, "n"] | None = None
) -> tuple[Float64[Tensor, "n"], ...]:
    """Largest and smallest value of each unit of a fold, and up to what size its values count as zero.

    ``scale`` holds the size of what each unit sums up, in a unit of the fold's own; by default, one size for all. So a
    fold's units may differ by any factor, and one whose summands cancel up to rounding does not cut.

    Raises:
        InputError: values that are not finite.

    >>> extremes(torch.tensor([[1.0, -3.0], [2.0, 5.0]]).double(), "relu")[0].tolist()
    [2.0, 5.0]
    """
    high, low = z.amax(0), z.amin(0)
    size = torch.maximum(high, -low)
    demand_finite(size, layer)
    scale = torch.ones_like(size) if scale is None else scale
    return high, low, torch.maximum(RELATIVE * size, FLOOR * shares(size, scale).amax() * scale)


def shares(size: Float64[Tensor, "n"], scale: Float64[Tensor, "n"]) -> Float64[Tensor, "n"]:
    """Sizes in units of a scale; 0 where there is nothing to sum up.

    >>> shares(torch.tensor([3.0, 0.0]).double(), torch.tensor([2.0, 0.0]).double())
    tensor([1.5000, 0.0000], dtype=torch.float64)
    """
    return torch.where(scale > 0, size / scale, 0.0)


def demand_finite(values: Float64[Tensor, "..."], layer: str) -> None:
    """Nothing is known beyond a fold that infinite numbers enter, or none.

    Raises:
        InputError: values that are not finite.

    >>> demand_finite(torch.zeros(2).double(), "relu")
    """
    if not values.isfinite().all():
        raise InputError("net", f"values that are not finite before {layer!r}", "finite at every fold")


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
    called = called_by(node, graph)
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

    Raises:
        InputError: samples that have no channels: torch takes their first axis, then, for the channels of one sample.
    """
    called = called_by(node, graph)
    axes = 1 if isinstance(called, nn.MaxPool1d) or (node.op != "call_module" and called in OVER_LINES) else 2
    if x.ndim != axes + 2:
        raise refusal(node, graph, hint=f"It needs (n, channels, ...) and gets {x.ndim} axes: unsqueeze(1) before it.")
    space = (1, *x.shape[2:])[-2:]
    one = _places_of_windows(window_of(node, graph, axes=x.ndim - 2), space)
    channel = torch.arange(x.shape[1], device="cpu")[:, None, None] * (space[0] * space[1])
    return torch.where(one >= 0, channel + one, -1).flatten(0, 1)


def _places_of_windows(pool: Window, shape: tuple[int, ...]) -> Int[Tensor, "windows places"]:
    """Numbers of the pixels in each window, −1 for its padding."""
    (down, right), height_and_width = pool.padding, (1, *shape)
    numbered = torch.arange(1.0, 1 + shape[0] * shape[1], device="cpu").reshape(height_and_width)
    numbered = functional.pad(numbered, (right, right, down, down))
    counts = functional.max_pool2d(torch.zeros(height_and_width, device="cpu"), *pool).shape[1:]
    rows, columns = (
        torch.arange(count, device="cpu")[:, None] * pool.stride[axis]
        + torch.arange(pool.kernel[axis], device="cpu") * pool.dilation[axis]
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


def _word(called: Any) -> str:
    """``LayerNorm`` and ``layer_norm``, ``InstanceNorm2d`` and ``relu_``: the bare word."""
    return re.sub(r"\dd$|_", "", name_of(called).lower())
