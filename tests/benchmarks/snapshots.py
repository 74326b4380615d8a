"""What a snapshot costs: taken, added to the run on disk, and in bytes."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from sslens import runtime
from sslens.trace import Snapshot, Trace
from sslens.train import loop
from tests.benchmarks.rows import Row, alternate
from tests.benchmarks.steps import augmented, training

ROUNDS = 15
INTERVAL = 20
"""Steps between two snapshots of a lesson: so many values of each term are written."""


def rows() -> Iterator[Row]:
    """Of the default run on scattered digits, against its training step and the bare tensors."""
    state = training(compute={"device": "cpu"})
    batches = loop._batches(state, 0)
    terms = [loop._step(state, number, *next(batches)) for number in range(INTERVAL)]
    taken: list[Snapshot] = []
    place = runtime.data_root() / "runs"  # the disk that runs are kept on
    place.mkdir(parents=True, exist_ok=True)

    def trace() -> Trace:
        held_out = state.reference.labels > 0
        return Trace(state.config.to_json(), state.reference, held_out, tuple(taken), {})

    with tempfile.TemporaryDirectory(dir=place) as folder:
        works = (
            augmented(state, 1),
            lambda: taken.append(loop._snapshot(state, len(taken), terms)),
            lambda: trace().save(folder),
        )
        step, took, saved = ([each.wall for each in column] for column in alternate(*works, rounds=ROUNDS))
        for name, costs in (("taken", took), ("added on disk", saved)):
            ratios = tuple(mine / its for mine, its in zip(costs, step, strict=True))
            yield Row(name, 1e3 * median(costs), "ms", 1e3 * median(step), "one step", ratios)
        last = max(Path(folder).glob("snapshot-*"))
        file, tensors = last.stat().st_size, trace()._files()[last.name].values()
    bare = sum(each.nbytes for each in tensors)
    yield Row("file", file / 1e3, "kB", bare / 1e3, "bare tensors", (file / bare,))
