"""What version 0.1 has left in the cache: nobody reads it any more."""

import shutil
from pathlib import Path

from sslens.runtime import data_root

FOLDERS = ("runs", "language")
"""Below the cache of the data root; runs of today lie in ``traces``."""


def old_caches() -> dict[Path, int]:
    """The folders that are there, with their bytes.

    >>> all(size >= 0 for size in old_caches().values())
    True
    """
    folders = [data_root() / "cache" / name for name in FOLDERS]
    return {folder: _size(folder) for folder in folders if folder.is_dir()}


def announcement() -> str:
    """One sentence for a person, empty where there is nothing to say."""
    size = sum(old_caches().values())
    return (
        f"caches of version 0.1 take {size / 1e6:,.0f} MB and are not read any more: sslens clean removes them"
        if size
        else ""
    )


def clean() -> dict[Path, int]:
    """Remove them; the folders that were there, with the bytes they had."""
    found = old_caches()
    for folder in found:
        shutil.rmtree(folder)
    return found


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
