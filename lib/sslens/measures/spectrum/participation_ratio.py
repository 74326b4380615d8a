"""Participation ratio: how many directions share the variance."""

from sslens.measures.spectrum.sample_size import expect_samples
from sslens.measures.spectrum.singular_values import relative_eigenvalues, singular_values
from sslens.measures.spectrum.spectrum import Spectrum, as_features
from sslens.types import Features


def participation_ratio(h: Features | Spectrum) -> float:
    """How many directions share the variance: (Σλ)² / Σλ² of the covariance; 0 for constant features.

    From 1 (all variance along one direction) to min(n − 1, d) (white). The vector norm ratio ‖v‖₂/‖v‖₄ that some
    packages call by this name is another quantity.

    Raises:
        InputError: no (n, d) matrix of finite floating-point numbers with n >= 2.

    >>> import torch
    >>> round(participation_ratio(torch.eye(5).repeat(2, 1)), 4), participation_ratio(torch.ones(6, 3))
    (4.0, 0.0)
    """
    shares = relative_eigenvalues(singular_values(h := as_features(h), centre=True))
    expect_samples(*h.shape)
    return float(shares.sum()) ** 2 / max(float(shares @ shares), 1)
