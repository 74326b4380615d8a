"""Where do regions go in training? Plasticity: what a network that has learned task after task can still learn."""

from collections.abc import Callable, Collection
from functools import partial
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad
from xarray import DataArray

from sslens.measures.network_diagnostics import curvature, dead_units
from sslens.objectives import CrossEntropy
from sslens.runtime import stream
from sslens.statistics import RankTest, difference, paired, rank_test, ratio
from sslens.trace import Trace
from sslens.train import Config, Runs, given_labels, learned, restore
from sslens.types import Images, InputError, Labels, Range, Scalar, checked


def final_losses(run: Trace) -> Float64[Tensor, "tasks"]:
    """The loss at the end of each task: its mean over the steps of the last epoch, in the units of the objective.

    Equal tasks are as hard as each other for a fresh network; if the last ends higher than the first, the network has
    lost some of its ability to learn. A network that only ever says how frequent each of c classes is reaches ln c.
    NaN for the tasks that a run did not finish because it diverged.

    Raises:
        InputError: a run that was not trained to its end, or of fewer steps per task than an epoch has.

    Reference: Lyle, Zheng, Nikishin, Avila Pires, Pascanu, Dabney, "Understanding plasticity in neural networks",
    ICML 2023, arXiv 2303.01486, who measure the loss after a fixed number of steps on a new task.

    >>> from sslens.encoders import MLP
    >>> from sslens.train import record
    >>> data = {"name": "digits", "images": 128, "tasks": 2, "label_noise": 1.0}
    >>> parts = {"data": data, "encoder": MLP(), "objective": CrossEntropy()}
    >>> length = {"optimisation": {"steps": 40}, "snapshots": {"count": 3, "spacing": "linear"}}
    >>> final_losses(record(Config.at("smoke", **parts, **length))).shape
    torch.Size([2])
    """
    tasks, length = _tasks(run)
    config = Config.of_json(run.config)
    epoch = len(learned(config)) // config.optimisation.batch_size
    if epoch > length:
        raise InputError("run", f"{length} steps per task", f"one with at least the {epoch} steps of an epoch per task")
    losses = run.loss().double()
    whole = pad(losses, (0, tasks * length - len(losses)), value=float("nan"))
    means = whole.unflatten(0, (tasks, length))[:, -epoch:].mean(1)
    return means.where(means.isfinite(), torch.nan)


def sharpness(run: Trace, *, of: Collection[int] = (), tolerance: float = 1e-4) -> Float64[Tensor, "tasks"]:
    """How sharply the loss bends where each task begins: the largest eigenvalue of the Hessian of its cross-entropy.

    On all images the run learns from, under the labels of the new task, at the weights that the task before has left;
    see ``network_diagnostics.curvature``, also for ``tolerance``. Of the tasks numbered in ``of``, from 1 on, or of
    all. NaN for the tasks that a run did not begin because it diverged.

    Raises:
        InputError: a run that was not trained to its end or does not classify by cross-entropy, without a snapshot
            where each task begins, a task it does not have, or a tolerance outside (0, 1].

    Reference: as ``final_losses``; there changes of curvature, more than dead units, go with the loss of plasticity.

    >>> from sslens.encoders import MLP
    >>> from sslens.train import record
    >>> data = {"name": "digits", "images": 128, "tasks": 2, "label_noise": 1.0}
    >>> parts = {"data": data, "encoder": MLP(), "objective": CrossEntropy()}
    >>> length = {"optimisation": {"steps": 40}, "snapshots": {"count": 3, "spacing": "linear"}}
    >>> bool((sharpness(record(Config.at("smoke", **parts, **length))) > 0).all())
    True
    """
    tolerance = checked("tolerance", tolerance, Annotated[float, Range(0, 1, above=True)])
    tasks, length = _tasks(run)
    config = Config.of_json(run.config)
    if config.objective != CrossEntropy():
        allowed = "one that classifies by cross-entropy, without nested heads"
        raise InputError("run", type(config.objective).__name__, allowed)
    chosen = sorted(of) or list(range(1, tasks + 1))
    if not 1 <= chosen[0] <= chosen[-1] <= tasks:
        raise InputError("of", chosen, f"tasks from 1 to {tasks}")
    starts = [(task - 1) * length for task in chosen]
    known = {each.step: index for index, each in enumerate(run.snapshots) if not each.diverged}
    if run.status == "complete" and (missing := [step for step in starts if step not in known]):
        raise InputError("run", f"no snapshot at step {missing[0]}", "one with a snapshot where each task begins")
    data, found = learned(config), []
    for task, step in zip(chosen, starts, strict=True):
        if step not in known:
            found.append(float("nan"))
            continue
        loss, generator = _loss(given_labels(config, data, task=task - 1)), stream(0, "sharpness")
        network = restore(run, known[step], head=True)
        found.append(curvature(network, data.images, loss=loss, generator=generator, tolerance=tolerance).value)
    return torch.tensor(found, dtype=torch.float64, device="cpu")


def loss_at_the_end(runs: Runs) -> DataArray:
    """``final_losses`` of every run: run x seed x task.

    Raises:
        InputError: as ``final_losses``; or runs of different tasks.
    """
    return _by_task(runs, final_losses, name="loss at the end").assign_attrs(unit="nats")


