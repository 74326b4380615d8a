"""The handwritten digits inside scikit-learn: 1797 grey images of 8x8 pixels, ten classes, no download."""

import gzip
import hashlib
from importlib.util import find_spec
from pathlib import Path

import torch
from jaxtyping import Int64
from torch import Tensor

from sslens import runtime
from sslens.types import DamagedFile, Dataset

CLASSES = tuple("0123456789")
COUNT, TRAIN = 1797, 1200
SHA256 = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"
"""Of the compressed table that scikit-learn brings."""


def load() -> tuple[Dataset, Dataset]:
    """1200 digits for training and 597 for testing, each class in the same proportion on both sides.

    Images ``(n, 1, 8, 8)``: ink as k/16. The ``origin`` is the position in scikit-learn's table.

    Raises:
        DamagedFile: scikit-learn's table is missing or altered.

    Reference: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI (1998), doi:10.24432/C50P49.

    >>> train, test = load()
    >>> tuple(train.images.shape), len(test)
    ((1200, 1, 8, 8), 597)
    """
    whole = originals()
    train, test = split(whole.labels)
    return whole.take(train), whole.take(test)


def originals() -> Dataset:
    """All 1797 digits in scikit-learn's order.

    Raises:
        DamagedFile: scikit-learn's table is missing or altered.

    >>> originals().labels[:12].tolist()
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    """
    table = torch.frombuffer(_table(), dtype=torch.uint8).view(COUNT, 65)  # 64 pixels and the label
    images = table[:, :64].reshape(COUNT, 1, 8, 8).to(torch.float32) / 16
    return Dataset(images, table[:, 64].long(), CLASSES, origin=torch.arange(COUNT, device="cpu"))


def split(labels: Int64[Tensor, "n"]) -> tuple[Int64[Tensor, "train"], Int64[Tensor, "test"]]:
    """Positions of the 1200 training and 597 test digits, ascending: the one split of every set made of digits.

    A fixed permutation is sorted by class; walking along it, sample i trains where ⌊i·p⌋ < ⌊(i+1)·p⌋ with
    p = 1200/1797, so that every class has its share to within one sample.

    >>> train, test = split(originals().labels)
    >>> len(train), len(test), len(set(train.tolist()) & set(test.tolist()))
    (1200, 597, 0)
    """
    shuffled = torch.randperm(COUNT, generator=runtime.stream(0, "digits split"), device="cpu")
    by_class = shuffled[labels[shuffled].argsort(stable=True)]
    steps = torch.arange(COUNT + 1, device="cpu") * TRAIN // COUNT
    trains = steps.diff().bool()
    return by_class[trains].sort().values, by_class[~trains].sort().values


def _table() -> bytearray:
    """The table, row by row, one byte per number; read directly because importing scikit-learn takes a second."""
    found = find_spec("sklearn")
    folder = Path((found.submodule_search_locations or [""])[0] if found else "")
    path = folder / "datasets" / "data" / "digits.csv.gz"
    compressed = path.read_bytes() if path.is_file() else b""
    digest = hashlib.sha256(compressed).hexdigest()
    if digest != SHA256:
        raise DamagedFile("digits.csv.gz of scikit-learn", digest, f"a file of SHA-256 {SHA256}", f"At {path}.")
    return bytearray(map(int, gzip.decompress(compressed).replace(b"\n", b",").strip(b",").split(b",")))
