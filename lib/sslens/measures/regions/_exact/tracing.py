"""A network as a list of operations; what its code asks about the sizes of a batch is looked up on the way."""

import inspect
import linecache
import operator
import traceback
from collections.abc import Iterator
from copy import copy
from pathlib import Path
from typing import Any, final

import jaxtyping
import torch
from jaxtyping import Float
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate
from torch.nn.parameter import is_lazy

from sslens.measures.regions.inputs import still
from sslens.runtime import stream
from sslens.types import InputError

COUNTS = 2, 3, 64
"""Samples of the batches that an answer must be the same for."""
ABOUT_TENSORS = ("shape", "ndim", "dtype", "device", "is_cuda", "requires_grad", "layout", "itemsize", "nbytes")
"""Attributes that are no tensors and no methods."""
NUMBERS_OF_A_BATCH = ("item", "tolist", "numpy", "equal", "allclose", "is_nonzero")
"""What looks into a tensor, and gives something else than a tensor."""
ROUNDING = ("float", "half", "bfloat16", "double")
"""Methods that round to some number of digits."""
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
SAME = 1e-9
"""Shares and sizes up to which numbers are the same."""
LISTED = "a network whose operations can be listed (torch.fx)"


def traced(net: nn.Module, sample: Float[Tensor, "*shape"] | None) -> fx.GraphModule:
    """The operations of a float64 copy of a network in eval mode; the network given is never touched.

    Wrappers (DataParallel, torch.compile) are taken off, optional arguments keep their defaults, and modules made while
    the network runs are kept. Where the way through the network depends on sizes, it is the way that batches of inputs
    like the sample take, as long as it is the same for 2, 3 and 64 samples. What is listed gives the numbers that
    the network gives; without a sample nothing of this is known.

    Raises:
        InputError: no network, one of several inputs, or one whose way depends on the numbers in a batch.

    >>> traced(nn.Sequential(nn.ReLU()), torch.zeros(2)).code.strip().splitlines()[-1].strip()
    'return _0'
    """
    if not isinstance(net, nn.Module):
        raise InputError("net", type(net).__name__, "a torch.nn.Module")
    net, name = _unwrapped(net), type(net).__name__
    if isinstance(net, torch.jit.ScriptModule):
        raise InputError("net", name, LISTED, "Give the module as it was before torch.jit.script or torch.jit.trace.")
    if any(is_lazy(each) or each.is_meta for each in net.state_dict().values()):
        raise InputError("net", name, "a network whose weights have numbers", "Lazy ones have them after a first call.")
    _demand_one_input(net)
    root, answers = _copied(net), list[Any]()
    batch = None if sample is None else _batch(sample)
    right = None if batch is None else _given(root.to(batch.device), batch)
    _without_hooks(root, name)
    while True:  # once more for each question that its code asks of a batch
        tracer = _Tracer(answers)
        try:
            listed = _listed(tracer, root)
            narrowed, holder = _rounded(listed), tracer.holding()
            _drop_indices(listed, holder, name=name)
            graph = fx.GraphModule(holder, listed, name)
            break
        except _Question as question:
            answers.append(_answer(question, tracer, sample, name=name))
        except InputError:
            raise
        except Exception as error:  # torch raises many kinds here
            hint = f"Give the part that takes one batch of inputs. {type(error).__name__}: {error}".splitlines()[0]
            raise InputError("net", f"{name}{_place(error)}", LISTED, hint) from error
    if isinstance(right, Tensor) and batch is not None and not narrowed:  # else its own numbers are rounded
        _demand_same(right, _given(graph.to(batch.device), batch), name=name)
    return graph


def _batch(sample: Tensor) -> Tensor:
    noise = torch.randn(3, *sample.shape, generator=stream(0, "tracing"), dtype=torch.float64, device="cpu")
    return sample.double() + noise.to(sample.device)


@torch.no_grad()
def _given(net: nn.Module, batch: Tensor) -> Any:
    """What the network gives; of one that does not take the batch more is said where its operations are tried."""
    try:
        return net(batch.clone())
    except Exception:  # whatever a stranger's network raises
        return None


def _demand_same(right: Tensor, listed: Any, *, name: str) -> None:
    """What is listed must be what the network does."""
    if not isinstance(listed, Tensor):
        return  # that is said where its operations are tried
    same = right.shape == listed.shape and torch.allclose(right, listed, rtol=SAME, atol=SAME, equal_nan=True)
    if not same:
        hint = "Its operations one by one give other numbers: is it random, does it have hooks, or overwrite inputs?"
        raise InputError("net", name, LISTED, hint)


