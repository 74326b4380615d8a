"""One attempt to execute a notebook in a kernel of its own, through papermill: what it is handed, how it ended."""

import copy
import json
import logging
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, final, runtime_checkable

import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill.execute import ERROR_MARKER_TAG
from traitlets.config import Config

from sslens.headless.bounded import ENGINE
from sslens.headless.completion import refusal
from sslens.headless.notebook import EXPECTED, INJECTED, cell_name, code_cells, is_code, may_raise, read_notebook, tags
from sslens.headless.parameters import resolve
from sslens.runtime import canonical_json
from sslens.store import write_atomic
from sslens.types import InputError

PATIENCE = 1800
"""Seconds a cell may take."""

# nbclient reports a timeout to its log as well as by an exception; one of the two is enough
logging.getLogger("papermill").addHandler(logging.NullHandler())


@runtime_checkable
class Progress(Protocol):
    """What wants to know how far a run is."""

    def begin(self, cells: int, training: Path, *, profile: str) -> None:
        """The kernel starts; a training loop will write label, step and total to the file ``training``."""

    def cell(self, number: int) -> None:
        """The ``number``-th of the code cells starts."""


@final
@dataclass(frozen=True)
class Request:
    """A notebook and the parameters it is to be executed with, both found legal."""

    path: Path
    notebook: NotebookNode
    """As it is now, whoever edits the file meanwhile."""
    parameters: dict[str, Any]

    @classmethod
    def of(cls, path: Path, given: Mapping[str, Any], *, profile: str) -> "Request":
        """The request for the notebook in a file, which is read for this.

        Raises:
            InputError: anything wrong with notebook, parameters or profile.
        """
        notebook = read_notebook(path)
        # what papermill left in an executed notebook would set the parameters a second time
        notebook.cells = [cell for cell in notebook.cells if INJECTED not in tags(cell)]
        return cls(path, notebook, resolve(notebook, given, profile=profile, name=path.stem))


@final
@dataclass(frozen=True)
class Attempt:
    """One execution of what is requested, and where its files are written until it is proven complete."""

    request: Request
    staging: Path
    timeout: int = PATIENCE
    """Seconds per cell."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of this kernel alone."""
    nonce: str = field(default_factory=lambda: secrets.token_hex(8))
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    clock: float = field(default_factory=time.monotonic)

    @property
    def source(self) -> Path:
        """The notebook that the kernel's client reads."""
        return self.work / "source" / self.executed.name

    @property
    def work(self) -> Path:
        """What is needed while the notebook runs and not afterwards; in a folder, so that no result has its name."""
        return self.staging / "work"

    @property
    def executed(self) -> Path:
        """The notebook with its outputs."""
        return self.staging / f"{self.request.path.stem}.ipynb"

    @property
    def message(self) -> Path:
        """What the notebook's last cell is to answer, and where."""
        return self.work / "attempt.json"

    @property
    def receipt(self) -> Path:
        """What the notebook's last cell writes."""
        return self.work / "receipt.json"

    @property
    def results(self) -> Path:
        """Where the notebook's last cell puts its labelled arrays, if it has any."""
        return self.staging / "results.json"

    @property
    def training(self) -> Path:
        """Where a training loop writes how far it is."""
        return self.work / "progress.json"

    def verdicts(self) -> list[dict[str, Any]]:
        """The verdicts in the receipt of a complete attempt."""
        return json.loads(self.receipt.read_text(encoding="utf-8"))["verdicts"]

    def claims(self) -> str:
        """The digest of the study's claims in the receipt of a complete attempt; empty where it says none."""
        return json.loads(self.receipt.read_text(encoding="utf-8")).get("claims", "")


def execute(attempt: Attempt, progress: Progress | None = None) -> str:
    """Run the notebook in a kernel of its own; the reason why it is not complete, or nothing."""
    request, watch = attempt.request, _Watch(progress)
    if progress is not None:
        progress.begin(len(code_cells(request.notebook)), attempt.training, profile=request.parameters["profile"])
    try:
        attempt.source.parent.mkdir(parents=True)
        nbformat.write(_tagged(request.notebook), attempt.source)
        with environment(_variables(attempt)):
            _papermill(attempt, watch)
        notebook = _without_false_alarm(attempt.executed, watch.failed)
    except DeadKernelError:
        return watch.left or f"the kernel died in {watch.name}: killed, out of memory, or crashed"
    except CellTimeoutError:
        return f"{watch.name} ran longer than {attempt.timeout} s"
    except InputError as error:
        return watch.failed or f"what the notebook shows cannot be stored {error.hint}"
    except Exception as error:
        # whatever else goes wrong around a kernel (no memory, disk full, no port) is a reason, not a crash
        return watch.failed or f"{watch.name}: {type(error).__name__}: {error}"
    return (
        watch.left
        or watch.failed
        or refusal(notebook, attempt.receipt, nonce=attempt.nonce, parameters=request.parameters)
    )


