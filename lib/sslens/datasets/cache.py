"""Decoded sets on disk: made once, kept whole under a checksum, made anew where they are damaged or outdated."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from jaxtyping import UInt8
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sslens.types import InputError

Decoded = dict[str, UInt8[Tensor, "n ..."]]
"""Bytes by name."""
WRITABLE = "a folder that can be written (SSLENS_DATA names another)"


def kept(path: Path, key: str, make: Callable[[], Decoded]) -> Decoded:
    """What ``make`` returns: read from the file if it holds the result for this key, else made and written now.

    Whoever asks second waits for the first and reads what it wrote.

    Raises:
        InputError: the place cannot be written or read.

    >>> import torch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for value in (1, 2):
    ...         made = {"one": torch.full([1], value, dtype=torch.uint8)}
    ...         content = kept(Path(folder) / "set.safetensors", "key", lambda: made)
    >>> content["one"]
    tensor([1], dtype=torch.uint8)
    """
    with usable("cache", str(path.parent), WRITABLE):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            content = _read(path, key)
            if content is None:
                content = make()
                # written whole under another name, then renamed; the checksum answers for a crash in between
                with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
                    part = Path(scratch) / path.name
                    save_file(content, part, {"checksum": _checksum(key, content)})
                    part.chmod(0o644)
                    part.replace(path)
    return content


@contextmanager
def usable(field: str, got: str, allowed: str) -> Iterator[None]:
    """What the file system refuses inside, as our own error.

    Raises:
        InputError: an error of the file system, or of a file that is no tensor file.

    >>> with usable("folder", "nowhere", "a folder"):
    ...     Path("nowhere/file").read_bytes()
    Traceback (most recent call last):
        ...
    sslens.types.InputError: folder must be a folder. Got 'nowhere'. [Errno 2] No such file or directory: ...
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
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
    import psutil  # costs more than all of this module, and only a set of files asks for it

    needed, free = 5 * values, psutil.virtual_memory().available  # a byte and a float for each value
    if needed > free:
        hint = f"{what} {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free."
        raise InputError(field, got, "small enough for the memory", hint)


def _read(path: Path, key: str) -> Decoded | None:
    """The file's content, or nothing where it is missing or not what was written."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            content = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            return content if file.metadata()["checksum"] == _checksum(key, content) else None
    except (OSError, SafetensorError, KeyError, TypeError):
        return None


def _checksum(key: str, content: Decoded) -> str:
    digest = hashlib.sha256(key.encode())
    for name, values in sorted(content.items()):
        digest.update(f"{name} {tuple(values.shape)} {values.dtype}".encode())
        digest.update(values.numpy().data)
    return digest.hexdigest()
