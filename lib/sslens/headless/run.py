"""Headless runs of a notebook: strict parameters in, an executed notebook, a report and a record out, or a reason."""

import hashlib
import importlib.metadata
import json
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, final

import nbformat
from filelock import FileLock, Timeout
from nbformat import NotebookNode

from sslens.headless.attempt import PATIENCE, Attempt, Progress, Request, execute
from sslens.headless.notebook import code_cells, read_notebook
from sslens.headless.report import write_report
from sslens.runtime import data_root
from sslens.store import load_arrays, write_atomic
from sslens.types import DamagedFile, InputError

PACKAGES = ("sslens", "torch", "numpy", "scipy", "scikit-learn", "plotly", "papermill", "ipykernel")
"""Whose versions a run's sidecar records."""


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
    claims: str
    """Digest of the study's claims as they were judged: see ``claims.digest``."""
    started: str
    """UTC, ISO 8601."""
    seconds: float
    cell_seconds: list[float | None]
    """Of each code cell in order; None where it was not run."""
    nonce: str

    def sidecar(self) -> dict[str, Any]:
        """The record as JSON values with the versions of what computed it; no absolute paths."""
        record = {name: value for name, value in asdict(self).items() if name != "folder"}
        versions = {name: importlib.metadata.version(name) for name in PACKAGES}
        return record | {"versions": versions, "python": platform.python_version(), "platform": platform.platform()}


def run_notebook(
    path: Path | str,
    parameters: Mapping[str, Any],
    *,
    profile: str = "lesson",
    out: Path | str | None = None,
    timeout: int = PATIENCE,
    progress: Progress | None = None,
) -> RunRecord:
    """Execute a notebook with parameters and keep what comes out, if it is proven complete.

    A complete run leaves ``<stem>.ipynb``, ``<stem>.html``, ``run.json`` and, where the notebook has labelled arrays,
    ``results.json`` in ``out`` (a folder of the data root by default). Any other outcome is a record with
    status "failed" whose files lie in ``out/failed/<nonce>``, ``results.json`` among them where the notebook came to
    writing it; an earlier good result stays as it was. ``timeout`` is in seconds per cell.

    Raises:
        InputError: anything wrong with notebook, parameters, profile or folder; no kernel has been started then.
        KeyboardInterrupt: stopped by the user; kernel and staged files are gone.

    >>> run_notebook("nowhere.ipynb", {})
    Traceback (most recent call last):
        ...
    sslens.types.InputError: notebook must be a readable .ipynb file. Got 'nowhere.ipynb'. (No such file or directory)
    """
    request = Request.of(Path(path), parameters, profile=profile)
    folder = _folder(request.path, out if out is not None else data_root() / "runs" / f"{request.path.stem}-{profile}")
    with _staging(folder) as staging:
        attempt = Attempt(request, staging, timeout)
        reason = execute(attempt, progress)
        return _kept(attempt, reason, folder=folder)


def _folder(notebook: Path, out: Path | str) -> Path:
    """Where results go: made, and not where the executed notebook would take the place of its source."""
    folder = Path(out).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_own = folder.samefile(notebook.resolve().parent)
    except (OSError, ValueError):
        raise InputError("out", str(folder), "a folder that can be written to") from None
    if is_own:
        raise InputError("out", str(folder), "another folder than the notebook's own", "It would be replaced.")
    return folder


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """A fresh folder on the file system of the results, and the sole right to write there; gone at the end."""
    try:
        lock = FileLock(folder / ".lock").acquire(blocking=False)
        for left in folder.glob(".staging-*"):  # of a runner that was killed: who holds the lock is alone here
            shutil.rmtree(left, ignore_errors=True)
        staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=folder))
    except Timeout:
        raise InputError("out", str(folder), "a folder that no other run is writing to") from None
    except (OSError, ValueError):
        raise InputError("out", str(folder), "a folder that can be written to") from None
    with lock:
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _kept(attempt: Attempt, reason: str, *, folder: Path) -> RunRecord:
    """Put the files of a run where they belong: a complete one in place of the last one, a failed one aside."""
    notebook = _tidied(attempt.executed)
    report = attempt.executed.with_suffix(".html")
    if not reason:
        try:
            write_report(notebook, report)
        except Exception as error:  # hours of computing are not to be lost because a page could not be made of them
            reason = f"no report could be written: {type(error).__name__}: {error}"
    place = folder / "failed" / attempt.nonce if reason else folder
    record = _record(attempt, reason, notebook=notebook, folder=place)
    if reason:
        return _set_aside(attempt, record)
    files = [path for path in (attempt.executed, report, attempt.results) if path.is_file()]
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    (folder / attempt.results.name).unlink(missing_ok=True)  # of an earlier run, when this one has none
    for path in [attempt.staging / "plotly.min.js", *files]:
        path.replace(folder / path.name)
    write_atomic(folder / "run.json", _text(record.sidecar() | {"sha256": digests}))
    return record


def _set_aside(attempt: Attempt, record: RunRecord) -> RunRecord:
    shutil.rmtree(attempt.source.parent, ignore_errors=True)
    for path in (attempt.message, attempt.training, attempt.receipt):
        path.unlink(missing_ok=True)
    if not _readable(attempt.results):
        attempt.results.unlink(missing_ok=True)
    write_atomic(attempt.staging / "run.json", _text(record.sidecar()))
    attempt.staging.chmod(0o755)
    record.folder.parent.mkdir(exist_ok=True)
    attempt.staging.rename(record.folder)
    return record


def _readable(results: Path) -> bool:
    try:
        load_arrays(results)
    except DamagedFile:
        return False
    return True


def _record(attempt: Attempt, reason: str, *, notebook: NotebookNode, folder: Path) -> RunRecord:
    cells = code_cells(notebook)
    return RunRecord(
        status="failed" if reason else "complete",
        reason=reason,
        folder=folder,
        notebook=attempt.request.path.name,
        profile=attempt.request.parameters["profile"],
        parameters=attempt.request.parameters,
        verdicts=[] if reason else attempt.verdicts(),
        claims="" if reason else attempt.claims(),
        started=attempt.started,
        seconds=round(time.monotonic() - attempt.clock, 3),
        cell_seconds=[cell.metadata.get("papermill", {}).get("duration") for cell in cells],
        nonce=attempt.nonce,
    )


def _tidied(executed: Path) -> NotebookNode:
    """The executed notebook, as far as it came, without the paths of this machine in its metadata."""
    try:
        notebook = read_notebook(executed)
    except InputError:  # the disk was full, or there was no kernel
        return nbformat.v4.new_notebook()
    for name in ("input_path", "output_path"):
        notebook.metadata.get("papermill", {}).pop(name, None)
    write_atomic(executed, nbformat.writes(notebook) + "\n")
    return notebook


def _text(sidecar: dict[str, Any]) -> str:
    text = json.dumps(sidecar, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    home = str(Path.home())
    return text.replace(home, "~") if len(home) > 1 else text