@contextmanager
def environment(variables: Mapping[str, str | None]) -> Iterator[None]:
    """Inside, environment variables have these values, or are not there where the value is None.

    >>> with environment({"SSLENS_LIVE": "0"}):
    ...     os.environ["SSLENS_LIVE"]
    '0'
    """
    before = {name: os.environ.get(name) for name in variables}
    try:
        _set(variables)
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _tagged(notebook: NotebookNode) -> NotebookNode:
    """With the one tag that the kernel's client knows on every cell that may raise, however that is marked."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if is_code(cell) and may_raise(cell) and EXPECTED not in tags(cell):
            cell.metadata["tags"] = [*tags(cell), EXPECTED]
    return notebook


def _without_false_alarm(executed: Path, failed: str) -> NotebookNode:
    """The executed notebook; where nothing failed, without the cells in which papermill reports an expected error."""
    notebook = read_notebook(executed)
    quiet = [cell for cell in notebook.cells if ERROR_MARKER_TAG not in tags(cell)]
    if not failed and len(quiet) < len(notebook.cells):
        notebook.cells = quiet
        write_atomic(executed, nbformat.writes(notebook) + "\n")
    return notebook


def _variables(attempt: Attempt) -> dict[str, str | None]:
    """What the kernel learns through its environment; the profile is a parameter."""
    files = {"receipt": str(attempt.receipt), "results": str(attempt.results)}
    message = {"nonce": attempt.nonce, "parameters": list(attempt.request.parameters)} | files
    write_atomic(attempt.message, canonical_json(message))
    return {
        "SSLENS_LIVE": "0",
        "SSLENS_PROFILE": None,
        "SSLENS_ATTEMPT": str(attempt.message),
        "SSLENS_PROGRESS": str(attempt.training),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        **attempt.variables,
    }


@final
class _Watch:
    """Which cell the kernel is at, whether one made the kernel leave, and the first that failed and was not to."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress, self.number, self.name = progress, 0, "before the first cell"
        self.left, self.failed = "", ""

    def begins(self, *, cell: NotebookNode, cell_index: int) -> None:
        if INJECTED in tags(cell):
            self.name = "the cell of given parameters"
            return
        self.number += 1
        self.name = cell_name(self.number, cell.source)
        if self.progress is not None:
            self.progress.cell(self.number)

    def ended(self, *, cell: NotebookNode, cell_index: int, execute_reply: dict[str, Any]) -> None:
        reply = execute_reply["content"]
        if reply.get("status") == "error" and not may_raise(cell) and not self.failed:
            # a magic that fails says so here alone: it leaves no error among the outputs
            name, value = reply.get("ename", "an error"), reply.get("evalue", "")
            how = "left the kernel with exit" if name == "SystemExit" else f"raised {name}"
            self.failed = f"{self.name} {how}" + f": {value}" * bool(value)
        # IPython's own exit() raises nothing: later cells may still run, or not
        if any(payload.get("source") == "ask_exit" for payload in reply.get("payload", [])):
            self.left = f"{self.name} left the kernel with exit"


def _papermill(attempt: Attempt, watch: _Watch) -> None:
    # an exception of the notebook's own is no exception here: the watch knows it, and whether it was expected
    with suppress(papermill.PapermillExecutionError):
        _execute_notebook(attempt, watch)


def _execute_notebook(attempt: Attempt, watch: _Watch) -> None:
    # papermill fills in its paths as format strings: braces in a folder's name are doubled to stay what they are
    source, executed = (str(path).replace("{", "{{").replace("}", "}}") for path in (attempt.source, attempt.executed))
    papermill.execute_notebook(
        source,
        executed,
        attempt.request.parameters,
        engine_name=ENGINE,
        kernel_name="python3",
        language="python",
        progress_bar=False,
        execution_timeout=attempt.timeout,
        on_cell_execute=watch.begins,
        on_cell_executed=watch.ended,
        shutdown_kernel="immediate",
        resources={"metadata": {"path": str(attempt.request.path.resolve().parent)}},
        # other users of the machine cannot listen in, and ipykernel has nothing to warn of
        config=Config({"KernelManager": {"transport_encryption": "required"}}),
    )
