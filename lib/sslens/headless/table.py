"""README's table of questions, made from the studies and the verdicts committed with their lessons."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from sslens import studies
from sslens.claims import NOT_TESTED, UNDER_REVIEW
from sslens.headless.lesson import MARK, stale_lesson
from sslens.headless.notebook import question, read_notebook
from sslens.statistics import expected_false
from sslens.store import write_atomic
from sslens.types import InputError

BEGIN, END = "<!-- questions -->\n", "<!-- /questions -->"
"""Around the table in README; what stands between the two is made, never written."""
HEAD = "| question, and the lesson that asks it | answer, here | claims |\n|---|---|---|"
STALE = " *(older than the code)*"
"""What a row says of a lesson that was frozen from other code."""
COUNTED = {True: "hold", False: "do not", None: "undecided"}
SINGULAR = {"do not": "does not"}


def row(path: Path) -> str:
    """One line on a committed notebook: its question, how many of its claims hold at ``lesson``, the answer in short.

    The answer takes a verdict under review for an open one: it may come out otherwise. Verdicts of another profile
    than ``lesson`` are none.

    Raises:
        InputError: no notebook.
    """
    notebook = read_notebook(path)
    study, verdicts = studies.of_notebook(path.stem), _of_lesson(notebook)
    settled = [each | {"holds": None} if _contested(each) else each for each in verdicts]
    link = f"[{question(notebook)}](notebooks/{path.name})"
    answer = study.answer(settled) if study is not None and verdicts else ""
    cells = (link, answer + _word_of_age(notebook, path.stem), counts(verdicts))
    return "| " + " | ".join(cell.replace("|", r"\|").strip() for cell in cells) + " |"


def _of_lesson(notebook: NotebookNode) -> list[Any]:
    """The verdicts committed with a notebook; those of ``smoke`` mean nothing, and never stand in the table."""
    mark = notebook.metadata.get(MARK, {})
    return mark.get("verdicts", []) if mark.get("profile") == "lesson" else []


def _word_of_age(notebook: NotebookNode, name: str) -> str:
    return STALE if MARK in notebook.metadata and stale_lesson(notebook, name) else ""


def counts(verdicts: Iterable[Mapping[str, Any]]) -> str:
    """How many verdicts came out how, in the form of a receipt; what is under review counts as nothing else.

    >>> settled = [{"holds": holds} for holds in (True, True, None)]
    >>> counts(settled), counts(settled[:2]), counts([])
    ('2 of 3 hold, 1 undecided', '2 of 2 hold', 'not frozen yet')
    >>> counts([*settled, {"holds": True, "under_review": True}, {"holds": None, "untested": "too few settings: 3"}])
    '2 of 5 hold, 1 undecided, 1 not tested here, 1 under review'
    """
    words = [_word(each) for each in verdicts]
    if not words:
        return "not frozen yet"
    found = Counter(words)
    others = (*list(COUNTED.values())[1:], NOT_TESTED, UNDER_REVIEW)
    others = [_number(found[word], word) for word in others if found[word]]
    return ", ".join([f"{found['hold']} of {len(words)} hold", *others])


def _word(verdict: Mapping[str, Any]) -> str:
    if _contested(verdict):
        return UNDER_REVIEW
    return NOT_TESTED if verdict.get("untested") else COUNTED[verdict["holds"]]


def _contested(verdict: Mapping[str, Any]) -> bool:
    return verdict.get("under_review", False)  # lessons frozen by an earlier version do not say it


def _number(count: int, word: str) -> str:
    return f"{count} {SINGULAR.get(word, word) if count == 1 else word}"


def table(paths: Iterable[Path]) -> str:
    r"""The table of these notebooks, a line each, in the order of their names.

    Raises:
        InputError: a path to no notebook.

    >>> table([])
    '| question, and the lesson that asks it | answer, here | claims |\n|---|---|---|'
    """
    paths = sorted(paths, key=lambda path: path.name)
    verdicts = [each for path in paths for each in _of_lesson(read_notebook(path))]
    return "\n".join([HEAD, *map(row, paths), *chance(verdicts)])


def chance(verdicts: Iterable[Mapping[str, Any]]) -> list[str]:
    """A blank line and a sentence: how many of the decided verdicts may err by chance alone; nothing where none is.

    Of each decided verdict the interval leaves out the truth in 5 % of cases; what is exact does not err by chance.

    >>> chance([{"holds": True}] * 29 + [{"holds": None}, {"holds": False}, {"holds": True, "exact": True}])[1]
    'Of 32 verdicts 30 are decided by intervals of 95 %: up to 1.5 of those are to be expected to be wrong by chance.'
    """
    verdicts = list(verdicts)
    decided = [each for each in verdicts if _word(each) in (COUNTED[True], COUNTED[False]) and not each.get("exact")]
    if not decided:
        return []
    count, wrong = len(decided), expected_false(len(decided))
    by = f"{count} {'is' if count == 1 else 'are'} decided by intervals of 95 %"
    return [
        "",
        f"Of {len(verdicts)} verdicts {by}: up to {wrong:.2g} of those are to be expected to be wrong by chance.",
    ]


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
