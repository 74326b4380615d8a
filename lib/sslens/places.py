"""Places on disk: tried before hours are spent, had alone, set aside when damaged, named when they are finished."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from sslens.store import sync, temporary_name, write_atomic
from sslens.types import InputError

ROOM = 64 * 2**20
"""Bytes that have to be free before something is computed that is to be kept."""


def require_room(folder: Path, needed: int = ROOM, *, field: str = "folder") -> None:
    """Make a folder and try it before hours are spent on what is to lie there.

    Raises:
        InputError: it cannot be made or written to, or its disk has less than ``needed`` bytes to spare.

    >>> require_room(Path("/proc/nowhere"))
    Traceback (most recent call last):
        ...
    sslens.types.InputError: folder must be a folder that can be written to. Got '/proc/nowhere'. No such file ...
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = temporary_name(folder)
        write_atomic(probe, b"\0" * 4096)
        probe.unlink()
        free = shutil.disk_usage(folder).free
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(field, str(folder), "a folder that can be written to", f"{why}.") from None
    if free < needed:
        hint = f"{free / 1e6:,.0f} MB are free."
        raise InputError(field, str(folder), f"on a disk with {needed / 1e6:,.0f} MB to spare", hint)


@contextmanager
def alone(lock: Path, *, patience: float = -1, field: str = "folder") -> Iterator[None]:
    """The sole right to a place among all processes, for as long as this is entered; it ends with the process.

    The lock is a file that is gone afterwards: who waited for it notices, and takes the next one of that name.

    Raises:
        filelock.Timeout: somebody else has it, for longer than ``patience`` in seconds (-1: wait for ever).
        InputError: the folder of the lock cannot be made or written to.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with alone(Path(folder) / "run.lock"):
    ...         here = [path.name for path in Path(folder).iterdir()]
    ...     here, list(Path(folder).iterdir())
    (['run.lock'], [])
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(lock).acquire(timeout=patience)
    except Timeout:
        raise
    except OSError as error:
        raise InputError(field, str(lock.parent), "a folder that can be written to", f"{error.strerror}.") from None
    with held:
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def set_aside(place: Path) -> Path:
    """Move what is damaged out of the way, never deleting it; where it lies now.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for _ in range(2):
    ...         (Path(folder) / "run").touch()
    ...         set_aside(Path(folder) / "run").name
    'run.damaged-0'
    'run.damaged-1'
    """
    number = 0
    while (aside := place.with_name(f"{place.name}.damaged-{number}")).exists():
        number += 1
    return place.rename(aside)


def publish(staging: Path, place: Path) -> None:
    """Give a finished folder the name it is found by, in one rename.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (Path(folder) / "staging").mkdir()
    ...     publish(Path(folder) / "staging", Path(folder) / "runs" / "first")
    ...     [path.name for path in (Path(folder) / "runs").iterdir()]
    ['first']
    """
    sync(staging)
    place.parent.mkdir(parents=True, exist_ok=True)
    staging.rename(place)
    sync(place.parent)


def point(link: Path, name: str) -> None:
    """Let a link lead to a name beside it, at once.

    Nothing happens where the file system has no links, or where something else has the link's name.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     point(Path(folder) / "latest", "first")
    ...     (Path(folder) / "latest").readlink()
    PosixPath('first')
    """
    temporary = temporary_name(link.parent)
    try:
        if link.is_symlink() or not link.exists():
            temporary.symlink_to(name)
            temporary.replace(link)
    except OSError:
        temporary.unlink(missing_ok=True)
