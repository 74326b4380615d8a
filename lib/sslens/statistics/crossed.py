"""Seeds crossed with test samples: the variance of a mean when all seeds answer for the same samples."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float64
from xarray import DataArray

from sslens.statistics.pairs import ORIGIN
from sslens.types import InputError


@final
@dataclass(frozen=True)
class Crossed:
    """The grand mean of seed x sample, and its standard error, which holds the chance of both.

    >>> Crossed(0.8, 0.01, repetitions=5, originals=448).originals
    448
    """

    mean: float
    error: float
    """NaN for a single seed."""
    repetitions: int
    originals: int
    """Different originals behind the samples: samples of one original are one observation."""


def crossed(values: DataArray, *, over: str = "seed") -> Crossed:
    """The mean over repetitions and samples, both of them drawn at random and every sample met by every repetition.

    x = mean + seed + original + rest: the variance of the grand mean over S seeds and I originals is estimated by
    (MS_seed + MS_original − MS_rest) / (S·I), the mean squares of the two-way analysis of variance, and never by less
    than either of its parts. An interval over seeds alone, MS_seed / (S·I), leaves out which samples were drawn.

    The coordinate ``origin`` names the original of each sample; without it every sample is one of its own. Where
    originals have unequally many samples the mean is still that over samples, and its error that of a ratio estimator
    (deviations weighted by the number of samples).

    Raises:
        InputError: not ``over`` x sample, or fewer than two originals.

    Reference: Searle, Casella, McCulloch, "Variance components", 1992, ch. 4; for samples of unequal number Cochran,
    "Sampling techniques", 1977, sec. 9A.5.

    >>> right = DataArray([[1.0, 0.0, 1.0, 1.0], [1.0, 0.0, 0.0, 1.0]], {"seed": [0, 1]}, ("seed", "sample"))
    >>> found = crossed(right)
    >>> found.mean, round(found.error, 3), found.originals
    (0.625, 0.239, 4)
    """
    if set(values.dims) != {over, "sample"}:
        raise InputError("values", values.dims, f"numbers along {over} and sample")
    table = values.transpose(over, "sample").values.astype(np.float64)
    origins = values[ORIGIN].values if ORIGIN in values.coords else np.arange(table.shape[1])
    deviations = _of_originals(table, origins)
    seeds, originals = deviations.shape
    if originals < 2:
        raise InputError("values", f"samples of {originals} original", "of two originals or more")
    error = math.sqrt(_variance(deviations)) if seeds > 1 else math.nan
    return Crossed(float(table.mean()), error, seeds, originals)


def _of_originals(table: Float64[np.ndarray, "s n"], origins: np.ndarray) -> Float64[np.ndarray, "s i"]:
    """For each original its deviation from the grand mean, weighted so that the mean over originals is that of samples.

    (I · nᵢ / N) · (mean of its samples − grand mean): plain deviations where all have equally many samples.
    """
    _, place, counts = np.unique(origins, return_inverse=True, return_counts=True)
    sums = [np.bincount(place, weights=row) for row in table - table.mean()]
    return np.stack(sums) * len(counts) / table.shape[1]


def _variance(deviations: Float64[np.ndarray, "s i"]) -> float:
    seeds, originals = deviations.shape
    by_seed, by_original = deviations.mean(1, keepdims=True), deviations.mean(0, keepdims=True)
    mean = deviations.mean()
    ms_seed = originals * float(((by_seed - mean) ** 2).sum()) / (seeds - 1)
    ms_original = seeds * float(((by_original - mean) ** 2).sum()) / (originals - 1)
    rest = float(((deviations - by_seed - by_original + mean) ** 2).sum()) / ((seeds - 1) * (originals - 1))
    return max(ms_seed + ms_original - rest, ms_seed, ms_original) / (seeds * originals)
