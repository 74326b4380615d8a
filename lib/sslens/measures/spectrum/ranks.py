"""Spectra of features and the ranks read from them.

Two spectra, always said which: **singular values** of the data matrix (RankMe) and **eigenvalues** of the covariance
(effective rank, participation ratio, stable rank). Both come from a float64 SVD of the data matrix, never of a Gram
matrix, which squares the condition number and loses the collapsed tail. No rank is shown alone: it is blind to scale,
so a shrunken embedding can have the highest one; an amplitude and a probe stand beside it.

Ranks warn (``FewSamples``) where n < 2 · d, and compare at equal n and d only (``comparable``).
"""

import math
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from sslens.measures.features import checked_features, deviations, significant
from sslens.measures.spectrum.samples import expect_samples
from sslens.types import Features, Range, checked

Share = Annotated[float, Range(0, 1)]


def singular_values(h: Features, *, centre: bool = False) -> Float[Tensor, "k"]:
    """Singular values of the data matrix, descending; k = min(n, d).

    Centred, values that rounding alone can make count as 0 (``features.significant``): constant features have only
    zeros, and adding the same row to every sample changes no rank. Not centred, nothing is rounded away.

    Raises:
        InputError: no (n, d) matrix of finite floating-point numbers, or centred and a single row.

    >>> singular_values(torch.tensor([[3.0, 0.0], [0.0, -4.0]]))
    tensor([4., 3.], dtype=torch.float64)
    """
    if not centre:
        return torch.linalg.svdvals(checked_features(h))
    deviation, floor = deviations(h)
    return significant(torch.linalg.svdvals(deviation), h, floor=floor)


def eigenvalues(h: Features) -> Float[Tensor, "k"]:
    """The min(n, d) leading eigenvalues of the covariance, descending: λ = σ(h − mean)² / (n − 1).

    The remaining d − min(n, d) are zero and left out. Units: those of the features, squared.

    Raises:
        InputError: no (n, d) matrix of finite floating-point numbers with n >= 2.

    >>> eigenvalues(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).tolist()
    [2.0000000000000004, 0.0]
    """
    return singular_values(h, centre=True).square() / max(len(h) - 1, 1)


def rankme(h: Features, *, eps: float = 1e-7, centre: bool = False) -> float:
    """RankMe: the exponential of the entropy of the normalised singular values.

    exp(−Σ p_k ln p_k), p_k = σ_k / Σσ + eps, over k = 1 … min(n, d). As in the paper: singular values of the matrix
    as it is (not centred), eps added after normalising and p not normalised again, natural logarithm; so it can exceed
    min(n, d) by a little (2050.8 for a white 2048-dimensional matrix). Features that are all zero have RankMe 0.
    Other public versions differ under the same name: eps 1e-5 (2345 there) or 1e-12; and the entropy of the centred
    covariance *eigenvalues*, here ``effective_rank``. Compare only runs of one method, with equal n and d; n >= 4 d.

    Raises:
        InputError: no (n, d) matrix of finite floating-point numbers, centred and a single row, or eps outside [0, 1].

    Reference: Garrido, Balestriero, Najman, LeCun, "RankMe", ICML 2023, arXiv 2210.02885, eq. 1-2.

    >>> round(rankme(torch.eye(8).repeat(2, 1)), 4), rankme(torch.zeros(8, 4))
    (8.0, 0.0)
    """
    eps = checked("eps", eps, Share)
    spectrum = singular_values(h, centre=centre)
    expect_samples(*h.shape)
    return entropy_rank(spectrum, eps=eps)


def effective_rank(h: Features) -> float:
    """The exponential of the entropy of the normalised covariance eigenvalues; 0 for constant features.

    exp(−Σ p_k ln p_k), p_k = λ_k / Σλ. From 1 (one direction) to min(n − 1, d) (white). Roy and Vetterli normalise
    the *singular values*, which weighs the tail more: that is ``rankme`` with eps = 0 (and centre as you like). Some
    packages call the eigenvalue form RankMe; on standard deviations 1/k in 64 dimensions the two say 4.6 and 29.

    Raises:
        InputError: no (n, d) matrix of finite floating-point numbers with n >= 2.

    Reference: Roy and Vetterli, "The effective rank", EUSIPCO 2007, there of singular values.

    >>> round(effective_rank(torch.cat([torch.eye(4), -torch.eye(4)])), 4), effective_rank(torch.ones(6, 3))
    (4.0, 0.0)
    """
    shares = relative(singular_values(h, centre=True))
    expect_samples(*h.shape)
    return entropy_rank(shares)


def relative(spectrum: Float[Tensor, "k"]) -> Float[Tensor, "k"]:
    """Eigenvalues over the first one, from descending singular values; zeros stay zeros.

    Ratios before squares, so no scale under- or overflows.

    >>> relative(torch.tensor([2e200, 1e200], dtype=torch.float64)).tolist()
    [1.0, 0.25]
    """
    first = float(spectrum[0])
    return (spectrum / first).square() if first else spectrum


def entropy_rank(spectrum: Float[Tensor, "k"], *, eps: float = 0.0) -> float:
    """How many equal values have the entropy of this spectrum: exp(−Σ p ln p), p = value / Σ values + eps; 0 for zeros.

    >>> round(entropy_rank(torch.tensor([2.0, 2.0, 0.0])), 4), entropy_rank(torch.zeros(3))
    (2.0, 0.0)
    """
    total = float(spectrum.sum())
    return math.exp(float(torch.special.entr(spectrum / total + eps).sum())) if total else 0.0


def participation_ratio(h: Features) -> float:
    """How many directions share the variance: (Σλ)² / Σλ² of the covariance; 0 for constant features.

    From 1 (all variance along one direction) to min(n − 1, d) (white). The vector norm ratio ‖v‖₂/‖v‖₄ that some
    packages call by this name is another quantity.

    Raises:
        InputError: no (n, d) matrix of finite floating-point numbers with n >= 2.

    >>> round(participation_ratio(torch.eye(5).repeat(2, 1)), 4), participation_ratio(torch.ones(6, 3))
    (4.0, 0.0)
    """
    shares = relative(singular_values(h, centre=True))
    expect_samples(*h.shape)
    return float(shares.sum()) ** 2 / max(float(shares @ shares), 1)


def stable_rank(h: Features) -> float:
    """Variance in units of its leading direction: Σλ / λ₁ of the covariance; 0 for constant features.

    The same number is called NESum (He and Ozay, ICML 2022, def. 4.1); it is the stable rank of numerical analysis,
    ‖A‖_F² / ‖A‖₂², of the centred matrix A (Tsitsulin et al. do not centre). From 1 (one direction) to min(n − 1, d)
    (white). A public NESum takes the covariance of rows instead of columns: the spectrum of another matrix.

    Raises:
        InputError: no (n, d) matrix of finite floating-point numbers with n >= 2.

    >>> round(stable_rank(torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])), 4)
    1.25
    """
    shares = relative(singular_values(h, centre=True))
    expect_samples(*h.shape)
    return float(shares.sum())
