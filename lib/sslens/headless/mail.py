"""The report of a run that is there, made anew as one file that can be mailed."""

import json
from pathlib import Path

from sslens.headless.notebook import read_notebook
from sslens.headless.report import with_pictures, write_report
from sslens.types import InputError

OURS = '<meta content="sslens" name="generator"/>'
"""What a report says in its head, by which it is known as one."""


def mailable(run: Path, folder: Path) -> Path:
    """Write the report of a run into ``folder`` as one file; its path.

    A run is the folder of its results, the ``run.json`` in it, or an executed notebook, after which the file is named.

    Raises:
        InputError: no run, or a file in the way that is no report of ours.

    >>> mailable(Path("nowhere"), Path())
    Traceback (most recent call last):
        ...
    sslens.types.InputError: run must be a run's folder, its run.json or an executed notebook. Got 'nowhere'.
    """
    notebook = _executed(run)
    page = folder / f"{notebook.stem}.html"
    if page.exists() and not _is_ours(page):
        raise InputError("report", str(page), "the name of no other file", "Move it, or run this in another folder.")
    write_report(with_pictures(read_notebook(notebook), notebook.resolve().parent), page)
    return page


def _executed(run: Path) -> Path:
    folder = run.parent if run.name == "run.json" else run
    try:
        if folder.is_file():
            return folder
        name = json.loads((folder / "run.json").read_text(encoding="utf-8"))["notebook"]
        found = folder / Path(str(name)).name
        if found.is_file():
            return found
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        pass
    raise InputError("run", str(run), "a run's folder, its run.json or an executed notebook")


def _is_ours(page: Path) -> bool:
    try:
        with page.open(encoding="utf-8") as file:
            return OURS in file.read(4000)
    except (OSError, ValueError):
        return False