def _without_hooks(root: nn.Module, name: str) -> None:
    """Nothing is done to what enters or leaves a module that its operation does not say; weights may be computed."""
    for path, module in root.named_modules():
        for hooks in (vars(module)["_forward_hooks"], vars(module)["_forward_pre_hooks"]):
            for key in [key for key, hook in hooks.items() if not type(hook).__module__.startswith("torch.nn.utils")]:
                del hooks[key]
        if "forward" in vars(module) and type(module).__module__.startswith("torch.nn"):
            hint = "Write a module of your own for it."
            raise InputError("net", f"{name}, whose {path!r} has another forward than its class", LISTED, hint)


def _drop_indices(graph: fx.Graph, holder: nn.Module, *, name: str) -> None:
    """A max-pool's places are left out where nobody reads them, and refused where somebody does."""
    for node in reversed(graph.nodes):
        if node.target is operator.getitem and not node.users:  # of what was unpacked and not taken
            graph.erase_node(node)
    for node in graph.nodes:
        pool = holder.get_submodule(node.target) if node.op == "call_module" else None
        if pool is None or not getattr(pool, "return_indices", False):
            continue
        if not all(_takes_first(user) for user in node.users):
            hint = "Where a maximum lies is no number that bends: leave return_indices out."
            raise InputError("net", f"{name}, which reads where the maxima of {node.target!r} lie", LISTED, hint)
        shown: Any = copy(pool)
        shown.return_indices = False
        holder.set_submodule(node.target, shown)
        for user in list(node.users):
            user.replace_all_uses_with(node)
            graph.erase_node(user)


def cast(graph: fx.GraphModule, precision: torch.dtype) -> None:
    """A listed network, which computes in float64, computes in this precision, node by node, from beginning to end.

    >>> graph = traced(nn.Sequential(nn.Linear(2, 1)), torch.zeros(2))
    >>> cast(graph, torch.float32)
    >>> graph(torch.zeros(1, 2)).dtype
    torch.float32
    """
    if precision == torch.float64:
        return
    for module in graph.to(precision).modules():
        _in_precision(module, precision)
    _rounded(graph.graph, precision)


def _rounded(graph: fx.Graph, precision: torch.dtype = torch.float64) -> bool:
    """What is made shorter or longer on the way stays in one precision; whether there was something."""
    found = False
    for node in graph.nodes:
        if node.op == "call_method" and node.target in ROUNDING:
            found |= node.target != "double"
            node.target, node.args = "to", (*node.args, precision)
        args, kwargs = map_aggregate((node.args, node.kwargs), lambda value: precision if value in FLOATS else value)
        found |= args != node.args or kwargs != node.kwargs
        node.args, node.kwargs = args, kwargs
    return found


def _takes_first(node: fx.Node) -> bool:
    return node.target is operator.getitem and bool(node.args[1] == 0)


def _listed(tracer: "_Tracer", root: nn.Module) -> fx.Graph:
    checking = jaxtyping.config.jaxtyping_disable
    try:
        jaxtyping.config.update("jaxtyping_disable", True)  # what stands for a tensor while tracing has no shape
        return tracer.trace(root)
    finally:
        jaxtyping.config.update("jaxtyping_disable", checking)


@final
class _Question(Exception):
    """What the code of a network wants to know of a batch, and cannot go on without."""

    def __init__(self, node: fx.Node, kind: str) -> None:
        super().__init__(kind)
        self.node, self.kind = node, kind


@final
class _Proxy(fx.Proxy):
    """What stands for a tensor, or for something about one, while the network is listed."""

    def __getattr__(self, name: str) -> Any:
        if name in ABOUT_TENSORS:
            return self.tracer.create_proxy("call_function", getattr, (self, name), {})
        return super().__getattr__(name)

    def _known(self, kind: str) -> Any:
        tracer: Any = self.tracer
        return tracer.answered(self, kind)

    def __len__(self) -> int:
        return self._known("its length")

    def __index__(self) -> int:
        return self._known("a whole number")

    def __int__(self) -> int:
        return int(self._known("a number"))

    def __float__(self) -> float:
        return float(self._known("a number"))


@final
class _Tracer(fx.Tracer):
    """Lists a network of one input; questions are answered in the order in which they come."""

    def __init__(self, answers: list[Any]) -> None:
        super().__init__()
        self.answers = iter(answers)
        self.made: dict[str, nn.Module] = {}

    def holding(self) -> nn.Module:
        """The network with what it made while it was listed; it may be a sequence that would run that, too."""
        holder = nn.Module()
        holder.__dict__ |= vars(self.root) | {"_modules": vars(self.root)["_modules"] | self.made}
        _in_precision(holder)
        return holder

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Proxy(node, self)

    def answered(self, proxy: fx.Proxy, kind: str) -> Any:
        try:
            return next(self.answers)
        except StopIteration:
            raise _Question(proxy.node, kind) from None

    def to_bool(self, obj: fx.Proxy) -> bool:
        return bool(self.answered(obj, "whether it is so"))

    def iter(self, obj: Any) -> Iterator[Any]:
        return iter([obj[place] for place in range(self.answered(obj, "its length"))])

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> tuple[Any, list[Any]]:
        return root_fn, [self.root, self.create_proxy("placeholder", "input", (), {})]

    def path_of_module(self, mod: nn.Module) -> str:
        try:
            return super().path_of_module(mod)
        except NameError:
            if any(True for _ in mod.parameters()):
                raise ValueError(f"a new {type(mod).__name__} with random weights at every call") from None
            name = f"{type(mod).__name__}_{len(self.made)}"
            self.made[name] = mod.eval()
            paths = {each: f"{name}.{path}".rstrip(".") for path, each in mod.named_modules()}
            self.submodule_paths = (self.submodule_paths or {}) | paths
            return name


