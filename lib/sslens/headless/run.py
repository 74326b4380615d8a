"""Headless runs of a notebook: strict parameters in, an executed notebook, a report and a record out, or a reason."""

import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import nbformat
from filelock import Timeout
from nbformat import NotebookNode
from papermill.execute import ERROR_MARKER_TAG

from sslens.headless.attempt import PATIENCE, Attempt, Progress, Request, execute
from sslens.headless.commit import of_the_checkout
from sslens.headless.identity import Identity, readable_name
from sslens.headless.notebook import INJECTED, code_cells, outputs_of, read_notebook, tags
from sslens.headless.record import FAILED, LATEST, STAGED, RunRecord, stored_run
from sslens.headless.report import with_pictures, write_report
from sslens.headless.shown import hidden, hidden_within
from sslens.places import alone, point, publish, require_room, set_aside
from sslens.runtime import data_root
from sslens.store import checksums, load_arrays, seal, write_atomic
from sslens.types import DamagedFile, InputError, Range, checked

LONGEST = 7 * 24 * 3600
"""Seconds that a cell may be given."""
LONGEST_REASON = 2000
"""Characters of a reason: what a program says of its failure may have no end."""


def run_notebook(  # noqa: PLR0913 - what the command line offers, a word for each
    path: Path | str,
    parameters: Mapping[str, Any],
    *,
    profile: str = "lesson",
    out: Path | str | None = None,
    again: bool = False,
    timeout: int = PATIENCE,
    progress: Progress | None = None,
) -> RunRecord:
    """Execute a notebook with parameters and keep what comes out, if it is proven complete.

    A complete run is a folder of its own in ``out`` (``runs`` of the data root by default), which appears by one
    rename: ``<stem>.ipynb``, ``<stem>.html``, where the notebook has labelled arrays ``results.json``, and the sealed
    ``run.json`` with the checksums of all. ``latest`` leads to the last one. Runs never replace each other: a run of
    the same notebook, parameters, library and data is returned as it stands, unless it is damaged, which sets it aside,
    or ``again`` repeats it beside the first. Any other outcome is a record with status "failed" whose files lie in
    ``out/failed``. ``timeout`` is in seconds per cell.

    Raises:
        InputError: anything wrong with notebook, parameters, profile, time or folder, or the same run is being computed
            elsewhere; no kernel has been started then.
        KeyboardInterrupt: stopped by the user; kernel and staged files are gone.

    >>> run_notebook("nowhere.ipynb", {})
    Traceback (most recent call last):
        ...
    sslens.types.InputError: notebook must be a readable .ipynb file. Got 'nowhere.ipynb'. (No such file or directory)
    """
    seconds = checked("timeout", timeout, Annotated[int, Range(1, LONGEST)])
    request = Request.of(Path(path), parameters, profile=profile)
    runs = Path(out).absolute() if out is not None else data_root() / "runs"
    require_room(runs, field="out")
    identity = Identity.of(request)
    with _place(runs, readable_name(request, identity), again=again or not identity.is_known) as place:
        found, note = _found(place)
        if found is not None:
            point(runs / LATEST, place.name)
            return found
        with _staging(place) as staging:
            attempt = Attempt(request, staging, seconds)
            reason = execute(attempt, progress)
            return _kept(
                attempt,
                hidden(reason[:LONGEST_REASON], staging),
                place=place,
                known={"identity": identity, "note": note},
            )


@contextmanager
def _place(runs: Path, name: str, *, again: bool) -> Iterator[Path]:
    """The folder that a run is to become, and the sole right to it; with ``again`` one that is not there yet."""
    number = 1
    while True:
        place = runs / (name if number == 1 else f"{name}-{number}")
        try:
            with alone(runs / f".{place.name}.lock", patience=0):
                if not (again and place.exists()):
                    yield place
                    return
        except Timeout:
            if not again:
                hint = "It is there when that one ends; --again computes it a second time."
                raise InputError("run", place.name, "one that nobody else is computing right now", hint) from None
        number += 1


def _found(place: Path) -> tuple[RunRecord | None, str]:
    """The run as it stands, or nothing; a damaged one is set aside, which is said."""
    if not place.exists():
        return None, ""
    try:
        return stored_run(place), ""
    except DamagedFile as damage:
        aside = set_aside(place)
        return None, f"{hidden(str(damage))} That run is set aside in {aside.name}, and was computed anew."


