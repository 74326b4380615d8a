"""Notebooks as files: read, their code cells numbered the same everywhere, their outputs brought into one form."""

import ast
import copy
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode, ValidationError

from sslens.types import InputError

WIDGET = "application/vnd.jupyter.widget-view+json"
INJECTED = "injected-parameters"
"""Tag of the cell in which papermill hands over the parameters of a run."""
FOLDED = "show-source"
"""Tag of a cell that unfolds source code for a reader: its output follows the library, not the lesson."""
KERNEL_FILE = re.compile(r"(?:/[\w.+-]+){0,9}/ipykernel_[0-9]+/[0-9]+\.py")
"""Where the kernel says a warning came from: its process number is another one in every run."""
STREAMS = {"stdout": 0, "stderr": 1}
RANDOM_ID = re.compile(r"""((?:id|for)=['"][a-z-]{0,40})([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})""")
"""How the parts of an array's table refer to each other: by other names each time it is shown."""


def read_notebook(path: Path) -> NotebookNode:
    """The notebook in a file.

    Raises:
        InputError: no such file, a folder, or not a valid notebook.

    >>> read_notebook(Path("nowhere.ipynb"))
    Traceback (most recent call last):
        ...
    sslens.types.InputError: notebook must be a readable .ipynb file. Got 'nowhere.ipynb'. (No such file or directory)
    """
    try:
        notebook = _with_ids(nbformat.reads(path.read_text(encoding="utf-8"), as_version=4))
        nbformat.validate(notebook)
    except OSError as error:
        raise InputError("notebook", str(path), "a readable .ipynb file", f"({error.strerror})") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, ValidationError):
        # nbformat meets JSON that is no notebook with whatever error it happens to stumble into
        raise InputError("notebook", str(path), "a readable .ipynb file", "(it holds no valid notebook)") from None
    return notebook


def _with_ids(notebook: NotebookNode) -> NotebookNode:
    """A notebook of format 4.5, whose cells have names; editors put names into older ones, too."""
    notebook.nbformat_minor = max(5, notebook.nbformat_minor)
    for place, cell in enumerate(notebook.cells):
        cell.setdefault("id", f"cell-{place:02d}")
    return notebook


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells that hold something, without the one papermill puts in; they are numbered from 1.

    >>> cells = [nbformat.v4.new_code_cell(source) for source in ("x = 1", "  ", "x + 1")]
    >>> [cell.source for cell in code_cells(nbformat.v4.new_notebook(cells=cells))]
    ['x = 1', 'x + 1']
    """
    return [cell for cell in notebook.cells if is_code(cell) and INJECTED not in tags(cell)]


def is_code(cell: NotebookNode) -> bool:
    """Whether a kernel has anything to do in a cell."""
    return cell.cell_type == "code" and bool(cell.source.strip())


def tags(cell: NotebookNode) -> list[str]:
    """The tags of a cell."""
    return cell.metadata.get("tags", [])


def cell_name(number: int, source: str) -> str:
    r"""How a cell is named to a person: its number among the code cells, and its first line.

    >>> cell_name(3, "x = 1\ny = 2")
    "cell 3 ('x = 1')"
    """
    first = next((line.strip() for line in source.splitlines() if line.strip()), "")
    return f"cell {number} ({first[:60]!r})"


def is_folded_source(cell: NotebookNode) -> bool:
    """Whether a cell does nothing but unfold source code: tagged ``show-source``, or one call of ``show_source``.

    >>> is_folded_source(nbformat.v4.new_code_cell("show_source(objectives.SimCLR)  # folded"))
    True
    """
    if FOLDED in tags(cell):
        return True
    try:
        statements = ast.parse(cell.source).body
    except (SyntaxError, ValueError):
        return False
    match statements:
        case [ast.Expr(ast.Call(func=ast.Name("show_source") | ast.Attribute(attr="show_source")))]:
            return True
        case _:
            return False


def question(notebook: NotebookNode) -> str:
    """What a notebook asks: the title in its first cell.

    >>> question(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Why?")]))
    'Why?'
    """
    first = notebook.cells[0].source if notebook.cells else ""
    return first.strip().partition("\n")[0].lstrip("# ").strip()


def outputs_of(cell: NotebookNode) -> list[NotebookNode]:
    """The outputs of a code cell, and of any other cell none."""
    return cell.get("outputs", [])


def shown_as(notebook: NotebookNode, mime: str) -> list[dict[str, Any]]:
    """Every bundle of a notebook's outputs that has something of this MIME type."""
    bundles = [output.get("data", {}) for cell in notebook.cells for output in outputs_of(cell)]
    return [bundle for bundle in bundles if mime in bundle]


def lasting_outputs(outputs: Sequence[Any]) -> list[Any]:
    """Outputs as they are in every run: no widget views, and streams in one piece each between two displays.

    A kernel cuts its streams by the clock and sends the two of them in any order: here stdout comes before stderr.
    The arguments stay as they are.

    >>> pieces = [nbformat.v4.new_output("stream", name="stdout", text=text) for text in ("rank ", "12.91")]
    >>> [output.text for output in lasting_outputs(pieces)]
    ['rank 12.91']
    """
    lasting: list[Any] = []
    streams: dict[str, str] = {}
    for output in outputs:
        if output["output_type"] == "stream":
            streams[output["name"]] = streams.get(output["name"], "") + output["text"]
        elif WIDGET not in output.get("data", {}):
            lasting += [*_in_one_piece(streams), output]
            streams = {}
    return lasting + _in_one_piece(streams)


def with_ids_in_order(outputs: Sequence[Any], place: int = 0) -> list[Any]:
    """Outputs whose tables of arrays have names that count within the cell at ``place``, instead of random ones.

    They are of the same form, and no two of a notebook are alike. The arguments stay as they are.

    >>> html = "<input id='attrs-bceacf9a-8d07-4c4f-9f0f-0a5b7d2c1e3f'>"
    >>> data = {"text/plain": "<xarray.DataArray ()>", "text/html": html}
    >>> with_ids_in_order([nbformat.v4.new_output("display_data", data)], place=3)[0].data["text/html"]
    "<input id='attrs-00000003-0000-0000-0000-000000000000'>"
    """
    numbers: dict[str, int] = {}

    def counted(found: re.Match[str]) -> str:
        return f"{found[1]}{place:08x}-0000-0000-0000-{numbers.setdefault(found[2], len(numbers)):012x}"

    named = [copy.deepcopy(output) if _is_table(output) else output for output in outputs]
    for output in filter(_is_table, named):
        output["data"]["text/html"] = RANDOM_ID.sub(counted, output["data"]["text/html"])
    return named


def _is_table(output: Mapping[str, Any]) -> bool:
    """Whether an output is an array as xarray shows it."""
    data = output.get("data", {})
    return "text/html" in data and data.get("text/plain", "").startswith("<xarray.")


def _in_one_piece(streams: dict[str, str]) -> list[Any]:
    return [
        nbformat.v4.new_output("stream", name=name, text=KERNEL_FILE.sub("ipykernel/cell.py", streams[name]))
        for name in sorted(streams, key=lambda name: STREAMS.get(name, 2))
    ]
