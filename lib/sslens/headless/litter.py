"""What runs have left behind that nobody needs: found, weighed, and removed on request.

Finished runs, what somebody is working on (its lock is held), and files that are not ours are never among it.
"""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import psutil
import torch
from filelock import FileLock, Timeout

from sslens import fingerprint
from sslens.headless.record import FAILED, STAGED
from sslens.places import alone
from sslens.runtime import data_root
from sslens.store import MANIFEST, PART, read_sealed
from sslens.train.cache import FOLDER, modules_of
from sslens.train.config import Config
from sslens.types import DamagedFile, InputError

DAY = 24 * 3600
UNUSED = 30 * DAY
"""Seconds after which a set that nobody has read counts as unused."""
FREEZING = "sslens-freeze-*"
ASIDE = re.compile(r".+\.damaged-[0-9]+")
ATTEMPT = re.compile(r"(.+-)?[0-9a-f]{16}")
"""How the folder of a failed run is called: the name of the run and the attempt's own number."""
OURS = re.compile(r"\.(?P<process>[0-9]+)-[0-9a-f]{12}\.part|\..*\.part|.*\.[a-z0-9_]{8}\.part")


@final
@dataclass(frozen=True)
class Litter:
    """A file or folder that may go."""

    path: Path
    why: str
    bytes: int
    lock: Path | None = None
    """Held while it is removed."""


def found_litter(runs: Path | None = None) -> list[Litter]:
    """What may go, below the data root and in a folder of runs, by reason; nothing is changed.

    >>> all(each.bytes >= 0 for each in found_litter())
    True
    """
    cache, runs = data_root() / "cache", runs or data_root() / "runs"
    searches = (_unfinished(runs), _set_aside(runs), _failed(runs), _locks(runs, pattern=".*lock"), _parts(runs))
    cached = (_set_aside(cache / FOLDER), _unused_runs(cache / FOLDER), _sets(cache / "folders"), _parts(cache))
    others = (_locks(cache, pattern="*.lock"), _of_freeze(), of_version_01())
    found = {each.path: each for search in (*searches, *cached, *others) for each in search}
    inside = {path for path in found if found.keys() & set(path.parents)}
    return [each for path, each in found.items() if path not in inside]


def remove(litter: Litter) -> str:
    """Remove it; why it could not be, or nothing."""
    try:
        with alone(litter.lock, patience=0) if litter.lock else nullcontext():
            if litter.path.is_dir() and not litter.path.is_symlink():
                shutil.rmtree(litter.path)
            else:
                litter.path.unlink(missing_ok=True)
    except Timeout:
        return "somebody is working on it"
    except InputError as error:
        return error.hint
    except OSError as error:
        return error.strerror or str(error)
    return ""


