"""Training with augmentation against the same step without it, and what a snapshot costs in steps and bytes."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import cycle
from statistics import median
from unittest.mock import patch

from sslens import runtime, train
from sslens.config import Config
from sslens.trace import Snapshot, Trace
from sslens.types import Views
from tests.benchmarks import material
from tests.benchmarks.rows import Cost, Row, alternate

ROUNDS = 7
AIM = 0.85


def rows() -> Iterator[Row]:
    """Images per second on grey 16x16 and on colour 32x32 images; snapshots of the former."""
    for dataset, named, steps in (("scattered_digits", "16x16x1", 20), (material.register(), "32x32x3", 6)):
        bench = train._bench(Config(dataset=dataset, device="cpu", steps=10**6))
        costs = alternate(augmented(bench, steps), plain(bench, steps), rounds=ROUNDS)
        yield from _speeds(named, costs, steps * bench.config.batch_size)
    yield from _snapshots(train._bench(Config(device="cpu", steps=10**6)))


def augmented(bench: train._Bench, steps: int) -> Callable[[], None]:
    """Some more steps of a training, as ``fit`` makes them."""
    numbers, batches = iter(range(bench.config.steps)), train._batches(bench, 0)

    def work() -> None:
        for _ in range(steps):
            train._step(bench, next(numbers), bench.train.images[next(batches)])

    return work


def plain(bench: train._Bench, steps: int) -> Callable[[], None]:
    """The same steps on views made beforehand: the very code of the step, only the augmentation taken out."""
    made, batches = [], train._batches(bench, 0)

    def keep(*given: object, **named: object) -> Views:
        made.append(views(*given, **named))
        return made[-1]

    views = train.views
    with patch.object(train, "views", keep):
        for number in range(4):
            train._step(bench, number, bench.train.images[next(batches)])
    taken, more = cycle(made), augmented(bench, steps)

    def work() -> None:
        with patch.object(train, "views", lambda *_, **__: next(taken)):
            more()

    return work


def _speeds(named: str, costs: list[list[Cost]], images: int) -> Iterator[Row]:
    for clock, place in (("wall", 0), ("processor", 1)):
        with_views, without = ([each[place] for each in column] for column in costs)
        ratios = tuple(bare / full for full, bare in zip(with_views, without, strict=True))
        yield Row(
            name=f"training with augmentation, {named}, by {clock} time",
            value=images / median(with_views),
            unit="images/s",
            against="the same step without",
            limit=images / median(without),
            ratios=ratios,
            aim=f"ratio at least {AIM}",
            reached=median(ratios) >= AIM,
        )


def _snapshots(bench: train._Bench) -> Iterator[Row]:
    """Taking one with 20 steps of terms, adding it to the run on disk, and its size there."""
    terms = [train._step(bench, number, bench.train.images[:256]) for number in range(20)]
    looks: list[Snapshot] = []
    empty = Trace(asdict(bench.config), bench.reference, bench.reference.labels > 0, (), {})
    (runtime.data_root() / "runs").mkdir(parents=True, exist_ok=True)

    with tempfile.TemporaryDirectory(dir=runtime.data_root() / "runs") as folder:

        def look() -> None:
            looks.append(train._look(bench, len(looks), terms))

        def save() -> None:
            Trace(empty.config, empty.reference, empty.held_out, tuple(looks), {}).save(folder)

        step, taken, saved = ([each.wall for each in c] for c in alternate(augmented(bench, 1), look, save, rounds=15))
        for name, costs in (("snapshot, taken", taken), ("snapshot, added to the run on disk", saved)):
            ratios = tuple(mine / one for mine, one in zip(costs, step, strict=True))
            yield Row(name, 1e3 * median(costs), "ms", "one training step", 1e3 * median(step), ratios)
        name, tensors = list(Trace(empty.config, empty.reference, empty.held_out, (looks[-1],), {})._files())[-1]
        file, bare = f"{folder}/{name}", sum(each.nbytes for each in tensors.values()) / 1e3
        size = len(open(file, "rb").read()) / 1e3  # noqa: PTH123, SIM115
        yield Row("snapshot, on disk", size, "kB", "its tensors alone", bare, (size / bare,))
