"""Freeze a notebook: execute it at the smoke profile and store outputs that a re-run reproduces byte for byte."""

import copy
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, CellExecutionError
from nbformat import NotebookNode

from sslens.batch.compare import WIDGET, differences
from sslens.batch.pictures import add_pictures
from sslens.runtime import write_atomic
from sslens.types import DamagedFile, InputError

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
KEPT = ("jupyter", "tags")
"""Cell metadata that an author writes; everything else is left behind by tools."""
PATIENCE = 600
"""Seconds a cell may take; at the smoke profile a whole notebook takes less than 60."""


def freeze(path: Path) -> bool:
    """Execute the notebook at the smoke profile and store its normalised outputs; True when the file changed.

    No stored run answers for the code: the kernel works in a data folder of its own. A cell whose outputs agree with
    the stored ones within tolerance keeps the stored ones, pictures included, so that another CPU leaves no diff.

    Raises:
        InputError: no such notebook, or a cell fails; the file is then as it was.
        DamagedFile: the file is not a notebook.

    >>> freeze(Path("nowhere.ipynb"))
    Traceback (most recent call last):
        ...
    sslens.types.InputError: notebook must be an existing .ipynb file. Got 'nowhere.ipynb'.
    """
    stored = _read(path)
    fresh = _execute(stored, path)
    for old, new in zip(stored.cells, fresh.cells, strict=True):
        if new.cell_type == "code" and not differences(old.outputs, new.outputs):
            new.outputs = old.outputs
    content = nbformat.writes(add_pictures(normalise(fresh))) + "\n"
    if content.encode() == path.read_bytes():
        return False
    write_atomic(path, content)
    return True


def normalise(notebook: NotebookNode) -> NotebookNode:
    """Reduce a notebook to what is the same in every run of it; a second time changes nothing.

    Kernel and language are named without versions, cells are numbered, executed cells count 1 to n, of the cells'
    metadata the author's part remains, and views of widgets, dead without their kernel, go.

    >>> cell = nbformat.v4.new_code_cell("1", id="f00", execution_count=7, metadata={"execution": {}, "tags": ["a"]})
    >>> normalise(nbformat.v4.new_notebook(cells=[cell]))["cells"]
    [{'id': 'cell-00', ..., 'execution_count': 1, 'source': '1', 'outputs': []}]
    """
    notebook = copy.deepcopy(notebook)
    notebook.update(nbformat=4, nbformat_minor=5)
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    count = 0
    for place, cell in enumerate(notebook.cells):
        cell.id = f"cell-{place:02d}"
        cell.metadata = nbformat.from_dict({key: cell.metadata[key] for key in KEPT if key in cell.metadata})
        if cell.cell_type == "code":
            count += cell.execution_count is not None
            cell.execution_count = None if cell.execution_count is None else count
            cell.outputs = [output for output in cell.outputs if WIDGET not in output.get("data", {})]
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = cell.execution_count
    return notebook


def _read(path: Path) -> NotebookNode:
    if not path.is_file() or path.suffix != ".ipynb":
        raise InputError("notebook", str(path), "an existing .ipynb file")
    try:
        return nbformat.read(path, as_version=4)
    except Exception as cause:  # nbformat raises a dozen kinds
        raise DamagedFile("notebook", str(path), "a Jupyter notebook", str(cause)[:200]) from None


def _execute(notebook: NotebookNode, path: Path) -> NotebookNode:
    reached = [0]
    client = NotebookClient(
        copy.deepcopy(notebook),
        timeout=PATIENCE,
        kernel_name=KERNEL["name"],
        record_timing=False,
        resources={"metadata": {"path": str(path.resolve().parent)}},
        on_cell_execute=lambda cell, cell_index: reached.append(cell_index),
    )
    with tempfile.TemporaryDirectory(prefix="sslens-freeze-") as data:
        try:
            # The kernel's own chatter about its ports goes nowhere; what the code writes comes by messages.
            return client.execute(env=_environment(data), stderr=subprocess.DEVNULL)
        except (CellControlSignal, RuntimeError) as cause:  # RuntimeError: the kernel died
            raise InputError(_name(path, notebook, reached[-1]), _reason(cause), "code that runs") from None


def _environment(data: str) -> Mapping[str, str]:
    chosen = {"SSLENS_PROFILE": "smoke", "SSLENS_LIVE": "0", "SSLENS_DATA": data}
    return {"OMP_NUM_THREADS": "1"} | os.environ | chosen


def _name(path: Path, notebook: NotebookNode, place: int) -> str:
    cell = notebook.cells[place]
    number = sum(earlier.cell_type == "code" for earlier in notebook.cells[:place])  # as the notebook tests count
    return f"{path.name}, Cell {number} ({cell.source.strip().splitlines()[0]})"


def _reason(cause: Exception) -> str:
    if isinstance(cause, CellExecutionError):
        return f"{cause.ename}: {cause.evalue}"
    return f"{type(cause).__name__}: {str(cause).strip().splitlines()[0]}"
