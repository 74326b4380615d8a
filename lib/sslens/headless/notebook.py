"""Notebooks as files: read, their code cells numbered the same everywhere, their outputs brought into one form."""

import ast
from pathlib import Path
from typing import Any

import nbformat  # noqa: F401 - for the examples
from nbformat import NotebookNode

from sslens.headless.foreign import NoNotebook, parsed
from sslens.types import InputError

INJECTED = "injected-parameters"
"""Tag of the cell in which papermill hands over the parameters of a run."""
EXPECTED = "raises-exception"
"""Tag of a cell that may raise: the run goes on after it, as in Jupyter."""
MAY_RAISE = frozenset({EXPECTED, "nbval-raises-exception"})
UNCOMPARED = frozenset({"nbval-ignore-output", "nbval-skip", "pytest-validate-ignore-output"})
"""Marks of a cell whose outputs are others in every run; nbval takes them as tags, or as comments in capitals."""
FOLDED = "show-source"
"""Tag of a cell that unfolds source code for a reader: its output follows the library, not the lesson."""


def read_notebook(path: Path) -> NotebookNode:
    """The notebook in a file, whichever program wrote it, as it is written today.

    Raises:
        InputError: no such file, a folder, or not a valid notebook; the cell and the property at fault are named.

    >>> read_notebook(Path("nowhere.ipynb"))
    Traceback (most recent call last):
        ...
    sslens.types.InputError: notebook must be a readable .ipynb file. Got 'nowhere.ipynb'. (No such file or directory)
    """
    try:
        return parsed(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        cause = error.strerror
    except NoNotebook as error:
        cause = str(error)
    except ValueError:  # no text, or no name of a file
        cause = "it holds no valid notebook"
    raise InputError("notebook", str(path), "a readable .ipynb file", f"({cause})")


def notebook_path(name: str) -> Path:
    """A path, or the one of a notebook of the checkout by its bare name.

    >>> notebook_path("00_first_light").as_posix(), notebook_path("mine.ipynb").as_posix()
    ('notebooks/00_first_light.ipynb', 'mine.ipynb')
    """
    return Path(name) if Path(name).name != name or name.endswith(".ipynb") else Path("notebooks") / f"{name}.ipynb"


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


def may_raise(cell: NotebookNode) -> bool:
    r"""Whether an exception in a cell is expected: tagged ``raises-exception``, or marked so for nbval.

    >>> may_raise(nbformat.v4.new_code_cell("# NBVAL_RAISES_EXCEPTION\n1 / 0"))
    True
    """
    return not MAY_RAISE.isdisjoint(_marks(cell))


def is_compared(cell: NotebookNode) -> bool:
    """Whether the outputs of a cell are held against stored ones: not tagged ``nbval-ignore-output`` or ``nbval-skip``.

    >>> is_compared(nbformat.v4.new_code_cell("now()", metadata={"tags": ["nbval-ignore-output"]}))
    False
    """
    return UNCOMPARED.isdisjoint(_marks(cell))


def _marks(cell: NotebookNode) -> set[str]:
    """Tags, and comments that stand alone in their line, spelt as tags."""
    lines = (line.strip() for line in cell.source.splitlines())
    comments = (line.lstrip("#").strip() for line in lines if line.startswith("#"))
    return {*tags(cell), *(comment.lower().replace("_", "-") for comment in comments if comment.isupper())}


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


def exercise_of(cell: NotebookNode) -> str | None:
    r"""Name of the exercise that a cell is for: its last line is ``exercises["name"].check(...)``; None of any other.

    >>> exercise_of(nbformat.v4.new_code_cell('answer = None  # a number\nexercises["rank"].check(answer)'))
    'rank'
    """
    try:
        last = ast.parse(cell.source if cell.cell_type == "code" else "").body[-1:]
    except (SyntaxError, ValueError):
        return None
    match last:
        case [
            ast.Expr(ast.Call(ast.Attribute(ast.Subscript(ast.Name("exercises"), ast.Constant(str(name))), "check")))
        ]:
            return name
        case _:
            return None


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
    """Every bundle of a notebook's outputs that has a record of this MIME type; what is none says nothing here."""
    bundles = [output.get("data", {}) for cell in notebook.cells for output in outputs_of(cell)]
    return [bundle for bundle in bundles if isinstance(bundle.get(mime), dict)]
