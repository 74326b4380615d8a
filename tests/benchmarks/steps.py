"""Steps of a real training to be timed: as `fit` makes them, and with the augmentation alone taken out."""

from collections.abc import Callable
from itertools import cycle
from typing import Any
from unittest.mock import patch

from sslens.train import Config, loop, prepare
from sslens.train.loop import TrainState
from sslens.types import Views
from sslens.views import augment

MADE = 4
"""Pairs of views made beforehand; a single one would stay in the processor's cache."""


def training(**changes: Any) -> TrainState:
    """A training of the default config, with these changes, that can go on for as long as it is timed."""
    config = Config(optimisation={"steps": 10**6}).changed(**changes)
    return TrainState.of(prepare(config))


def augmented(state: TrainState, steps: int) -> Callable[[], None]:
    """Each call trains that many steps more."""
    numbers, batches = iter(range(state.config.optimisation.steps)), loop._batches(state, 0)

    def work() -> None:
        for _ in range(steps):
            loop._step(state, next(numbers), *next(batches))

    return work


def plain(state: TrainState, steps: int) -> Callable[[], None]:
    """The very same code on views that are there already."""
    made: list[tuple[Views, ...]] = []

    def keep(*given: Any, **named: Any) -> tuple[Views, ...]:
        made.append(augment(*given, **named))
        return made[-1]

    with patch.object(loop, "augment", keep):
        augmented(state, MADE)()
    taken, more = cycle(made), augmented(state, steps)

    def work() -> None:
        with patch.object(loop, "augment", lambda *_, **__: next(taken)):
            more()

    return work
