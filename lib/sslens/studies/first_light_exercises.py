"""The exercises of the first notebook: questions that its figures answer, and the contrastive loss by hand."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize
from xarray import DataArray

from sslens.exercises import Exercises, Question, Task
from sslens.measures.spectrum import rankme
from sslens.objectives.simclr import alignment, contrast
from sslens.train import Runs
from sslens.types import Scalar

TEMPERATURE = 0.5
"""Of the loss that is to be written."""


def nt_xent(first: Float[Tensor, "n k"], second: Float[Tensor, "n k"]) -> Scalar:
    """The library's NT-Xent of two views.

    >>> torch.exp(nt_xent(torch.eye(2), torch.eye(2)) + 2) - torch.e**2  # two negatives of cosine 0 each
    tensor(2.0000)
    """
    return alignment(first, second, temperature=TEMPERATURE) + contrast(first, second, temperature=TEMPERATURE)


def nt_xent_by_hand(first: Float[Tensor, "n k"], second: Float[Tensor, "n k"]) -> Scalar:
    """NT-Xent as cross-entropy: row i should choose the other view of its image among all rows but itself.

    >>> torch.exp(nt_xent_by_hand(torch.eye(2), torch.eye(2)) + 2) - torch.e**2
    tensor(2.0000)
    """
    z = normalize(torch.cat([first, second]), dim=1)
    similarity = z @ z.T / TEMPERATURE
    similarity = similarity.fill_diagonal_(-torch.inf)
    other_view = torch.arange(len(z), device=z.device).roll(len(first))
    return cross_entropy(similarity, other_view)


def exercises(runs: Runs, *, eigenvalues: DataArray, by_class: DataArray, collapsing: str) -> Exercises:
    """Three questions that the notebook's numbers answer, and NT-Xent to be written by hand.

    ``eigenvalues`` of all runs that are watched (run x seed x step x rank), ``by_class`` the accuracies by class.
    """
    z = runs[runs.names[0]][0].snapshots[-1].embedding
    last = eigenvalues.sel(run=collapsing, seed=0).isel(step=-1).values
    mean = by_class.isel(run=1).mean("seed", skipna=False)
    return Exercises(
        Question(
            "scaled",
            rankme(100 * z) / rankme(z),
            hints=(
                "RankMe takes shares of the singular values: what does a common factor do to a share?",
                "Try it: z = runs[healthy][0].snapshots[-1].embedding, then spectrum.rankme(100 * z).",
            ),
            solution="{truth}: each singular value becomes 100 times as large, their shares stay as they are.",
        ),
        Question(
            "left",
            int((last > last[0] / 100).sum()),
            hints=(
                "Drag the slider of the spectra to its end: which points lie less than two decades below the first?",
                "eigenvalues.sel(run=study.COLLAPSING, seed=0).isel(step=-1) are the numbers, largest first.",
            ),
            solution="{truth}: the eigenvalues of the collapsing run above one percent of its largest one.",
        ),
        Question(
            "easiest",
            str(mean.idxmax("class").item()),
            hints=("The tallest bar of the trained run.", "by_class.isel(run=1).mean('seed') holds its bars."),
            solution="{truth}: its bar is the tallest, by_class.isel(run=1).mean('seed').idxmax('class').",
        ),
        _by_hand(),
    )


def _by_hand() -> Task:
    waves = torch.sin(torch.arange(24, dtype=torch.float64, device="cpu")).view(2, 4, 3)
    return Task(
        "by_hand",
        like=nt_xent,
        cases={
            "four images in three dimensions": (waves[0], waves[1]),
            "the same images, views exchanged and twice as long": (2 * waves[1], waves[0]),
            "equal views": (waves[0], waves[0]),
        },
        hints=(
            "Normalise the rows, stack both views: z has 2n rows, and z @ z.T all cosines.",
            "Row i must not choose itself: put minus infinity on the diagonal.",
            "It should choose row i + n or i - n: torch.nn.functional.cross_entropy takes these as labels.",
        ),
        solution=nt_xent_by_hand,
    )