@contextmanager
def _staging(place: Path) -> Iterator[Path]:
    """A fresh folder on the file system of the results; gone where something stops the run."""
    staging = place.with_name(f"{STAGED}{place.name}.{secrets.token_hex(4)}")
    staging.mkdir()
    try:
        yield staging
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _kept(attempt: Attempt, reason: str, *, place: Path, known: Mapping[str, Any]) -> RunRecord:
    """Put the files of a run where they belong; where that cannot be done, they stay where they are."""
    aside = place.parent / FAILED / f"{place.name}-{attempt.nonce}"
    try:
        notebook = _tidied(attempt)
        reason = reason or hidden(_report(notebook, attempt.executed), attempt.staging)
        record = _record(attempt, reason, notebook=notebook, folder=aside if reason else place, **known)
        _tidy_results(attempt, reason)
        shutil.rmtree(attempt.work, ignore_errors=True)
        seal(attempt.staging, record.sidecar() | {"sha256": checksums(attempt.staging)})
        publish(attempt.staging, record.folder)
    except OSError as error:
        why = f"it was computed, but could not be put into its place: {error.strerror or error}"
        folder = _left_behind(attempt.staging, aside)
        return _record(attempt, reason or why, notebook=nbformat.v4.new_notebook(), folder=folder, **known)
    if not reason:
        point(place.parent / LATEST, place.name)
    return record


def _left_behind(staging: Path, aside: Path) -> Path:
    """Where the files of a run lie that could not be finished: a rename needs no room on the disk."""
    try:
        aside.parent.mkdir(exist_ok=True)
        return staging.rename(aside)
    except OSError:
        return staging


def _report(notebook: NotebookNode, executed: Path) -> str:
    """Why there is no report, or nothing."""
    if not code_cells(notebook):
        return ""
    try:
        write_report(notebook, executed.with_suffix(".html"))
    except OSError:
        raise
    except Exception as error:  # hours of computing are not to be lost because a page could not be made of them
        return f"no report could be written: {type(error).__name__}: {error}"
    return ""


def _tidy_results(attempt: Attempt, reason: str) -> None:
    """Labelled arrays without paths of this machine; of a failed run only those that can be read."""
    if not attempt.results.is_file():
        return
    if reason and not _readable(attempt.results):
        attempt.results.unlink()
        return
    content = attempt.results.read_bytes()
    tidied = hidden(content.decode(errors="surrogateescape"), attempt.staging).encode(errors="surrogateescape")
    if tidied != content:
        write_atomic(attempt.results, tidied)


def _readable(results: Path) -> bool:
    try:
        load_arrays(results)
    except DamagedFile:
        return False
    return True


def _record(
    attempt: Attempt, reason: str, *, notebook: NotebookNode, folder: Path, identity: Identity, note: str
) -> RunRecord:
    cells = code_cells(notebook)
    return RunRecord(
        status="failed" if reason else "complete",
        reason=reason,
        folder=folder,
        notebook=attempt.request.path.name,
        profile=attempt.request.parameters["profile"],
        parameters=attempt.request.parameters,
        verdicts=[] if reason else hidden_within(attempt.verdicts(), attempt.staging),
        claims="" if reason else attempt.claims(),
        started=attempt.started,
        seconds=round(time.monotonic() - attempt.clock, 3),
        cell_seconds=[cell.metadata.get("papermill", {}).get("duration") for cell in cells],
        nonce=attempt.nonce,
        identity=identity.record(),
        versions=identity.versions,
        numerics=identity.numerics,
        commit=of_the_checkout(),
        note=note,
    )


def _tidied(attempt: Attempt) -> NotebookNode:
    """The executed notebook, as far as it came, with its folder's pictures and without the paths of this machine.

    Those that its author wrote stay.
    """
    try:
        notebook = with_pictures(read_notebook(attempt.executed), attempt.request.path.resolve().parent)
    except InputError:  # the disk was full, or there was no kernel
        return nbformat.v4.new_notebook()
    for name in ("input_path", "output_path"):
        notebook.metadata.get("papermill", {}).pop(name, None)
    notebook.metadata = nbformat.from_dict(hidden_within(notebook.metadata, attempt.staging))
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict(hidden_within(cell.metadata, attempt.staging))
        if outputs_of(cell):
            cell.outputs = [nbformat.from_dict(hidden_within(output, attempt.staging)) for output in cell.outputs]
        if {INJECTED, ERROR_MARKER_TAG} & set(tags(cell)):
            cell.source = hidden(cell.source, attempt.staging)
    write_atomic(attempt.executed, nbformat.writes(notebook) + "\n")
    return notebook
