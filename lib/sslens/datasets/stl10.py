"""STL-10: 13,000 labelled colour images of 96x96 pixels, ten classes, from its archive in the binary version.

The 100,000 unlabelled images of the archive are not loaded: as float32 they would fill 11 GB. Size and SHA-256 are
those that tensorflow-datasets lists in its ``url_checksums``.
"""

from collections.abc import Sequence
from pathlib import Path

from sslens.datasets import published
from sslens.datasets.archives import members
from sslens.datasets.cache import Decoded
from sslens.datasets.fetch import Source
from sslens.datasets.published import PublishedDataset
from sslens.types import Dataset

CLASSES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")


def _decode(expected: PublishedDataset, paths: Sequence[Path]) -> Decoded:
    """Images one channel after the other, each column by column; labels that count from 1."""
    channels, height, width = expected.shape
    sizes, names = {}, {}
    for side, count in expected.counts.items():
        pixels, labels = f"stl10_binary/{side}_X.bin", f"stl10_binary/{side}_y.bin"
        sizes |= {pixels: count * channels * height * width, labels: count}
        names |= {pixels: f"{side} images", labels: f"{side} labels"}
    content = {names[member]: values for member, values in members(paths[0], sizes)}
    for side in expected.counts:
        columns = content[f"{side} images"].view(-1, channels, width, height)
        content[f"{side} images"] = columns.transpose(2, 3).contiguous()
        content[f"{side} labels"] -= 1  # a label 0 becomes 255, no class
    return content


STL10 = PublishedDataset(
    name="stl10",
    sources=(
        Source(
            "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
            2_640_397_119,
            "f31fd99273a1acb8609c8db427cebb1de3f71de77758cdc0e22956e1289b9866",
        ),
    ),
    counts={"train": 5_000, "test": 8_000},
    shape=(3, 96, 96),
    classes=CLASSES,
    decode=_decode,
    module=__name__,
)


def load() -> tuple[Dataset, Dataset]:
    """Animals and vehicles out of ImageNet: 5,000 images ``(n, 3, 96, 96)`` for training and 8,000 for testing.

    Raises:
        InputError: the archive is not there and cannot be fetched; the text says which file to put where.
        DamagedFile: the archive is not the published one.

    Reference: Coates, Lee and Ng, An analysis of single-layer networks in unsupervised feature learning, AISTATS 2011.

    >>> STL10.classes[7], STL10.counts
    ('monkey', {'train': 5000, 'test': 8000})
    """
    return published.load(STL10)
