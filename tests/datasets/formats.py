"""Tiny files in the formats of the published sets, written number by number."""

import gzip
import io
import struct
import tarfile

import numpy as np


def noise(*shape, seed=0, below=256):
    """Random bytes."""
    return np.random.default_rng(seed).integers(0, below, shape, dtype=np.uint8)


def idx(values):
    """An IDX file of unsigned bytes: zero, zero, type, rank, each size, and the values row by row."""
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes()


def records(images, *labels):
    """CIFAR's records: for each image its labels, then red, green and blue, each row by row."""
    content = bytearray()
    for number, image in enumerate(images):
        content += bytes(int(kind[number]) for kind in labels)
        for channel in image:
            for row in channel:
                content += bytes(row.tolist())
    return bytes(content)


def columns(images):
    """STL's images: red, green and blue, each column by column from the left."""
    content = bytearray()
    for image in images:
        for channel in image:
            for x in range(channel.shape[1]):
                content += bytes(channel[:, x].tolist())
    return bytes(content)


def archive_of(entries):
    """A gzipped tar archive of members and their content."""
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as archive:
            for member, content in entries:
                archive.addfile(member, io.BytesIO(content))
        return file.getvalue()


def entry(name, content=b"", **fields):
    """A member of an archive and its content."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for field, value in fields.items():
        setattr(member, field, value)
    return member, content


def zipped(content):
    """Gzipped, the same bytes each time."""
    return gzip.compress(content, 1, mtime=0)
