"""The bank: some twenty small runs per seed, described here and nowhere else, trained once and read by many notebooks.

Every sweep moves one hyper-parameter and leaves the others alone. The bank holds what a measure of quality has to be
tried on: runs that are good, undertrained, shrunk to a point, over-whitened, untrained and supervised.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, final

from sslens.config import Config
from sslens.trace import Trace
from sslens.train import record_all
from sslens.types import Range, UnknownName, checked


@final
@dataclass(frozen=True)
class Sweep:
    """One hyper-parameter and its values; ``few`` of them make the bank of the ``smoke`` profile.

    >>> SWEEPS["SimCLR temperature"].field
    'temperature'
    """

    field: str
    values: tuple[float, ...]
    few: tuple[float, ...]
    others: Mapping[str, Any]
    """What else differs from the profile's config."""


SIMCLR, VICREG = {"objective": "simclr"}, {"objective": "vicreg", "covariance": 16.0}
SWEEPS: Mapping[str, Sweep] = {
    "SimCLR temperature": Sweep("temperature", (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0), (0.05, 0.2, 1.0), SIMCLR),
    "SimCLR learning rate": Sweep("learning_rate", (2e-5, 2e-4, 2e-3, 2e-2), (2e-5, 2e-3), SIMCLR),
    "VICReg covariance": Sweep("covariance", (0.0, 1.0, 4.0, 16.0, 400.0), (0.0, 16.0, 400.0), VICREG),
    "VICReg variance": Sweep("variance", (0.0, 5.0, 25.0, 100.0), (0.0, 25.0), VICREG),
    "untrained": Sweep("steps", (0,), (0,), SIMCLR),
    "supervised": Sweep("label_noise", (0.0,), (0.0,), {"objective": "cross_entropy"}),
}
"""A variance weight of 0 shrinks the embedding to a point; a covariance weight of 400 whitens it at any cost. A run
that is in two sweeps is trained once."""
SHORT = 40
"""Steps of a run of the ``smoke`` profile's bank."""


@final
@dataclass(frozen=True, eq=False)
class Member:
    """A run of the bank and its place there.

    >>> recorded("smoke", seeds=1, sweeps=["untrained"])[0].trace.steps
    [0]
    """

    sweep: str
    value: float
    """Of the hyper-parameter that the sweep moves."""
    seed: int
    trace: Trace
    """The run, with its first and its last look."""

    @property
    def name(self) -> str:
        """Sweep and value, for a legend."""
        return self.sweep if self.sweep in ("untrained", "supervised") else f"{self.sweep} {self.value:g}"


def configs(
    profile: str, *, dataset: str = "scattered_digits", seed: int = 0, steps: int = 0, sweeps: Sequence[str] = ()
) -> list[tuple[str, float, Config]]:
    """Sweep, value and config of every run of one seed; ``steps`` other than the profile's, only some ``sweeps``.

    Raises:
        UnknownName: no such profile or sweep.
        InputError: no such data set, or numbers out of range.

    >>> len({config for _, _, config in configs("lesson")}), len({config for _, _, config in configs("smoke")})
    (20, 10)
    """
    for name in sweeps:
        if name not in SWEEPS:
            raise UnknownName("sweep", name, SWEEPS)
    shared: dict[str, Any] = {"dataset": dataset, "seed": seed, "snapshots": 2}
    length = steps or (SHORT if profile == "smoke" else 0)
    shared |= {"steps": length} if length else {}
    found = []
    for name in sweeps or SWEEPS:
        sweep = SWEEPS[name]
        for value in sweep.few if profile == "smoke" else sweep.values:
            found.append((name, value, Config.at(profile, **(shared | dict(sweep.others) | {sweep.field: value}))))
    return found


def recorded(
    profile: str,
    *,
    dataset: str = "scattered_digits",
    seeds: int = 3,
    steps: int = 0,
    sweeps: Sequence[str] = (),
) -> tuple[Member, ...]:
    """Every run of the bank, for seeds 0, 1, ...: read from the cache, or trained now, with progress and time left.

    Raises:
        UnknownName: no such profile or sweep.
        InputError: no such data set, or numbers out of range; nothing is trained then.

    >>> [member.name for member in recorded("smoke", seeds=1, sweeps=["untrained"])]
    ['untrained']
    """
    seeds = checked("seeds", seeds, Annotated[int, Range(1, 1000)])
    known = [
        (seed, *each)
        for seed in range(seeds)
        for each in configs(profile, dataset=dataset, seed=seed, steps=steps, sweeps=sweeps)
    ]
    traces = record_all([config for *_, config in known], label="the bank's runs")
    return tuple(
        Member(sweep, value, seed, trace) for (seed, sweep, value, _), trace in zip(known, traces, strict=True)
    )
