"""Freeze notebooks: store what their lesson shows, and what a check at the smoke profile is compared with."""

import copy
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import nbformat
from nbformat import NotebookNode

from sslens.headless.attempt import Attempt, Progress, Request, execute
from sslens.headless.compare import PICTURES, differences
from sslens.headless.lesson import MARK, fingerprint, reference_of, stale_lesson, stale_reference
from sslens.headless.normalise import fitted, normalise, require_size, written
from sslens.headless.notebook import code_cells, is_compared, is_folded_source, read_notebook
from sslens.headless.png import add_pictures, require_browser
from sslens.headless.workplace import workplace
from sslens.store import write_atomic
from sslens.types import InputError

LESSON, REFERENCE = 800_000, 300_000
"""Bytes that a committed notebook and its reference may have."""
log = logging.getLogger(__name__)


@final
@dataclass(frozen=True)
class Stale:
    """What of a committed notebook is out of date and why, in a few words; empty where nothing is."""

    lesson: str = ""
    reference: str = ""

    def __bool__(self) -> bool:
        return bool(self.lesson or self.reference)


def staleness(path: Path) -> Stale:
    """Hold a committed notebook against its sources; nothing is run.

    Raises:
        InputError: no notebook, or one that lies in no checkout and so has no lesson to be out of date.

    >>> staleness(Path("nowhere.ipynb"))
    Traceback (most recent call last):
        ...
    sslens.types.InputError: notebook must be a readable .ipynb file. Got 'nowhere.ipynb'. (No such file or directory)
    """
    notebook, reference = read_notebook(path), reference_of(path)
    if reference is None:
        raise InputError("notebook", str(path), "one in the folder notebooks of a checkout")
    return Stale(stale_lesson(notebook, path.stem), stale_reference(notebook, reference))


def freeze_notebook(path: Path, *, lesson: bool = True, progress: Progress | None = None) -> list[Path]:
    """Execute a notebook where what is stored of it is out of date, and store it anew; the files that changed.

    In a checkout the notebook holds the outputs of its lesson with pictures, verdicts and fingerprint, and a reference
    beside the tests holds those of the smoke profile. A lesson that is up to date is left alone. ``lesson=False``
    renews the reference only, up to date or not. A notebook outside a checkout is its own reference.

    A cell whose outputs agree with the stored ones within tolerance keeps the stored ones, so that another CPU leaves
    no diff. At smoke no stored run answers for the code: the kernel works in a data folder of its own.

    Raises:
        InputError: no notebook, no browser for a lesson's pictures, a run that does not reach its end, outputs too
            large to store, or a file that somebody saved meanwhile. That file is then as it was.

    >>> freeze_notebook(Path("nowhere.ipynb"))
    Traceback (most recent call last):
        ...
    sslens.types.InputError: notebook must be a readable .ipynb file. Got 'nowhere.ipynb'. (No such file or directory)
    """
    read_notebook(path)
    reference = reference_of(path)
    if reference is None:
        return _freeze_in_place(path, progress)
    stale = staleness(path)
    lesson_too = lesson and bool(stale.lesson)
    if lesson_too:
        require_browser()
    changed: list[Path] = []
    if lesson_too or stale.reference or not lesson:
        changed += _freeze_reference(path, reference, progress=progress)
    if lesson_too:
        changed += _freeze_lesson(path, progress)
    return changed


def _freeze_lesson(path: Path, progress: Progress | None) -> list[Path]:
    file, stored = _File.of(path), read_notebook(path)
    mark = {"fingerprint": fingerprint(stored, path.stem), "profile": "lesson"}
    notebook, verdicts = _executed(path, "lesson", progress=progress)
    _keep_what_agrees(notebook, stored)
    notebook = normalise(notebook)
    notebook.metadata[MARK] = nbformat.from_dict(mark | {"verdicts": verdicts})
    return file.replaced(fitted(add_pictures(notebook), LESSON, name=path.name))


