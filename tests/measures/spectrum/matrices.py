"""Matrices whose spectrum is known, for the tests of this room."""

import torch


def normal(seed, n, d, kind=torch.float64):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=kind)


def rotation(seed, d):
    return torch.linalg.qr(normal(seed, d, d)).Q


def with_spectrum(values, n, seed=0):
    """A matrix of n rows and mean zero with these singular values."""
    left = normal(seed, n, len(values))
    left = torch.linalg.qr(left - left.mean(0)).Q
    return left @ torch.diag(torch.as_tensor(values, dtype=torch.float64)) @ rotation(seed + 1, len(values))


def shuffled(seed, n):
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))
