"""What repetitions can show: the effect that would have been seen, and the verdicts that err by chance."""

import math

from sslens.statistics.intervals import CONFIDENCE, Interval, student

POWER = 0.8


def detectable(found: Interval) -> float:
    """The distance from a bound that as many repetitions, of the same standard error, show in 80 % of cases.

    At 5 %, two-sided: d · error, where the noncentral t of n − 1 degrees of freedom and noncentrality d exceeds the
    critical value with probability 0.8 (d = 5.65 for 3 repetitions, 3.76 for 5, 3.15 for 10). NaN for a single
    repetition or an unknown error.

    Reference: Cohen, "Statistical power analysis for the behavioral sciences", 1988, ch. 2.

    >>> round(detectable(Interval.of([0.1, 0.2, 0.3])), 3)
    0.326
    """
    if found.n < 2 or math.isnan(found.error):
        return math.nan
    from scipy.special import nctdtrinc

    return float(nctdtrinc(found.n - 1, 1 - POWER, student(found.n - 1))) * found.error


def expected_false(count: int) -> float:
    """How many of so many intervals leave out what they are to hold, on average: 1 in 20 at 95 %.

    >>> expected_false(40)
    2.0
    """
    return round((1 - CONFIDENCE) * count, 10)
