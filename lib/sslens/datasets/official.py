"""Published sets of images: their files fetched by checksum, decoded once, kept as bytes, given as tensors."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch

from sslens import runtime
from sslens.datasets.cache import Decoded, check_memory, kept
from sslens.datasets.fetch import Source, fetch
from sslens.types import DamagedFile, Dataset

SIDES = ("train", "test")


@final
@dataclass(frozen=True)
class Official:
    """A published set: where its files come from and what they must hold.

    >>> from sslens.datasets.mnist import MNIST
    >>> MNIST.counts, MNIST.shape, sum(source.size for source in MNIST.sources)
    ({'train': 60000, 'test': 10000}, (1, 28, 28), 11594722)
    """

    name: str
    sources: tuple[Source, ...]
    counts: Mapping[str, int]
    """Images on each side."""
    shape: tuple[int, int, int]
    """Channels, height and width."""
    classes: tuple[str, ...]
    decode: Callable[["Official", Sequence[Path]], Decoded]
    """Reads the files, in the order of the sources: ``train images``, ``train labels``, the same of ``test``, and what
    else is known of each image."""


def load(official: Official) -> tuple[Dataset, Dataset]:
    """The training and the test side as published: bytes become float32 in [0, 1], everything else a factor.

    Files and decoded bytes are kept below ``runtime.data_root()``. A second process waits for the first; a damaged
    cache or another version of the library decodes anew. Published files are never removed.

    Raises:
        InputError: more pixels than memory, a file that is neither there nor can be fetched, or nowhere to keep it.
        DamagedFile: a file of another size or checksum than published, or with another content than expected.

    >>> from dataclasses import replace
    >>> from sslens.datasets.mnist import MNIST
    >>> load(replace(MNIST, counts={"train": 10**12, "test": 10_000}))
    Traceback (most recent call last):
        ...
    sslens.types.InputError: dataset must be small enough for the memory. Got 'mnist'. It needs 3920000.0 GB, ...
    """
    values = sum(official.counts.values()) * math.prod(official.shape)
    check_memory(values, field="dataset", got=official.name, what="It needs")
    folder = runtime.data_root() / "cache" / "datasets" / official.name
    content = kept(folder / "decoded.safetensors", _key(official), lambda: _decoded(official, folder))
    train, test = (_side(official, content, name=name) for name in SIDES)
    return train, test


def _side(official: Official, content: Decoded, *, name: str) -> Dataset:
    mine = {key.removeprefix(f"{name} "): values for key, values in content.items() if key.startswith(f"{name} ")}
    images, labels = mine.pop("images"), mine.pop("labels")
    factors = {factor: values.to(torch.float32) for factor, values in mine.items()}
    pixels = images.to(torch.float32).div_(255)  # in place: a set may fill half the memory
    return Dataset(pixels, labels.long(), official.classes, factors)


def _decoded(official: Official, folder: Path) -> Decoded:
    content = official.decode(official, fetch(official.sources, folder))
    _check_content(official, content)
    return content


def _check_content(official: Official, content: Decoded) -> None:
    for side, count in official.counts.items():
        shape, labels = tuple(content[f"{side} images"].shape), content[f"{side} labels"]
        if shape != (count, *official.shape) or len(labels) != count:
            allowed = f"{count} images of {official.shape} with a label each"
            raise DamagedFile(f"{official.name}, {side}", (shape, len(labels)), allowed)
        if int(labels.max()) >= len(official.classes):
            allowed = f"labels below {len(official.classes)}"
            raise DamagedFile(f"{official.name}, {side}", int(labels.max()), allowed)


def _key(official: Official) -> str:
    version = runtime.library_version(("datasets",))
    return runtime.canonical([official.name, [source.sha256 for source in official.sources], version])
