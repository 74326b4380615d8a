"""Published files, known by address and checksum: fetched once and kept as they came."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, final

from sslens.progress import progress
from sslens.types import DamagedFile, InputError

BLOCK = 2**20
"""Bytes between two signs of progress."""


@final
@dataclass(frozen=True)
class Source:
    """A file as its publisher offers it, and what it is recognised by.

    >>> Source("https://doi.org/somewhere/table.gz", 3, "0" * 64).name
    'table.gz'
    """

    address: str
    size: int
    """Bytes."""
    sha256: str

    @property
    def name(self) -> str:
        """The last part of the address, and the file's name in the cache."""
        return self.address.rpartition("/")[2]


def fetch(sources: Sequence[Source], folder: Path) -> list[Path]:
    """Where the files lie in ``folder``, each with its published size and checksum; those not there are fetched.

    A file gets its name only when it is whole and its checksum right; an interrupted download starts again. Only one
    process at a time may fetch into a folder: the caller holds its lock.

    Raises:
        InputError: a file cannot be fetched. The text says why, and for every missing file its address, size,
            checksum and place, so that it can be brought there by other means.
        DamagedFile: a file that is there has another size or checksum. It is left as it is.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "abc.txt").write_text("abc")
    ...     digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    ...     fetch([Source("https://doi.org/somewhere/abc.txt", 3, digest)], Path(folder))[0].name
    'abc.txt'
    """
    paths = [folder / source.name for source in sources]
    for source, path in zip(sources, paths, strict=True):
        if path.exists():
            _check(source, path)
    missing = [source for source, path in zip(sources, paths, strict=True) if not path.exists()]
    for source in missing:
        try:
            _download(source, folder)
        except (OSError, ValueError) as error:
            raise _unreachable(source, missing, folder=folder, error=error) from error
    return paths


def _check(source: Source, path: Path) -> None:
    hint = f"It lies at {path} and is left as it is; move it away, and it is fetched."
    size = path.stat().st_size
    if size != source.size:
        raise DamagedFile(source.name, f"{size:,} bytes", f"the published file of {source.size:,} bytes", hint)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != source.sha256:
        raise DamagedFile(source.name, digest, f"the published file of SHA-256 {source.sha256}", hint)


def _unreachable(source: Source, missing: Sequence[Source], *, folder: Path, error: Exception) -> InputError:
    left = [each for each in missing if not (folder / each.name).exists()]
    lines = [f"{folder / each.name}: {each.size:,} bytes, SHA-256 {each.sha256}, {each.address}" for each in left]
    hint = f"{source.name} could not be fetched from {source.address} ({type(error).__name__}: {error})."
    hint += "\nBring what is missing from elsewhere, and nothing is fetched:\n" + "\n".join(lines)
    return InputError("dataset", folder.name, "a set whose files are in place or can be fetched", hint)


def _download(source: Source, folder: Path) -> None:
    import pooch  # brings a whole HTTP client, which only the first load of a set needs

    def save(address: str, path: str, _pooch: Any) -> None:
        with ExitStack() as answers, Path(path).open("wb") as file:
            client = pooch.HTTPDownloader(
                chunk_size=BLOCK,
                # some servers call a .gz file a compressed transfer, which the client would undo on its way
                headers={"Accept-Encoding": "identity"},
                # the client itself leaves the connection open when it fails
                hooks={"response": lambda answer, **_: answers.enter_context(answer)},
            )
            client(address, _Metered(file, source), None)
            os.fsync(file.fileno())

    part = folder / "part"
    shutil.rmtree(part, ignore_errors=True)  # a killed process may have left one
    pooch.get_logger().setLevel("WARNING")  # it would write into the notebook where its temporary file lies
    try:
        expected = f"sha256:{source.sha256}"
        pooch.retrieve(source.address, expected, fname=source.name, path=part, downloader=save)  # type: ignore[arg-type] - it declares other names
        (part / source.name).chmod(0o644)
        (part / source.name).replace(folder / source.name)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@final
class _Metered:
    """A file that shows how far it has been written, and takes no byte more than was published."""

    def __init__(self, file: BinaryIO, source: Source) -> None:
        self.file, self.size, self.written = file, source.size, 0
        self.progress = progress(count(), total=-(-source.size // BLOCK), label=source.name)

    def write(self, block: bytes) -> None:
        self.written += len(block)
        if self.written > self.size:
            raise ValueError(f"more than the published {self.size:,} bytes are sent")
        self.file.write(block)
        next(self.progress)

    def flush(self) -> None:
        self.file.flush()
