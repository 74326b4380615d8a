"""Scales: what a quantity may be, and the line without ends on which its interval is taken."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

from sslens.types import InputError

LARGEST = 709.0
"""The highest power of e that is a finite number."""
ROUNDING = 1e-9


@final
@dataclass(frozen=True)
class Scale:
    """The range of a quantity, and a function that stretches it to the whole line, with its inverse and its slope.

    >>> SCALES["share"].stretch(0.5), SCALES["share"].back(0.0), SCALES["share"].slope(0.5)
    (0.0, 0.5, 4.0)
    """

    low: float
    high: float
    stretch: Callable[[float], float]
    back: Callable[[float], float]
    slope: Callable[[float], float]

    def require(self, low: float, high: float) -> None:
        """Refuse values that reach beyond the range; rounding (1e-9) is none.

        Raises:
            InputError: the lowest or the highest value lies outside.

        >>> SCALES["share"].require(0.0, 1.2)
        Traceback (most recent call last):
            ...
        sslens.types.InputError: values must be in [0, 1]. Got 1.2. Another scale?
        """
        for value in (low, high):
            if not self.low - ROUNDING <= value <= self.high + ROUNDING:
                raise InputError("values", value, f"in [{self.low:g}, {self.high:g}]", "Another scale?")

    def inside(self, value: float) -> bool:
        """Whether a value lies in the range and at none of its ends."""
        return self.low < value < self.high

    def near(self, value: float, other: float) -> bool:
        """Whether two values differ by no more than rounding: 1e-9, of the range or else of the values.

        >>> SCALES["share"].near(0.1, 0.1 + 1e-12), SCALES["plain"].near(1e-12, 2e-12)
        (True, False)
        """
        return math.isclose(value, other, rel_tol=ROUNDING, abs_tol=ROUNDING if math.isfinite(self.high) else 0.0)


def _same(value: float) -> float:
    return value


def _one(_: float) -> float:
    return 1.0


def _exp(value: float) -> float:
    return math.exp(value) if value < LARGEST else math.inf


_PLAIN = Scale(-math.inf, math.inf, _same, _same, _one)
_LOGIT = Scale(
    low=0.0,
    high=1.0,
    stretch=lambda share: math.log(share / (1 - share)),
    back=lambda line: (1 + math.tanh(line / 2)) / 2,
    slope=lambda share: 1 / (share * (1 - share)),
)
_FISHER = Scale(low=-1.0, high=1.0, stretch=math.atanh, back=math.tanh, slope=lambda value: 1 / (1 - value**2))
_LOG = Scale(low=0.0, high=math.inf, stretch=math.log, back=_exp, slope=lambda value: 1 / value)
SCALES: Mapping[str, Scale] = {
    "plain": _PLAIN,
    "share": _LOGIT,
    "difference": _FISHER,
    "correlation": _FISHER,
    "rank correlation": _FISHER,
    "ratio": _LOG,
}
"""By the kind of quantity: ``plain`` any number, ``share`` 0 to 1 (accuracies; logit), ``difference`` of two shares,
``correlation`` and ``rank correlation`` −1 to 1 (Fisher's z), ``ratio`` and whatever else begins at 0 (logarithm)."""
RANKED = "rank correlation"
"""What is decided by a permutation test as well."""
COUNTED = ("share", "difference")
"""What is counted over samples, so that their number bounds how well it can be known."""