def sharpness_at_the_start(runs: Runs, *, of: Collection[int] = ()) -> DataArray:
    """``sharpness`` of every run: run x seed x task, of all tasks or of those numbered in ``of``.

    Raises:
        InputError: as ``sharpness``; or runs of different tasks.
    """
    return _by_task(runs, partial(sharpness, of=of), name="sharpness at the start", of=of)


def lost_ability(loss: DataArray) -> DataArray:
    """How much higher the loss ends at the last task than at the first, in nats: run x seed.

    >>> lost_ability(DataArray([[[0.5, 2.0]]], {"run": ["ReLU"], "seed": [0], "task": [1, 2]})).item()
    1.5
    """
    last, first = loss.isel(task=-1, drop=True), loss.isel(task=0, drop=True)
    return difference(last, first, name="loss, last - first task")


def growth(sharpness: DataArray) -> DataArray:
    """By how many powers of ten the loss is sharper where the last task begins than where the first did: run x seed.

    >>> growth(DataArray([[[2.0, 20.0]]], {"run": ["ReLU"], "seed": [0], "task": [1, 20]})).item()
    1.0
    """
    last, first = sharpness.isel(task=-1, drop=True), sharpness.isel(task=0, drop=True)
    times = ratio(last, first, name="log10 of sharpness, last / first task")
    return times.copy(data=np.log10(times.values))


def agreement(first: DataArray, second: DataArray) -> DataArray:
    """Spearman's rank correlation between two numbers of some runs for each seed, beside its ``rank_test``.

    NaN where a run had diverged; 0 where one of the two orders nothing.

    Raises:
        InputError: other runs or seeds in one of them.

    >>> one = DataArray([[0.1], [0.2], [0.4]], {"run": ["a", "b", "c"], "seed": [0]})
    >>> agreement(one, one**2).item()
    1.0
    """
    rows = [array.transpose("seed", "run").values for array in paired(first, second)]
    values = [_spearman(one, other) for one, other in zip(*rows, strict=True)]
    finite = np.isfinite(values).all()
    test = rank_test(first, second) if finite else RankTest(first.sizes["run"], np.nan, np.nan, np.nan)
    setting = {"setting": first.attrs.get("setting", "")}
    return DataArray(values, {"seed": first["seed"].values, **test.coords}, "seed", attrs=setting)


def dead_by_task(runs: Runs, images: Images) -> DataArray:
    """The share of units that none of some images activates, at the end of each task: run x seed x task.

    Raises:
        InputError: runs of different tasks, or what ``network_diagnostics.dead_units`` refuses.
        KeyError: no snapshot at the end of a task.
    """

    def share(network: nn.Module) -> float:
        return dead_units(network, images).share

    return after_each_task(runs, runs.networks_along(share, head=True, name="share of dead units"))


def after_each_task(runs: Runs, values: DataArray) -> DataArray:
    """What was measured at every snapshot of runs, at the ends of their tasks: ``task`` in the place of ``step``.

    Raises:
        InputError: runs of different tasks.
        KeyError: no snapshot at the end of a task.
    """
    tasks, length = _shared_tasks(runs)
    ends = values.sel(step=[length * task for task in range(1, tasks + 1)])
    return ends.rename(step="task").assign_coords(task=np.arange(1, tasks + 1))


def _spearman(first: np.ndarray, second: np.ndarray) -> float:
    from scipy.stats import rankdata  # half a second of import that only correlations need

    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return float("nan")
    ranks = [rankdata(values) for values in (first, second)]
    return float(np.corrcoef(*ranks)[0, 1]) if all(np.ptp(each) for each in ranks) else 0.0


def _by_task(
    runs: Runs, measure: Callable[[Trace], Float64[Tensor, "tasks"]], *, name: str, of: Collection[int] = ()
) -> DataArray:
    tasks, _ = _shared_tasks(runs)
    rows = [_of_seeds(measure, runs[run]) for run in runs]
    labels = {"run": list(runs), "seed": list(runs.seeds), "task": np.array(sorted(of) or range(1, tasks + 1))}
    return DataArray(np.stack(rows), labels, ("run", "seed", "task"), name, {"unit": "", "setting": runs.setting})


def _of_seeds(measure: Callable[[Trace], Float64[Tensor, "tasks"]], traces: tuple[Trace, ...]) -> np.ndarray:
    return np.stack([measure(trace).numpy() for trace in traces])


def _loss(targets: Labels) -> Callable[[Tensor], Scalar]:
    return lambda logits: cross_entropy(logits, targets)


def _tasks(run: Trace) -> tuple[int, int]:
    """How many tasks, and the steps of each."""
    if run.status == "running":
        raise InputError("run", run.status, "complete")
    config = Config.of_json(run.config)
    steps, tasks = config.optimisation.steps, config.data.tasks
    if steps % tasks:
        raise InputError("run", f"{steps} steps for {tasks} tasks", "one with tasks of equal length")
    return tasks, steps // tasks


def _shared_tasks(runs: Runs) -> tuple[int, int]:
    found = {name: _tasks(trace) for name in runs for trace in runs[name]}
    if len(set(found.values())) > 1:
        raise InputError("runs", found, "runs with as many tasks as each other, of the same length")
    return next(iter(found.values()))
