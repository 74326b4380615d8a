"""No word of the list names anything; each place where one could stand is tried on a breach."""

import ast
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests.house import words
from tests.house.reading import ROOT, Module, house, planted, suite

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ALLOWED = {
    ("sslens.moved", "journeys"): "a module of version 0.1, whose new name it says",
    ("sslens.moved", "train.material"): "a module of version 0.1, whose new name it says",
    ("sslens.moved", "figures.abreast"): "a module of version 0.1, whose new name it says",
}
"""File and name or text where such a word has to stand, and why."""


def kept(lines):
    """Complaints, without what is allowed."""
    return [line for line in lines if tuple(line.split(": ")[:2]) not in ALLOWED]


def notebook(code="", prose=""):
    """A notebook of one cell of each kind."""
    return new_notebook(cells=[new_markdown_cell(prose), new_code_cell(code)])


def test_the_library_has_the_words_of_the_field():
    assert kept(line for module in house() for line in words.in_library(module)) == []


def test_so_have_the_names_in_tests():
    assert kept(line for module in suite() for line in words.in_test(module)) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_so_have_notebooks(path):
    assert list(words.in_notebook(nbformat.read(path, as_version=4), path)) == []


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def best_look(): ...", "best_look: say snapshot"),
        ("async def told(): ...", "told: say found"),
        ("class LookAhead: ...", "LookAhead"),
        ("def f(*, looks): ...", "looks: say snapshots"),
        ("lambda asked: 1", "asked: say wanted"),
        ("for journey in runs: ...", "journey: say run"),
        ("with a as fallen: ...", "fallen"),
        ("self.material = 1", "material: say data"),
        ("from a import panels as abreast", "abreast"),
        ("title = 'runs abreast'", "runs abreast: say side by side"),
        ("f'{count} journeys'", " journeys: say runs"),
        ("name = 'digits named rightly'", "named rightly: say accuracy"),
        ("name = 'share right'", "share right: say accuracy"),
        ("def f():\n    '''The share of right answers at the last look.'''", "share of right: say accuracy"),
        ("def f():\n    '''The share of right answers at the last look.'''", "last look: say snapshot"),
        ("# at every look", "every look: say snapshot"),
        ("x = 1  # of a look, and of look 3", "look 3: say snapshot"),
    ],
)
def test_a_planted_word_is_caught_in_the_library_and_in_notebooks(source, said):
    assert any(said in line for line in words.in_library(*planted(source)))
    assert any(said in line for line in words.in_notebook(notebook(code=source), Path("12_words.ipynb")))


def test_planted_file_names_and_prose_are_caught():
    assert list(words.in_library(Module("sslens.figures.abreast", ""))) != []
    assert list(words.in_test(Module("tests.train.test_material", ""))) != []
    assert list(words.in_notebook(notebook(), Path("12_best_look.ipynb"))) != []
    assert list(words.in_notebook(notebook(prose="Every digit named\nrightly."), Path("12_words.ipynb"))) != []


def test_a_planted_name_in_a_test_is_caught_and_its_texts_are_not_read():
    assert list(words.in_test(Module("tests.test_x", "def test_what_is_asked(): ..."))) != []
    assert list(words.in_test(Module("tests.test_x", "said = 'asked'"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "'Look at the figure. At first look for the step at which it looks better; every look at it helps.'",
        "'Which of the two looks like the other? Look for the last one.'",
        "outlook = overlooked = taskedness = 1",
        "plotly.asked(material=1).told",
        "def f():\n    '''Asked for a material, the fallen tell.'''",
        "'the share of rightmost pixels, the right shares'",
    ],
)
def test_innocent_words_pass(source):
    assert list(words.in_library(*planted(source))) == []


def test_names_are_read_word_by_word():
    assert words.words_of("bestLook_of2 HTTPLook") == ["best", "look", "of", "http", "look"]


@pytest.mark.parametrize(("name", "text"), ALLOWED)
def test_an_allowance_is_still_needed(name, text):
    (module,) = (module for module in house() if module.name == name)
    assert any(line.startswith(f"{name}: {text}: ") for line in words.in_library(module))


def test_every_word_has_another_and_is_found_as_a_name():
    for word, instead in words.INSTEAD.items():
        assert instead and list(words.in_identifiers(ast.parse(f"{word} = 1")))
