"""Temporary folders in which notebooks are executed: gone with what was done there, or with the next one."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

BEGINNING = "sslens-freeze-"
"""How the names of the folders begin."""
YOUNG = 60.0
"""Seconds in which a folder may still be about to be locked by who made it."""


@contextmanager
def workplace() -> Iterator[Path]:
    """A temporary folder that is gone at the end; what a killed process could not remove is removed by the next one.

    >>> with workplace() as folder:
    ...     _ = (folder / "note.txt").write_text("while it lasts")
    >>> folder.exists()
    False
    """
    for left in Path(tempfile.gettempdir()).glob(f"{BEGINNING}*"):
        with suppress(OSError):
            _remove_if_left(left)
    made = tempfile.TemporaryDirectory(prefix=BEGINNING, ignore_cleanup_errors=True)
    # the system lets go of the lock with the process
    with made as folder, FileLock(Path(folder) / ".lock"):
        yield Path(folder)


def _remove_if_left(folder: Path) -> None:
    found = folder.lstat()
    if found.st_uid == os.getuid() and time.time() - found.st_mtime > YOUNG and not folder.is_symlink():
        with suppress(Timeout), FileLock(folder / ".lock", timeout=0):
            shutil.rmtree(folder, ignore_errors=True)
