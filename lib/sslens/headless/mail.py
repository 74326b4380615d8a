"""The report of a run that is there, made anew as one file that can be mailed."""

from pathlib import Path

from sslens.headless.notebook import read_notebook
from sslens.headless.report import with_pictures, write_report
from sslens.headless.runs import found_run, runs_folder
from sslens.types import InputError

OURS = '<meta content="sslens" name="generator"/>'
"""What a report says in its head, by which it is known as one."""


def mailable(run: str, folder: Path) -> Path:
    """Write the report of a run into ``folder`` as one file, named after its notebook; its path.

    A run is named as for ``found_run``, all its files are verified. An executed notebook is taken as it is.

    Raises:
        InputError: no such run or several, or a file in the way that is no report of ours.
        DamagedFile: the run is not what was written.

    >>> mailable("nowhere.ipynb", Path())
    Traceback (most recent call last):
        ...
    sslens.types.InputError: notebook must be a readable .ipynb file. Got 'nowhere.ipynb'. (No such file or directory)
    """
    executed = Path(run) if run.endswith(".ipynb") else _of(run)
    page = folder / f"{executed.stem}.html"
    if page.exists() and not _is_ours(page):
        raise InputError("report", str(page), "the name of no other file", "Move it, or run this in another folder.")
    write_report(with_pictures(read_notebook(executed), executed.resolve().parent), page)
    return page


def _of(run: str) -> Path:
    found = found_run(run, runs_folder())
    return found.folder / found.notebook


def _is_ours(page: Path) -> bool:
    try:
        with page.open(encoding="utf-8") as file:
            return OURS in file.read(4000)
    except (OSError, ValueError):
        return False
