"""Whether two orders of a few settings agree by more than chance: permutation tests of rank correlations."""

import math
from dataclasses import dataclass
from functools import cache
from itertools import permutations
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float64, Int64
from xarray import DataArray

from sslens.statistics.pairs import paired
from sslens.types import InputError

FEWEST_SETTINGS = 5
"""Of fewer than five, not even full agreement is certain: one order in 4! = 24 is above 2.5 %."""
ENUMERATED, DRAWN = 8, 20_000
"""Up to so many settings all orders are gone through; of more, so many are drawn."""
LEVEL = 0.025
"""One-sided: what either side of a 95 % interval leaves."""


@final
@dataclass(frozen=True)
class RankTest:
    """How often chance gives a mean rank correlation so high, and one so low.

    >>> RankTest(7, high=0.001, low=0.999, least=0.6).coords["settings"]
    7
    """

    COORDINATES: ClassVar = ("settings", "p_high", "p_low", "p_least")
    """What it is called beside the correlations that it is of."""
    settings: int
    high: float
    """One-sided p: chance gives a mean correlation as high as this one, or higher."""
    low: float
    """One-sided p: as low, or lower."""
    least: float
    """The smallest mean correlation that has p of 2.5 % at most; above 1 where none has."""

    @property
    def coords(self) -> dict[str, float]:
        """The test as coordinates beside the correlations that it is of: ``array.assign_coords(test.coords)``."""
        return dict(zip(self.COORDINATES, (self.settings, self.high, self.low, self.least), strict=True))

    @classmethod
    def beside(cls, correlations: DataArray) -> "RankTest | None":
        """The test that some correlations bring along; None where they bring none.

        >>> RankTest.beside(DataArray([0.5, 0.7], RankTest(3, 0.1, 0.9, 2.0).coords, "seed")).settings
        3
        """
        if not set(cls.COORDINATES) <= set(correlations.coords):
            return None
        settings, *numbers = (correlations[name].item() for name in cls.COORDINATES)
        return cls(int(settings), *numbers)


def rank_test(scores: DataArray, qualities: DataArray, *, over: str = "run") -> RankTest:
    """Hold the mean over seeds of Spearman's ρ between two orders of m settings against chance.

    Of each seed the statistic is the sum of products of (centred, mid-) ranks; without ties that is ρ but for a
    factor. Chance is asked twice, and the larger p counts:

    * every seed brings an order of its own: the exact distributions of the seeds, over all m! orders, are convolved;
    * the settings have one order in all seeds: all m! orders, the same for every seed at a time. Seeds of one sweep
      share their settings, and two unrelated effects of a setting agree by chance in all seeds alike: this the first
      test takes for evidence, the more seeds the stronger.

    With more than 8 settings 20,000 orders are drawn instead, always the same, and the true one counts among them: p
    then has a standard error of 0.0011 at 0.025, and never falls below 1/20,001.

    Raises:
        InputError: not seed x settings, other labels in one of them, or a number that is not finite.

    Reference: Pitman, "Significance tests which may be applied to samples from any populations II", 1937; for drawn
    orders Phipson & Smyth, "Permutation p-values should never be zero", 2010, arXiv 1603.05766.

    >>> order = DataArray([[1.0, 2.0, 3.0, 4.0, 5.0]], {"seed": [0], "run": list("abcde")})
    >>> test = rank_test(order, order)
    >>> round(test.high * 120, 6), round(test.low, 6), test.least
    (1.0, 1.0, 1.0)
    """
    paired(scores, qualities)
    for name, array in (("scores", scores), ("qualities", qualities)):
        if set(array.dims) != {"seed", over} or not np.isfinite(array.values).all() or not array.size:
            raise InputError(name, array.dims, f"finite numbers along seed and {over}")
    pairs = [
        (_ranks(row), _ranks(other)) for row, other in zip(_rows(scores, over), _rows(qualities, over), strict=True)
    ]
    settings = scores.sizes[over]
    orders = _orders(settings)
    sums = np.stack([first[orders] @ second for first, second in pairs]).round().astype(np.int64)
    found = round(sum(float(first @ second) for first, second in pairs))
    chances = [_total(sums.sum(0, keepdims=True)), _total(sums)]
    high = max(round(chance[values >= found].sum(), 12) for values, chance in chances)
    low = max(round(chance[values <= found].sum(), 12) for values, chance in chances)
    full = math.fsum(math.sqrt(float(first @ first) * float(second @ second)) for first, second in pairs)
    least = max(_least(values, chance) for values, chance in chances) / full if full else math.inf
    return RankTest(settings, float(high), float(low), least)


def _rows(array: DataArray, over: str) -> np.ndarray:
    return array.transpose("seed", over).values


def _ranks(values: np.ndarray) -> Float64[np.ndarray, "m"]:
    """Twice the mid-ranks, centred: whole numbers that sum to 0, so that sums of products are exact."""
    from scipy.stats import rankdata  # half a second of import that only correlations need

    return 2 * rankdata(values) - (len(values) + 1)


@cache
def _orders(settings: int) -> np.ndarray:
    """All orders of so many settings, or the drawn ones and the true one: one a row."""
    true = np.arange(settings)
    if settings <= ENUMERATED:
        return np.array(list(permutations(true)))
    rows = np.tile(true, (DRAWN + 1, 1))
    rows[1:] = np.random.default_rng(0).permuted(rows[1:], axis=1)
    return rows


def _total(sums: Int64[np.ndarray, "s o"]) -> tuple[Int64[np.ndarray, "v"], Float64[np.ndarray, "v"]]:
    """The values and the probabilities of the sum over rows, in each of which every column is equally likely."""
    lowest = sums.min(1, keepdims=True)
    step = max(int(np.gcd.reduce(sums - lowest, axis=None)), 1)
    chance = np.ones(1)
    for row in (sums - lowest) // step:
        chance = np.convolve(chance, np.bincount(row) / len(row))
    return lowest.sum() + step * np.arange(len(chance)), chance


def _least(values: Int64[np.ndarray, "v"], chance: Float64[np.ndarray, "v"]) -> float:
    """The smallest possible value that so much or more has a probability of at most ``LEVEL``."""
    above = chance[::-1].cumsum()[::-1].round(12)
    rare = values[(above <= LEVEL) & (chance > 0)]
    return float(rare.min()) if len(rare) else math.inf
