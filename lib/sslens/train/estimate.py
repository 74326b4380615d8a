"""What runs will cost on this machine: seconds and bytes, from a few steps of each kind that are really taken."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import psutil
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from sslens.encoders import Model
from sslens.memory import free_memory
from sslens.runtime import configure_torch, cores, threads
from sslens.trace import FULL_EVERY, Snapshot
from sslens.train.config import Config
from sslens.train.loop import fit
from sslens.train.setup import Setup, begin, prepare
from sslens.types import Views

STEPS = 3
"""Steps that are timed, beyond a first one that warms up."""
PROBES = 4, 8
"""Images of the two forward passes whose memory is measured."""
PROCESS = min(psutil.Process().memory_info().rss, 2_000_000_000) + 130_000_000
"""Bytes of an interpreter with torch, before it has any data, and of what computing brings along: as this process was
when it imported this, which tells torch's CPU build (0.3 GB) from the one for CUDA (0.7 GB)."""
PEAK = 1.5
"""The most that a run takes for a moment, in the unit of what it takes throughout."""


@final
@dataclass(frozen=True)
class Estimate:
    """What some runs cost when none of them is in the cache.

    >>> Estimate(seconds=90.0, bytes=3_000_000, memory=900_000_000)
    about 2 minutes, 3 MB on disk, 0.9 GB of memory
    """

    seconds: float
    """With as many runs side by side as there is room for."""
    bytes: int
    """Of their traces on disk."""
    memory: int
    """Bytes, of the processes that train side by side."""

    def __repr__(self) -> str:
        minutes = self.seconds / 60
        shown = f"{self.seconds:.0f} seconds" if self.seconds < 60 else f"{minutes:.0f} minutes"
        return f"about {shown}, {self.bytes / 1e6:.0f} MB on disk, {self.memory / 1e9:.1f} GB of memory"


@final
@dataclass(frozen=True)
class _Cost:
    """What one kind of run costs: seconds a step; bytes of a snapshot, of what a full one has more, of the images."""

    step: float
    snapshot: int
    resume: int
    reference: int


def estimate(configs: Iterable[Config]) -> Estimate:
    """Time and room for these runs; each different kind is measured over a few steps, once per process.

    Raises:
        InputError: as ``prepare``.

    >>> short = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 3})
    >>> estimate([short]).bytes > 0
    True
    """
    configs = list(dict.fromkeys(configs))
    seconds, room = 0.0, 0
    for config in configs:
        cost, length = _measured(_kind(config)), config.optimisation.steps
        seconds += length * cost.step
        count = len(config.snapshots.steps(length))
        resumable = {*range(FULL_EVERY, count, FULL_EVERY), count - 1}
        room += cost.reference + count * cost.snapshot + len(resumable) * cost.resume
    setups = [prepare(config) for config in configs]
    count = side_by_side(setups)
    return Estimate(seconds / max(1, count), room, count * _largest(setups))


def side_by_side(setups: Sequence[Setup]) -> int:
    """How many of these runs train at a time: a process for each, while there are processors and memory for it.

    On a GPU one, in this process.

    Raises:
        InputError: as ``prepare``.

    >>> side_by_side([])
    0
    """
    processors = cores() // threads()
    if processors < 2 or any(configure_torch(each.config.compute.device).type == "cuda" for each in setups):
        return min(1, len(setups))
    most = min(len(setups), processors)
    room = free_memory() // (PEAK * max(1, _largest(setups)))
    return min(most, max(1, int(room)))


def _largest(setups: Sequence[Setup]) -> int:
    """Memory of the run that needs most of it."""
    return max((_needed(kind) for kind in {_kind(setup.config) for setup in setups}), default=0)


def _kind(config: Config) -> Config:
    """The config of all runs that take as long for a step as this one."""
    return config.changed(optimisation={"steps": STEPS}, snapshots={"count": 2}, seed=0)


