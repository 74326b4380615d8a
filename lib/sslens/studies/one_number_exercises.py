"""The notebook's exercises: RankMe by hand, what changes it, and where it fails."""

import math

import torch
from torch import Tensor
from xarray import DataArray

from sslens.exercises import Exercises, Question, Task
from sslens.measures import spectrum
from sslens.studies.one_number_agreement import ALL
from sslens.studies.one_number_claims import RANKME
from sslens.train import Runs
from sslens.types import Features


def rankme_by_hand(z: Features) -> float:
    """Singular values, their shares, and the exponential of the entropy.

    >>> round(rankme_by_hand(torch.eye(3)), 4)
    3.0
    """
    values = torch.linalg.svdvals(z.double())
    shares = values / values.sum() + 1e-7
    return math.exp(-(shares * shares.log()).sum())


def exercises(healthy: Runs, order: DataArray) -> Exercises:
    """Three questions and a task, from the embeddings of one encoder and the rank correlations of the sweeps."""
    z = healthy[healthy.names[0]][0].snapshots[-1].embedding
    white = torch.eye(64, dtype=torch.float32, device="cpu")[:20].repeat(7, 1)
    of_rankme = order.sel(choice=RANKME).mean("seed")
    worst = of_rankme.drop_sel(sweep=ALL, errors="ignore").idxmin("sweep").item()
    return Exercises(
        Task(
            "by_hand",
            like=spectrum.rankme,
            cases=_cases(z),
            hints=(
                "torch.linalg.svdvals(z) gives the singular values; z.double() keeps the small ones.",
                "Divide by their sum, add 1e-7, then take the exponential of minus the sum of p ln p.",
            ),
            solution=rankme_by_hand,
            within=1e-4,
        ),
        Question(
            "white",
            spectrum.rankme(white),
            hints=("All twenty singular values are equal: what are their shares?", "The entropy is ln 20."),
            solution="Twenty shares of 1/20 have the entropy ln 20, and its exponential is 20: RankMe is {truth}.",
            within=0.01,
        ),
        Question(
            "doubled",
            spectrum.rankme(torch.cat([z, z], 1)) / spectrum.rankme(z),
            hints=("Try it: torch.cat([z, z], 1).", "Every singular value grows by the same factor, √2."),
            solution="All singular values grow by √2, so that their shares stay: the factor is {truth}. Width alone "
            "brings no rank.",
            within=0.01,
        ),
        Question(
            "worst",
            str(worst),
            hints=("Look for the panel whose dots of RankMe lie farthest to the left.",),
            solution='It is "{truth}": there the mean over the seeds is lowest.',
        ),
    )


def _cases(z: Tensor) -> dict[str, tuple[Tensor]]:
    line = torch.tensor([[3.0, 0.0], [0.0, 1.0]], device="cpu")
    return {
        "two directions, one three times as strong": (line,),
        "the same a hundred times as large": (100 * line,),
        "the embedding of an encoder": (z,),
    }
