"""Collapse: how much of the features is left, which a rank, blind to scale, does not show."""

import math

import torch

from sslens.measures.features import as_tensor, centred, finite_features, prepared, squared, unit_rows
from sslens.types import Features


def total_variance(h: Features) -> float:
    """Total variance of the features: the trace of their covariance, Σ_ij (h_ij − mean_j)² / (n − 1).

    Exactly 0 for constant features, also where rounding alone keeps them apart. Units: those of the features, squared.

    Raises:
        InputError: no (n, d) matrix of finite floating-point numbers with n >= 2, or of a size (about 1e±150) whose
            square is no floating-point number.

    >>> total_variance(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])), total_variance(torch.full((9, 3), 0.1))
    (2.0, 0.0)
    """
    values, unit, floor, _ = prepared(h, rows=2)
    variance = centred(values, floor=floor).square().sum()
    return float(squared(variance.sqrt(), unit) if unit != 1 else variance) / (len(values) - 1)


def normalised_std(z: Features) -> float:
    """Collapse on the sphere: √k · mean over dimensions of the standard deviation of z / ‖z‖.

    1 for isotropic embeddings, 0 when all point the same way; the total variance does not enter. The deviation divides
    by n − 1; rows of zeros stay zero and count. Some packages leave out the factor √k. Batch normalisation and a
    shrinking embedding both keep this number high: it is not shown alone.

    Raises:
        InputError: no (n, k) matrix of finite floating-point numbers with n >= 2.

    Reference: Chen and He, "Exploring simple Siamese representation learning", CVPR 2021, arXiv 2011.10566, sec. 4.1.

    >>> round(normalised_std(torch.eye(6)), 6), normalised_std(torch.full((9, 3), 0.1))
    (1.0, 0.0)
    """
    z = as_tensor(z, name="embedding")
    unit = unit_rows(finite_features(z, name="embedding", rows=2))
    floor = torch.finfo(z.dtype).eps * math.sqrt(len(unit))
    deviation = centred(unit, floor=floor).square().sum(0).div(len(unit) - 1).sqrt()
    return math.sqrt(unit.shape[1]) * float(deviation.mean())
