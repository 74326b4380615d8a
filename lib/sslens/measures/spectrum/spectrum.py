"""One decomposition of features that serves every measure of their spectrum."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from jaxtyping import Float64
from torch import Tensor

from sslens.measures.features import as_tensor, deviations, negligible, significant
from sslens.types import Features

CHUNK = 256
"""Roots that are looked for at a time."""
HALVINGS = 128
"""Of an interval, at most: most are down to two neighbouring numbers after some fifty."""


@final
@dataclass(frozen=True, eq=False)
class Spectrum:
    """Features taken apart once; ``rankme``, ``effective_rank`` and the other measures take it in place of features.

    About their mean the features are basis · left · diag(centred) · axes, from a QR decomposition in float64 and an SVD
    of its triangle. The singular values of the features as they are follow from the same factors, because a mean is
    one more row, orthogonal to the others: σ(h) = σ([√n mean; diag(centred) axes]), exactly, and as accurate as an SVD
    of h (to a few eps · σ₁ each). The other way round, taking a mean out of an SVD, cancels and is not.

    Measures that ask for it give what they give for the features, to that accuracy. Of all of them together it costs
    little more than one SVD with vectors; for a single rank, which needs no vectors, the features are cheaper.

    >>> from sslens.measures.spectrum import effective_rank, rankme
    >>> spectrum = Spectrum.of(torch.cat([torch.eye(4), -torch.eye(4)]))
    >>> round(rankme(spectrum), 4), round(effective_rank(spectrum), 4)
    (4.0, 4.0)
    """

    shape: tuple[int, int]
    """n, d of the features."""
    dtype: torch.dtype
    """Of the features, whose rounding decides what counts as a direction."""
    unit: float
    """A power of two that all sizes below are over; 1 for features of ordinary size."""
    floor: float
    """How far rounding can have moved the features (``features.rounding``)."""
    grain: float
    """How long it can have made one direction (``features.grain``)."""
    mean: Float64[Tensor, "d"]
    basis: Float64[Tensor, "n k"]
    left: Float64[Tensor, "k k"]
    centred: Float64[Tensor, "k"]
    """Singular values of the features about their mean, descending, rounding included."""
    axes: Float64[Tensor, "k d"]

    @classmethod
    def of(cls, features: "Features | Spectrum", *, name: str = "features") -> "Spectrum":
        """The decomposition of these features; one that was made already is returned as it is.

        Raises:
            InputError: no (n, d) matrix of finite floating-point numbers with n >= 2.
        """
        if isinstance(features, Spectrum):
            return features
        h = as_tensor(features, name=name)
        deviation, unit, floor, grain = deviations(h, name=name)
        mean = h[0].detach().double() / unit - deviation[0]
        # The left vectors are only needed inside a product: Q of h = QR is cheaper to multiply than they are to make.
        basis, triangle = torch.linalg.qr(deviation)
        left, centred, axes = torch.linalg.svd(triangle, full_matrices=False)
        n, d = deviation.shape
        return cls((n, d), h.dtype, unit, floor, grain, mean, basis, left, centred, axes)

    @cached_property
    def counted(self) -> Float64[Tensor, "k"]:
        """``centred``, with 0 for what rounding alone can make."""
        return significant(self.centred, floor=self.floor, grain=self.grain)

    @cached_property
    def plain(self) -> Float64[Tensor, "k"]:
        """Singular values of the features as they are, descending; nothing is rounded away."""
        row = math.sqrt(self.shape[0]) * self.mean
        along = self.axes @ row
        if len(self.axes) == len(row):
            return with_row(self.centred, along)
        across = torch.linalg.vector_norm(row - along @ self.axes)  # the mean leaves the span of fewer axes than d
        zero = torch.zeros_like(across)
        return with_row(torch.hstack([self.centred, zero]), torch.hstack([along, across]))[:-1]

    @cached_property
    def leverages(self) -> tuple[int, Float64[Tensor, "n"]]:
        """The number r of directions of the features as they are, and each sample's share of them, r in all.

        The directions are those about the mean and the mean's own; where the mean adds none to their number, the
        combination of them that the features do not contain is taken away.
        """
        level = negligible(self.plain, floor=self.floor, grain=self.grain)
        rank = int((self.plain > level).sum())
        kept = int((self.centred > level).sum())
        size, whole = len(self.basis), kept == len(self.centred)
        rows = self.basis if whole else self.basis @ self.left[:, :kept]
        shares = rows.square().sum(1) + 1 / size
        if rank == kept:
            along = math.sqrt(size) * (self.axes[:kept] @ self.mean)
            missing = torch.hstack([torch.ones_like(self.mean[:1]), -along / self.centred[:kept]])
            missing = missing / torch.linalg.vector_norm(missing)
            turned = self.left[:, :kept] @ missing[1:] if whole else missing[1:]
            shares = shares - (missing[0] / math.sqrt(size) + rows @ turned).square()
        return rank, shares


def as_features(h: Features | Spectrum) -> Features | Spectrum:
    """What a measure was given, with a shape and a type: a spectrum as it is, anything else as a tensor.

    Raises:
        InputError: as for ``features.as_tensor``.

    >>> as_features(torch.ones(5, 3)).shape, as_features(Spectrum.of(torch.ones(5, 3))).shape
    (torch.Size([5, 3]), (5, 3))
    """
    return h if isinstance(h, Spectrum) else as_tensor(h)


def with_row(spectrum: Float64[Tensor, "k"], row: Float64[Tensor, "k"]) -> Float64[Tensor, "k"]:
    """Singular values of a diagonal matrix with one row more, descending as those of the diagonal are.

    The roots σ of Σ row² / (σ² − spectrum²) = 1, one between any two neighbours of the diagonal and one above, each by
    halving its interval. Near a root the terms of both signs are about as large as their sum, so that each is as
    accurate as the diagonal allows: no squares of singular values are subtracted.

    Reference: Golub, "Some modified matrix eigenvalue problems", SIAM Review 1973, sec. 5; Gu, Eisenstat, "A
    divide-and-conquer algorithm for the bidiagonal SVD", SIAM Journal on Matrix Analysis 1995.

    >>> with_row(torch.tensor([4.0, 0.0]).double(), torch.tensor([3.0, 2.0]).double()).square().sum().round()
    tensor(29., dtype=torch.float64)
    """
    highest = torch.hypot(spectrum[0], torch.linalg.vector_norm(row))
    highs = torch.hstack([highest, spectrum[:-1]])
    weights = row.square()
    roots = [_between(*ends, spectrum, weights) for ends in zip(spectrum.split(CHUNK), highs.split(CHUNK), strict=True)]
    return torch.cat(roots)


def _between(
    low: Float64[Tensor, "m"], high: Float64[Tensor, "m"], spectrum: Float64[Tensor, "k"], weights: Float64[Tensor, "k"]
) -> Float64[Tensor, "m"]:
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if not ((low < middle) & (middle < high)).any():
            break
        column = middle[:, None]
        above = torch.reciprocal((column - spectrum).mul_(column + spectrum)) @ weights > 1  # the root is higher up
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    return (low + high) / 2
