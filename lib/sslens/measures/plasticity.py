"""Plasticity: what a network that was trained on one task after another can still learn."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import torch
from jaxtyping import Float64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sslens.journeys import labels, learned
from sslens.measures.dynamics import curvature
from sslens.measures.networks import along
from sslens.runtime import stream
from sslens.trace import Trace
from sslens.train import restore
from sslens.types import InputError, Labels, Range, Scalar, checked


def final_losses(run: Trace) -> Float64[Tensor, "tasks"]:
    """The loss at the end of each task: its mean over the steps of the last epoch, in the units of the objective.

    Equal tasks are as hard as each other for a fresh network; if the last ends higher than the first, the network has
    lost some of its ability to learn. A network that only ever says how frequent each of c classes is reaches ln c.

    Raises:
        InputError: a run that did not complete, or of fewer steps per task than an epoch has.

    Reference: Lyle, Zheng, Nikishin, Avila Pires, Pascanu, Dabney, "Understanding plasticity in neural networks",
    ICML 2023, arXiv 2303.01486, who measure the loss after a fixed number of steps on a new task.

    >>> from sslens.train import Config, record
    >>> asked = {"encoder": "mlp", "objective": "cross_entropy", "images": 128, "tasks": 2, "label_noise": 1.0}
    >>> final_losses(record(Config.at("smoke", steps=8, snapshots=3, spacing="linear", **asked))).shape
    torch.Size([2])
    """
    tasks, length = _tasks(run)
    epoch = len(learned(run)) // run.config["batch_size"]
    if epoch > length:
        raise InputError("run", f"{length} steps per task", f"one with at least the {epoch} steps of an epoch per task")
    return run.loss().double().unflatten(0, (tasks, length))[:, -epoch:].mean(1)


def sharpness(run: Trace, *, tolerance: float = 1e-4) -> Float64[Tensor, "tasks"]:
    """How sharply the loss bends where each task begins: the largest eigenvalue of the Hessian of its cross-entropy.

    On all images the run learns from, under the labels of the new task, at the weights that the task before has left;
    see ``dynamics.curvature``, also for ``tolerance``.

    Raises:
        InputError: a run that did not complete or does not classify by cross-entropy, without a snapshot where each
            task begins, or a tolerance outside (0, 1].

    Reference: as ``final_losses``; there changes of curvature, more than dead units, go with the loss of plasticity.

    >>> from sslens.train import Config, record
    >>> asked = {"encoder": "mlp", "objective": "cross_entropy", "images": 128, "tasks": 2, "label_noise": 1.0}
    >>> bends = sharpness(record(Config.at("smoke", steps=8, snapshots=3, spacing="linear", **asked)))
    >>> bool((bends > 0).all())
    True
    """
    tolerance = checked("tolerance", tolerance, Annotated[float, Range(0, 1, above=True)])
    tasks, length = _tasks(run)
    if run.config["objective"] != "cross_entropy" or run.config["nested"]:
        raise InputError("run", run.config["objective"], "one that classifies by cross-entropy, without nested heads")
    if missing := [task * length for task in range(tasks) if task * length not in run.steps]:
        raise InputError("run", f"no snapshot at step {missing[0]}", "one with a snapshot where each task begins")
    images, found = learned(run).images, []
    for task in range(tasks):
        network = restore(run, run.steps.index(task * length), head=True)
        ask: dict[str, Any] = {"loss": _loss(labels(run, task)), "generator": stream(0, "sharpness")}
        found.append(curvature(network, images, **ask, tolerance=tolerance).value)
    return torch.tensor(found, dtype=torch.float64)


def ageing(
    runs: Sequence[Trace], asked: Mapping[str, Callable[[nn.Module], float]]
) -> dict[str, Float64[Tensor, "s tasks"]]:
    """From task to task: the loss at its end, the sharpness at its start, and what is ``asked`` of the network it left.

    Runs differ in their seed.

    Raises:
        InputError: as ``final_losses`` and ``sharpness``; no run, or runs of different steps.

    >>> from sslens.train import Config, record
    >>> asked = {"encoder": "mlp", "objective": "cross_entropy", "images": 128, "tasks": 2, "label_noise": 1.0}
    >>> run = record(Config.at("smoke", steps=8, snapshots=3, spacing="linear", **asked))
    >>> list(ageing([run], {"parts": lambda net: len(list(net.children()))}))
    ['loss at the end', 'sharpness at the start', 'parts']
    """
    left = along(runs, asked)
    length = _tasks(runs[0])[1]
    ends = [look for look, step in enumerate(runs[0].steps) if step and step % length == 0]
    losses, sharpnesses = (torch.stack([measure(run) for run in runs]) for measure in (final_losses, sharpness))
    found = {"loss at the end": losses, "sharpness at the start": sharpnesses}
    return found | {name: values[:, ends] for name, values in left.items()}


def _loss(targets: Labels) -> Callable[[Tensor], Scalar]:
    return lambda logits: cross_entropy(logits, targets)


def _tasks(run: Trace) -> tuple[int, int]:
    """How many tasks, and the steps of each."""
    if run.status != "complete":
        raise InputError("run", run.status, "complete")
    tasks, rest = run.config["tasks"], run.config["steps"] % run.config["tasks"]
    if rest:
        raise InputError("run", f"{run.config['steps']} steps for {tasks} tasks", "one with tasks of equal length")
    return tasks, run.config["steps"] // tasks
