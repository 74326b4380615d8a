"""Does the spectrum of a fresh encoder narrow before it widens? One run, its rank along training, one claim."""

from collections.abc import Mapping
from typing import Annotated, Any, final

import torch
from xarray import DataArray

from sslens.claims import Claim
from sslens.exercises import Exercises, Question, Task
from sslens.measures.spectrum import rankme
from sslens.objectives import OBJECTIVES
from sslens.runtime import PROFILES
from sslens.statistics import ratio
from sslens.studies.study import Verdicts, from_namespace, outcomes, stated
from sslens.train import Config, Runs
from sslens.types import Features, OneOf, Range, Scalar, checked_dataclass

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


def exercises(rank: DataArray) -> Exercises:
    """Two questions that the figure answers, and RankMe to be written by hand."""
    mean = rank.isel(run=0).mean("seed", skipna=False)
    return Exercises(
        Question(
            "narrowest",
            int(mean.idxmin("step")),
            hints=("The thick line is the mean over seeds.", "rank.mean('seed') holds its numbers, step by step."),
            solution="The mean over seeds is lowest at step {truth}: rank.mean('seed').idxmin('step').",
        ),
        Question(
            "recovered",
            float(mean[-1] / mean[0]),
            hints=("Both ranks are those of the mean over seeds.", "The first step is 0, the last one ends the curve."),
            solution="The last rank is {truth} times the first: what the first steps took has come back, or more.",
        ),
        Task(
            "by_hand",
            like=rankme,
            cases={
                "four directions alike": (torch.eye(4, device="cpu"),),
                "one direction": (torch.ones(6, 3, device="cpu"),),
            },
            hints=("torch.linalg.svdvals(z) are the singular values.", "Shares sum to 1: divide by the sum."),
            solution=rankme_by_hand,
        ),
    )


def rankme_by_hand(z: Features) -> Scalar:
    """RankMe: exp of the entropy of the singular values, as shares."""
    values = torch.linalg.svdvals(z)
    shares = values / values.sum() + 1e-7
    return torch.exp(-(shares * shares.log()).sum())


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
