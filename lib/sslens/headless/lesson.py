"""A committed notebook: the lesson a reader sees, the reference checks compare with, and when each is out of date."""

import ast
import hashlib
from itertools import zip_longest
from pathlib import Path
from types import ModuleType
from typing import Any

from nbformat import NotebookNode

from sslens import studies
from sslens.fingerprint import of_modules, taken_by
from sslens.headless.attempt import environment
from sslens.headless.notebook import cell_name, code_cells, is_folded_source, read_notebook
from sslens.headless.outputs import lasting_outputs
from sslens.headless.parameters import resolve
from sslens.runtime import canonical_json

MARK = "sslens"
"""Under this name a lesson's metadata hold its fingerprint, its profile and its verdicts."""


def reference_of(path: Path) -> Path | None:
    """Where a checkout keeps the smoke outputs of one of its notebooks; None for a notebook in no checkout.

    >>> reference_of(Path("/home/somebody/00_first_light.ipynb")) is None
    True
    """
    folder = path.resolve().parent
    tests = folder.parent / "tests" / "notebooks"
    return tests / "reference" / path.name if folder.name == "notebooks" and tests.is_dir() else None


def fingerprint(notebook: NotebookNode, name: str) -> str:
    """SHA-256 of all that decides a lesson's outputs: its sources and its study with what they import, its runs.

    A notebook without a study has only its sources; cells that unfold source code are left out.

    Raises:
        InputError: the parameters cell of a notebook with a study is not what the study takes.

    >>> import nbformat
    >>> cells = [nbformat.v4.new_code_cell(source) for source in ("1 + 1", "show_source(fit)")]
    >>> one, both = (nbformat.v4.new_notebook(cells=cells[:count]) for count in (1, 2))
    >>> fingerprint(one, "99_nobody_asks_this") == fingerprint(both, "99_nobody_asks_this")
    True
    """
    study = studies.of_notebook(name)
    content = {"sources": _sources(notebook)} | ({} if study is None else _of_study(study, notebook, name=name))
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def _sources(notebook: NotebookNode) -> list[str]:
    return [cell.source for cell in code_cells(notebook) if not is_folded_source(cell)]


def _is_python(source: str) -> bool:
    """Whether a cell holds no magic, which only IPython understands."""
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    return True


def _of_study(study: ModuleType, notebook: NotebookNode, *, name: str) -> dict[str, Any]:
    with environment({"SSLENS_PROFILE": None}):  # a lesson's runs are described, whatever the checks are set to
        setting = study.Setting.of(resolve(notebook, {}, profile="lesson", name=name))
        configs = study.configs(setting)
    runs = {run: config.to_json() for run, config in configs.items()}
    return {"code": library_of(notebook, name), "runs": runs}


def library_of(notebook: NotebookNode, name: str) -> str:
    """32 hexadecimal digits of the code that a notebook takes from this library, itself and through its study.

    The study's stored results count with it: they are a part of the library as well.

    Raises:
        InputError: a file of the library was changed since this process began.
        DamagedFile: a stored result is missing or altered.

    >>> import nbformat
    >>> cell = nbformat.v4.new_code_cell("from sslens.measures import spectrum; spectrum.rankme")
    >>> len(library_of(nbformat.v4.new_notebook(cells=[cell]), "99_nobody_asks_this"))
    32
    """
    study = studies.of_notebook(name)
    taken = taken_by("\n".join(filter(_is_python, _sources(notebook))))
    code = of_modules(*([] if study is None else [study.__name__]), *taken, through_faces=True)
    stored = [each.checksum() for each in getattr(study, "STORED", ())]
    return hashlib.sha256(canonical_json([code, stored]).encode()).hexdigest()[:32] if stored else code


def stale_lesson(notebook: NotebookNode, name: str) -> str:
    """Why the stored outputs are not those of this lesson, in a few words; empty where they are.

    Raises:
        InputError: as :func:`fingerprint`.
    """
    mark = notebook.metadata.get(MARK, {})
    if mark.get("profile") != "lesson":
        return "was never frozen"
    if mark.get("fingerprint") != fingerprint(notebook, name):
        return "was frozen from other code"
    return "" if _has_lasting_outputs(notebook) else "does not hold the outputs of a frozen lesson"


def _has_lasting_outputs(notebook: NotebookNode) -> bool:
    """Whether every cell was run once and in order, and nobody's session left its widgets."""
    cells = code_cells(notebook)
    in_order = [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    return in_order and all(lasting_outputs(cell.outputs) == cell.outputs for cell in cells)


def stale_reference(notebook: NotebookNode, reference: Path) -> str:
    """Why a reference is not that of these sources, in a few words; empty where it is.

    Raises:
        InputError: the reference is no notebook.
    """
    if not reference.exists():
        return "is missing"
    sources, stored = ([cell.source for cell in code_cells(each)] for each in (notebook, read_notebook(reference)))
    for number, (source, old) in enumerate(zip_longest(sources, stored, fillvalue=""), 1):
        if source != old:
            return f"was made from other sources, from {cell_name(number, source or old)} on"
    return ""
