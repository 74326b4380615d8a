"""The notebook contract: every notebook keeps each clause, and each clause is tried on a planted breach."""

import copy

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from sslens.headless.lesson import reference_of
from sslens.headless.table import BEGIN, END, STALE, committed, table
from sslens.headless.table import HEAD as HEAD_OF_TABLE
from tests.house import cells, contract
from tests.house.reading import ROOT

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
COMMITTED = [path for path in PATHS if not path.name.startswith("_")]
README = ROOT / "README.md"
HEAD = (
    "# Does it rise?\n\n**Claim** It does.\n\n**Source** Nobody 2023\n\n**Runs in** 1 s\n\n**Afterwards** you can tell."
)
EXERCISES = "## Exercises\n\n1. Guess.\n2. Try.\n3. Tell.\n"
MARK = {
    "fingerprint": "0" * 64,
    "profile": "lesson",
    "verdicts": [{"quantity": "rise", "holds": True}, {"quantity": "fall", "holds": None}],
}
PARAMETERS = (
    f"{contract.PROFILE}smoke, lesson or full\nsteps: int = 10  # optimiser steps\nrate: float = 1  # learning rate\n"
)


def good():
    """The smallest notebook that keeps every clause."""
    figure = new_output("execute_result", {contract.PLOTLY: {"data": []}}, execution_count=2)
    values = {"rise": 1.0, "rise.holds": True, "fall": None, "fall.holds": None}
    result = new_output("execute_result", {contract.RESULT: {"values": values}}, execution_count=3)
    parts = [
        new_markdown_cell(HEAD),
        new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}, execution_count=1),
        new_markdown_cell("Look for the rise."),
        new_code_cell("from sslens import figures\n\nfigures.line(steps)", outputs=[figure], execution_count=2),
        new_markdown_cell("It rises."),
        new_code_cell("verdicts", outputs=[result], execution_count=3),
        new_markdown_cell(EXERCISES),
        new_code_cell("check(1)", execution_count=4),
        new_code_cell("receipt(globals())", execution_count=5),
    ]
    return new_notebook(cells=parts, metadata={"sslens": dict(MARK)})


def with_source(at, source):
    """The good notebook with another text in one cell."""
    notebook = good()
    notebook.cells[at].source = source
    return notebook


def changed(change):
    """The good notebook after a change in place."""
    notebook = good()
    change(notebook)
    return notebook


def by_hand(notebook, *places):
    """Tag these cells as a training loop shown by hand."""
    for place in places:
        notebook.cells[place].metadata["tags"] = [cells.BY_HAND]


def marked(**changes):
    """The good notebook with another mark."""
    return changed(lambda notebook: notebook.metadata["sslens"].update(changes))


