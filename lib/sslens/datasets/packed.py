"""What packed files hold, read by name and exact size: nothing is unpacked to disk, nothing larger is read."""

import gzip
import math
import struct
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import final

import torch
from jaxtyping import UInt8
from torch import Tensor

from sslens.types import DamagedFile

Bytes = UInt8[Tensor, "size"]
BLOCK = 2**20
"""Bytes of a tar stream that are read at a time."""


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
    with _told(path), gzip.open(path) as file:
        start, body = file.read(len(header)), file.read(size + 1)
    allowed = f"an IDX file of bytes in the shape {shape}"
    if start != header:
        raise DamagedFile(path.name, start.hex(" ", 4), allowed, f"It should begin with {header.hex(' ', 4)}.")
    if len(body) != size:
        raise DamagedFile(path.name, f"{'more' if len(body) > size else 'fewer'} than {size} values", allowed)
    return torch.frombuffer(bytearray(body), dtype=torch.uint8).view(shape)


def members(path: Path, sizes: Mapping[str, int]) -> dict[str, Bytes]:
    """The content of these members of a gzipped tar archive, each of exactly the given size in bytes.

    The archive is read from its beginning until all are found. Other members are passed over, whatever they are, and
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
    ...     members(path, {"set/labels.bin": 2})
    {'set/labels.bin': tensor([3, 4], dtype=torch.uint8)}
    """
    found: dict[str, Bytes] = {}
    with _told(path), gzip.open(path) as unpacked:
        bounded = _Bounded(unpacked, path.name, limit=2 * path.stat().st_size + 2**20)
        with tarfile.open(fileobj=bounded, mode="r|", bufsize=BLOCK) as archive:  # type: ignore - it only reads
            for member in archive:
                if member.name in sizes.keys() - found.keys():
                    found[member.name] = _content(archive, member, size=sizes[member.name])
                if len(found) == len(sizes):
                    break
    for name in sizes.keys() - found.keys():
        raise DamagedFile(path.name, f"no {name}", f"an archive with {', '.join(sizes)}")
    return found


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, *, size: int) -> Bytes:
    file = archive.extractfile(member) if member.isreg() else None
    if file is None:
        raise DamagedFile(member.name, f"a member of type {member.type!r}", "an ordinary file")
    if member.size != size:
        raise DamagedFile(member.name, f"{member.size:,} bytes", f"a file of {size:,} bytes")
    return torch.frombuffer(bytearray(file.read()), dtype=torch.uint8)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Whatever a reader finds wrong, as our own error."""
    try:
        yield
    except DamagedFile:
        raise
    except Exception as error:  # damaged bytes make a reader raise nearly anything
        raise DamagedFile(path.name, f"{type(error).__name__}: {error}", "a packed file that can be read") from error


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
