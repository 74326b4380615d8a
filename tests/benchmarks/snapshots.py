"""What a snapshot costs: taken, added to the run on disk, and in bytes."""

import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from statistics import median

from sslens import runtime
from sslens.trace import Snapshot, Trace
from sslens.train import loop
from tests.benchmarks.rows import Row, alternate
from tests.benchmarks.steps import augmented, bench

ROUNDS = 15
INTERVAL = 20
"""Steps between two snapshots of a lesson: so many values of each term are written."""


def rows() -> Iterator[Row]:
    """Of the default run on scattered digits, against its training step and the bare tensors."""
    going = bench(device="cpu")
    terms = [
        loop._step(going, number, going.train.images[:256], going.train.labels[:256]) for number in range(INTERVAL)
    ]
    looks: list[Snapshot] = []
    place = runtime.data_root() / "runs"  # the disk that runs are kept on
    place.mkdir(parents=True, exist_ok=True)

    def trace() -> Trace:
        return Trace(asdict(going.config), going.reference, going.reference.labels > 0, tuple(looks), {})

    with tempfile.TemporaryDirectory(dir=place) as folder:
        works = (
            augmented(going, 1),
            lambda: looks.append(loop._look(going, len(looks), terms)),
            lambda: trace().save(folder),
        )
        step, taken, saved = ([each.wall for each in column] for column in alternate(*works, rounds=ROUNDS))
        for name, costs in (("taken", taken), ("added on disk", saved)):
            ratios = tuple(mine / its for mine, its in zip(costs, step, strict=True))
            yield Row(name, 1e3 * median(costs), "ms", 1e3 * median(step), "one step", ratios)
        last = max(Path(folder).glob("snapshot-*"))
        file, tensors = last.stat().st_size, dict(trace()._files())[last.name].values()
    bare = sum(each.nbytes for each in tensors)
    yield Row("file", file / 1e3, "kB", bare / 1e3, "bare tensors", (file / bare,))