def _answer(question: _Question, tracer: _Tracer, sample: Tensor | None, *, name: str) -> Any:
    """What an expression is for batches of inputs like the sample, if it is no matter of their numbers."""
    if sample is None:
        raise InputError("net", name, LISTED) from question
    needed = _ancestors(question.node)
    found = [_evaluated(tracer, needed, sample.double().expand(count, *sample.shape)) for count in COUNTS]
    if question.kind == "its length":
        found = [len(each) for each in found]
    looked_into = any(node.target in NUMBERS_OF_A_BATCH for node in needed)
    if looked_into or isinstance(found[0], Tensor) or any(each != found[0] for each in found):
        of_number = isinstance(found[0], int) and not looked_into and found[0] != found[1]
        on = "on how many samples a batch holds: write x.shape[0]" if of_number else "on the numbers in a batch"
        hint = f"What it wants to know there of {question.node.name!r}, {question.kind}, depends {on}."
        raise InputError("net", f"{name}{_place(question)}", LISTED, hint) from question
    return found[0]


def _ancestors(node: fx.Node) -> list[fx.Node]:
    """The node and all that it depends on, in order."""
    wanted = {node}
    for each in reversed(node.graph.nodes):
        if each in wanted:
            wanted.update(each.all_input_nodes)
    return [each for each in node.graph.nodes if each in wanted]


@torch.no_grad()
def _evaluated(tracer: _Tracer, nodes: list[fx.Node], batch: Tensor) -> Any:
    interpreter = fx.Interpreter(tracer.holding(), garbage_collect_values=False, graph=tracer.graph)
    for node in nodes:
        try:
            interpreter.env[node] = batch.clone() if node.op == "placeholder" else interpreter.run_node(node)
        except Exception as error:  # whatever a stranger's network raises
            hint = f"{type(error).__name__}: {error}".splitlines()[0]
            raise InputError("plane", tuple(batch.shape[1:]), "of inputs that the network takes", hint) from error
    return interpreter.env[nodes[-1]]


def _unwrapped(net: nn.Module) -> nn.Module:
    """Without what runs a network on several devices, or compiles it."""
    if isinstance(net, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return _unwrapped(net.module)
    compiled = getattr(net, "_orig_mod", None)  # torch.compile's wrapper has no public name for it
    return _unwrapped(compiled) if isinstance(compiled, nn.Module) else net


def _copied(net: nn.Module) -> nn.Module:
    """A float64 copy in eval mode, in which tensors that are no parameters are float64 too, and nothing is wrapped."""
    copied = still(net).requires_grad_(requires_grad=False)
    for module in list(copied.modules()):
        _in_precision(module)
        for name, child in module.named_children():
            if (inner := _unwrapped(child)) is not child:
                setattr(module, name, inner)
    return copied


def _in_precision(module: nn.Module, precision: torch.dtype = torch.float64) -> None:
    """Tensors that are neither parameters nor buffers."""
    for name, value in list(vars(module).items()):
        if isinstance(value, Tensor) and value.is_floating_point():
            setattr(module, name, value.to(precision))


def _demand_one_input(net: nn.Module) -> None:
    parameters = list(inspect.signature(net.forward).parameters.values())
    if parameters and parameters[0].kind in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    ):
        del parameters[0]
    elif not any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters):
        raise InputError("net", type(net).__name__, "a network of one input")
    variadic = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    if needed := [each.name for each in parameters if each.kind not in variadic and each.default is each.empty]:
        hint = f"Wrap it in a module whose forward takes one batch and gives {', '.join(needed)} itself."
        raise InputError("net", type(net).__name__, "a network of one input", hint)


def _place(error: BaseException) -> str:
    """The line of the network's own code that an error comes from."""
    inner = (str(Path(torch.__file__).parent), str(Path(jaxtyping.__file__).parent), __file__)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith(inner):
            line = frame.line or linecache.getline(frame.filename, frame.lineno or 0).strip()
            return f", line {frame.lineno} of {Path(frame.filename).name}: {line[:80]}"
    return ""
