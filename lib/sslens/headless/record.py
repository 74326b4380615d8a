"""What is kept of a headless run: the record in memory, and as it is read back from the folder of the run."""

import platform
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, final

from sslens.headless.shown import hidden_within
from sslens.store import read_sealed
from sslens.types import DamagedFile

STATES = ("complete", "failed")
STAGED = ".staging-"
"""Beginning of the name of a folder in which a run is computed."""
FAILED, LATEST = "failed", "latest"
"""Beside the folders of complete runs: a folder of the failed ones, and a link to the last complete one."""
ELSEWHERE = ("folder", "note", "there_already")
"""Fields of a record that its file does not hold."""


@final
@dataclass(frozen=True)
class RunRecord:
    """What is kept of a run, as in its ``run.json``."""

    status: Literal["complete", "failed"]
    reason: str
    """Why it failed, in one sentence; empty for a complete run."""
    folder: Path
    """Where its files lie."""
    notebook: str
    profile: str
    parameters: dict[str, Any]
    verdicts: list[dict[str, Any]]
    started: str
    """UTC, ISO 8601."""
    seconds: float
    cell_seconds: list[float | None]
    """Of each code cell in order; None where it was not run."""
    nonce: str
    claims: str = ""
    """Digest of the study's claims as they were judged: see ``claims.digest``."""
    identity: dict[str, Any] = field(default_factory=dict)
    """Its key, and digests of source, library and data: the same identity is the same run."""
    versions: dict[str, str] = field(default_factory=dict)
    numerics: dict[str, Any] = field(default_factory=dict)
    """Device, threads and instruction set that it was computed with."""
    commit: dict[str, Any] | None = None
    """Of the checkout that the library lies in: its hash, and whether there were changes on top of it."""
    note: str = ""
    """What a person is to know besides, such as that a damaged run was set aside."""
    there_already: bool = False
    """Whether nothing was executed, because the run stood there."""

    def sidecar(self) -> dict[str, Any]:
        """The record as JSON values with what computed it; no paths of this machine."""
        record = {name: value for name, value in asdict(self).items() if name not in ELSEWHERE}
        return hidden_within(record | {"python": platform.python_version(), "platform": platform.platform()})


def stored_run(folder: Path, *, files: bool = True) -> RunRecord:
    """The record of a run as it stands, its manifest verified, and with ``files`` each of its files.

    Raises:
        DamagedFile: missing, altered, truncated, or no run.

    >>> stored_run(Path("/nowhere"))
    Traceback (most recent call last):
        ...
    sslens.types.DamagedFile: path must be a manifest that sslens wrote. Got '/nowhere/run.json'.
    """
    found = read_sealed(folder, files=files)
    names = {each.name for each in fields(RunRecord)} - set(ELSEWHERE)
    if not names <= found.keys() or not isinstance(found["verdicts"], list) or found["status"] not in STATES:
        raise DamagedFile("path", str(folder), "the folder of a headless run")
    return RunRecord(folder=folder, there_already=True, **{name: found[name] for name in names})
