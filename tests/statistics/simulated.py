"""Labelled numbers, and how far a simulated share may lie from what it should be."""

import math

import numpy as np
from xarray import DataArray

ERRORS = 3.5
"""Standard errors that chance is given: a test that is right fails once in 4,300 seeds, and these seeds are fixed."""


def array(values, **coords):
    return DataArray(
        np.array(values, dtype=float), {name: list(labels) for name, labels in coords.items()}, list(coords)
    )


def share_within_error(hits, cases, *, at_least=0.0, at_most=1.0):
    """Whether a share of cases agrees with a true share in this range, but for the binomial error of that share."""
    share = hits / cases
    below, above = (ERRORS * math.sqrt(bound * (1 - bound) / cases) for bound in (at_least, at_most))
    return at_least - below <= share <= at_most + above
