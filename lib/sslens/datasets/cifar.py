"""CIFAR-10 and CIFAR-100: 60,000 colour images of 32x32 pixels each, from their archives in the binary version.

The binary version holds nothing but bytes; the Python version is a pickle, which can run any program. Sizes and
SHA-256 are those that tensorflow-datasets lists in ``url_checksums``; the authors publish an MD5 of the same archives.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch

from sslens.datasets import published
from sslens.datasets.archives import members
from sslens.datasets.cache import Decoded
from sslens.datasets.fetch import Source
from sslens.datasets.published import PublishedDataset
from sslens.types import Dataset

TEN = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_FINE = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm
"""
_COARSE = """
aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices household_furniture
insects large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes large_omnivores_and_herbivores
medium_mammals non-insect_invertebrates people reptiles small_mammals trees vehicles_1 vehicles_2
"""
HUNDRED = tuple(_FINE.split())
SUPERCLASSES = tuple(_COARSE.split())
"""The 20 coarse labels of CIFAR-100; an image's number is its factor ``superclass``."""


def _decode(
    expected: PublishedDataset, paths: Sequence[Path], *, files: Mapping[str, Sequence[str]], labels: Sequence[str]
) -> Decoded:
    """Records of a byte for each kind of label and a byte for each pixel: red, green, blue, each row by row."""
    record = len(labels) + math.prod(expected.shape)
    content, places = {}, {}
    for side, names in files.items():
        content |= _empty(expected, side, labels=labels)
        rows = expected.counts[side] // len(names)
        places |= {name: (side, slice(rows * part, rows * (part + 1))) for part, name in enumerate(names)}
    sizes = {name: (rows.stop - rows.start) * record for name, (_, rows) in places.items()}
    for name, values in members(paths[0], sizes):
        (side, rows), table = places[name], values.view(-1, record)
        content[f"{side} images"][rows] = table[:, len(labels) :].view(-1, *expected.shape)
        for column, label in enumerate(labels):
            content[f"{side} {label}"][rows] = table[:, column]
    return content


def _empty(expected: PublishedDataset, side: str, *, labels: Sequence[str]) -> Decoded:
    count = expected.counts[side]
    content = {f"{side} images": torch.empty((count, *expected.shape), dtype=torch.uint8, device="cpu")}
    return content | {f"{side} {label}": torch.empty(count, dtype=torch.uint8, device="cpu") for label in labels}


CIFAR10 = PublishedDataset(
    name="cifar10",
    sources=(
        Source(
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            170_052_171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ),
    ),
    counts={"train": 50_000, "test": 10_000},
    shape=(3, 32, 32),
    classes=TEN,
    decode=partial(
        _decode,
        files={
            "train": [f"cifar-10-batches-bin/data_batch_{number}.bin" for number in range(1, 6)],
            "test": ["cifar-10-batches-bin/test_batch.bin"],
        },
        labels=["labels"],
    ),
    module=__name__,
)
CIFAR100 = PublishedDataset(
    name="cifar100",
    sources=(
        Source(
            "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
            168_513_733,
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        ),
    ),
    counts={"train": 50_000, "test": 10_000},
    shape=(3, 32, 32),
    classes=HUNDRED,
    decode=partial(
        _decode,
        files={"train": ["cifar-100-binary/train.bin"], "test": ["cifar-100-binary/test.bin"]},
        labels=["superclass", "labels"],
    ),
    module=__name__,
)


def cifar10() -> tuple[Dataset, Dataset]:
    """Animals and vehicles: 50,000 images ``(n, 3, 32, 32)`` for training and 10,000 for testing, ten classes.

    Raises:
        InputError: the archive is not there and cannot be fetched; the text says which file to put where.
        DamagedFile: the archive is not the published one.

    Reference: Krizhevsky, Learning multiple layers of features from tiny images, University of Toronto (2009).

    >>> CIFAR10.classes[6], CIFAR10.counts
    ('frog', {'train': 50000, 'test': 10000})
    """
    return published.load(CIFAR10)


def cifar100() -> tuple[Dataset, Dataset]:
    """A hundred classes of things: 50,000 images ``(n, 3, 32, 32)`` for training and 10,000 for testing.

    The labels are the fine ones; the factor ``superclass`` is the number of the coarse one in ``SUPERCLASSES``.

    Raises:
        InputError: the archive is not there and cannot be fetched; the text says which file to put where.
        DamagedFile: the archive is not the published one.

    Reference: Krizhevsky, Learning multiple layers of features from tiny images, University of Toronto (2009).

    >>> len(CIFAR100.classes), CIFAR100.classes[99], len(SUPERCLASSES)
    (100, 'worm', 20)
    """
    return published.load(CIFAR100)
