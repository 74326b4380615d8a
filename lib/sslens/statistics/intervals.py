"""Confidence intervals over repetitions that stay in the range of their quantity."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, final

import numpy as np
from xarray import DataArray

from sslens.statistics.crossed import crossed
from sslens.statistics.scales import COUNTED, SCALES, Scale
from sslens.types import InputError, OneOf, checked

CONFIDENCE = 0.95


@final
@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval over ``n`` repetitions."""

    mean: float
    low: float
    high: float
    n: int
    originals: int = field(default=0, repr=False)
    """Different test samples that all repetitions share, where they are part of the interval; 0 where they are not."""
    error: float = field(default=math.nan, compare=False, repr=False)
    """Standard error of the mean; NaN where it is not known."""

    @classmethod
    def of(cls, values: Iterable[float], confidence: float = CONFIDENCE, *, scale: str = "plain") -> "Interval":
        """Student-t interval of the mean on a scale of ``SCALES``, unbounded for a single value; see ``around``.

        Raises:
            InputError: no value, one that is not finite, or one beyond the range of the scale.

        >>> Interval.of([1.0, 2.0, 3.0])
        Interval(mean=2.0, low=-0.484..., high=4.484..., n=3)
        >>> Interval.of([0.9, 1.0, 1.0], scale="share")
        Interval(mean=0.966..., low=0.252..., high=0.999..., n=3)
        """
        values = [float(value) for value in values]
        if not values or not all(math.isfinite(value) for value in values):
            raise InputError("values", values, "at least one finite number")
        _known(scale).require(min(values), max(values))
        n, mean = len(values), math.fsum(values) / len(values)
        error = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1) / n) if n > 1 else math.nan
        return cls.around(mean, error, n=n, scale=scale, confidence=confidence)

    @classmethod
    def around(
        cls, mean: float, error: float, *, n: int, scale: str = "plain", confidence: float = CONFIDENCE
    ) -> "Interval":
        """g⁻¹(g(mean) ± t₍ₙ₋₁₎ · g′(mean) · error), g the scale's line: the delta method; unbounded for n = 1.

        It stays in range, and single values at the end of the range do no harm. With all of them there, or no error,
        it is a point.

        Raises:
            UnknownName: no such scale.

        >>> Interval.around(0.9, 0.05, n=5, scale="share")
        Interval(mean=0.9, low=0.65..., high=0.97..., n=5)
        """
        line = _known(scale)
        if n == 1:
            return cls(mean, -math.inf, math.inf, 1)
        if error == 0 or not line.inside(mean):
            return cls(mean, mean, mean, n, error=error)
        half, middle = student(n - 1, confidence) * line.slope(mean) * error, line.stretch(mean)
        return cls(mean, line.back(middle - half), line.back(middle + half), n, error=error)


def student(freedom: int, confidence: float = CONFIDENCE) -> float:
    """Student's t that leaves (1 − confidence) / 2 above it.

    >>> round(student(4), 3)
    2.776
    """
    from scipy.special import stdtrit  # 0.3 s of import that only intervals need

    return float(stdtrit(freedom, 0.5 + confidence / 2))


def interval(
    values: DataArray, *, over: str = "seed", scale: str = "plain", confidence: float = CONFIDENCE
) -> Interval:
    """The interval of repetitions, or of repetitions x sample; a run that diverged makes it NaN, and still counts in n.

    Of a vector along ``over`` it is Student's t. Of ``over`` x sample, where all repetitions answer for the same
    samples, it holds the chance of both (see ``crossed``), with t of n − 1 degrees of freedom. What is counted over I
    originals (a share, a difference of shares) is then never held to be known better than to 1 − (α/2)^(1/I), what I
    originals without a single exception leave open (Clopper and Pearson; for 600 of them 0.006).

    Raises:
        InputError: not along ``over``, alone or with sample, or beyond the range of the scale.

    >>> interval(DataArray([1.0, 2.0, 3.0], {"seed": [0, 1, 2]}))
    Interval(mean=2.0, low=-0.484..., high=4.484..., n=3)
    >>> interval(DataArray([1.0, np.nan, 3.0], {"seed": [0, 1, 2]}))
    Interval(mean=nan, low=nan, high=nan, n=3)
    >>> interval(DataArray(np.ones((3, 600)), dims=("seed", "sample")), scale="share")
    Interval(mean=1.0, low=0.993..., high=1.0, n=3)
    """
    if values.dims != (over,) and set(values.dims) != {over, "sample"}:
        raise InputError("values", values.dims, f"numbers along {over} alone, or with sample")
    if not np.isfinite(values.values).all():
        return Interval(math.nan, math.nan, math.nan, values.sizes[over])
    if values.dims == (over,):
        return Interval.of(values.values.tolist(), confidence, scale=scale)
    _known(scale).require(float(values.min()), float(values.max()))
    found = crossed(values, over=over)
    plain = Interval.around(found.mean, found.error, n=found.repetitions, scale=scale, confidence=confidence)
    least = 1 - ((1 - confidence) / 2) ** (1 / found.originals) if scale in COUNTED and plain.n > 1 else 0.0
    low, high = min(plain.low, found.mean - least), max(plain.high, found.mean + least)
    if plain.n > 1:
        low, high = max(low, SCALES[scale].low), min(high, SCALES[scale].high)
    return Interval(found.mean, low, high, plain.n, found.originals, error=found.error)


def _known(scale: str) -> Scale:
    return SCALES[checked("scale", scale, Annotated[str, OneOf(tuple(SCALES))])]
