"""Steps of a real training to be timed: as `fit` makes them, and with the augmentation alone taken out."""

from collections.abc import Callable
from itertools import cycle
from typing import Any
from unittest.mock import patch

from sslens.config import Config
from sslens.train import loop
from sslens.types import Views
from sslens.views import views

MADE = 4
"""Pairs of views made beforehand; a single one would stay in the processor's cache."""


def bench(**values: Any) -> Any:
    """A training that can go on for as long as it is timed."""
    settings: dict[str, Any] = {"steps": 10**6} | values
    return loop._bench(Config(**settings))


def augmented(bench: Any, steps: int) -> Callable[[], None]:
    """Each call trains that many steps more."""
    numbers, batches = iter(range(bench.config.steps)), loop._batches(bench, 0)

    def work() -> None:
        for _ in range(steps):
            loop._step(bench, next(numbers), *next(batches))

    return work


def plain(bench: Any, steps: int) -> Callable[[], None]:
    """The very same code on views that are there already."""
    made: list[Views] = []

    def keep(*given: Any, **named: Any) -> Views:
        made.append(views(*given, **named))
        return made[-1]

    with patch.object(loop, "views", keep):
        augmented(bench, MADE)()
    taken, more = cycle(made), augmented(bench, steps)

    def work() -> None:
        with patch.object(loop, "views", lambda *_, **__: next(taken)):
            more()

    return work
