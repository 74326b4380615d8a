"""Decoded sets on disk: made once, kept whole under a checksum, made anew where they are damaged or outdated."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from filelock import FileLock
from jaxtyping import Float32, UInt8
from torch import Tensor

from sslens import store
from sslens.types import DamagedFile, InputError

Decoded = dict[str, UInt8[Tensor, "n ..."]]
"""Bytes by name."""
WRITABLE = "a folder that can be written (SSLENS_DATA names another)"


def cached(path: Path, key: str, make: Callable[[], Decoded]) -> Decoded:
    """What ``make`` returns: read from the file if it holds the result for this key, else made and written now.

    A second process waits for the first and reads what it wrote.

    Raises:
        InputError: the place cannot be written or read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for value in (1, 2):
    ...         made = {"one": torch.full([1], value, dtype=torch.uint8)}
    ...         content = cached(Path(folder) / "set.safetensors", "key", lambda: made)
    >>> content["one"]
    tensor([1], dtype=torch.uint8)
    """
    with usable("cache", str(path.parent), WRITABLE):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            content = _read(path, key)
            if content is None:
                for left in path.parent.glob(f".{path.name}.*.part"):  # of a killed process: this one holds the lock
                    left.unlink()
                content = make()
                store.save_tensors(path, content, meta={"key": key})
    return content


def as_floats(pixels: UInt8[Tensor, "n *shape"]) -> Float32[Tensor, "n *shape"]:
    """Bytes as float32 in [0, 1]; nothing but the two, five bytes for each value, is ever in memory.

    >>> as_floats(torch.tensor([0, 51, 255], dtype=torch.uint8))
    tensor([0.0000, 0.2000, 1.0000])
    """
    return pixels.to(torch.float32).div_(255)


@contextmanager
def usable(field: str, got: str, allowed: str) -> Iterator[None]:
    """What the file system refuses inside, as our own error.

    Raises:
        InputError: an error of the file system.

    >>> with usable("folder", "nowhere", "a folder"):
    ...     Path("nowhere/file").read_bytes()
    Traceback (most recent call last):
        ...
    sslens.types.InputError: folder must be a folder. Got 'nowhere'. [Errno 2] No such file or directory: ...
    """
    try:
        yield
    except OSError as error:
        raise InputError(field, got, allowed, str(error)) from error


def check_memory(values: int, *, field: str, got: object, what: str) -> None:
    """Refuse a set whose bytes and floats together are more than the memory that is free.

    Raises:
        InputError: too large, with what it needs and what there is.

    >>> check_memory(10**15, field="size", got=512, what="It needs")
    Traceback (most recent call last):
        ...
    sslens.types.InputError: size must be small enough for the memory. Got 512. It needs 5000000.0 GB, ... are free.
    """
    import psutil  # costs more than all of this module, and only a set of files needs it

    needed, free = 5 * values, psutil.virtual_memory().available  # a byte and a float for each value
    if needed > free:
        hint = f"{what} {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free."
        raise InputError(field, got, "small enough for the memory", hint)


def _read(path: Path, key: str) -> Decoded | None:
    """The file's content, or nothing where it is missing, damaged or outdated."""
    if not path.is_file():
        return None
    try:
        content, meta = store.load_tensors(path)
    except DamagedFile:
        return None
    return content if meta.get("key") == key else None
