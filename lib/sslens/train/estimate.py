"""What runs will cost on this machine: seconds and bytes, from a few steps of each kind that are really taken."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import final

from torch import Tensor

from sslens.runtime import cores, threads
from sslens.trace import FULL_EVERY, Snapshot
from sslens.train.config import Config
from sslens.train.loop import fit
from sslens.train.setup import prepare

STEPS = 3
"""Steps that are timed, beyond a first one that warms up."""


@final
@dataclass(frozen=True)
class Estimate:
    """What some runs cost when none of them is in the cache.

    >>> Estimate(seconds=90.0, bytes=3_000_000)
    about 2 minutes, 3 MB on disk
    """

    seconds: float
    """With as many runs side by side as there are processors for."""
    bytes: int
    """Of their traces on disk."""

    def __repr__(self) -> str:
        minutes = self.seconds / 60
        shown = f"{self.seconds:.0f} seconds" if self.seconds < 60 else f"{minutes:.0f} minutes"
        return f"about {shown}, {self.bytes / 1e6:.0f} MB on disk"


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
    side_by_side = max(1, min(len(configs), cores() // threads()))
    return Estimate(seconds / side_by_side, room)


def _kind(config: Config) -> Config:
    """The config of all runs that take as long for a step as this one."""
    return config.changed(optimisation={"steps": STEPS}, snapshots={"count": 2}, seed=0)


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
