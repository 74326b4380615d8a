"""Training with augmentation, against the same step without it; and in bfloat16, against float32."""

from collections.abc import Iterator
from statistics import median
from typing import Any

from tests.benchmarks import coloured_blobs
from tests.benchmarks.rows import Cost, Row, alternate
from tests.benchmarks.steps import augmented, plain, training

ROUNDS, FLOOR, HALF = 7, 0.97, 1.35
ON_CPU: dict[str, Any] = {"device": "cpu"}


def rows() -> Iterator[Row]:
    """Images per second of the default network and batch, on scattered digits and on colour images."""
    for dataset, shape, steps in (("scattered_digits", "16x16x1", 20), (coloured_blobs.register(), "32x32x3", 6)):
        state = training(data={"name": dataset}, compute=ON_CPU)
        costs = alternate(augmented(state, steps), plain(state, steps), rounds=ROUNDS)
        images = steps * state.config.optimisation.batch_size
        for clock in Cost._fields:
            full, bare = ([getattr(each, clock) for each in column] for column in costs)
            ratios = tuple(without / whole for whole, without in zip(full, bare, strict=True))
            speeds = images / median(full), "images/s", images / median(bare)
            aim = {"aim": f"ratio ≥ {FLOOR}", "reached": median(ratios) >= FLOOR}
            yield Row(f"{shape}, {clock} time", *speeds, "without augmentation", ratios, **aim)
        half = training(data={"name": dataset}, compute=ON_CPU | {"autocast": True})
        single, double = alternate(augmented(half, steps), augmented(state, steps), rounds=ROUNDS)
        ratios = tuple(its.wall / mine.wall for mine, its in zip(single, double, strict=True))
        speeds = (images / median(each.wall for each in column) for column in (single, double))
        aim = {"aim": f"ratio ≥ {HALF}", "reached": median(ratios) >= HALF} if shape == "32x32x3" else {}
        yield Row(f"{shape}, bfloat16 autocast", next(speeds), "images/s", next(speeds), "float32", ratios, **aim)