def weight(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; links count for nothing.

    >>> weight(Path("/nowhere"))
    0
    """
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(file.lstat().st_size for file in files if not file.is_symlink())


def _is_free(lock: Path) -> bool:
    """Whether nobody holds a lock; one that is not there is not made for this."""
    if not lock.exists():
        return True
    try:
        with FileLock(lock, blocking=False):  # which leaves the file where it is
            return True
    except (Timeout, OSError):
        return False


def _children(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _weighed(
    paths: Iterator[Path] | list[Path], why: str, lock: Callable[[Path], Path] | None = None
) -> Iterator[Litter]:
    for path in paths:
        held = lock(path) if lock else None
        if held is None or _is_free(held):
            yield Litter(path, why, weight(path), held)


def _unfinished(runs: Path) -> Iterator[Litter]:
    staged = [path for path in _children(runs) if path.name.startswith(STAGED) and path.is_dir()]
    name = {path: path.name.removeprefix(STAGED).rpartition(".")[0] for path in staged}
    return _weighed(staged, "a run whose runner was killed", lambda path: runs / f".{name[path]}.lock")


def _set_aside(folder: Path) -> Iterator[Litter]:
    return _weighed([path for path in _children(folder) if ASIDE.fullmatch(path.name)], "damaged, and set aside")


def _failed(runs: Path) -> Iterator[Litter]:
    """Failed runs, told from folders of others by their names and what they hold.

    One without a manifest was computed and could not be put in its place: nobody has seen it yet.
    """
    folders = [
        path for path in _children(runs / FAILED) if ATTEMPT.fullmatch(path.name) and (path / MANIFEST).is_file()
    ]
    return _weighed([path for path in folders if not path.is_symlink()], "a failed run")


def _locks(folder: Path, *, pattern: str) -> Iterator[Litter]:
    files = [path for path in folder.rglob(pattern) if path.is_file() and not path.stat().st_size]
    return _weighed(files, "a lock that nobody holds", lambda path: path)


def _parts(folder: Path) -> Iterator[Litter]:
    """Files, and folders of an import, that were being written: those of a process that is no more."""
    for path in folder.rglob(f"*{PART}"):
        named = OURS.fullmatch(path.name)
        if named and not path.is_symlink() and not (named["process"] and psutil.pid_exists(int(named["process"]))):
            yield Litter(path, "written in part", weight(path), _lock_around(path))


def _lock_around(part: Path) -> Path | None:
    return part.parent.with_name(f"{part.parent.name}.lock") if part.parent.parent.name == FOLDER else None


def _unused_runs(traces: Path) -> Iterator[Litter]:
    """Traces that no call of this code with this torch asks for: their code has changed since."""
    codes: dict[tuple[str, ...], str] = {}
    folders = [folder for folder in _children(traces) if folder.is_dir() and not ASIDE.fullmatch(folder.name)]
    unused = [folder for folder in folders if _is_of_other_code(folder, codes)]
    why = "a trained run of other code, which nothing uses any more"
    return _weighed(unused, why, lambda folder: folder.with_name(f"{folder.name}.lock"))


def _is_of_other_code(folder: Path, codes: dict[tuple[str, ...], str]) -> bool:
    if not (folder / MANIFEST).is_file():
        return False
    try:
        manifest = read_sealed(folder)
        modules = modules_of(Config.of_json(manifest["config"]))
    except DamagedFile as damage:
        return "earlier version" in damage.hint
    except (InputError, KeyError, TypeError, AttributeError):  # of a class that only a notebook knows
        return False
    if modules not in codes:
        codes[modules] = fingerprint.of_modules(*modules)
    provenance: dict[str, Any] = manifest["provenance"]
    return (provenance.get("code"), provenance.get("torch")) != (codes[modules], torch.__version__)


def _sets(folder: Path) -> Iterator[Litter]:
    """Decoded folders of images that nobody has read for a month, and what an earlier version left beside them."""
    orphans = [path for path in folder.glob("tmp*") if path.is_file()]
    yield from _weighed(orphans, "left by a process that was killed")
    old = [path for path in folder.glob("*.safetensors") if path not in orphans and _idle(path) > UNUSED]
    why = f"a decoded folder of images, not read for {UNUSED // DAY} days"
    yield from _weighed(old, why, lambda path: path.with_suffix(".lock"))


def _idle(path: Path) -> float:
    status = path.stat()
    return time.time() - max(status.st_atime, status.st_mtime)


def _of_freeze() -> Iterator[Litter]:
    """Folders of a freeze that was killed: nothing in them has changed for a day."""
    folders = [path for path in Path(tempfile.gettempdir()).glob(FREEZING) if path.is_dir() and not path.is_symlink()]
    mine = [path for path in folders if path.stat().st_uid == os.getuid()]
    return _weighed([path for path in mine if _at_rest(path) > DAY], "of a freeze that was killed")


def _at_rest(folder: Path) -> float:
    """Seconds since anything in a folder was written; that somebody looks into it counts for nothing."""
    return time.time() - max(path.lstat().st_mtime for path in (folder, *folder.rglob("*")))


def of_version_01() -> list[Litter]:
    """The caches of version 0.1, with their bytes.

    >>> all(each.bytes >= 0 for each in of_version_01())
    True
    """
    folders = [data_root() / "cache" / name for name in ("runs", "language")]
    return list(
        _weighed([folder for folder in folders if folder.is_dir()], "a cache of version 0.1, not read any more")
    )


def announcement() -> str:
    """One sentence for a person, empty where there is nothing to say."""
    size = sum(each.bytes for each in of_version_01())
    said = f"caches of version 0.1 take {size / 1e6:,.0f} MB and are not read any more: sslens runs clean removes them"
    return said if size else ""
