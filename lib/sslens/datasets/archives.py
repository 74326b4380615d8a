"""What archives hold, read by name and exact size: nothing is unpacked to disk, nothing larger is read."""

import gzip
import math
import struct
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import final

import torch
from jaxtyping import UInt8
from torch import Tensor

from sslens.types import DamagedFile

Bytes = UInt8[Tensor, "size"]
BLOCK = 2**20
"""Bytes that are read at a time."""


def idx(path: Path, shape: tuple[int, ...]) -> UInt8[Tensor, "..."]:
    """The bytes of a gzipped IDX file that must have exactly this shape.

    Raises:
        DamagedFile: no gzip file, cut short, not of unsigned bytes, or of another shape.

    Reference: LeCun, Cortes and Burges, The MNIST database of handwritten digits (1998), section on file formats.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "labels.gz")
    ...     _ = path.write_bytes(gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9])))
    ...     idx(path, (3,))
    tensor([7, 8, 9], dtype=torch.uint8)
    """
    header = struct.pack(f">{1 + len(shape)}I", 0x0800 + len(shape), *shape)
    size = math.prod(shape)
    allowed = f"an IDX file of bytes in the shape {shape}"
    with _errors_as_damage(path), gzip.open(path) as file:
        start = file.read(len(header))
        if start != header:
            raise DamagedFile(path.name, start.hex(" ", 4), allowed, f"It should begin with {header.hex(' ', 4)}.")
        values = _bytes(file.read, size)
        if values is None or file.read(1):
            raise DamagedFile(path.name, f"{'fewer' if values is None else 'more'} than {size} values", allowed)
    return values.view(shape)


def members(path: Path, sizes: Mapping[str, int]) -> Iterator[tuple[str, Bytes]]:
    """Name and content of these members of a gzipped tar archive, each of exactly the given size in bytes.

    The archive is read from its beginning until all are found, and each is given away as it comes, so that no more
    than one has to be held at a time. Other members are passed over, whatever they are, and
    no path, link or device in it is ever followed. Unpacked, it may be twice its own size and 1 MiB: photographs
    hardly shrink, and what grows by more is a bomb.

    Raises:
        DamagedFile: no gzipped tar archive, cut short, too large unpacked, or a member that is missing, of another
            size, or no ordinary file.

    >>> import io, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path, member = Path(folder, "set.tar.gz"), tarfile.TarInfo("set/labels.bin")
    ...     member.size = 2
    ...     with tarfile.open(path, "w:gz") as archive:
    ...         archive.addfile(member, io.BytesIO(bytes([3, 4])))
    ...     dict(members(path, {"set/labels.bin": 2}))
    {'set/labels.bin': tensor([3, 4], dtype=torch.uint8)}
    """
    missing = dict(sizes)
    with _errors_as_damage(path), gzip.open(path) as unpacked:
        bounded = _Bounded(unpacked, path.name, limit=2 * path.stat().st_size + 2**20)
        with tarfile.open(fileobj=bounded, mode="r|", bufsize=BLOCK) as archive:  # type: ignore - it only reads
            for member in archive:
                if member.name in missing:
                    yield member.name, _content(archive, member, size=missing.pop(member.name))
                if not missing:
                    break
    for name in missing:
        raise DamagedFile(path.name, f"no {name}", f"an archive with {', '.join(sizes)}")


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, *, size: int) -> Bytes:
    file = archive.extractfile(member) if member.isreg() else None
    if file is None:
        raise DamagedFile(member.name, f"a member of type {member.type!r}", "an ordinary file")
    if member.size != size:
        raise DamagedFile(member.name, f"{member.size:,} bytes", f"a file of {size:,} bytes")
    content = _bytes(file.read, size)
    if content is None:
        raise DamagedFile(member.name, "fewer", f"a file of {size:,} bytes")
    return content


def _bytes(read: Callable[[int], bytes], size: int) -> Bytes | None:
    """The next bytes, read block by block into the memory that they stay in; None where the file ends before."""
    content = memoryview(bytearray(size))
    filled = 0
    while filled < size:
        block = read(min(BLOCK, size - filled))
        if not block:
            return None
        content[filled : filled + len(block)] = block
        filled += len(block)
    return torch.frombuffer(content, dtype=torch.uint8) if size else torch.empty(0, dtype=torch.uint8, device="cpu")


@contextmanager
def _errors_as_damage(path: Path) -> Iterator[None]:
    """Whatever a decoder finds wrong, as our own error."""
    try:
        yield
    except DamagedFile:
        raise
    except Exception as error:  # damaged bytes make a decoder raise nearly anything
        raise DamagedFile(path.name, f"{type(error).__name__}: {error}", "an archive that can be read") from error


@final
class _Bounded:
    """A stream that ends in an error rather than grow without end."""

    def __init__(self, file: gzip.GzipFile, name: str, *, limit: int) -> None:
        self.file, self.name, self.limit, self.given = file, name, limit, 0

    def read(self, size: int) -> bytes:
        block = self.file.read(size)
        self.given += len(block)
        if self.given > self.limit:
            raise DamagedFile(self.name, "more", f"an archive of at most {self.limit:,} bytes, unpacked")
        return block
