"""Recorded runs in one file: packed with checksums, and put in place elsewhere only when all of it is whole.

Such a file is an uncompressed zip of JSON and safetensors, nothing in which can run. Checksums find damage; whoever
forges a file can make them anew, so take one from somebody you would take a notebook from.
"""

import hashlib
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, final

from filelock import Timeout

from sslens.places import ROOM, alone, publish, require_room
from sslens.runtime import data_root
from sslens.store import CHECKSUM, MANIFEST, read_sealed, seal, sync, temporary_name
from sslens.trace import Trace, load
from sslens.train.cache import FOLDER, key, name_of, provenance
from sslens.train.config import Config
from sslens.types import DamagedFile, InputError

FORMAT = "sslens runs 1"
NAME = re.compile(
    rf"{MANIFEST}|(?P<key>[0-9a-f]{{24}})/({MANIFEST}|reference\.safetensors|(snapshot|resume)-[0-9]{{7,12}}\.safetensors)"
)
PATIENCE = 5.0
"""Seconds to wait for another process that has a run; who trains it has it longer."""
ALLOWED = "a file of runs that sslens wrote"


@final
@dataclass(frozen=True)
class Taken:
    """What became of one run of a file.

    >>> Taken("0123456789abcdef01234567", "of no use", "other code").state
    'of no use'
    """

    key: str
    state: Literal["new", "there already", "in use", "of no use"]
    why: str = ""
    """Of a run of no use here: in what it differs from what this machine would train."""


def pack(configs: Sequence[Config], file: Path) -> list[str]:
    """Write the finished runs of these configs into one file; the keys of those that are in it.

    Raises:
        InputError: the file is there already, its folder cannot be written to, or none of the runs is finished.
        DamagedFile: a run in the cache is not what was written.

    >>> pack([], Path("runs.zip"))
    Traceback (most recent call last):
        ...
    sslens.types.InputError: runs must be finished, at least one of them. Got '0 of 0'. Run the notebook first.
    """
    if file.exists() or file.is_symlink():
        raise InputError("FILE", str(file), "one that is not there yet", "Nothing was written.")
    keys = dict.fromkeys(key(config) for config in configs)
    places = {name: _traces() / name for name in keys if _is_finished(_traces() / name)}
    if not places:
        raise InputError("runs", f"0 of {len(keys)}", "finished, at least one of them", "Run the notebook first.")
    try:
        with _staging(file.resolve().parent) as staging:
            files = {f"{name}/{part.name}": part for name, place in places.items() for part in _whole(place)}
            seal(staging, {"format": FORMAT, CHECKSUM: {name: _checksum(path) for name, path in files.items()}})
            _write(file, lambda stream: _zip(files | {MANIFEST: staging / MANIFEST}, stream))
    except OSError as error:
        raise InputError("FILE", str(file), "in a folder that can be written to", f"({error.strerror})") from None
    return list(places)


def unpack(file: Path) -> list[Taken]:
    """Put the runs of a file into the cache, each in one step, and say of each what became of it.

    Before the first of them is put in place all are verified: names, sizes, checksums, keys, tensors. A run that is
    there already stays as it is, so an import that was stopped goes on where it stopped. One that this machine would
    never read, for its code, torch, device or processor are others, is left out. Whether data are the same is found out
    when a notebook asks for the run.

    Raises:
        InputError: no such file, or no room for what it holds.
        DamagedFile: anything in it is missing, truncated, altered or foreign; nothing was put in place.

    >>> unpack(Path("nowhere.zip"))
    Traceback (most recent call last):
        ...
    sslens.types.InputError: FILE must be a file that can be read. Got 'nowhere.zip'. (No such file or directory)
    """
    try:
        size = file.stat().st_size
        archive = zipfile.ZipFile(file)
    except OSError as error:
        raise InputError("FILE", str(file), "a file that can be read", f"({error.strerror})") from None
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise DamagedFile("FILE", str(file), ALLOWED, "It is no archive, or not all of it.") from error
    with archive:
        names = _checked_names(archive, file, size=size)
        require_room(data_root() / "cache", ROOM + size, field="cache")
        with _staging(data_root() / "cache") as staging:
            _extract(archive, file, staging)
            traces = _verified(staging, file, names=names)
            return [_taken(staging / name, trace) for name, trace in traces.items()]


def finished() -> list[Config]:
    """The configs of all finished runs in the cache that this machine would read.

    >>> all(isinstance(config, Config) for config in finished())
    True
    """
    folders = sorted(_traces().iterdir()) if _traces().is_dir() else []
    records = [read_sealed(folder, files=False) for folder in folders if _is_finished(folder)]
    return [Config.of_json(each["config"]) for each in records if not _differences(each["config"], each["provenance"])]


def _traces() -> Path:
    return data_root() / "cache" / FOLDER


