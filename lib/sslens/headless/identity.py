"""What a headless run is: notebook, parameters, library and data. The same of all four is the same run."""

import hashlib
import importlib.metadata
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import torch
from nbformat import NotebookNode

from sslens import datasets, fingerprint
from sslens.headless.attempt import Request
from sslens.headless.lesson import library_of
from sslens.headless.notebook import tags
from sslens.headless.parameters import declared
from sslens.headless.shown import hidden
from sslens.runtime import canonical_json, numerics
from sslens.types import UnknownName

PACKAGES = ("sslens", "torch", "numpy", "scipy", "scikit-learn", "plotly", "papermill", "ipykernel")
"""Whose versions a run records."""
FOLDER = "folder:"
MOST_FILES, MOST_BYTES = 200_000, 50_000_000_000
"""Of a folder that a parameter names: beyond them nobody waits for its content to be read."""
LONGEST = 120
"""Bytes of a readable name; file systems take 255, and a key and a number follow."""


@final
@dataclass(frozen=True)
class Identity:
    """All that decides what comes out of a run."""

    source: str
    """SHA-256 of the cells as their author wrote them, prose and tags included."""
    parameters: dict[str, Any]
    library: str
    """Fingerprint of the code that the notebook takes from this library, its study included."""
    data: dict[str, str | None]
    """Digest of what each parameter names that names data; None where there is too much of it to be read."""
    versions: dict[str, str]
    numerics: dict[str, Any]
    """Device, threads, instruction set."""

    @classmethod
    def of(cls, request: Request) -> "Identity":
        """The identity of what is requested, from the notebook and the data as they are now.

        Raises:
            InputError: a file of the library was changed since this process began.
        """
        return cls(
            source=_digest([_cell(cell) for cell in request.notebook.cells]),
            parameters=request.parameters,
            library=library_of(request.notebook, request.path.stem),
            data=dict(_data(request)),
            versions=versions(),
            numerics=numerics(torch.device("cuda" if torch.cuda.is_available() else "cpu")),
        )

    @property
    def is_known(self) -> bool:
        """Whether all the data could be read: otherwise no two runs are known to be the same."""
        return None not in self.data.values()

    @property
    def key(self) -> str:
        """SHA-256 of it all.

        >>> one, two = (Identity("a", {"seed": seed}, "b", {}, {}, {}) for seed in (0, 1))
        >>> one.key == one.key, one.key == two.key
        (True, False)
        """
        return _digest(asdict(self))

    def record(self) -> dict[str, Any]:
        """What is kept of it in a run's manifest, parameters and versions left out, which stand there by themselves."""
        return {"key": self.key, "source": self.source, "library": self.library, "data": self.data}


def readable_name(request: Request, identity: Identity) -> str:
    """The name of a run's folder: notebook, profile, what differs from the defaults, and the beginning of its key."""
    defaults = {name: parameter.default for name, parameter in declared(request.notebook).items()}
    changed = {
        name: hidden(str(value))
        for name, value in request.parameters.items()
        if name != "profile" and value != defaults[name]
    }
    parts = [request.path.stem, request.parameters["profile"], *(f"{name}={value}" for name, value in changed.items())]
    plain = re.sub(r"[^\w.=+,-]+", "_", "-".join(parts)).lstrip(".-")
    return f"{plain.encode()[:LONGEST].decode(errors='ignore')}-{identity.key[:8]}"


def versions() -> dict[str, str]:
    """The versions of what computes and shows a run.

    >>> versions()["papermill"]
    '2.7.0'
    """
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def _digest(value: object) -> str:
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def _cell(cell: NotebookNode) -> list[Any]:
    return [cell.cell_type, cell.source, sorted(tags(cell)), cell.get("attachments", {})]


def _data(request: Request) -> Iterator[tuple[str, str | None]]:
    """Each parameter that names data, with their digest: a set by name, a folder of images, any file or folder."""
    for name, value in request.parameters.items():
        found = _named_by(value, request.path.parent) if isinstance(value, str) and value else ""
        if found != "":
            yield name, found


def _named_by(value: str, beside: Path) -> str | None:
    """The digest of what a text names, "" where it names no data; a set by name is what its code makes of it."""
    try:
        code = fingerprint.of_modules(datasets.loader_module(value))
    except UnknownName:
        code = ""
    content = _content_at(value.removeprefix(FOLDER), beside)
    return None if content is None else code + content


def _content_at(value: str, beside: Path) -> str | None:
    """The digest of a file or folder, seen from the notebook or from where the command was typed; "" for none there."""
    for base in (beside, Path()):
        try:
            place = base / Path(value).expanduser()
            is_there = place.is_file() or place.is_dir()
        except (OSError, ValueError, RuntimeError):  # too long, a NUL, an unknown home
            continue
        if is_there:
            return _digest_of(place)
    return ""


def _digest_of(place: Path) -> str | None:
    """Of the names and bytes of all files; None where they are too many, too large, or closed to us."""
    content, size = hashlib.sha256(), 0
    try:
        for number, file in enumerate(_files(place)):
            size += file.stat().st_size
            if number >= MOST_FILES or size > MOST_BYTES:
                return None
            content.update(f"{file.relative_to(place).as_posix()}\0".encode(errors="surrogateescape"))
            with file.open("rb") as opened:
                content.update(hashlib.file_digest(opened, "sha256").digest())
    except OSError:
        return None
    return content.hexdigest()


def _files(place: Path) -> Iterator[Path]:
    """The ordinary files of a folder in the order of their names; pipes and devices would be waited on for ever."""
    if place.is_file():
        yield place
        return
    for folder, below, names in os.walk(place):
        below.sort()
        yield from (path for path in (Path(folder) / name for name in sorted(names)) if path.is_file())
