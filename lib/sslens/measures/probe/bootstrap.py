"""Bootstrap: how much a mean depends on the samples it was taken over."""

from typing import Annotated

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from sslens.measures.features import finite_features
from sslens.types import Range, checked

RESAMPLES = 1000
"""Behind an interval: its ends then move by a few per cent of its length from draw to draw."""


def bootstrap(
    values: Float[Tensor, "n c"], *, draws: int = RESAMPLES, generator: torch.Generator
) -> Float64[Tensor, "r c"]:
    """Column means of ``draws`` resamples: n rows drawn with replacement, whole rows so that columns stay paired.

    Their 2.5 % and 97.5 % quantiles are the percentile interval of the mean at 95 %. Over few rows it is too narrow
    (of 10 normal numbers it holds the true mean in 90 % of cases).

    Raises:
        InputError: no (n, c) matrix of finite floating-point numbers, no draw, or no generator.

    Reference: Efron, Tibshirani, "An introduction to the bootstrap", 1993, ch. 13.

    >>> right = torch.tensor([1.0, 0.0, 1.0, 1.0])
    >>> means = bootstrap(right[:, None], draws=500, generator=torch.Generator().manual_seed(0))
    >>> means.quantile(torch.tensor([0.025, 0.975]).double()).tolist()
    [0.25, 1.0]
    """
    rows = finite_features(values, name="values")
    draws = checked("draws", draws, Annotated[int, Range(1, 1_000_000)])
    generator = checked("generator", generator, torch.Generator)
    means = []
    for _ in range(draws):
        drawn = torch.randint(len(rows), (len(rows),), generator=generator, device=generator.device)
        means.append(rows[drawn.to(rows.device)].mean(0))
    return torch.stack(means)
