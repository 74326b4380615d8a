"""Features with labels, for the tests of probes."""

import torch


def normal(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def labels_of(seed, n, classes):
    return torch.randint(classes, (n,), generator=torch.Generator().manual_seed(seed))


def blobs(seed=0, n=200, d=6, classes=4, spread=0.3):
    """A normal cloud around a corner of its own for each class, and the labels."""
    labels = torch.arange(n) % classes
    return 2 * torch.eye(d, dtype=torch.float64)[labels] + spread * normal(seed, n, d), labels
