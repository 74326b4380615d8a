"""Sets of runs that several studies share: names and configs, nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from sslens.objectives import CrossEntropy, SimCLR, VICReg
from sslens.train import Config
from sslens.types import UnknownName

SHORT = 40
"""Steps of a run of the ``smoke`` profile's sweeps."""


@final
@dataclass(frozen=True)
class Sweep:
    """One hyper-parameter and the changes that its values make; ``few`` of them make the ``smoke`` profile's sweep.

    >>> SWEEPS["SimCLR temperature"].parameter
    'temperature'
    """

    parameter: str
    values: tuple[float, ...]
    few: tuple[float, ...]
    others: Mapping[str, Any]
    """What else differs from the profile's config."""

    def config(self, profile: str, value: float, *, shared: Mapping[str, Any]) -> Config:
        """The config at one value of the hyper-parameter."""
        base = Config.at(profile, **dict(shared) | dict(self.others))
        if self.parameter in ("steps", "learning_rate"):
            return base.changed(optimisation={self.parameter: value})
        return base.changed(objective={self.parameter: value}) if self.parameter else base


SWEEPS: Mapping[str, Sweep] = {
    "SimCLR temperature": Sweep(
        "temperature", (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0), (0.05, 0.2, 1.0), {"objective": SimCLR()}
    ),
    "SimCLR learning rate": Sweep("learning_rate", (2e-5, 2e-4, 2e-3, 2e-2), (2e-5, 2e-3), {"objective": SimCLR()}),
    "VICReg covariance": Sweep(
        "covariance", (0.0, 1.0, 4.0, 16.0, 400.0), (0.0, 16.0, 400.0), {"objective": VICReg(covariance=16.0)}
    ),
    "VICReg variance": Sweep("variance", (0.0, 5.0, 25.0, 100.0), (0.0, 25.0), {"objective": VICReg(covariance=16.0)}),
    "untrained": Sweep("steps", (0,), (0,), {"objective": SimCLR()}),
    "supervised": Sweep("", (0.0,), (0.0,), {"objective": CrossEntropy()}),
}
"""A variance weight of 0 shrinks the embedding to a point; a covariance weight of 400 whitens it at any cost. A run
that is in two sweeps is trained once."""


def swept(
    profile: str, *, dataset: str = "scattered_digits", steps: int = 0, sweeps: tuple[str, ...] = ()
) -> dict[tuple[str, float], Config]:
    """The config of every setting by sweep and value; ``steps`` other than the profile's, only some ``sweeps``.

    Raises:
        UnknownName: no such profile or sweep.
        InputError: no such data set, or numbers out of range.

    >>> len(set(swept("lesson").values())), len(set(swept("smoke").values()))
    (20, 10)
    """
    for name in sweeps:
        if name not in SWEEPS:
            raise UnknownName("sweep", name, SWEEPS)
    length = steps or (SHORT if profile == "smoke" else 0)
    shared: dict[str, Any] = {"data": {"name": dataset}, "snapshots": {"count": 2}}
    shared |= {"optimisation": {"steps": length}} if length else {}
    found = {}
    for name in sweeps or SWEEPS:
        sweep = SWEEPS[name]
        for value in sweep.few if profile == "smoke" else sweep.values:
            found[name, value] = sweep.config(profile, value, shared=shared)
    return found
