"""Repetitions: intervals, tests and power, and the only ways in which numbers of different runs are combined.

One number per seed is held in a Student-t interval on the scale of its quantity (``interval``, ``SCALES``). Where all
seeds answer for the same test samples, seed x sample is given instead, and the interval holds both kinds of chance.
Orders of a few settings are tested by permutation (``rank_test``).
"""

from sslens.statistics.crossed import Crossed, crossed
from sslens.statistics.intervals import CONFIDENCE, Interval, interval
from sslens.statistics.pairs import difference, labels, paired, ratio
from sslens.statistics.power import detectable, expected_false
from sslens.statistics.ranks import FEWEST_SETTINGS, LEVEL, RankTest, rank_test
from sslens.statistics.scales import RANKED, SCALES, Scale

__all__ = [
    "CONFIDENCE",
    "FEWEST_SETTINGS",
    "LEVEL",
    "RANKED",
    "SCALES",
    "Crossed",
    "Interval",
    "RankTest",
    "Scale",
    "crossed",
    "detectable",
    "difference",
    "expected_false",
    "interval",
    "labels",
    "paired",
    "rank_test",
    "ratio",
]
