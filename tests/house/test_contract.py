"""The notebook contract: every notebook keeps each clause, and each clause is tried on a planted breach."""

import copy

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.house import contract
from tests.house.reading import ROOT

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
COMMITTED = [path for path in PATHS if not path.name.startswith("_")]
README = ROOT / "README.md"
HEAD = (
    "# Does it rise?\n\n**Claim** It does.\n\n**Source** Nobody 2023\n\n**Runs in** 1 s\n\n**Afterwards** you can tell."
)
EXERCISES = "## Exercises\n\n1. Guess.\n2. Try.\n3. Tell.\n"
PARAMETERS = (
    f"{contract.PROFILE}smoke, lesson or full\nsteps: int = 10  # optimiser steps\nrate: float = 1  # learning rate\n"
)
TABLE = (
    "| question | notebook | verdict |\n|---|---|---|\n| Does it rise? | [it](notebooks/10_it.ipynb) | holds, undecided"
)


def good():
    """The smallest notebook that keeps every clause."""
    figure = new_output("execute_result", {contract.PLOTLY: {"data": []}}, execution_count=2)
    values = {"rise": 1.0, "rise.holds": True, "fall": None, "fall.holds": None}
    result = new_output("execute_result", {contract.RESULT: {"values": values}}, execution_count=3)
    cells = [
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
    return new_notebook(cells=cells)


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


BREACHES = [
    (contract.opens_with_a_question, with_source(0, HEAD.replace("?", ".")), "asks a question"),
    (contract.opens_with_a_question, with_source(0, HEAD.replace("**Source**", "Source")), "**Source**"),
    (contract.opens_with_a_question, with_source(0, HEAD.replace("**Runs in** 1 s", "**Runs in**")), "**Runs in**"),
    (contract.opens_with_a_question, changed(lambda notebook: notebook.cells.pop(0)), "asks a question"),
    (contract.is_plain_python, with_source(3, "%matplotlib inline"), "cell 3 is not plain"),
    (contract.is_plain_python, with_source(3, "!pip install x"), "cell 3 is not plain"),
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
    (contract.is_short, with_source(3, "f()\n" * 13), "13 lines"),
    (contract.is_short, changed(lambda book: book.cells.extend([new_code_cell("f()\n" * 12)] * 7)), "at most 80"),
    (contract.leaves_the_work_to_the_library, with_source(3, "class A:\n    pass"), "ClassDef"),
    (contract.leaves_the_work_to_the_library, with_source(3, "while True:\n    f()"), "While"),
    (contract.leaves_the_work_to_the_library, with_source(3, "def f():\n" + "    g()\n" * 6), "more than 6"),
    (contract.leaves_the_work_to_the_library, with_source(3, "for s in train.fit(c):\n    g(s)"), "training loop"),
    (contract.leaves_the_work_to_the_library, with_source(3, "[s for s in list(fit(c))]"), "training loop"),
    (contract.leaves_the_work_to_the_library, with_source(3, "loss.backward()"), "backward"),
    (contract.imports_little, with_source(3, "import numpy as np"), "numpy"),
    (contract.imports_little, with_source(3, "def f():\n    from sklearn.svm import SVC"), "sklearn.svm"),
    (contract.sets_exercises, with_source(6, "## Questions\n1. a\n2. b\n3. c"), "no heading"),
    (contract.sets_exercises, with_source(6, "## Exercises\n1. a\n2. b"), "2 numbered"),
    (contract.sets_exercises, changed(lambda notebook: notebook.cells.pop(7)), "no checking cell"),
    (contract.ends_with_the_receipt, changed(lambda notebook: notebook.cells.pop()), "last code cell"),
    (contract.ends_with_the_receipt, with_source(8, "receipt(globals()); f()"), "last code cell"),
    (contract.stores_no_widget, changed(lambda book: book.metadata.update(widgets={})), "widgets"),
    (
        contract.stores_no_widget,
        changed(lambda book: book.cells[7].outputs.append(new_output("display_data", {contract.WIDGET: {}}))),
        "cell 7 stores a widget",
    ),
    (contract.is_small, with_source(0, "a" * 300_001), "at most 300000"),
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


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_the_table_tells_what_the_notebook_found(path):
    assert list(contract.disagrees_with_the_table(read(path), path.stem, README.read_text())) == []


def test_there_are_notebooks_to_check():
    assert {"_template", "00_first_light"} <= {path.stem for path in PATHS}


@pytest.mark.parametrize("clause", contract.WRITTEN + contract.EXECUTED)
def test_a_good_notebook_passes(clause):
    assert list(clause(good())) == []


@pytest.mark.parametrize(("clause", "notebook", "said"), BREACHES)
def test_a_planted_breach_is_caught(clause, notebook, said):
    assert any(said in line for line in clause(notebook))


def test_every_clause_has_a_planted_breach():
    assert {clause for clause, *_ in BREACHES} == {*contract.WRITTEN, *contract.EXECUTED}


def test_the_right_table_passes():
    assert list(contract.disagrees_with_the_table(good(), "10_it", TABLE)) == []


@pytest.mark.parametrize(("before", "after"), [("holds,", "does not hold,"), ("10_it", "11_it"), ("rise?", "fall?")])
def test_a_wrong_table_is_caught(before, after):
    assert list(contract.disagrees_with_the_table(good(), "10_it", TABLE.replace(before, after)))
