"""Colour images of 32x32 pixels made in place, as 8-bit as a photograph's, registered like any other data set."""

import torch
from torch.nn.functional import interpolate

from sslens import datasets, runtime
from sslens.types import Dataset

NAME, CLASSES, SIDE = "coloured_blobs", 10, 32
COUNT = 4096


def load() -> tuple[Dataset, Dataset]:
    """Smooth random pictures: an 8x8 pattern per class and one per image, mixed, enlarged, rounded to bytes."""
    generator = runtime.stream(0, NAME)
    labels = torch.arange(COUNT) % CLASSES
    patterns = torch.rand(CLASSES, 3, 8, 8, generator=generator)
    coarse = (patterns[labels] + torch.rand(COUNT, 3, 8, 8, generator=generator)) / 2
    images = (interpolate(coarse, size=(SIDE, SIDE), mode="bilinear") * 255).round() / 255
    whole = Dataset(images, labels, tuple(map(str, range(CLASSES))))
    index = torch.arange(COUNT)
    return whole.take(index[COUNT // 8 :]), whole.take(index[: COUNT // 8])


def register() -> str:
    """Make the set known to ``datasets.load`` in this process; its name."""
    datasets.LOADERS |= {NAME: load}  # type: ignore[misc] - the table is read-only by its type alone
    return NAME
