"""Where do regions go in training? The notebook's parameters, and the runs that it needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, final

import torch

from sslens import datasets
from sslens.encoders import ENCODERS, MLP
from sslens.objectives import CrossEntropy, SimCLR, SimSiam, SquaredError
from sslens.runtime import PROFILES, stream
from sslens.studies.study import from_namespace
from sslens.train import Config, Runs, learned
from sslens.types import Dataset, Images, OneOf, Range, checked_dataclass

DECAY, LARGE = "weight decay", "large start"
NO_DECAY, NOISY = "no decay", "no decay, noisy labels"
RELU, LAYER_NORM = "ReLU", "layer norm"
SHOWN = 200
"""Test images that are measured, as many as the run with a large start learns."""


@final
@checked_dataclass
class Setting:
    """The notebook's parameters.

    The long runs and the tasks are learned by perceptrons (MLPs) whatever ``encoder`` says: their regions are counted
    exactly, each unit is one fold, and they take 100,000 steps in minutes. ``encoder`` is the network of the last
    question, which objectives are compared with.
    """

    profile: Annotated[str, OneOf(PROFILES)] = "lesson"
    dataset: str = "digits"
    """``data.name`` of the long runs and the tasks; the encoders learn the same, of digits the scattered ones."""
    encoder: Annotated[str, OneOf(tuple(ENCODERS))] = "convnet"
    seeds: Annotated[int, Range(1, 1000)] = 3
    width: Annotated[int, Range(4, 1024)] = 100
    """Units in each of the three hidden layers of the long runs."""
    learning_rate: Annotated[float, Range(0, 1, above=True)] = 3e-3
    """Of all perceptrons; of the tasks a third of it and three times as much, too."""
    radius: Annotated[float, Range(0, 1e3, above=True)] = 0.05
    """Of the neighbourhoods in which folds are counted, in pixel values."""
    epsilon: Annotated[float, Range(0, 1)] = 0.05
    """Of the adversary: how far it may move each pixel."""

    def __post_init__(self) -> None:
        datasets.check_name(self.dataset)

    @classmethod
    def of(cls, namespace: Mapping[str, Any]) -> "Setting":
        """The parameters as a notebook has assigned them."""
        return from_namespace(cls, namespace)

    @property
    def learning_rates(self) -> tuple[float, ...]:
        """Those of the networks that learn task after task: a third of it, itself, three times as much.

        >>> Setting().learning_rates
        (0.001, 0.003, 0.009)
        """
        others = (float(f"{factor * self.learning_rate:.3g}") for factor in (1 / 3, 3))
        return tuple(sorted([self.learning_rate, *others]))


@final
@dataclass(frozen=True)
class Lengths:
    """How far the runs go at a profile.

    >>> LENGTHS["lesson"].tasks
    20
    """

    steps: int
    """Of a long run."""
    snapshots: int
    """Of a long run, spaced logarithmically."""
    tasks: int
    task: int
    """Steps of one task."""
    encoder: Mapping[str, int]
    """What the length of an encoder's run differs in from the profile's."""


LENGTHS = {
    "smoke": Lengths(steps=200, snapshots=7, tasks=4, task=40, encoder={"steps": 40}),
    "lesson": Lengths(steps=12_000, snapshots=36, tasks=20, task=250, encoder={}),
    "full": Lengths(steps=100_000, snapshots=48, tasks=60, task=250, encoder={}),
}


def configs(setting: Setting) -> dict[str, Config]:
    """Four long runs, six that learn task after task, and three encoders, by name.

    Perceptrons without augmentation, at a constant learning rate of AdamW: four of them are long, for the linear
    regions around their samples; six learn one random labelling after another, with and without layer norm at three
    learning rates, for what is left of their ability to learn. Three short ones, of a convolutional network unless the
    setting says otherwise, show where encoders of different objectives fold.

    >>> configs(Setting())["large start"].optimisation.initial_scale
    8.0
    """
    lengths = LENGTHS[setting.profile]
    perceptron = Config.at(
        setting.profile,
        data={"name": setting.dataset},
        recipe="none",
        encoder=MLP(),
        objective=CrossEntropy(),
        optimisation={"batch_size": 100, "learning_rate": setting.learning_rate, "schedule": "constant", "warmup": 0.0},
    )
    scattered = "scattered_digits" if setting.dataset == "digits" else setting.dataset
    encoders = Config.at(
        setting.profile,
        data={"name": scattered},
        encoder=ENCODERS[setting.encoder](),
        optimisation=dict(lengths.encoder),
        snapshots={"count": 2},
    )
    return {
        **_long(perceptron, lengths, width=setting.width),
        **_tasks(perceptron, lengths, rates=setting.learning_rates),
        "simclr": encoders.changed(objective=SimCLR()),
        "simsiam, no stop-gradient": encoders.changed(objective=SimSiam(stop_gradient=False)),
        "supervised": encoders.changed(objective=CrossEntropy()),
    }


def runs(setting: Setting) -> Runs:
    """All runs for every seed, trained side by side or read from the cache."""
    return Runs.of(configs(setting), seeds=setting.seeds, label="runs")


def at_rate(kind: str, rate: float) -> str:
    """The name of a run of tasks.

    >>> at_rate("layer norm", 0.003)
    'layer norm, rate 0.003'
    """
    return f"{kind}, rate {rate:g}"


def task_runs(runs: Runs, *, rate: float | None = None) -> Runs:
    """Those that learn one task after another, at all learning rates or at one."""
    ending = "" if rate is None else f", rate {rate:g}"
    return runs.select(*(name for name in runs if ", rate " in name and name.endswith(ending)))


def by_kind(runs: Runs) -> dict[str, dict[str, str]]:
    """The runs that learn one task after another, each with its learning rate, by kind of network."""
    names = {kind: [name for name in task_runs(runs) if name.startswith(kind)] for kind in (RELU, LAYER_NORM)}
    return {kind: {name: name.rpartition(" ")[2] for name in found} for kind, found in names.items()}


def learned_images(runs: Runs, name: str) -> Dataset:
    """The images that a run learns, with their true labels; the same for every seed.

    Raises:
        UnknownName: no such run.
    """
    return learned(Config.of_json(runs[name][0].config))


def unseen_images(runs: Runs, name: str) -> Dataset:
    """The first 200 test images of a run's data, or all of fewer.

    Raises:
        UnknownName: no such run.
    """
    test = datasets.load(runs[name][0].config["data"]["name"])[1]
    return test.take(torch.arange(min(SHOWN, len(test)), device="cpu"))


def random_pixels(like: Images) -> Images:
    """Images of the same shape whose pixels are uniform in [0, 1], the same at every call."""
    return torch.rand(like.shape, generator=stream(0, "cloud"), dtype=torch.float32, device="cpu")


def _long(perceptron: Config, lengths: Lengths, *, width: int) -> dict[str, Config]:
    length = {"optimisation": {"steps": lengths.steps}, "encoder": MLP(width=width)}
    spaced = {"count": lengths.snapshots, "spacing": "logarithmic"}
    base = perceptron.changed(data={"images": 500}, snapshots=spaced, **length)
    large = base.changed(data={"images": 200}, objective=SquaredError())
    kept = base.changed(optimisation={"weight_decay": 0.0})
    return {
        DECAY: base.changed(optimisation={"weight_decay": 0.3}),
        LARGE: large.changed(optimisation={"weight_decay": 1.0, "initial_scale": 8.0}),
        NO_DECAY: kept,
        NOISY: kept.changed(data={"label_noise": 0.2}),
    }


def _tasks(perceptron: Config, lengths: Lengths, *, rates: tuple[float, ...]) -> dict[str, Config]:
    """All labels are redrawn at every task."""
    base = perceptron.changed(
        data={"images": 400, "label_noise": 1.0, "tasks": lengths.tasks},
        optimisation={"steps": lengths.tasks * lengths.task, "weight_decay": 0.01},
        snapshots={"count": lengths.tasks + 1, "spacing": "linear"},
    )
    kinds = {RELU: MLP(), LAYER_NORM: MLP(layer_norm=True)}
    return {
        at_rate(kind, rate): base.changed(encoder=encoder, optimisation={"learning_rate": rate})
        for kind, encoder in kinds.items()
        for rate in rates
    }
