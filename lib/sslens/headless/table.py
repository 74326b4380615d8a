"""README's table of questions, made from the studies and the verdicts committed with their lessons."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from sslens import studies
from sslens.claims import UNDER_REVIEW
from sslens.headless.lesson import MARK, stale_lesson
from sslens.headless.notebook import question, read_notebook
from sslens.store import write_atomic
from sslens.types import InputError

BEGIN, END = "<!-- questions -->\n", "<!-- /questions -->"
"""Around the table in README; what stands between the two is made, never written."""
HEAD = "| question | claims | in short |\n|---|---|---|"
STALE = " *(older than the code)*"
"""What a row says of a lesson that was frozen from other code."""
COUNTED = {True: "hold", False: "do not", None: "undecided"}
SINGULAR = {"do not": "does not"}


def row(path: Path) -> str:
    """One line on a committed notebook: its question, how many of its claims hold at ``lesson``, the answer in short.

    The answer takes a verdict under review for an open one: it may come out otherwise.

    Raises:
        InputError: no notebook.
    """
    notebook = read_notebook(path)
    mark = notebook.metadata.get(MARK, {})
    study, verdicts = studies.of_notebook(path.stem), mark.get("verdicts", [])
    settled = [each | {"holds": None} if _contested(each) else each for each in verdicts]
    link = f"[{question(notebook)}](notebooks/{path.name})"
    answer = study.answer(settled) if study is not None and verdicts else ""
    cells = (link, counts(verdicts), answer + _word_of_age(notebook, path.stem))
    return "| " + " | ".join(cell.replace("|", r"\|").strip() for cell in cells) + " |"


def _word_of_age(notebook: NotebookNode, name: str) -> str:
    return STALE if MARK in notebook.metadata and stale_lesson(notebook, name) else ""


def counts(verdicts: Iterable[Mapping[str, Any]]) -> str:
    """How many verdicts came out how, in the form of a receipt; what is under review counts as nothing else.

    >>> settled = [{"holds": holds} for holds in (True, True, None)]
    >>> counts(settled), counts(settled[:2]), counts([])
    ('2 of 3 hold, 1 undecided', '2 of 2 hold', 'not frozen yet')
    >>> counts([*settled, {"holds": True, "under_review": True}])
    '2 of 4 hold, 1 undecided, 1 under review'
    """
    words = [UNDER_REVIEW if _contested(each) else COUNTED[each["holds"]] for each in verdicts]
    if not words:
        return "not frozen yet"
    found = Counter(words)
    others = [_number(found[word], word) for word in (*list(COUNTED.values())[1:], UNDER_REVIEW) if found[word]]
    return ", ".join([f"{found['hold']} of {len(words)} hold", *others])


def _contested(verdict: Mapping[str, Any]) -> bool:
    return verdict.get("under_review", False)  # lessons frozen by an earlier version do not say it


def _number(count: int, word: str) -> str:
    return f"{count} {SINGULAR.get(word, word) if count == 1 else word}"


def table(paths: Iterable[Path]) -> str:
    r"""The table of these notebooks, a line each, in the order of their names.

    Raises:
        InputError: a path to no notebook.

    >>> table([])
    '| question | claims | in short |\n|---|---|---|'
    """
    return "\n".join([HEAD, *(row(path) for path in sorted(paths, key=lambda path: path.name))])


def committed(root: Path) -> list[Path]:
    """The notebooks of a checkout that ask something; the template does not."""
    return [path for path in sorted((root / "notebooks").glob("*.ipynb")) if not path.name.startswith("_")]


def with_table(readme: str, made: str) -> str:
    r"""A README's text with the made table between its marks.

    Raises:
        InputError: the marks do not stand there, once each and in order.

    >>> with_table("Hello\n<!-- questions -->\nold\n<!-- /questions -->\n", "new")
    'Hello\n<!-- questions -->\nnew\n<!-- /questions -->\n'
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in after:
        raise InputError("README.md", "no such lines", f"a text with the lines {BEGIN.strip()} and {END}")
    return f"{before}{BEGIN}{made}\n{END}{after}"


def renew(root: Path) -> bool:
    """Make the table in the README of a checkout anew; whether it changed.

    Raises:
        InputError: no README with the marks of the table, or a file among the notebooks that is none.
    """
    path = root / "README.md"
    if not path.is_file():
        raise InputError("README.md", str(path), "an existing file", "Run this in the checkout's top folder.")
    before = path.read_text(encoding="utf-8")
    after = with_table(before, table(committed(root)))
    if after != before:
        write_atomic(path, after)
    return after != before