@lru_cache(maxsize=64)
def _needed(config: Config) -> int:
    return memory(prepare(config))


@lru_cache(maxsize=64)
def _measured(config: Config) -> _Cost:
    (short, _), (long, last) = (_timed(config.changed(optimisation={"steps": steps})) for steps in (1, 1 + STEPS))
    weights = last.thin().state
    further = [value for name, value in last.state.items() if name not in weights]
    return _Cost(
        step=max(0.0, long - short) / STEPS,
        snapshot=_bytes([last.representation, last.embedding, *weights.values()]),
        resume=_bytes(further),
        reference=_bytes(prepare(config).reference.tensors().values()),
    )


def _timed(config: Config) -> tuple[float, Snapshot]:
    """Seconds to the last snapshot from the first, and that last one."""
    going = fit(prepare(config))
    next(going)
    start = time.perf_counter()
    last = next(going)
    return time.perf_counter() - start, last


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(each.numel() * each.element_size() for each in tensors)


def memory(setup: Setup) -> int:
    """Bytes that a process needs to train one run: interpreter, data, weights with gradients and moments, activations.

    The activations that backward needs are counted on a few images and grow with the batch. What a layer borrows for a
    moment is not in it: at its peak a run takes up to half as much again.

    Raises:
        InputError: a network that does not fit the data.

    >>> memory(prepare(Config(data={"name": "digits"}))) > PROCESS
    True
    """
    config = setup.config
    model, state = begin(config, setup.train)
    few, more = (_kept_for_backward(model, _blank_views(setup, images=images)) for images in PROBES)
    activations = few + (more - few) / (PROBES[1] - PROBES[0]) * (config.optimisation.batch_size - PROBES[0])
    images = _bytes([setup.train.images, setup.reference.images])
    data = images if config.compute.dtype == "float32" else 3 * images  # a copy of twice the size beside the original
    weights = [*model.parameters(), *([] if state is None else state.parameters())]
    trained = [weight for weight in weights if weight.requires_grad]
    return PROCESS + data + _bytes(weights) + 3 * _bytes(trained) + int(activations)


def space(setup: Setup) -> int:
    """Bytes that the trace of a run takes on disk, found without training it.

    Raises:
        InputError: a network that does not fit the data.

    >>> space(prepare(Config(data={"name": "digits"}))) > 1_000_000
    True
    """
    model, state = begin(setup.config, setup.train)
    weights = _bytes([*model.parameters(), *model.buffers(), *([] if state is None else state.parameters())])
    with torch.no_grad():
        outputs = model(_blank_views(setup, images=PROBES[0]))
    widths = outputs.representation.shape[-1] + outputs.embedding.shape[-1]
    features = len(setup.reference) * widths * outputs.embedding.element_size()
    count = setup.config.snapshots.count
    further = (count // FULL_EVERY + 2) * 2 * weights  # both moments of each weight
    return _bytes(setup.reference.tensors().values()) + count * (features + weights) + further


def _blank_views(setup: Setup, *, images: int) -> tuple[Views, ...]:
    """Views of the sizes that a step makes of this many images, without what would be seen in them."""
    config, shape = setup.config, setup.train.images.shape[1:]
    if not setup.train.images.is_floating_point():
        return (torch.zeros(1, images, *shape, dtype=torch.int64, device="cpu"),)
    kind, groups = getattr(torch, config.compute.dtype), config.augmentation(shape[0]).groups
    sides = [(group.size, group.size) if group.size else shape[1:] for group in groups]
    counts = [group.views or config.objective.views for group in groups]
    return tuple(
        torch.zeros(count, images, shape[0], *side, dtype=kind, device="cpu")
        for count, side in zip(counts, sides, strict=True)
    )


def _kept_for_backward(model: Model, views: tuple[Views, ...]) -> int:
    """Bytes that the graph of a forward pass holds on to, each storage once."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = model(views)
    del outputs  # until here the graph was alive, and no storage took another's place
    return sum(kept.values())
