"""CONTRIBUTING is one page, and what it names is there: imports, commands, the places of each recipe."""

import importlib.util
import re

import pytest

from sslens.headless.cli import main
from tests.house.reading import LIBRARY, ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text()
IMPORTS, RECIPES = "## What a person imports", "## Recipes"


def rows(page, heading):
    """The rows of the table below a heading, cell by cell."""
    section = page.partition(f"{heading}\n")[2].partition("\n## ")[0]
    lines = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in cells] for cells in lines[2:]]


def missing_imports(page):
    """Names of the page that none of the modules of their row has."""
    for modules, words, *_ in rows(page, IMPORTS):
        found = [importlib.import_module(name) for name in re.findall(r"`([\w.]+)`", modules)]
        for name in re.findall(r"`(\w+)`", words):
            if not any(_has(module, name) for module in found):
                yield name


def _has(module, name):
    is_package = hasattr(module, "__path__")
    return hasattr(module, name) or (is_package and importlib.util.find_spec(f"{module.__name__}.{name}") is not None)


def missing_places(page):
    """Folders of the library and of the tests that a recipe names and that are not there."""
    for _, _, write, _, test in rows(page, RECIPES):
        for path in re.findall(r"`([\w/<>.]+)/(?:test_)?<\w+>\.py`", f"{write} {test}"):
            place = ROOT / path if path.startswith("tests") else LIBRARY / path
            if not place.parent.joinpath(place.name.replace("<room>", "spectrum")).is_dir():
                yield path


def test_it_is_one_page():
    assert len(PAGE.splitlines()) <= 120


def test_what_a_person_imports_is_there():
    assert len(rows(PAGE, IMPORTS)) > 8
    assert list(missing_imports(PAGE)) == []


def test_where_a_recipe_writes_is_there():
    assert len(rows(PAGE, RECIPES)) == 7
    assert list(missing_places(PAGE)) == []


def test_every_command_is_named():
    assert set(main.commands) <= set(re.findall(r"`(?:sslens )?(\w+)`", PAGE.partition("On the command line")[2]))


@pytest.mark.parametrize(
    ("found", "text", "planted"),
    [
        (missing_imports, "`conclude`", "`concludes`"),
        (missing_imports, "`sslens.claims`", "`sslens.statistics`"),
        (missing_places, "`encoders/<name>.py`", "`networks/<name>.py`"),
        (missing_places, "`tests/figures/test_<form>.py`", "`tests/pictures/<form>.py`"),
    ],
)
def test_what_is_not_there_is_caught(found, text, planted):
    assert text in PAGE and list(found(PAGE.replace(text, planted))) != []