def _freeze_reference(path: Path, reference: Path, *, progress: Progress | None) -> list[Path]:
    source, file = _File.of(path), _File.of(reference)
    notebook, _ = _executed(path, "smoke", progress=progress)
    if file.content is not None:
        _keep_what_agrees(notebook, read_notebook(reference))
    text = written(normalise(_without_prose(notebook)))
    require_size(text, REFERENCE, name=f"{reference.name} at smoke")
    source.require_unchanged()
    return file.replaced(text)


def _freeze_in_place(path: Path, progress: Progress | None) -> list[Path]:
    file = _File.of(path)
    stored = read_notebook(path)
    notebook, _ = _executed(path, "smoke", progress=progress)
    _keep_what_agrees(notebook, stored)
    notebook = normalise(notebook)
    notebook.metadata.pop(MARK, None)  # of the lesson that this notebook was copied from
    try:
        notebook = add_pictures(notebook)
    except InputError as cause:
        log.warning("no pictures beside the figures: %s", cause)
    return file.replaced(written(notebook))


def _executed(path: Path, profile: str, *, progress: Progress | None) -> tuple[NotebookNode, list[dict[str, Any]]]:
    """The notebook as its author wrote it with the outputs of a complete run, and the run's verdicts."""
    request = Request.of(path, {}, profile=profile)
    with workplace() as folder:
        data = folder / "data"
        data.mkdir()
        variables = {"SSLENS_DATA": str(data)} if profile == "smoke" else {}
        attempt = Attempt(request, folder, variables=variables)
        if reason := execute(attempt, progress):
            raise InputError(path.name, reason, "a notebook that runs to its end")
        _fill(request.notebook, read_notebook(attempt.executed))
        return request.notebook, attempt.verdicts()


def _fill(notebook: NotebookNode, executed: NotebookNode) -> None:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
    for cell, done in zip(code_cells(notebook), code_cells(executed), strict=True):
        cell.update(outputs=done.outputs, execution_count=done.execution_count)


def _keep_what_agrees(notebook: NotebookNode, stored: NotebookNode) -> None:
    """Put the stored outputs back wherever they agree, cells being matched by source, those of one source in order."""
    before: dict[str, list[NotebookNode]] = {}
    for cell in code_cells(stored):
        before.setdefault(cell.source, []).append(cell)
    for cell in code_cells(notebook):
        if old := before.get(cell.source):
            _keep(cell, old.pop(0))


def _keep(cell: NotebookNode, stored: NotebookNode) -> None:
    """Put the stored outputs into an executed cell if they agree; where nothing is compared, if there were any."""
    agrees = not differences(stored.outputs, cell.outputs) if is_compared(cell) else stored.execution_count is not None
    if agrees:
        cell.outputs = stored.outputs


def _without_prose(notebook: NotebookNode) -> NotebookNode:
    """What a check compares with: code cells and their outputs, without pictures and unfolded sources."""
    bare = nbformat.v4.new_notebook()
    for cell in code_cells(notebook):
        outputs = [] if is_folded_source(cell) else copy.deepcopy(cell.outputs)
        for output in outputs:
            for mime in PICTURES & output.get("data", {}).keys():
                del output.data[mime]
        kept = {"execution_count": cell.execution_count, "outputs": outputs}
        bare.cells.append(nbformat.v4.new_code_cell(cell.source, **kept))
    return bare


@final
@dataclass(frozen=True)
class _File:
    """A file as it was when its notebook began to run."""

    path: Path
    content: bytes | None

    @classmethod
    def of(cls, path: Path) -> "_File":
        return cls(path, path.read_bytes() if path.is_file() else None)

    def require_unchanged(self) -> None:
        if _File.of(self.path) != self:
            hint = "Freeze it again; what was saved meanwhile is as it was saved."
            raise InputError(str(self.path), "another content", "left alone while its notebook runs", hint)

    def replaced(self, text: str) -> list[Path]:
        """Write the text unless it stands there; the paths that changed."""
        if text.encode() == self.content:
            return []
        self.require_unchanged()
        write_atomic(self.path, text, last=self.require_unchanged)
        return [self.path]
