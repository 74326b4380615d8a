"""Published sets of images: their files fetched by checksum, decoded once, kept as bytes, given as tensors."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from sslens import fingerprint, runtime
from sslens.datasets.cache import Decoded, as_floats, cached, check_memory
from sslens.datasets.fetch import Source, fetch
from sslens.types import DamagedFile, Dataset

SIDES = ("train", "test")


@final
@dataclass(frozen=True)
class PublishedDataset:
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
    decode: Callable[["PublishedDataset", Sequence[Path]], Decoded]
    """Reads the files, in the order of the sources: ``train images``, ``train labels``, the same of ``test``, and what
    else is known of each image."""
    module: str
    """Dotted name of the module that decodes it: a change of its code, or of what it imports, decodes anew."""


def load(published: PublishedDataset) -> tuple[Dataset, Dataset]:
    """The training and the test side as published: bytes become float32 in [0, 1], everything else a factor.

    Files and decoded bytes are kept below ``runtime.data_root()``. A second process waits for the first; a damaged
    cache or changed decoding code decodes anew. Published files are never removed. At most the set itself and its
    bytes, a quarter of it, are in memory at a time.

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
    values = sum(published.counts.values()) * math.prod(published.shape)
    check_memory(values, field="dataset", got=published.name, what="It needs")
    folder = runtime.data_root() / "cache" / "datasets" / published.name
    content = cached(folder / "decoded.safetensors", _key(published), lambda: _decoded(published, folder))
    train, test = (_side(published, content, name=name) for name in SIDES)
    return train, test


def _side(published: PublishedDataset, content: dict[str, Tensor], *, name: str) -> Dataset:
    images = as_floats(content.pop(f"{name} images"))  # taken out, so that the bytes' memory is given back
    labels = content.pop(f"{name} labels").long()
    factors = {key.removeprefix(f"{name} "): content[key].to(torch.float32) for key in content if key.startswith(name)}
    return Dataset(images, labels, published.classes, factors)


def _decoded(published: PublishedDataset, folder: Path) -> Decoded:
    content = published.decode(published, fetch(published.sources, folder))
    _check_content(published, content)
    return content


def _check_content(published: PublishedDataset, content: Decoded) -> None:
    for side, count in published.counts.items():
        shape, labels = tuple(content[f"{side} images"].shape), content[f"{side} labels"]
        if shape != (count, *published.shape) or len(labels) != count:
            allowed = f"{count} images of {published.shape} with a label each"
            raise DamagedFile(f"{published.name}, {side}", (shape, len(labels)), allowed)
        if int(labels.max()) >= len(published.classes):
            allowed = f"labels below {len(published.classes)}"
            raise DamagedFile(f"{published.name}, {side}", int(labels.max()), allowed)


def _key(published: PublishedDataset) -> str:
    checksums = [source.sha256 for source in published.sources]
    return runtime.canonical_json([published.name, checksums, fingerprint.of_modules(published.module)])
