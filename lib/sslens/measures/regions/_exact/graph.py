"""A network as a graph of operations that is walked with more and more points, halting wherever it bends."""

from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, NamedTuple, final

import jaxtyping
import torch
from jaxtyping import Float, Int
from torch import Tensor, fx, nn

from sslens.measures.regions._exact.nonlinearities import (
    borrowed,
    entering,
    is_in_place,
    is_rectifying,
    is_replaced,
    nonlinearity,
    refusal,
    units_of,
    windows_of,
)
from sslens.measures.regions._exact.trial import Trial, bends
from sslens.types import InputError

Extension = Callable[[Float[Tensor, "v k"]], Float[Tensor, "more k"]]
"""Rows of points with those of new ones, which lie between them."""


@final
class Layer(NamedTuple):
    """A fold of the network (see ``nonlinearities``): its place among the operations, its name, how many units it has.

    >>> Network(nn.Sequential(nn.Linear(2, 5), nn.ReLU()), torch.zeros(2)).layers
    (Layer(place=2, name='1', units=5, windows=None),)
    """

    place: int
    name: str
    units: int
    windows: Int[Tensor, "windows k"] | None
    """For a max-pool: the places in each window (see ``windows_of``); each of them is a unit, above zero where it is
    the first of the largest."""


@final
class Network:
    """A float64 copy of a network in eval mode, as operations in the order of their call.

    The operations come from ``torch.fx``: modules and functions alike, shortcuts and all; the network given is never
    touched. Where all earlier folds keep their side, every number on the way is an affine function of the input: that
    is what makes it right to interpolate.

    Raises:
        InputError: a network that cannot be traced, does not take the sample, mixes samples, holds an operation that
            is not piecewise affine, or has no fold.

    >>> network = Network(nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 3)), torch.zeros(2))
    >>> network(torch.zeros(7, 2)).shape
    torch.Size([7, 3])
    """

    @torch.no_grad()
    def __init__(self, net: nn.Module, sample: Float[Tensor, "*shape"], *, proxy: bool = False) -> None:
        self.name, self.graph = type(net).__name__, _traced(net).to(sample.device)
        self.nodes = list(self.graph.graph.nodes)
        self.bends = [nonlinearity(node, self.graph, proxy=proxy) for node in self.nodes]
        self._interpreter = fx.Interpreter(self.graph)
        self.dependent = _reached(self.nodes)
        values = self._tried(sample.double().expand(2, *sample.shape).clone())
        trial = Trial.of(self._tried, sample)
        self.growing = trial.growing(self.dependent)
        self._demand_affine(values)
        if (node := trial.mixing(self.growing)) is not None:
            hint = "What it gives for a batch differs from what it gives for each sample on its own."
            allowed = "a network that keeps its samples apart, on the first axis of every tensor"
            raise InputError("net", f"{self.name}, {node.name!r}", allowed, hint)
        self.inputs = sample.numel()
        """Numbers of an input."""
        self.outputs = values[self.nodes[-1]].numel() // 2
        """Numbers that it gives for an input."""
        self.width = max(values[node].numel() // 2 for node in self.growing)
        """Numbers that the largest tensor holds for a single point."""
        self.freed = _last_uses(self.nodes, sizes=self.dependent - self.growing)
        self.kept, self.most = self._room(values)
        """Numbers that are kept for a single point between two operations, and within one, at the worst moment."""
        self.layers = tuple(self._layers(values))
        if not self.layers:
            raise InputError("net", self.name, "a network with a fold: ReLU, LeakyReLU, abs or max-pool")

    @torch.no_grad()
    def __call__(self, x: Float[Tensor, "n *shape"]) -> Float[Tensor, "n out"]:
        """What the network gives for these inputs, as a matrix."""
        walk = self.walk(x)
        while walk.advance():
            walk.step()
        return walk.output.reshape(len(x), -1)

    def walk(self, x: Float[Tensor, "n *shape"]) -> "Walk":
        """These inputs at the beginning of their way through the network."""
        return Walk(self, {self.nodes[0]: x.double()}, place=1, count=len(x))

    def run(self, node: fx.Node, env: dict[fx.Node, Any]) -> Any:
        """The value of an operation, from the values of those before it."""
        if is_replaced(node, self.graph):
            return torch.relu(env[entering(node)])
        self._interpreter.env = env
        return self._interpreter.run_node(node)

    def _tried(self, x: Float[Tensor, "n *shape"]) -> dict[fx.Node, Any]:
        """The value of every operation for some samples; all failures of the network come to light here."""
        env: dict[fx.Node, Any] = {self.nodes[0]: x}
        try:
            for node in self.nodes[1:]:
                env[node] = self.run(node, env)
        except Exception as error:  # whatever a stranger's network raises
            hint = f"{type(error).__name__}: {error}".splitlines()[0]
            raise InputError("plane", tuple(x.shape[1:]), f"of inputs that {self.name} takes", hint) from error
        if not isinstance(env[self.nodes[-1]], Tensor):
            raise InputError("net", f"{self.name}, which returns no tensor", "a network that returns one tensor")
        return env

    def _demand_affine(self, values: dict[fx.Node, Any]) -> None:
        """Operations that are no folds must be affine in all that depends on the input; folds have one such source."""
        for node, bend in zip(self.nodes, self.bends, strict=True):
            sources = [source for source in node.all_input_nodes if source in self.growing]
            if bend:
                if len(sources) > 1:
                    raise refusal(node, self.graph, hint="Its second argument depends on the input, too.")
            elif sources and node.op.startswith("call") and self._bends(node, values, sources):
                raise refusal(node, self.graph)

    def _room(self, values: dict[fx.Node, Any]) -> tuple[int, int]:
        alive, kept, most = {self.nodes[0]: values[self.nodes[0]].numel() // 2}, 0, 0
        for node in self.nodes[1:]:
            alive[node] = values[node].numel() // 2 if node in self.growing else 0
            most = max(most, sum(alive.values()) + borrowed(node, self.graph, result=values[node]) // 2)
            for gone in self.freed[node]:
                alive.pop(gone, None)
            kept = max(kept, sum(alive.values()))
        return kept, most

    def _bends(self, node: fx.Node, values: dict[fx.Node, Any], sources: list[fx.Node]) -> bool:
        return bends(lambda env: self.run(node, dict(env)), node, values=values, sources=sources)

    def _layers(self, values: dict[fx.Node, Any]) -> Iterator[Layer]:
        uses: Counter[str] = Counter()
        for place, node in enumerate(self.nodes):
            if self.bends[place] and node in self.dependent:
                name = str(node.target) if node.op == "call_module" else node.name
                uses[name] += 1
                x = values[entering(node)]
                windows = windows_of(node, self.graph, x=x) if self.bends[place] == "pool" else None
                if windows is not None and int((windows >= 0).sum(1).max()) < 2:
                    continue  # a max-pool in whose windows no two places meet never bends
                units = units_of(x, rows=2).shape[1] if windows is None else windows.numel()
                yield Layer(place, name if uses[name] == 1 else f"{name}:{uses[name]}", units, windows)


@final
class Walk:
    """Points on their way through a network: the values still needed, and the operation that comes next.

    >>> walk = Network(nn.Sequential(nn.Linear(1, 1), nn.ReLU()), torch.zeros(1)).walk(torch.zeros(3, 1))
    >>> walk.advance(), walk.units().shape
    (True, torch.Size([3, 1]))
    """

    def __init__(self, network: Network, env: dict[fx.Node, Any], *, place: int, count: int) -> None:
        self.network, self.env, self.place, self.count = network, env, place, count

    @property
    def layer(self) -> int | None:
        """Number of the fold that the points have come to, if they have come to one."""
        return next((i for i, layer in enumerate(self.network.layers) if layer.place == self.place), None)

    @property
    def output(self) -> Float[Tensor, "n *out"]:
        """What the network returns, once it is walked to its end."""
        return self.env[self.network.nodes[-1]]

    def advance(self) -> bool:
        """Go on to the next fold and halt before it; False at the end of the network."""
        while self.place < len(self.network.nodes) and self.layer is None:
            self.step()
        return self.place < len(self.network.nodes)

    def step(self, value: Float[Tensor, "n *shape"] | None = None) -> None:
        """Do the operation that comes next, or take ``value`` for it, and let go of what nobody needs any more."""
        node = self.network.nodes[self.place]
        self.env[node] = self.network.run(node, self.env) if value is None else value
        if value is not None and is_in_place(node, self.network.graph):
            self.env[entering(node)] = value
        for gone in self.network.freed[node]:
            self.env.pop(gone, None)
        self.place += 1

    def units(self) -> Float[Tensor, "n units"]:
        """Numbers whose signs say on which side of each kink of the fold ahead a point lies; not for a max-pool."""
        return units_of(self.env[entering(self.network.nodes[self.place])], rows=self.count)

    def entering(self) -> Float[Tensor, "n values"]:
        """What enters the max-pool ahead: numbers whose order says where a point lies."""
        return self.env[entering(self.network.nodes[self.place])].reshape(self.count, -1)

    def extend(self, more: Extension) -> None:
        """Let new points join, each between two that are already here."""
        self._each(more)

    def take(self, index: Int[Tensor, "m"]) -> "Walk":
        """Some of the points, on a walk of their own."""
        other = Walk(self.network, dict(self.env), place=self.place, count=self.count)
        other._each(lambda rows: rows[index])
        return other

    def _each(self, change: Callable[[Tensor], Tensor]) -> None:
        count = self.count
        for node in [node for node in self.env if node in self.network.dependent]:
            if node in self.network.growing:
                rows = change(self.env[node].reshape(count, -1))
                self.env[node], self.count = rows.reshape(-1, *self.env[node].shape[1:]), len(rows)
            else:  # the size of a tensor that has changed
                self.env[node] = self.network.run(node, self.env)


def folding_functions(net: nn.Module) -> list[str]:
    """Names of the functions, not modules, that fold a network as it is; none where it cannot be traced.

    >>> class Net(nn.Module):
    ...     def forward(self, x):
    ...         return x.relu()
    >>> folding_functions(Net()), folding_functions(nn.Sequential(nn.Linear(2, 3), nn.ReLU()))
    (['relu'], [])
    """
    try:
        graph = _symbolic(net)
    except Exception:  # torch raises many kinds here
        return []
    functions = [node for node in graph.graph.nodes if node.op in ("call_function", "call_method")]
    return [node.name for node in functions if is_rectifying(node)]


def _symbolic(net: nn.Module) -> fx.GraphModule:
    checking = jaxtyping.config.jaxtyping_disable
    try:
        jaxtyping.config.update("jaxtyping_disable", True)  # what stands for a tensor while tracing has no shape
        return fx.symbolic_trace(net)
    finally:
        jaxtyping.config.update("jaxtyping_disable", checking)


def _traced(net: nn.Module) -> fx.GraphModule:
    if not isinstance(net, nn.Module):
        raise InputError("net", type(net).__name__, "a torch.nn.Module")
    try:
        graph = _symbolic(deepcopy(net).double().eval().requires_grad_(requires_grad=False))
    except Exception as error:  # torch raises many kinds here
        hint = f"Give the part that takes one batch of inputs. {type(error).__name__}: {error}".splitlines()[0]
        raise InputError(
            "net", type(net).__name__, "a network whose operations can be listed (torch.fx)", hint
        ) from error
    if sum(node.op == "placeholder" for node in graph.graph.nodes) != 1:
        raise InputError("net", type(net).__name__, "a network of one input")
    return graph


def _reached(nodes: list[fx.Node]) -> set[fx.Node]:
    """Operations whose value depends on the input."""
    reached: set[fx.Node] = set()
    for node in nodes:
        if node.op == "placeholder" or reached & set(node.all_input_nodes):
            reached.add(node)
    return reached


def _last_uses(nodes: list[fx.Node], *, sizes: set[fx.Node]) -> dict[fx.Node, list[fx.Node]]:
    """What each operation is the last to need. What a size was taken from lives as long as the size."""
    place, last = {node: place for place, node in enumerate(nodes)}, {node: node for node in nodes}
    for node in reversed(nodes):
        for source in node.all_input_nodes:
            last[source] = max(last[source], last[node] if node in sizes else node, key=place.__getitem__)
    freed: dict[fx.Node, list[fx.Node]] = {node: [] for node in nodes}
    for source, node in last.items():
        freed[node] += [source] if source.op != "output" else []
    return freed
