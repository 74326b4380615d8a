"""The exercises on boosters and pseudo-labels: two functions to write, three numbers to find."""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor
from xarray import DataArray

from sslens.exercises import Exercises, Question, Task
from sslens.studies.boosters_and_pseudo_labels_boosting import FLIPPED
from sslens.studies.boosters_and_pseudo_labels_self_training import ANGLE, SELF, SUPERVISED
from sslens.studies.boosters_and_pseudo_labels_trees import exponential_weights
from sslens.types import Features

tensor = partial(torch.tensor, device="cpu")
MARGINS = {
    "four examples at the start": (tensor([0.0, 0.0, 0.0, 0.0]), tensor([0.4, 0.1, 0.4, 0.1])),
    "one of them far on the wrong side": (tensor([1.0, -3.0, 0.5]), tensor([1.0, 1.0, 1.0])),
}
"""Margins, and what each example counted at the start."""
SAMPLES = {
    "equal weights": (tensor([[0.0], [2.0], [5.0]]), tensor([1.0, 1.0, 1.0])),
    "a sample that hardly counts": (tensor([[0.0, 1.0], [4.0, 1.0]]), tensor([1.0, 0.01])),
}
"""Features and weights."""


def exercises(kept: DataArray, critical: DataArray, *, turned: DataArray) -> Exercises:
    """From accuracy on the four points, critical margins, and correctness with turned pools; nothing is trained.

    Raises:
        KeyError: no critical margin at 5 % of flipped labels.
    """
    lines = kept.sel(run="lines, logistic loss")
    accuracy = turned.mean(["seed", "sample"], skipna=False).isel({ANGLE: slice(1, None)})
    gives_up = Question(
        "gives_up",
        float(lines[FLIPPED].values[(lines == 0.5).values][0]),
        hints=("Move the slider of the first figure.", "kept holds the accuracy for each share of the slider."),
        solution="From {truth} on: there the logistic line keeps the large margin and the puller alone.",
    )
    safe_margin = Question(
        "safe_margin",
        float(critical.sel({"run": "exponential loss", FLIPPED: 0.05})),
        hints=("Which of the two curves is meant?", 'critical.sel(run="exponential loss") holds its values.'),
        solution="{truth}: above the critical margin the exact minimiser keeps all four points.",
    )
    turns_against = Question(
        "turns_against",
        int((accuracy.sel(run=SELF) < accuracy.sel(run=SUPERVISED)).sum()),
        hints=("Take the means over seeds and images.", "The angle 0 is no shift and does not count."),
        solution="At {truth} of them: there the pool's pseudo-labels cost more than they bring.",
    )
    return Exercises(*_tasks(), gives_up, safe_margin, turns_against)


def _tasks() -> tuple[Task, Task]:
    return (
        Task(
            "weights",
            like=exponential_weights,
            cases=MARGINS,
            hints=("An example with margin m costs exp(-m).", "Divide by the sum, so that the weights add up to 1."),
            solution=exponential_weights,
        ),
        Task(
            "mean",
            like=weighted_mean,
            cases=SAMPLES,
            hints=(
                "weights[:, None] * h weighs each row.",
                "Divide by the sum of the weights, not by the number of samples.",
            ),
            solution=weighted_mean,
        ),
    )


def weighted_mean(h: Features, weights: Float[Tensor, "n"]) -> Float[Tensor, "d"]:
    """The mean of samples that do not all count alike.

    >>> weighted_mean(tensor([[0.0], [4.0]]), tensor([1.0, 3.0]))
    tensor([3.])
    """
    return (weights[:, None] * h).sum(0) / weights.sum()
