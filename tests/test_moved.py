"""Names of version 0.1: importing one says where it is now."""

import importlib
import pkgutil
import re
import sys
from pathlib import Path

import pytest

import sslens
from sslens import moved

ROOT = Path(sslens.__file__).parent


def stands(name):
    """Whether the library still has a module of this name."""
    place = ROOT.joinpath(*name.split("."))
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


@pytest.mark.parametrize("name", sorted(name for name in moved.MOVED if not stands(name)))
def test_an_old_module_is_answered_with_the_new_place(name):
    expected = re.escape(f"sslens.{name} of version 0.1 is now {moved.MOVED[name]}")
    with pytest.raises(ModuleNotFoundError, match=expected):
        importlib.import_module(f"sslens.{name}")
    package, _, last = f"sslens.{name}".rpartition(".")
    with pytest.raises(ModuleNotFoundError, match=expected):
        exec(f"from {package} import {last}")


@pytest.mark.parametrize("name", ["nowhere", "train.nowhere"])
def test_a_module_that_never_was_is_missed_as_usual(name):
    with pytest.raises(ModuleNotFoundError, match=f"No module named .sslens.{name}"):
        importlib.import_module(f"sslens.{name}")
    with pytest.raises(ImportError, match="cannot import name"):
        exec("from sslens import nowhere")


def test_other_libraries_are_left_alone():
    finder = next(each for each in sys.meta_path if isinstance(each, moved._Moved))
    assert finder.find_spec("config", None) is None and finder.find_spec("other.bank", None) is None


def test_it_is_announced_once_and_last():
    moved.announce()
    assert sum(isinstance(finder, moved._Moved) for finder in sys.meta_path) == 1
    assert isinstance(sys.meta_path[-1], moved._Moved)


def test_no_module_stands_under_a_name_that_has_moved():
    assert [name for name in moved.MOVED if stands(name)] == []


@pytest.mark.parametrize("name", sorted(set(re.findall(r"sslens[.\w]+", " ".join(moved.MOVED.values())))))
def test_the_new_places_are_there(name):
    assert pkgutil.resolve_name(name) is not None
