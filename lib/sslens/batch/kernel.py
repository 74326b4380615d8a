"""One attempt to execute a notebook in a kernel of its own, through papermill: what it is told, how it ended."""

import logging
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, final, runtime_checkable

import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from traitlets.config import Config

from sslens.batch.parameters import read_notebook
from sslens.batch.proof import called, refusal
from sslens.runtime import canonical, write_atomic

# nbclient reports a timeout to its log as well as by an exception; one of the two is enough
logging.getLogger("papermill").addHandler(logging.NullHandler())


@runtime_checkable
class Progress(Protocol):
    """What wants to know how far a run is."""

    def begin(self, cells: int, training: Path) -> None:
        """The kernel starts; a training loop will tell label, step and total in the file ``training``."""

    def cell(self, number: int) -> None:
        """The ``number``-th of the code cells starts."""


@final
@dataclass(frozen=True)
class Attempt:
    """What is to be executed, and where its files are written until it is proven complete."""

    notebook: Path
    parameters: dict[str, Any]
    folder: Path
    """Where the results of a complete run go."""
    staging: Path
    cells: int
    timeout: int
    """Seconds per cell."""
    nonce: str = field(default_factory=lambda: secrets.token_hex(8))
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    clock: float = field(default_factory=time.monotonic)

    @property
    def asked(self) -> Path:
        """The notebook as it was when the run began, whoever edits it meanwhile."""
        return self.staging / "asked.ipynb"

    @property
    def executed(self) -> Path:
        """The notebook with its outputs."""
        return self.staging / f"{self.notebook.stem}.ipynb"

    @property
    def receipt(self) -> Path:
        """What the notebook's last cell writes."""
        return self.staging / "receipt.json"

    @property
    def training(self) -> Path:
        """Where a training loop tells how far it is."""
        return self.staging / "progress.json"


@contextmanager
def _environment(attempt: Attempt) -> Iterator[None]:
    """What the kernel is told through its environment; ours is as it was afterwards."""
    message = attempt.staging / "attempt.json"
    told = {"nonce": attempt.nonce, "parameters": list(attempt.parameters), "receipt": str(attempt.receipt)}
    write_atomic(message, canonical(told))
    ours = {"SSLENS_LIVE": "0", "SSLENS_ATTEMPT": str(message), "SSLENS_PROGRESS": str(attempt.training)}
    ours["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", "1")
    before = {name: os.environ.get(name) for name in (*ours, "SSLENS_PROFILE")}
    os.environ.update(ours)
    os.environ.pop("SSLENS_PROFILE", None)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})


@final
class _Watch:
    """Which cell the kernel is at, and whether one asked the kernel to leave."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress, self.number, self.name, self.left = progress, 0, "before the first cell", ""

    def begins(self, *, cell: NotebookNode, cell_index: int) -> None:
        self.number += 1
        self.name = called(self.number, cell.source)
        if self.progress is not None:
            self.progress.cell(self.number)

    def ended(self, *, cell: NotebookNode, cell_index: int, execute_reply: dict[str, Any]) -> None:
        # IPython's own exit() raises nothing: later cells may still run, or not
        if any(payload.get("source") == "ask_exit" for payload in execute_reply["content"].get("payload", [])):
            self.left = f"{self.name} left the kernel with exit"


def execute(attempt: Attempt, progress: Progress | None) -> str:
    """Run the notebook in a kernel of its own; the reason why it is not complete, or nothing."""
    watch = _Watch(progress)
    if progress is not None:
        progress.begin(attempt.cells, attempt.training)
    try:
        with _environment(attempt):
            _papermill(attempt, watch)
        notebook = read_notebook(attempt.executed)
    except DeadKernelError:
        return watch.left or f"the kernel died in {watch.name}: killed, out of memory, or crashed"
    except CellTimeoutError:
        return f"{watch.name} ran longer than {attempt.timeout} s"
    except papermill.PapermillExecutionError as error:
        how = "left the kernel with exit" if error.ename == "SystemExit" else f"raised {error.ename}"
        return f"{called(error.exec_count or 0, error.source)} {how}" + f": {error.evalue}" * bool(error.evalue)
    except Exception as error:
        # whatever else goes wrong around a kernel (no memory, disk full, no port) is told, not thrown
        return f"{watch.name}: {type(error).__name__}: {error}"
    return watch.left or refusal(notebook, attempt.receipt, nonce=attempt.nonce, parameters=attempt.parameters)


def _papermill(attempt: Attempt, watch: _Watch) -> None:
    # papermill fills in its paths as format strings: braces in a folder's name are doubled to stay what they are
    asked, executed = (str(path).replace("{", "{{").replace("}", "}}") for path in (attempt.asked, attempt.executed))
    papermill.execute_notebook(
        asked,
        executed,
        attempt.parameters,
        kernel_name="python3",
        language="python",
        progress_bar=False,
        execution_timeout=attempt.timeout,
        on_cell_execute=watch.begins,
        on_cell_executed=watch.ended,
        shutdown_kernel="immediate",
        resources={"metadata": {"path": str(attempt.notebook.resolve().parent)}},
        # other users of the machine cannot listen in, and ipykernel has nothing to warn of
        config=Config({"KernelManager": {"transport_encryption": "required"}}),
    )
