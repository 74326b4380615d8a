"""How long the values of a network's operations are needed, and how much memory they take together."""

from collections.abc import Mapping, Set
from typing import Any

from jaxtyping import Shaped
from torch import Tensor, fx, nn

from sslens.measures.regions._exact.nonlinearities import called_by, entering, is_in_place
from sslens.types import InputError

Nodes = Set[fx.Node]


def reached(nodes: list[fx.Node]) -> set[fx.Node]:
    """Operations whose value depends on the input.

    >>> len(reached(list(fx.symbolic_trace(nn.Sequential(nn.ReLU())).graph.nodes)))
    3
    """
    found: set[fx.Node] = set()
    for node in nodes:
        if node.op == "placeholder" or found & set(node.all_input_nodes):
            found.add(node)
    return found


def last_uses(nodes: list[fx.Node], *, kept: Nodes) -> dict[fx.Node, list[fx.Node]]:
    """What each operation is the last to need. What ``kept`` were made from, as sizes, lives as long as they.

    >>> last_uses(list(fx.symbolic_trace(nn.Sequential(nn.ReLU(), nn.ReLU())).graph.nodes), kept=set())
    {input_1: [], _0: [input_1], _1: [_0], output: [_1]}
    """
    place, last = {node: place for place, node in enumerate(nodes)}, {node: node for node in nodes}
    for node in reversed(nodes):
        for source in node.all_input_nodes:
            last[source] = max(last[source], last[node] if node in kept else node, key=place.__getitem__)
    freed: dict[fx.Node, list[fx.Node]] = {node: [] for node in nodes}
    for source, node in last.items():
        freed[node] += [source] if source.op != "output" else []
    return freed


def room(
    graph: fx.GraphModule,
    *,
    values: Mapping[fx.Node, Shaped[Tensor, "..."]],
    freed: Mapping[fx.Node, list[fx.Node]],
    count: int,
) -> tuple[int, int]:
    """Numbers kept for a single point between two operations, and within one, each at the worst moment.

    ``values`` are those of ``count`` points.

    >>> import torch
    >>> graph = fx.symbolic_trace(nn.Sequential(nn.ReLU(), nn.ReLU()))
    >>> nodes = list(graph.graph.nodes)
    >>> room(graph, values={node: torch.zeros(2, 3) for node in nodes}, freed=last_uses(nodes, kept=set()), count=2)
    (3, 6)
    """
    alive, kept, most = dict[fx.Node, int](), 0, 0
    for node in graph.graph.nodes:
        alive[node] = values[node].numel() // count if node in values else 0
        borrowing = borrowed(node, graph, result=values[node]) // count if node in values else 0
        most = max(most, sum(alive.values()) + borrowing)
        for gone in freed[node]:
            alive.pop(gone, None)
        kept = max(kept, sum(alive.values()))
    return kept, most


def borrowed(node: fx.Node, graph: fx.GraphModule, *, result: Any) -> int:
    """Numbers that an operation holds for a moment beside what it takes and gives: a convolution's windows, in float64.

    >>> import torch
    >>> graph = fx.symbolic_trace(nn.Sequential(nn.Conv2d(2, 5, 3)))
    >>> borrowed(list(graph.graph.nodes)[1], graph, result=torch.zeros(1, 5, 10, 10))
    1800
    """
    convolution = called_by(node, graph)
    if not isinstance(convolution, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return 0
    return result.numel() // convolution.out_channels * convolution.weight[0].numel() * convolution.groups


def demand_own_memory(graph: fx.GraphModule, *, values: Mapping[fx.Node, Any], growing: Nodes, kept: Nodes) -> None:
    """What is written over may be read again under its own name only: points of a walk do not share memory.

    Raises:
        InputError: an operation that writes over what another name reads later.

    >>> import torch
    >>> graph = fx.symbolic_trace(nn.Sequential(nn.ReLU(inplace=True)))
    >>> values = {node: torch.zeros(2) for node in graph.graph.nodes}
    >>> demand_own_memory(graph, values=values, growing=values.keys(), kept=set())
    """
    nodes = list(graph.graph.nodes)
    uses, alive = last_uses(nodes, kept=kept), set[fx.Node]()
    for node in nodes:
        alive = (alive | {node}) - set(uses[node])
        if node in growing and is_in_place(node, graph):
            others = [other for other in alive - {node, entering(node)} if other in growing]
            if shared := [each for each in others if _same_memory(values[each], values[node])]:
                hint = f"It writes over {shared[0].name!r}, which is read again later: leave the inplace out."
                got = f"{type(graph).__name__}, {node.name!r}"
                raise InputError("net", got, "operations that leave what they read", hint)


def _same_memory(one: Any, other: Any) -> bool:
    tensors = isinstance(one, Tensor) and isinstance(other, Tensor)
    return tensors and one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()
