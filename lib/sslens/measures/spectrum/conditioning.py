"""How far a matrix of features is from an orthonormal basis: along its directions, and among its samples."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from sslens.measures.features import checked_features, significant
from sslens.measures.spectrum.samples import expect_samples
from sslens.types import Features


def condition_number(h: Features) -> float:
    """Largest over smallest singular value of the data matrix, not centred: σ₁ / σ_k, k = min(n, d).

    From 1 (orthogonal columns of one length) to inf, also for features that are all zero: a direction whose singular
    value rounding alone can make (``features.significant``) counts as missing. The authors' code gives the inverse,
    σ_k / (σ₁ + 1e-12), under the name pseudo-condition number.

    Raises:
        InputError: no (n, d) matrix of finite floating-point numbers.

    Reference: Tsitsulin, Munkhoeva, Perozzi, "Unsupervised embedding quality evaluation", 2023, arXiv 2305.16562.

    >>> h = torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> round(condition_number(h), 4), condition_number(torch.ones(6, 3))
    (3.0, inf)
    """
    spectrum = torch.linalg.svdvals(checked_features(h))
    expect_samples(*h.shape)
    return float(spectrum[0] / spectrum[-1]) if _rank(spectrum, h) == len(spectrum) else math.inf


def coherence(h: Features) -> float:
    """How much of the features' span a single sample holds: (n / r) · max_i ‖U_i‖², U the left singular vectors.

    Not centred, over the r directions that are there (r = d unless some are missing, where the authors' code counts
    the arbitrary vectors of the missing ones too). From 1 (every sample carries its share) to n / r (one sample is
    the only one along a direction, an outlier). 0 for features that are all zero.

    Raises:
        InputError: no (n, d) matrix of finite floating-point numbers.

    Reference: Tsitsulin, Munkhoeva, Perozzi, "Unsupervised embedding quality evaluation", 2023, arXiv 2305.16562;
    Candès and Recht, "Exact matrix completion via convex optimization", 2009, def. 1.2.

    >>> h = torch.cat([torch.eye(2), torch.eye(2), torch.tensor([[0.0, 100.0]])])
    >>> round(coherence(h[:4]), 4), round(coherence(h), 4)
    (1.0, 2.4995)
    """
    left, spectrum, _ = torch.linalg.svd(checked_features(h), full_matrices=False)
    expect_samples(*h.shape)
    rank = _rank(spectrum, h)
    if not rank:
        return 0.0
    return len(h) / rank * float(torch.linalg.vector_norm(left[:, :rank], dim=1).max()) ** 2


def _rank(spectrum: Float[Tensor, "k"], h: Features) -> int:
    floor = torch.finfo(h.dtype).eps * float(spectrum.norm())  # rounding(h): not centred, ‖σ‖ is ‖h‖_F
    return int((significant(spectrum, h, floor=floor) > 0).sum())
