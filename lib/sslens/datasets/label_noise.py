"""Labels made wrong on purpose."""

from typing import Annotated

import torch

from sslens.types import Labels, Range, checked


def symmetric_label_noise(labels: Labels, share: float, *, classes: int, generator: torch.Generator) -> Labels:
    """Labels with symmetric noise: each is redrawn, with probability ``share``, among all classes.

    The true class is among those drawn from: a share of 1 leaves nothing of the labels, and a label is wrong with
    probability share · (1 - 1 / classes). Some papers draw among the other classes only.

    Raises:
        InputError: a share outside [0, 1].

    >>> labels = torch.arange(10).repeat(100)
    >>> noisy = symmetric_label_noise(labels, 0.5, classes=10, generator=torch.Generator().manual_seed(0))
    >>> round((noisy != labels).double().mean().item(), 1)
    0.4
    """
    share = checked("share", share, Annotated[float, Range(0, 1)])
    source = {"generator": generator, "device": generator.device}
    redrawn = torch.rand(len(labels), dtype=torch.float64, **source) < share
    drawn = torch.randint(classes, (len(labels),), **source)
    return torch.where(redrawn, drawn, labels.to(generator.device)).to(labels.device)
