"""A notebook reduced to what is the same in every run of it, and to a size that a repository bears."""

import copy
import json
from typing import Any

import nbformat
from nbformat import NotebookNode

from sslens.figures.theme import PLOTLY
from sslens.headless.notebook import shown_as
from sslens.headless.outputs import lasting_outputs, with_ids_in_order
from sslens.types import InputError

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
BY_TOOLS = frozenset(
    {"execution", "papermill", "widgets", "ExecuteTime"}  # Jupyter and its extensions
    | {"executionInfo", "outputId"}  # Colab: times and who was signed in
    | {"execution_start", "execution_millis", "execution_context_id", "deepnote_to_be_reexecuted", "source_hash"}
)
"""Metadata that programs leave behind; whatever else stands there was written by a person and stays."""


def normalise(notebook: NotebookNode) -> NotebookNode:
    """Reduce a notebook to what is the same in every run of it; a second time changes nothing.

    Kernel and language are named without versions, cells are numbered, executed cells count 1 to n, metadata loses
    what tools write and keeps what a person wrote, streams are joined, tables of arrays lose their random names, and
    views of widgets, dead without their kernel, go.

    >>> cell = nbformat.v4.new_code_cell("1", id="f00", execution_count=7, metadata={"execution": {}, "tags": ["a"]})
    >>> normalise(nbformat.v4.new_notebook(cells=[cell]))["cells"]
    [{'id': 'cell-00', ..., 'metadata': {'tags': ['a']}, 'execution_count': 1, 'source': '1', 'outputs': []}]
    """
    notebook = copy.deepcopy(notebook)
    notebook.update(nbformat=4, nbformat_minor=5)
    language = notebook.metadata.get("language_info", {}).get("name", "python")
    notebook.metadata = _by_a_person(notebook.metadata)
    notebook.metadata.update(nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": language}}))
    count = 0
    for place, cell in enumerate(notebook.cells):
        cell.id = f"cell-{place:02d}"
        cell.metadata = _by_a_person(cell.metadata)
        if cell.cell_type == "code":
            count += cell.execution_count is not None
            cell.execution_count = None if cell.execution_count is None else count
            cell.outputs = with_ids_in_order(lasting_outputs(cell.outputs), place)
            _count_results(cell)
    return notebook


def _by_a_person(metadata: NotebookNode) -> NotebookNode:
    kept = {name: value for name, value in metadata.items() if name not in BY_TOOLS}
    # papermill gives every cell a list of tags, old editors say of each that it is not collapsed
    kept = {name: value for name, value in kept.items() if name not in ("tags", "collapsed") or value}
    return NotebookNode(kept)


def _count_results(cell: NotebookNode) -> None:
    for output in cell.outputs:
        if output.output_type == "execute_result":
            output.execution_count = cell.execution_count


def written(notebook: NotebookNode) -> str:
    """The text of a notebook's file."""
    return nbformat.writes(notebook) + "\n"


def fitted(notebook: NotebookNode, limit: int, *, name: str) -> str:
    """The text of a notebook's file within ``limit`` bytes: where it is longer, figures lose the frames of their scrub.

    The figure with most to lose gives first, of two alike the first in the notebook; what it shows at rest stays.

    Raises:
        InputError: it is longer even without frames.

    >>> len(fitted(nbformat.v4.new_notebook(), 800_000, name="empty.ipynb")) < 100
    True
    """
    notebook = copy.deepcopy(notebook)
    figures = [bundle[PLOTLY] for bundle in shown_as(notebook, PLOTLY)]
    moving = sorted((figure for figure in figures if figure.get("frames")), key=_size_of_frames, reverse=True)
    while len(written(notebook).encode()) > limit and moving:
        _keep_still(moving.pop(0))
    require_size(written(notebook), limit, name=name)
    return written(notebook)


def require_size(text: str, limit: int, *, name: str) -> None:
    """Nothing where a text is within ``limit`` bytes.

    Raises:
        InputError: it is longer.

    >>> require_size("short", 10, name="note")
    """
    if (size := len(text.encode())) > limit:
        raise InputError(f"size of {name}", size, f"at most {limit} bytes", "Show less, or fewer figures.")


def _size_of_frames(figure: dict[str, Any]) -> int:
    return len(json.dumps(figure["frames"]))


def _keep_still(figure: dict[str, Any]) -> None:
    """Take away the frames of a figure, and the sliders and buttons that would show them."""
    del figure["frames"]
    layout = figure.get("layout")
    if not isinstance(layout, dict):
        return
    for name, choices in {"sliders": "steps", "updatemenus": "buttons"}.items():
        controls = layout.pop(name, None)
        kept = [each for each in controls if not _animates(each, choices)] if isinstance(controls, list) else None
        layout.update({name: kept} if kept else {})


def _animates(control: Any, choices: str) -> bool:
    found = control.get(choices) if isinstance(control, dict) else None
    methods = [choice.get("method") for choice in found or [] if isinstance(choice, dict)]
    return "animate" in methods
