"""Notebooks as other programs and older formats write them, brought into the form that is written today.

Jupyter and papermill open a notebook that lacks what its format asks for, or has more; so does this. What cannot be
understood is refused by cell and property.
"""

import json
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, final

from nbformat import NBFormatError, NotebookNode, ValidationError, convert, from_dict, reader, validate
from nbformat.validator import normalize

DEPTH = 100
"""How deep lists and objects may lie in each other: far beyond any notebook, far before Python's own end."""
CELLS = ("code", "markdown", "raw")
LONGEST = 200
"""Letters of a validator's sentence that are passed on: it may repeat a whole output."""


@final
class NoNotebook(ValueError):
    """The text is no notebook; the sentence says where and why."""


def parsed(text: str) -> NotebookNode:
    r"""The notebook that a text describes, in format 4.5 and without carriage returns in its sources.

    Ids that are missing, illegal or used twice are replaced by ones that count, so that they are the same each time;
    metadata, outputs and counts that are missing are empty, and metadata of another type than they must have go.

    Raises:
        NoNotebook: it is none, in one sentence that names cell and property where it can.

    >>> cell = {"cell_type": "code", "source": ["x = 1\r\n", "y = 2"]}
    >>> parsed(json.dumps({"nbformat": 4, "nbformat_minor": 4, "cells": [cell]}))["cells"]
    [{'cell_type': 'code', 'source': 'x = 1\ny = 2', 'metadata': {}, ..., 'id': 'cell-00'}]
    """
    try:
        content = json.loads(text)
        if _deeper(content, DEPTH):
            raise NoNotebook(f"it is nested more than {DEPTH} deep")
        notebook = _of_today(_completed(content))
    except NoNotebook:
        raise
    except NBFormatError as error:
        raise NoNotebook(f"{error}") from None
    except Exception:  # nbformat meets JSON that is no notebook with whatever error it happens to stumble into
        raise NoNotebook("it holds no valid notebook") from None
    _require_valid(notebook)
    _require_texts(notebook)
    _require_writable(notebook)
    return notebook


def _deeper(content: Any, depth: int) -> bool:
    """Whether JSON is nested deeper than this; without recursion, which would end where deep JSON begins."""
    level = [content]
    for _ in range(depth):
        level = [below for value in level for below in _below(value)]
        if not level:
            return False
    return True


def _below(value: Any) -> Iterator[Any]:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (each for each in inside if isinstance(each, dict | list))


def _completed(content: dict[str, Any]) -> dict[str, Any]:
    """With the properties that every notebook has, of which a few programs leave out the empty ones."""
    content.setdefault("metadata", {})
    sheets = content.get("worksheets", [content])  # of format 3 and before
    for number, cell in enumerate(cell for sheet in sheets for cell in sheet["cells"]):
        cell.setdefault("metadata", {})
        for name, value in {"metadata": {}, "outputs": []}.items():
            if not isinstance(cell.get(name, value), type(value)):
                raise NoNotebook(f"cell {number + 1}, {name}: {cell[name]!a:.60} is no {type(value).__name__}")
        if cell["cell_type"] == "code":
            cell.setdefault("outputs", [])
            if "worksheets" not in content:
                cell.setdefault("execution_count", None)
    return content


def _of_today(content: dict[str, Any]) -> NotebookNode:
    older = content.get("nbformat") != 4
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of ids that are missing or used twice, which are mended here
        notebook = from_dict(convert(reader.reads(json.dumps(content)), 4))  # format 3 has another class of nodes
        notebook.nbformat_minor = 5
        for transient in ("orig_nbformat", "orig_nbformat_minor"):  # never written, whoever leaves it in
            notebook.metadata.pop(transient, None)
        _name_cells(notebook, anew=older)
        _, notebook = normalize(notebook, 4, 5, relax_add_props=True, strip_invalid_metadata=True)
    for cell in notebook.cells:
        if isinstance(cell.get("source"), str):
            cell.source = cell.source.replace("\r\n", "\n").replace("\r", "\n")
    return notebook


def _name_cells(notebook: NotebookNode, *, anew: bool) -> None:
    """Give each cell an id of its own; a good one it has stays, unless all were made up just now."""
    taken: set[str] = set()
    for place, cell in enumerate(notebook.cells):
        name = None if anew else cell.get("id")
        if not isinstance(name, str) or name in taken or not _is_id(name):
            name = next(each for each in _counted(place) if each not in taken)
        taken.add(name)
        cell.id = name


def _is_id(name: str) -> bool:
    return 0 < len(name) <= 64 and name.isascii() and name.replace("-", "").replace("_", "").isalnum()


def _counted(place: int) -> Iterator[str]:
    yield f"cell-{place:02d}"
    number = 0
    while True:
        number += 1
        yield f"cell-{place:02d}-{number}"


def _require_valid(notebook: NotebookNode) -> None:
    for number, cell in enumerate(notebook.cells):
        if cell.get("cell_type") not in CELLS:
            raise NoNotebook(f"{_place(notebook, number)}, cell_type: {cell.get('cell_type')!a} is none of {CELLS}")
    try:
        validate(notebook, version=4, version_minor=5, relax_add_props=True)
    except ValidationError as error:
        where = list(getattr(error, "absolute_path", ()))
        reason = _first_line(error.message)
        if where[:1] == ["cells"] and len(where) > 1 and isinstance(where[1], int):
            raise NoNotebook(f"{_place(notebook, where[1])}{_property(where[2:])}: {reason}") from None
        raise NoNotebook(f"{_property(where).lstrip(', ')}: {reason}".lstrip(": ")) from None


def _require_texts(notebook: NotebookNode) -> None:
    """What stands for text or a picture is text; the relaxed schema lets anything pass there."""
    for number, cell in enumerate(notebook.cells):
        for at, output in enumerate(cell.get("outputs", [])):
            for mime, value in output.get("data", {}).items():
                if mime.startswith(("text/", "image/")) and not isinstance(value, str):
                    raise NoNotebook(f"{_place(notebook, number)}, outputs[{at}].data.{mime} is no text")


def _require_writable(notebook: NotebookNode) -> None:
    """Halves of letters, which JSON can spell and no file can hold, are refused where they stand."""
    parts = {_place(notebook, number): cell for number, cell in enumerate(notebook.cells)}
    for place, part in {"its metadata": notebook.metadata, **parts}.items():
        try:
            json.dumps(part, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            letter = ascii(error.object[error.start])
            raise NoNotebook(f"{place}: {letter} is half a letter, which no file can hold") from None


def _place(notebook: NotebookNode, number: int) -> str:
    source = notebook.cells[number].get("source", "") if isinstance(notebook.cells[number], Mapping) else ""
    first = str(source).strip().partition("\n")[0]
    return f"cell {number + 1} of {len(notebook.cells)} ({first[:60]!a})"


def _property(path: list[Any]) -> str:
    name = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return f", {name.lstrip('.')}" if name else ""


def _first_line(message: object) -> str:
    line = str(message).strip().partition("\n")[0]
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