def _is_finished(place: Path) -> bool:
    try:
        return bool(NAME.fullmatch(f"{place.name}/{MANIFEST}")) and read_sealed(place)["status"] != "running"
    except (DamagedFile, KeyError):
        return False


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """A folder of this process alone, which is gone afterwards."""
    staging = temporary_name(folder)
    staging.mkdir()
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _write(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    """Write a file that is too large to be held, so that there is all of it or none; ``fill`` writes into a stream."""
    temporary = temporary_name(path.parent)
    try:
        with temporary.open("xb") as stream:
            fill(stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _whole(place: Path) -> list[Path]:
    """The files of a run, after all of them were read and held against their checksums."""
    load(place)
    return [place / name for name in (MANIFEST, *read_sealed(place)["files"])]


def _zip(files: Mapping[str, Path], stream: IO[bytes]) -> None:
    """Files by name, uncompressed, in the order of their names, without times or owners."""
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, path in sorted(files.items()):
            with path.open("rb") as source, archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target)


def _checked_names(archive: zipfile.ZipFile, file: Path, *, size: int) -> set[str]:
    """The names in an archive, if each is one of ours, stands there once, and none takes more room than the file."""
    entries = archive.infolist()
    names = {entry.filename for entry in entries}
    for entry in entries:
        if not NAME.fullmatch(entry.filename):
            raise DamagedFile("FILE", str(file), ALLOWED, f"It holds {entry.filename[:80]!r}.")
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size or entry.flag_bits & 1:
            raise DamagedFile("FILE", str(file), ALLOWED, f"{entry.filename!r} is compressed.")
    if len(names) < len(entries) or sum(entry.file_size for entry in entries) > size or MANIFEST not in names:
        raise DamagedFile("FILE", str(file), ALLOWED, "Its table of contents was altered.")
    return names


def _extract(archive: zipfile.ZipFile, file: Path, staging: Path) -> None:
    try:
        for entry in archive.infolist():
            target = staging / entry.filename
            target.parent.mkdir(exist_ok=True)
            with archive.open(entry) as source:
                _write(target, lambda stream, source=source: shutil.copyfileobj(source, stream))
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise DamagedFile("FILE", str(file), ALLOWED, f"{entry.filename!r} is damaged.") from error
    except OSError as error:
        raise InputError(
            "cache", str(staging.parent), "a folder that can be written to", f"{error.strerror}."
        ) from None


def _verified(staging: Path, file: Path, *, names: set[str]) -> dict[str, Trace]:
    """The runs of an unpacked archive by key, every file held against its checksums and every run against its key."""
    try:
        record = read_sealed(staging)
        if record.get("format") != FORMAT or {*record.get(CHECKSUM, {}), MANIFEST} != names:
            raise DamagedFile("FILE", str(file), ALLOWED, "Its list of files is another one.")
        keys = sorted({name.partition("/")[0] for name in names - {MANIFEST}})
        traces = {name: load(staging / name) for name in keys}
    except (DamagedFile, InputError) as damage:
        part = str(damage.got).removeprefix(f"{staging}/")
        raise DamagedFile("FILE", str(file), ALLOWED, f"{part} is none of it, or altered: {damage.hint}") from None
    for name, trace in traces.items():
        listed = {MANIFEST, *read_sealed(staging / name)["files"]}
        if name_of(trace.config, trace.provenance) != name or trace.status == "running":
            raise DamagedFile("FILE", str(file), ALLOWED, f"{name} is not the finished run that its key says.")
        if {path.name for path in (staging / name).iterdir()} != listed:
            raise DamagedFile("FILE", str(file), ALLOWED, f"{name} holds files that are not its own.")
    return traces


def _taken(folder: Path, trace: Trace) -> Taken:
    """Give a verified run its place in the cache, unless it is there, somebody has it, or nobody would read it."""
    if why := _differences(trace.config, trace.provenance):
        return Taken(folder.name, "of no use", why)
    place = _traces() / folder.name
    try:
        with alone(place.with_name(f"{place.name}.lock"), patience=PATIENCE, field="cache"):
            if _is_finished(place):
                return Taken(folder.name, "there already")
            if place.exists():  # the beginning of a run, or a damaged one: it goes with the staging folder
                place.rename(folder.with_name(f"{folder.name}.before"))
            publish(folder, place)
    except Timeout:
        return Taken(folder.name, "in use")
    return Taken(folder.name, "new")


def _differences(config: Any, known: Any) -> str:
    """In what a run differs from what this machine would read, but for its data; nothing where it does not."""
    try:
        mine = provenance(Config.of_json(config), data=known["data"])
    except (InputError, LookupError, TypeError, AttributeError) as error:
        return f"a config that this version does not know: {error}"
    names = [name for name in mine if known.get(name) != mine[name]]
    return ", ".join(
        "other code" if name == "code" else f"{name} {known.get(name)}, not {mine[name]}" for name in names
    )
