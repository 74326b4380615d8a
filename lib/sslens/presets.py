"""Sets of runs that several studies share: names and configs, nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from sslens.objectives import SelfDistillation, SimCLR, VICReg
from sslens.train import Config
from sslens.types import UnknownName

SHORT = 40
"""Steps of a run of the ``smoke`` profile's sweeps."""


FAMILIES: Mapping[str, Mapping[str, Any]] = {
    "simclr": {"objective": SimCLR()},
    "vicreg": {"objective": VICReg()},
    "simsiam": {"objective": SelfDistillation(), "optimisation": {"learning_rate": 4e-3}},
    "byol": {"objective": SelfDistillation(), "optimisation": {"learning_rate": 4e-3}, "momentum": 0.9},
}
"""What each method changes in a config: settings with which it learns classes in some hundred steps.

Self-distillation wants more steps than the others (600 of 128 images instead of 300 of 256) and twice their learning
rate. Its momentum is low because the moving average of so short a run must not lag behind.
"""


def of_family(name: str, base: Config) -> Config:
    """A config with the objective of a family, and what that family needs.

    Raises:
        UnknownName: no such family.

    >>> of_family("byol", Config()).momentum
    0.9
    """
    if name not in FAMILIES:
        raise UnknownName("family", name, FAMILIES)
    return base.changed(**FAMILIES[name])


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
    "SimCLR learning rate": Sweep(
        "learning_rate",
        (2e-5, 2e-4, 5e-4, 1e-3, 1.4e-3, 2e-3, 2.8e-3, 4e-3, 8e-3),
        (2e-5, 2e-4, 2e-3, 4e-3),
        {"objective": SimCLR()},
    ),
    "VICReg covariance": Sweep(
        "covariance", (0.0, 1.0, 4.0, 8.0, 16.0, 32.0, 64.0, 400.0), (0.0, 4.0, 16.0, 400.0), {"objective": VICReg()}
    ),
    "VICReg invariance": Sweep(
        "invariance", (6.25, 12.5, 18.0, 25.0, 35.0, 50.0, 100.0), (12.5, 25.0), {"objective": VICReg()}
    ),
    "VICReg without variance": Sweep("variance", (0.0,), (0.0,), {"objective": VICReg()}),
    "untrained": Sweep("steps", (0,), (0,), {"objective": SimCLR()}),
}
"""Learning rate and invariance lie around their defaults, the covariance weight around 16, with which VICReg learns as
much as SimCLR (with the paper's 1 much less). The two lowest learning rates leave an encoder undertrained. Without the
covariance term it is starved of dimensions, with a weight of 400 whitened at any cost; without the variance term it
shrinks to a point. A run that is in two sweeps is trained once."""


def swept(
    profile: str, *, dataset: str = "scattered_digits", steps: int = 0, sweeps: tuple[str, ...] = ()
) -> dict[tuple[str, float], Config]:
    """The config of every setting by sweep and value; ``steps`` other than the profile's, only some ``sweeps``.

    Raises:
        UnknownName: no such profile or sweep.
        InputError: no such data set, or numbers out of range.

    >>> len(set(swept("lesson").values())), len(set(swept("smoke").values()))
    (31, 13)
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
