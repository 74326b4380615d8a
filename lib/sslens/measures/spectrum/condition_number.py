"""Condition number: how far the directions of features are from equal length."""

import math

from sslens.measures.spectrum.sample_size import expect_samples
from sslens.measures.spectrum.singular_values import numerical_rank, singular_values
from sslens.measures.spectrum.spectrum import Spectrum, as_features
from sslens.types import Features


def condition_number(h: Features | Spectrum) -> float:
    """Largest over smallest singular value of the data matrix, not centred: σ₁ / σ_k, k = min(n, d).

    From 1 (orthogonal columns of one length) to inf, also for features that are all zero: a direction whose singular
    value rounding alone can make (``features.significant``) counts as missing. The authors' code gives the inverse,
    σ_k / (σ₁ + 1e-12), under the name pseudo-condition number.

    Raises:
        InputError: no (n, d) matrix of finite floating-point numbers.

    Reference: Tsitsulin, Munkhoeva, Perozzi, "Unsupervised embedding quality evaluation", 2023, arXiv 2305.16562.

    >>> import torch
    >>> h = torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> round(condition_number(h), 4), condition_number(torch.ones(6, 3))
    (3.0, inf)
    """
    spectrum = singular_values(h := as_features(h))
    expect_samples(*h.shape)
    return float(spectrum[0] / spectrum[-1]) if numerical_rank(spectrum, h) == len(spectrum) else math.inf
