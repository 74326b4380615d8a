"""Coherence: how much of the features' span a single sample holds."""

import torch
from jaxtyping import Float64
from torch import Tensor

from sslens.measures.features import as_tensor, prepared
from sslens.measures.spectrum.sample_size import expect_samples
from sslens.measures.spectrum.singular_values import numerical_rank
from sslens.measures.spectrum.spectrum import Spectrum
from sslens.types import Features


def coherence(h: Features | Spectrum) -> float:
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
    rank, shares = h.leverages if isinstance(h, Spectrum) else _leverages(h := as_tensor(h))
    expect_samples(*h.shape)
    return h.shape[0] / rank * float(shares.max()) if rank else 0.0


def _leverages(h: Features) -> tuple[int, Float64[Tensor, "n"]]:
    left, spectrum, _ = torch.linalg.svd(prepared(h).values, full_matrices=False)
    rank = numerical_rank(spectrum, h)
    return rank, torch.linalg.vector_norm(left[:, :rank], dim=1).square()
