"""Does the spectrum of a fresh encoder narrow before it widens? One run, its rank along training, one claim."""

from collections.abc import Mapping
from typing import Annotated, Any, final

from xarray import DataArray

from sslens.claims import Claim
from sslens.objectives import OBJECTIVES
from sslens.runtime import PROFILES
from sslens.statistics import ratio
from sslens.studies.study import Verdicts, from_namespace, outcomes, stated
from sslens.train import Config, Runs
from sslens.types import OneOf, Range, checked_dataclass

NOTEBOOK = "_template"
QUESTION = "Does the spectrum of a fresh encoder narrow before it widens?"


@final
@checked_dataclass
class Setting:
    """The notebook's parameters, and the field of the config that each of them fills."""

    profile: Annotated[str, OneOf(PROFILES)] = "lesson"
    objective: Annotated[str, OneOf(("simclr", "vicreg", "simsiam"))] = "vicreg"
    """``objective``."""
    seeds: Annotated[int, Range(1, 1000)] = 3

    @classmethod
    def of(cls, namespace: Mapping[str, Any]) -> "Setting":
        """The parameters as a notebook has assigned them."""
        return from_namespace(cls, namespace)


def configs(setting: Setting) -> dict[str, Config]:
    """Every run that is trained, by its name."""
    return {setting.objective: Config.at(setting.profile, objective=OBJECTIVES[setting.objective]())}


def runs(setting: Setting) -> Runs:
    """The run for every seed, trained side by side or read from the cache."""
    return Runs.of(configs(setting), seeds=setting.seeds, label="fresh encoders")


def narrowest_step(rank: DataArray) -> int:
    """The step at which the rank is lowest, in the mean over seeds: the answer to the first exercise."""
    return int(rank.isel(run=0).mean("seed", skipna=False).idxmin("step"))


def _recovery(rank: DataArray) -> DataArray:
    return ratio(rank.isel(run=0, step=-1), rank.isel(run=0).min("step", skipna=False))


rank_recovers = Claim(
    "The rank of the representation falls early in training and recovers.",
    source="Observed here with RankMe (Garrido et al. 2023, equations 1-2)",
    quantity="RankMe, last / lowest",
    above=2,
    kind="ours",
    measured=_recovery,
)
CLAIMS = (rank_recovers,)


def answer(verdicts: Verdicts) -> str:
    """The notebook's question answered in one line, as the verdicts have it.

    >>> answer({claim.quantity: True for claim in CLAIMS})
    'It narrows in the first steps, and widens again.'
    """
    words = ("It narrows in the first steps, and widens again", "It does not narrow and widen", "It may narrow first")
    return f"{stated(rank_recovers, outcomes(verdicts), words)}."
