"""Networks along training: any number that can be asked of a network, at every look of every run."""

from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float64
from torch import Tensor, nn

from sslens.trace import Trace, over_seeds
from sslens.train import restore
from sslens.types import InputError, Interval


def along(
    runs: Sequence[Trace], asked: Mapping[str, Callable[[nn.Module], float]], *, head: bool = True
) -> dict[str, Float64[Tensor, "s t"]]:
    """Each question's answer for the networks of runs that differ in their seed, as they were at every snapshot.

    A network is restored once for all questions: encoder and ``head`` or the encoder alone, in eval mode, float64, on
    the CPU. NaN where a run had diverged.

    Raises:
        InputError: no run, or runs of different steps.

    >>> from sslens.train import Config, record
    >>> run = record(Config.at("smoke", steps=4, snapshots=3))
    >>> along([run], {"parts": lambda net: len(list(net.children()))})
    {'parts': tensor([[2., 2., 2.]], dtype=torch.float64)}
    """
    steps = sorted({tuple(run.steps) for run in runs})
    if len(steps) != 1:
        raise InputError("runs", steps, "at least one run, all with snapshots at the same steps")
    answers = [[_answers(run, look, asked, head) for look in range(len(run.steps))] for run in runs]
    return {
        name: torch.tensor([[float(each[name]) for each in row] for row in answers], dtype=torch.float64)
        for name in asked
    }


def side_by_side(
    found: Mapping[str, Mapping[str, Float64[Tensor, "s _"]]],
) -> dict[str, dict[str, list[Interval]]]:
    """What was found for each run and quantity, as intervals over seeds by quantity and run: what panels are made of.

    Raises:
        InputError: as ``trace.over_seeds``.

    >>> rows = torch.tensor([[1.0, 2.0], [3.0, 2.0]], dtype=torch.float64)
    >>> panels = side_by_side({"vicreg": {"folds": rows, "loss": rows}, "simclr": {"folds": rows}})
    >>> list(panels), [interval.mean for interval in panels["folds"]["simclr"]]
    (['folds', 'loss'], [2.0, 2.0])
    """
    quantities = dict.fromkeys(quantity for each in found.values() for quantity in each)
    return {
        quantity: {run: over_seeds(each[quantity]) for run, each in found.items() if quantity in each}
        for quantity in quantities
    }


def _answers(run: Trace, look: int, asked: Mapping[str, Callable[[nn.Module], float]], head: bool) -> dict[str, float]:
    if run.snapshots[look].diverged:
        return dict.fromkeys(asked, float("nan"))
    network = restore(run, look, head=head).double()
    return {name: ask(network) for name, ask in asked.items()}