BREACHES = [
    (contract.opens_with_a_question, with_source(0, HEAD.replace("?", ".")), "asks a question"),
    (contract.opens_with_a_question, with_source(0, HEAD.replace("**Source**", "Source")), "**Source**"),
    (contract.opens_with_a_question, with_source(0, HEAD.replace("**Runs in** 1 s", "**Runs in**")), "**Runs in**"),
    (contract.opens_with_a_question, changed(lambda notebook: notebook.cells.pop(0)), "asks a question"),
    (cells.is_plain_python, with_source(3, "%matplotlib inline"), "cell 2 is not plain"),
    (cells.is_plain_python, with_source(3, "!pip install x"), "cell 2 is not plain"),
    (contract.has_one_parameters_cell, changed(lambda notebook: notebook.cells.pop(1)), "0 cells"),
    (contract.has_one_parameters_cell, changed(lambda book: book.cells.append(copy.copy(book.cells[1]))), "2 cells"),
    (contract.has_one_parameters_cell, with_source(1, "steps: int = 10  # steps"), "no line profile"),
    (contract.has_one_parameters_cell, with_source(1, PARAMETERS + "x = 1  # untyped"), "x = 1"),
    (contract.has_one_parameters_cell, with_source(1, PARAMETERS + "x: int = 1"), "x: int = 1"),
    (contract.has_one_parameters_cell, with_source(1, PARAMETERS + "x: int = f(1)  # computed"), "f(1)"),
    (contract.has_one_parameters_cell, with_source(1, PARAMETERS + "x: int = 0.5  # mistyped"), "0.5"),
    (contract.has_one_parameters_cell, with_source(1, PARAMETERS + "x: float = True  # mistyped"), "True"),
    (contract.keeps_its_parameters, with_source(3, "steps = 20"), "assigns the parameter steps"),
    (contract.keeps_its_parameters, with_source(3, "for steps in (1, 2):\n    f(steps)"), "steps"),
    (contract.keeps_its_parameters, with_source(3, "steps += 1"), "steps"),
    (contract.keeps_its_parameters, with_source(3, "from torch import rand as rate"), "rate"),
    (cells.is_short, with_source(3, "f()\n" * 13), "13 lines"),
    (cells.is_short, changed(lambda book: book.cells.extend([new_code_cell("f()\n" * 12)] * 10)), "at most 120"),
    (cells.has_short_lines, with_source(3, f"f('{'a' * 96}')"), "101 characters"),
    (cells.has_short_lines, with_source(1, f"{PARAMETERS}x: int = 1  # {'a' * 87}"), "101 characters"),
    (cells.nests_nothing, with_source(3, "[[x for x in row] for row in rows]"), "inside another"),
    (cells.nests_nothing, with_source(3, "{a: f(b) for a, b in zip(c, (d for d in e))}"), "inside another"),
    (cells.nests_nothing, with_source(3, "f(lambda z: g(h(z)))"), "longer than a call"),
    (cells.nests_nothing, with_source(3, "f(lambda z: z if z else 0)"), "longer than a call"),
    (cells.nests_nothing, with_source(3, "f(lambda z: [x for x in z])"), "longer than a call"),
    (cells.nests_nothing, with_source(3, "f(lambda: lambda z: z)"), "longer than a call"),
    (cells.unpacks_plainly, with_source(3, "first, *others = runs"), "unpacks (first, *others)"),
    (cells.unpacks_plainly, with_source(3, "for (a, b), c in rows:\n    f(a)"), "unpacks ((a, b), c)"),
    (cells.leaves_the_work_to_the_library, with_source(3, "class A:\n    pass"), "ClassDef"),
    (cells.leaves_the_work_to_the_library, with_source(3, "while True:\n    f()"), "training loop"),
    (cells.leaves_the_work_to_the_library, with_source(3, "def f():\n" + "    g()\n" * 6), "more than 6"),
    (cells.leaves_the_work_to_the_library, with_source(3, "for s in train.fit(c):\n    g(s)"), "training loop"),
    (cells.leaves_the_work_to_the_library, with_source(3, "[s for s in list(fit(c))]"), "training loop"),
    (cells.leaves_the_work_to_the_library, with_source(3, "loss.backward()"), "backward"),
    (cells.leaves_the_work_to_the_library, changed(lambda book: by_hand(book, 3, 5)), "cells [2, 3] are tagged"),
    (cells.imports_little, with_source(3, "import numpy as np"), "numpy"),
    (cells.imports_little, with_source(3, "def f():\n    from sklearn.svm import SVC"), "sklearn.svm"),
    (contract.sets_exercises, with_source(6, "## Questions\n1. a\n2. b\n3. c"), "no heading"),
    (contract.sets_exercises, with_source(6, "## Exercises\n1. a\n2. b"), "2 numbered"),
    (contract.sets_exercises, changed(lambda notebook: notebook.cells.pop(7)), "no checking cell"),
    (contract.ends_with_the_receipt, changed(lambda notebook: notebook.cells.pop()), "last code cell"),
    (contract.ends_with_the_receipt, with_source(8, "receipt(globals()); f()"), "last code cell"),
    (contract.stores_no_widget, changed(lambda book: book.metadata.update(widgets={})), "widgets"),
    (
        contract.stores_no_widget,
        changed(lambda book: book.cells[7].outputs.append(new_output("display_data", {contract.WIDGET: {}}))),
        "cell 4 stores a widget",
    ),
    (contract.is_small, with_source(0, "a" * 800_001), "at most 800000"),
    (contract.frames_each_figure, changed(lambda notebook: notebook.cells.pop(2)), "stands between"),
    (contract.frames_each_figure, changed(lambda notebook: notebook.cells.pop(4)), "stands between"),
    (contract.frames_each_figure, changed(lambda book: book.cells[3].outputs.append(book.cells[3].outputs[0])), "one"),
    (contract.frames_each_figure, with_source(3, "figure = figures.line(steps)"), "last expression"),
    (contract.frames_each_figure, with_source(3, "figures.line(steps).show()"), "last expression"),
    (contract.frames_each_figure, with_source(3, "figures.line(steps);"), "last expression"),
    (contract.was_executed, changed(lambda notebook: notebook.cells[3].update(execution_count=None)), "counts"),
    (contract.was_executed, changed(lambda book: [cell.update(outputs=[]) for cell in book.cells]), "no outputs"),
    (contract.was_executed, changed(lambda book: book.cells[7].outputs.append(new_output("error"))), "an error"),
    (contract.concludes, changed(lambda notebook: notebook.cells[5].update(outputs=[])), "no verdict"),
    (contract.bears_the_mark_of_a_lesson, changed(lambda book: book.metadata.pop("sslens")), "fingerprint"),
    (contract.bears_the_mark_of_a_lesson, marked(fingerprint="0"), "fingerprint"),
    (contract.bears_the_mark_of_a_lesson, marked(profile="smoke"), "profile is 'smoke'"),
    (contract.bears_the_mark_of_a_lesson, marked(verdicts=[]), "not those of the outputs"),
    (contract.bears_the_mark_of_a_lesson, marked(verdicts=[{"quantity": "rise", "holds": None}]), "not those"),
]


