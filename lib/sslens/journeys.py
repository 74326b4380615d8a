"""Journeys: runs that are watched for what happens on the way, described here and nowhere else.

Small perceptrons on the 8x8 digits, without augmentation and at a constant learning rate of AdamW. Four of them are
long, for the linear regions around their samples; two learn one random labelling after another, for what is left of
their ability to learn. Three short ones, on the default data, show where encoders of different objectives fold.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, final

from sslens.config import Config
from sslens.datasets.noise import mislabelled
from sslens.runtime import stream
from sslens.trace import Trace
from sslens.train import record_all
from sslens.train.material import chosen, load_for
from sslens.types import Dataset, InputError, Labels, Range, UnknownName, checked


@final
@dataclass(frozen=True)
class Lengths:
    """How far the journeys go at a profile.

    >>> LENGTHS["lesson"].tasks
    20
    """

    steps: int
    """Of a long run."""
    looks: int
    """At a long run, spaced logarithmically."""
    tasks: int
    task: int
    """Steps of one task."""
    short: int
    """Steps of an encoder's run; 0: what the profile says."""


LENGTHS = {
    "smoke": Lengths(steps=200, looks=7, tasks=4, task=40, short=40),
    "lesson": Lengths(steps=12_000, looks=36, tasks=20, task=250, short=0),
    "full": Lengths(steps=100_000, looks=48, tasks=60, task=250, short=0),
}
_DIGITS = {"dataset": "digits", "encoder": "mlp", "recipe": "none", "batch_size": 100, "learning_rate": 3e-3}
_DIGITS |= {"schedule": "constant", "warmup": 0.0, "objective": "cross_entropy"}
_LONG = _DIGITS | {"width": 100, "images": 500, "spacing": "logarithmic"}
_TASKS = _DIGITS | {"images": 400, "label_noise": 1.0, "weight_decay": 0.01, "spacing": "linear"}
KINDS: Mapping[str, Mapping[str, Any]] = {
    "weight decay": _LONG | {"weight_decay": 0.3},
    "large start": _LONG | {"objective": "squared_error", "images": 200, "weight_decay": 1.0, "initial_scale": 8.0},
    "no decay": _LONG | {"weight_decay": 0.0},
    "no decay, noisy labels": _LONG | {"weight_decay": 0.0, "label_noise": 0.2},
    "ReLU": _TASKS,
    "layer norm": _TASKS | {"encoder": "mlp_layernorm"},
    "simclr": {"objective": "simclr"},
    "simsiam, no stop-gradient": {"objective": "simsiam", "stop_gradient": False},
    "supervised": {"objective": "cross_entropy"},
}
"""What each differs in from its profile's config. In the sequences of tasks all labels are redrawn at every task."""


def config(name: str, *, profile: str = "lesson", seed: int = 0) -> Config:
    """The config of a journey.

    Raises:
        UnknownName: no such journey or profile.

    >>> config("large start").initial_scale
    8.0
    """
    for field, given, known in (("journey", name, KINDS), ("profile", profile, LENGTHS)):
        if given not in known:
            raise UnknownName(field, given, known)
    kind, length = KINDS[name], LENGTHS[profile]
    sizes = {
        "logarithmic": {"steps": length.steps, "snapshots": length.looks},
        "linear": {"steps": length.tasks * length.task, "tasks": length.tasks, "snapshots": length.tasks + 1},
    }
    short = {"snapshots": 2} | ({"steps": length.short} if length.short else {})
    return Config.at(profile, seed=seed, **(dict(kind) | sizes.get(kind.get("spacing", ""), short)))


def recorded(profile: str, *, seeds: int = 3) -> dict[str, tuple[Trace, ...]]:
    """Every journey for seeds 0, 1, ...: read from the cache, or trained now, side by side.

    Raises:
        UnknownName: no such profile.
        InputError: a number of seeds outside [1, 1000]; nothing is trained then.

    >>> recorded("smok")
    Traceback (most recent call last):
        ...
    sslens.types.UnknownName: profile must be one of: smoke, lesson, full. Got 'smok'. Did you mean 'smoke'?
    """
    seeds = checked("seeds", seeds, Annotated[int, Range(1, 1000)])
    configs = [config(name, profile=profile, seed=seed) for name in KINDS for seed in range(seeds)]
    traces = record_all(configs, label="journeys")
    return {name: traces[place * seeds : (place + 1) * seeds] for place, name in enumerate(KINDS)}


def learned(run: Trace) -> Dataset:
    """The images a run learned from, with their true labels; a run's reference holds others as well.

    >>> from sslens.train import record
    >>> run = record(Config.at("smoke", encoder="mlp", images=100, batch_size=100, steps=1, snapshots=2))
    >>> len(learned(run))
    100
    """
    asked = Config(**run.config)
    return chosen(asked, load_for(asked)[0])


def labels(run: Trace, task: int = 0) -> Labels:
    """The labels that a run was given for these images in one of its tasks, noise and all.

    Raises:
        InputError: the run has no such task.

    >>> from sslens.train import record
    >>> one = {"images": 100, "batch_size": 100, "label_noise": 1.0, "steps": 1, "snapshots": 2}
    >>> run = record(Config.at("smoke", encoder="mlp", **one))
    >>> bool((labels(run) == learned(run).labels).all())
    False
    """
    if task not in range(run.config["tasks"]):
        raise InputError("task", task, f"a number from 0 to {run.config['tasks'] - 1}")
    data, generator = learned(run), stream(run.config["seed"], f"labels/{task}")
    return mislabelled(data.labels, run.config["label_noise"], classes=len(data.classes), generator=generator)
