"""Stable rank: the variance in units of its leading direction."""

from sslens.measures.spectrum.sample_size import expect_samples
from sslens.measures.spectrum.singular_values import relative_eigenvalues, singular_values
from sslens.measures.spectrum.spectrum import Spectrum, as_features
from sslens.types import Features


def stable_rank(h: Features | Spectrum) -> float:
    """Variance in units of its leading direction: Σλ / λ₁ of the covariance; 0 for constant features.

    The same number is called NESum (He and Ozay, ICML 2022, def. 4.1); it is the stable rank of numerical analysis,
    ‖A‖_F² / ‖A‖₂², of the centred matrix A (Tsitsulin et al. do not centre). From 1 (one direction) to min(n − 1, d)
    (white). A public NESum takes the covariance of rows instead of columns: the spectrum of another matrix.

    Raises:
        InputError: no (n, d) matrix of finite floating-point numbers with n >= 2.

    >>> import torch
    >>> round(stable_rank(torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])), 4)
    1.25
    """
    shares = relative_eigenvalues(singular_values(h := as_features(h), centre=True))
    expect_samples(*h.shape)
    return float(shares.sum())