def read(path):
    """A notebook of the checkout, refused where nbformat finds it malformed."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
@pytest.mark.parametrize("clause", contract.WRITTEN)
def test_every_notebook_keeps(clause, path):
    assert list(clause(read(path))) == []


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
@pytest.mark.parametrize("clause", contract.EXECUTED)
def test_every_committed_notebook(clause, path):
    assert list(clause(read(path))) == []


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_notebook_has_a_reference_of_the_same_sources(path):
    assert list(contract.is_held_to_its_reference(read(path), reference_of(path))) == []


def test_every_reference_belongs_to_a_notebook():
    assert {path.name for path in reference_of(PATHS[0]).parent.glob("*")} <= {path.name for path in PATHS}


def test_readmes_table_is_the_made_one():
    assert committed(ROOT) == COMMITTED
    assert list(contract.differs_from_the_made_table(README.read_text(), table(COMMITTED))) == []


def test_there_are_notebooks_to_check():
    assert {"_template", "00_first_light"} <= {path.stem for path in PATHS}


@pytest.mark.parametrize("clause", contract.WRITTEN + contract.EXECUTED)
def test_a_good_notebook_passes(clause):
    assert list(clause(good())) == []


ANSWERS = """def my_rank(z):
    total = z.sum()
    return None
exercises["rank"].check(my_rank)"""


def test_cells_of_exercises_are_short_but_do_not_count_for_the_whole():
    many = changed(lambda book: book.cells.extend(new_code_cell(ANSWERS) for _ in range(40)))
    assert list(cells.is_short(many)) == []
    assert any("lines of code" in line for line in cells.is_short(with_source(3, "f()\n" * 12 + ANSWERS)))
    assert len(cells.exercises(many)) == 40


LOOP = """for step in range(20):
    loss = objective.loss(outputs(model, views))
    loss.backward()
    optimiser.step()"""


def test_a_loop_may_be_shown_by_hand_once():
    shown = with_source(3, LOOP)
    assert list(cells.leaves_the_work_to_the_library(shown)) != []
    by_hand(shown, 3)
    assert list(cells.leaves_the_work_to_the_library(shown)) == []
    assert list(cells.is_short(with_source(3, LOOP * 4))) != []


@pytest.mark.parametrize("source", ["f(lambda z: rate * z + z.std())", "a, b = [f(x) for x in [1, 2]]", "f(a)[b](c)"])
def test_plain_code_passes(source):
    for clause in cells.CODE:
        assert list(clause(with_source(3, source))) == []


@pytest.mark.parametrize(("clause", "notebook", "said"), BREACHES)
def test_a_planted_breach_is_caught(clause, notebook, said):
    assert any(said in line for line in clause(notebook))


def test_every_clause_has_a_planted_breach():
    assert {clause for clause, *_ in BREACHES} == {*contract.WRITTEN, *contract.EXECUTED}


def held(tmp_path, reference):
    """What is wrong with this reference of the good notebook."""
    nbformat.write(reference, tmp_path / "reference.ipynb")
    return list(contract.is_held_to_its_reference(good(), tmp_path / "reference.ipynb"))


def test_a_reference_of_the_same_sources_passes_whatever_the_prose(tmp_path):
    assert held(tmp_path, good()) == []
    assert held(tmp_path, with_source(0, "# Another?")) == []


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        (with_source(3, "figures.line(rate)"), "from cell 2 ('from sslens import figures') on"),
        (changed(lambda notebook: notebook.cells.pop(7)), "from cell 4 ('check(1)') on"),
        (changed(lambda notebook: notebook.cells[3].update(execution_count=None)), "counts"),
        (changed(lambda book: book.cells[3].outputs[0].data.update({"image/png": "iVBORw0KGgo="})), "a picture"),
        (with_source(0, "a" * 300_001), "at most 300000"),
    ],
)
def test_a_wrong_reference_is_caught(reference, said, tmp_path):
    assert any(said in line for line in held(tmp_path, reference))


def test_a_missing_reference_is_caught(tmp_path):
    assert list(contract.is_held_to_its_reference(good(), tmp_path / "none.ipynb")) == ["its reference is missing"]


MADE = f"{HEAD_OF_TABLE}\n| [Does it rise?](notebooks/10_it.ipynb) | 1 of 2 hold | It does.{STALE} |"
TEXT = f"Hello\n\n{BEGIN}{MADE}\n{END}\n\nMore"


def test_the_made_table_passes_and_age_is_no_fault():
    for readme in (TEXT, TEXT.replace(STALE, "")):
        assert list(contract.differs_from_the_made_table(readme, MADE)) == []


@pytest.mark.parametrize(
    ("before", "after"), [("1 of 2", "2 of 2"), ("10_it", "11_it"), ("It does.", "No."), (END, "")]
)
def test_another_table_is_caught(before, after):
    assert list(contract.differs_from_the_made_table(TEXT.replace(before, after), MADE))
