"""What a benchmark reports (`Row`) and how pieces of work are timed against each other (`alternate`)."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple


class Cost(NamedTuple):
    """Seconds on the clock, and seconds of processor time of this process."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Row:
    """One number, what it is held against in the same run, and whether the aim is reached."""

    name: str
    value: float
    unit: str
    limit: float
    """The limit or peer, in the unit of the value."""
    against: str
    """What the limit is."""
    ratios: tuple[float, ...]
    """One for every round in which both were measured."""
    aim: str = ""
    reached: bool | None = None
    load: float = field(default_factory=lambda: os.getloadavg()[0])
    """Of the machine in the last minute, this benchmark included."""

    @property
    def ratio(self) -> str:
        """Median and range over the rounds."""
        low, high = f"{min(self.ratios):.3g}", f"{max(self.ratios):.3g}"
        return f"{median(self.ratios):.3g}" + (f" [{low}, {high}]" if low != high else "")


def alternate(*works: Callable[[], object], rounds: int) -> list[list[Cost]]:
    """The cost of each work in every round, A B A B …, after one call of each that is not counted.

    Neighbours in time share the machine's moods, so their ratio says more than either number.
    """
    for work in works:
        work()
    costs = [[_cost(work) for work in works] for _ in range(rounds)]
    return [list(column) for column in zip(*costs, strict=True)]


def _cost(work: Callable[[], object]) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)
