"""Training with augmentation, against the same step without it."""

from collections.abc import Iterator
from statistics import median

from tests.benchmarks import material
from tests.benchmarks.rows import Cost, Row, alternate
from tests.benchmarks.steps import augmented, bench, plain

ROUNDS, AIM = 7, 0.85


def rows() -> Iterator[Row]:
    """Images per second of the default network and batch, on scattered digits and on colour images."""
    for dataset, shape, steps in (("scattered_digits", "16x16x1", 20), (material.register(), "32x32x3", 6)):
        going = bench(dataset=dataset, device="cpu")
        costs = alternate(augmented(going, steps), plain(going, steps), rounds=ROUNDS)
        for clock in Cost._fields:
            full, bare = ([getattr(each, clock) for each in column] for column in costs)
            ratios = tuple(without / whole for whole, without in zip(full, bare, strict=True))
            images = steps * going.config.batch_size
            speeds = images / median(full), "images/s", images / median(bare)
            aim = {"aim": f"ratio ≥ {AIM}", "reached": median(ratios) >= AIM}
            yield Row(f"{shape}, {clock} time", *speeds, "without", ratios, **aim)
