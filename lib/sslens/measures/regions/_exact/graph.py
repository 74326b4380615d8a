"""A network as a graph of operations that is walked with more and more points, halting wherever it bends."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, final

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor, fx, nn

from sslens.measures.regions._exact import conditions
from sslens.measures.regions._exact.folds import is_rectifying
from sslens.measures.regions._exact.lifetimes import demand_own_memory, last_uses, reached, room
from sslens.measures.regions._exact.nonlinearities import (
    called_by,
    carried_out,
    entering,
    is_affine,
    is_in_place,
    is_norm,
    is_replaced,
    nonlinearity,
    refusal,
    units_before,
    windows_of,
)
from sslens.measures.regions._exact.tracing import cast, traced
from sslens.measures.regions._exact.trial import COUNTS, PROBES, Probe, Trial, bends
from sslens.runtime import stream
from sslens.types import InputError

MANY, LITTLE = 130, 2**23
"""Samples of a batch that is larger than those a network's code may make a difference for, and the numbers that it may
hold: larger networks are tried with few samples only."""
SAME = 1e-9
"""How far the two ways to one output may lie apart, as a share of what the largest sums up."""
Extension = Callable[[Float[Tensor, "v k"]], Float[Tensor, "more k"]]
"""Rows of points with those of new ones, which lie between them."""


@final
class Layer(NamedTuple):
    """A fold of the network (see ``nonlinearities``): its place among the operations, its name, how many units it has.

    >>> Network(nn.Sequential(nn.Linear(2, 5), nn.ReLU()), torch.zeros(2)).layers
    (Layer(place=2, name='1', units=5, windows=None, scale=tensor([...
    """

    place: int
    name: str
    units: int
    windows: Int[Tensor, "windows k"] | None
    """For a max-pool: the places in each window (see ``windows_of``); each of them is a unit, above zero where it is
    the first of the largest."""
    scale: Float64[Tensor, "_"]
    """How large the numbers are that each unit, or each number that enters a max-pool, sums up; the network's largest
    numbers may be as much larger at every fold."""


@final
class Network:
    """A float64 copy of a network in eval mode, as operations in the order of their call.

    The operations come from ``torch.fx``: modules and functions alike, shortcuts and all; the network given is never
    touched. Where all earlier folds keep their side, every number on the way is an affine function of the input: that
    is what makes it right to interpolate. Two exceptions are for those who only ask for signs: ``norms`` lets layer
    norm and its kin pass, which bend smoothly and have no units; ``precision`` is that of the walks, after a trial in
    float64.

    Raises:
        InputError: a network that cannot be traced, does not take the sample, mixes samples, holds an operation that
            is not piecewise affine, or has no fold.

    >>> network = Network(nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 3)), torch.zeros(2))
    >>> network(torch.zeros(7, 2)).shape
    torch.Size([7, 3])
    """

    @torch.no_grad()
    def __init__(
        self,
        net: nn.Module,
        sample: Float[Tensor, "*shape"],
        *,
        proxy: bool = False,
        norms: bool = False,
        precision: torch.dtype = torch.float64,
    ) -> None:
        self.name, self.graph = type(net).__name__, traced(net, sample).to(sample.device)
        self.precision = torch.float64
        self.nodes = list(self.graph.graph.nodes)
        self.replaced = {node for node in self.nodes if is_replaced(node, self.graph)}
        self.norms = {node for node in self.nodes if norms and is_norm(node, self.graph)}
        self.bends = ["" if node in self.norms else nonlinearity(node, self.graph, proxy=proxy) for node in self.nodes]
        self.dependent = reached(self.nodes)
        self.held: dict[fx.Node, fx.Node] = {}
        """Comparisons, and what is made of them alone: each with its comparison."""
        trial = Trial.of(self._tried, sample)
        values = dict(trial.smaller)
        self.growing = trial.growing(self.dependent)
        self.held = conditions.held(self.nodes, self.growing)
        self._demand_affine(values)
        self.inputs, self.outputs = sample.numel(), values[self.nodes[-1]].numel() // COUNTS[0]
        """Numbers of an input, and those that it gives for one."""
        self.width = max(values[node].numel() // COUNTS[0] for node in self.growing)
        """Numbers that the largest tensor holds for a single point."""
        self.freed = last_uses(self.nodes, kept=self.dependent - self.growing | self.held.keys())
        stored = {node: values[node] for node in self.growing - self.held.keys()}
        self.kept, self.most = room(self.graph, values=stored, freed=self.freed, count=COUNTS[0])
        """Numbers that are kept for a single point between two operations, and within one, at the worst moment."""
        demand_own_memory(self.graph, values=values, growing=self.growing, kept=self.held.keys())
        scales = self._probed(trial.samples)
        self.layers, self.scale = tuple(self._layers(values, scales)), scales[self.nodes[-1]]
        """The folds; how large the numbers are that each output sums up, as a layer's ``scale``."""
        if not self.layers:
            raise InputError("net", self.name, "a network with a fold: ReLU, LeakyReLU, abs or max-pool")
        if self.kept * MANY <= LITTLE:
            self._demand_any_count(sample)
        self.precision = precision
        cast(self.graph, precision)

    @torch.no_grad()
    def __call__(self, x: Float[Tensor, "n *shape"]) -> Float[Tensor, "n out"]:
        """What the network gives for these inputs, as a matrix."""
        walk = self.walk(x)
        while walk.advance():
            walk.step()
        return walk.output.reshape(len(x), -1)

    def walk(self, x: Float[Tensor, "n *shape"]) -> "Walk":
        """These inputs at the beginning of their way through the network."""
        return Walk(self, {self.nodes[0]: x.to(self.precision)}, place=1, count=len(x))

    def run(self, node: fx.Node, env: Mapping[fx.Node, Any]) -> Any:
        """The value of an operation, from the values of those before it; comparisons are made where they are read."""
        if node in self.replaced:
            return torch.relu(env[entering(node)])
        missing = [source for source in node.all_input_nodes if source in self.held and source not in env]
        return carried_out(node, self.graph, env={**env, **{source: self.run(source, env) for source in missing}})

    def sources(self, node: fx.Node) -> list[fx.Node]:
        """The tensors with rows for every point that an operation reads, and that comparisons it reads look at."""
        found: dict[fx.Node, None] = {}
        for source in node.all_input_nodes:
            if source in self.held:
                found |= dict.fromkeys(self.sources(source))
            elif source in self.growing:
                found[source] = None
        return list(found)

    def units(self, node: fx.Node, env: Mapping[fx.Node, Any], *, rows: int) -> Float[Tensor, "n units"]:
        """The units of a fold that is no max-pool, one row for every point."""
        if (comparison := self._chosen_by(node)) is not None:
            units = [conditions.compared(comparison, env)]
        else:
            units = units_before(node, self.graph, env=env)
        units = [each.reshape(rows, -1) for each in units]
        return units[0] if len(units) == 1 else torch.cat(units, 1)

    def _chosen_by(self, node: fx.Node) -> fx.Node | None:
        """The comparison that an operation chooses by."""
        if node in self.held:
            return None
        return next((self.held[source] for source in node.all_input_nodes if source in self.held), None)

    def _tried(self, x: Float[Tensor, "n *shape"]) -> dict[fx.Node, Any]:
        """The value of every operation for some samples; all failures of the network come to light here."""
        env: dict[fx.Node, Any] = {self.nodes[0]: x}
        try:
            for node in self.nodes[1:]:
                env[node] = self.run(node, env)
        except Exception as error:  # whatever a stranger's network raises
            hint = f"{type(error).__name__}: {error}".splitlines()[0]
            raise InputError("plane", tuple(x.shape[1:]), f"of inputs that {self.name} takes", hint) from error
        if not isinstance(given := env[self.nodes[-1]], Tensor):
            names = f": {', '.join(map(str, given))}" if isinstance(given, dict) else ""
            got = f"{self.name}, which returns a {type(given).__name__}{names}"
            hint = "Wrap it in a module that returns one of them."
            raise InputError("net", got, "a network that returns one tensor", hint)
        return env

    def _demand_affine(self, values: dict[fx.Node, Any]) -> None:
        """Operations that are no folds must be affine in all that depends on the input, with what is compared held."""
        for node, bend in zip(self.nodes, self.bends, strict=True):
            sources = [source for source in node.all_input_nodes if source in self.growing]
            numbers = [source for source in sources if source not in self.held]
            if not sources or node in self.held.keys() | self.norms or not node.op.startswith("call"):
                continue
            if len(numbers) < len(sources):
                comparisons = {self.held[source] for source in sources if source in self.held}
                if len(comparisons) > 1 or node.target not in conditions.CHOOSERS or self._bends(node, values, numbers):
                    raise conditions.jump(comparisons.pop(), node)
            elif bend:
                if len(sources) > 1 and is_rectifying(called_by(node, self.graph)):
                    raise refusal(node, self.graph, hint="Its second argument depends on the input, too.")
            elif not is_affine(node, self.graph) and self._bends(node, values, sources):
                raise refusal(node, self.graph)
        if (given := self.nodes[-1].args[0]) in self.held:
            raise conditions.jump(self.held[given], None)

    def _bends(self, node: fx.Node, values: dict[fx.Node, Any], sources: list[fx.Node]) -> bool:
        return bends(lambda env: self.run(node, env), node, values=values, sources=sources)

    def _probed(self, samples: Float[Tensor, "n *shape"]) -> dict[fx.Node, Float64[Tensor, "units"]]:
        """How large the numbers are that each unit sums up: its values where what folds give is random."""
        probe, scales = Probe(self.run), dict[fx.Node, Tensor]()
        probe.loosen(self.nodes[0], samples.abs().amax(0).expand(PROBES, *samples.shape[1:]))
        for node, bend in zip(self.nodes[1:], self.bends[1:], strict=True):
            if node in self.held:
                probe.forget(self.freed[node])
                continue
            sources = self.sources(node)
            probe.step(node, sources)
            if node in self.growing and not probe.keeps_apart(node, sources):
                hint = "What it gives for a sample depends on the samples beside it in a batch."
                allowed = "a network that keeps its samples apart, on the first axis of every tensor"
                raise InputError("net", f"{self.name}, {node.name!r}", allowed, hint)
            if self._folds(node, bend):
                self._demand_meeting(node, probe)
                units = self.units(node, probe.many, rows=PROBES) if bend != "pool" else probe.many[entering(node)]
                scales[node] = units.reshape(PROBES, -1).abs().amax(0)
                opposite = probe.afresh(node, sources, env=probe.many | {each: -probe.many[each] for each in sources})
                probe.loosen(node, torch.maximum(probe.many[node].abs(), opposite.abs()))
            if is_in_place(node, self.graph):
                probe.put(entering(node), node)
            probe.forget(self.freed[node])
        return scales | {self.nodes[-1]: probe.many[self.nodes[-1]].double().reshape(PROBES, -1).abs().amax(0)}

    def _demand_any_count(self, sample: Float[Tensor, "*shape"]) -> None:
        """A batch of many samples must give each what a batch of two gives it."""
        shape = (MANY, *sample.shape)
        noise = torch.randn(shape, generator=stream(0, "many"), dtype=torch.float64, device="cpu").to(sample.device)
        batch = sample.double() + noise * (sample.abs().max() if sample.any() else 1)
        hint = f"It gives a sample other numbers in a batch of {MANY} than in one of 2."
        try:
            together, alone = self(batch)[[0, -1]], self(batch[[0, -1]])
        except Exception as error:  # whatever a stranger's network raises
            hint = f"A batch of {MANY} is too many: {type(error).__name__}: {error}".splitlines()[0]
            raise InputError("net", self.name, "a network that takes any number of samples", hint) from error
        # what is not finite is refused elsewhere; what the outputs sum up may cancel, and leave rounding
        if bool((together - alone).abs().max() > SAME * torch.maximum(alone.abs().max(), self.scale.max())):
            raise InputError("net", self.name, "a network that keeps its samples apart, however many they are", hint)

    def _folds(self, node: fx.Node, bend: str) -> bool:
        return node in self.growing and bool(bend or self._chosen_by(node))

    def _demand_meeting(self, node: fx.Node, probe: Probe) -> None:
        """What an operation chooses must not jump."""
        comparison, sources = self._chosen_by(node), self.sources(node)
        if comparison and not conditions.meets(
            lambda env: probe.afresh(node, sources, env=env), comparison, env=probe.many
        ):
            raise conditions.jump(comparison, node)

    def _layers(self, values: dict[fx.Node, Any], scales: dict[fx.Node, Tensor]) -> Iterator[Layer]:
        uses: Counter[str] = Counter()
        for place, node in enumerate(self.nodes):
            if not self._folds(node, self.bends[place]):
                continue
            name = str(node.target) if node.op == "call_module" else node.name
            uses[name] += 1
            windows = None
            if self.bends[place] == "pool":
                windows = windows_of(node, self.graph, x=values[entering(node)])
                if int((windows >= 0).sum(1).max()) < 2:
                    continue  # in whose windows no two places meet: it never bends
            units = len(scales[node]) if windows is None else windows.numel()
            yield Layer(place, name if uses[name] == 1 else f"{name}:{uses[name]}", units, windows, scales[node])


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
        if node not in self.network.held:
            self.env[node] = self.network.run(node, self.env) if value is None else value
        if value is not None and is_in_place(node, self.network.graph):
            self.env[entering(node)] = value
        for gone in self.network.freed[node]:
            self.env.pop(gone, None)
        self.place += 1

    def units(self) -> Float[Tensor, "n units"]:
        """Numbers whose signs say on which side of each kink of the fold ahead a point lies; not for a max-pool."""
        return self.network.units(self.network.nodes[self.place], self.env, rows=self.count)

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
