"""Coherence: how much of the features' span a single sample holds."""

import torch

from sslens.measures.features import checked_features
from sslens.measures.spectrum.sample_size import expect_samples
from sslens.measures.spectrum.singular_values import numerical_rank
from sslens.types import Features


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
    rank = numerical_rank(spectrum, h)
    if not rank:
        return 0.0
    return len(h) / rank * float(torch.linalg.vector_norm(left[:, :rank], dim=1).max()) ** 2
