"""A positive control for spectra: features planted so that it is known which other spectrum must win."""

from typing import Annotated

import numpy as np
import torch
from xarray import DataArray

from sslens.runtime import stream
from sslens.statistics import difference
from sslens.studies.how_white_spectra import LABELS, Sides, gain_of_best, labelled, tuned
from sslens.studies.study import stacked
from sslens.types import OneOf, checked

KINDS = ("classes first", "noise first")
"""Where the large variance lies: along the directions of the classes, or along others."""
CLASSES, DIMENSIONS, KNOWN, QUERIES = 10, 64, 1200, 600
DISTANCE = 3.0
"""Of every class mean from the common one, but for what all means share; the noise within a class has variance 1."""
LOUD = 6.0
"""Deviation of the noise along as many other axes as there are classes, in ``noise first``."""
BETAS = (0.0, 1.0, 2.0, 3.0)
FEW = {"5": 5}


def planted(kind: str, *, generator: torch.Generator) -> Sides:
    """Normal features of ten classes, known ones and queries.

    ``classes first``: unit noise in 64 directions, and class means 3 along an axis of their own, so that the nine
    directions of the classes have variance 1.9 and the others 1: a flat spectrum that should be steep. ``noise first``:
    in 20 directions, of which ten tell nothing and have noise of deviation 6: a steep spectrum that should be flat.

    Raises:
        UnknownName: neither of the ``KINDS``.

    >>> (h, labels), (others, _) = planted("noise first", generator=torch.Generator().manual_seed(0))
    >>> tuple(h.shape), tuple(others.shape), round(float(h[:, 15].std()))
    ((1200, 20), (600, 20), 6)
    """
    checked("kind", kind, Annotated[str, OneOf(KINDS)])
    labels = torch.arange(KNOWN + QUERIES, device="cpu") % CLASSES
    dimensions = 2 * CLASSES if kind == "noise first" else DIMENSIONS
    h = torch.randn(len(labels), dimensions, dtype=torch.float64, generator=generator, device="cpu")
    h[torch.arange(len(labels), device="cpu"), labels] += DISTANCE
    if kind == "noise first":
        h[:, CLASSES:] *= LOUD
    return (h[:KNOWN], labels[:KNOWN]), (h[KNOWN:], labels[KNOWN:])


def control(draws: int = 5) -> tuple[DataArray, DataArray]:
    """``correct_by_spectrum`` with 5 labels per class of both ``KINDS``, drawn so often: as planted, and over beta.

    kind x draw x ... x sample: the samples of a draw are its own.
    """
    found = {}
    for kind in KINDS:
        sides = {draw: planted(kind, generator=stream(draw, f"planted {kind}")) for draw in range(draws)}
        found[kind] = labelled(sides, np.arange(QUERIES), betas=BETAS, per_class=FEW, over="draw")
    return tuple(stacked({kind: found[kind][side] for kind in KINDS}, "kind") for side in (0, 1))  # type: ignore[return-value]


def gain_of_steeper(planted: DataArray, reshaped: DataArray) -> DataArray:
    """What the best spectrum wins over the planted one where classes lie first: one number for each draw."""
    one = {"kind": "classes first", LABELS: "5"}
    return gain_of_best(reshaped.sel(one, drop=True), planted.sel(one, drop=True)).mean("sample", skipna=False)


def gain_of_white(planted: DataArray, reshaped: DataArray) -> DataArray:
    """What white features win over the planted ones where noise lies first: one number for each draw."""
    one = {"kind": "noise first", LABELS: "5"}
    white = tuned(reshaped.sel(one | {"beta": 0.0}, drop=True))
    return difference(white, tuned(planted.sel(one, drop=True))).mean("sample", skipna=False)
