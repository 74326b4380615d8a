"""RankMe: the entropy rank of the singular values."""

from sslens.measures.spectrum.effective_rank import Epsilon, entropy_rank
from sslens.measures.spectrum.sample_size import expect_samples
from sslens.measures.spectrum.singular_values import singular_values
from sslens.measures.spectrum.spectrum import Spectrum, as_features
from sslens.types import Features, checked


def rankme(h: Features | Spectrum, *, eps: float = 1e-7, centre: bool = False) -> float:
    """RankMe: the exponential of the entropy of the normalised singular values.

    exp(−Σ p_k ln p_k), p_k = σ_k / Σσ + eps, over k = 1 … min(n, d). As in the paper: singular values of the matrix
    as it is (not centred), eps added after normalising and p not normalised again, natural logarithm; so it can exceed
    min(n, d) by a little (2050.8 for a white 2048-dimensional matrix). Features that are all zero have RankMe 0.
    Other public versions differ under the same name: eps 1e-5 (2345 there) or 1e-12; and the entropy of the centred
    covariance *eigenvalues*, here ``effective_rank``. Compare only runs of one method, with equal n and d; n >= 4 d.

    Raises:
        InputError: no (n, d) matrix of finite floating-point numbers, centred and a single row, or eps outside [0, 1].

    Reference: Garrido, Balestriero, Najman, LeCun, "RankMe", ICML 2023, arXiv 2210.02885, eq. 1-2.

    >>> import torch
    >>> round(rankme(torch.eye(8).repeat(2, 1)), 4), rankme(torch.zeros(8, 4))
    (8.0, 0.0)
    """
    eps = checked("eps", eps, Epsilon)
    spectrum = singular_values(h := as_features(h), centre=centre)
    expect_samples(*h.shape)
    return entropy_rank(spectrum, eps=eps)
