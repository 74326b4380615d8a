"""Broken input of every kind, from every side: at most our own error, which is one sentence with the field it means."""

import random
import traceback
import warnings

import pytest

from sslens.types import InputError
from tests.fuzz.entries import DOORS, no_kernel
from tests.fuzz.mutations import broken_bytes, broken_json, broken_text

FEW, MANY = 40, 1000
"""Attempts at each door in every test run, and in the long one."""


def outcome(door, folder, number):
    """What went wrong at one attempt, with the place where it did; nothing where all is well."""
    dice = random.Random(number)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            door.attempt(folder, dice)
    except InputError as error:
        said = str(error)
        return "" if error.field and error.allowed and "\x1b" not in said else f"says nothing: {said[:200]!r}"
    except Exception as error:
        cause = error.__cause__ or error
        place = traceback.extract_tb(cause.__traceback__)[-1:]
        return f"{type(error).__name__}: {str(error)[:200]} from {cause!r:.200} at {place}"
    return ""


def failures(name, folder, monkeypatch, count):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SSLENS_DATA", str(folder / "data"))
    DOORS[name].prepare(folder)
    with no_kernel():
        found = {number: outcome(DOORS[name], folder, number) for number in range(count)}
    return {number: said for number, said in found.items() if said}


@pytest.mark.parametrize("name", DOORS)
def test_what_is_broken_is_refused_or_read_rightly(name, tmp_path, monkeypatch):
    assert failures(name, tmp_path, monkeypatch, FEW) == {}


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", DOORS)
def test_a_thousand_times(name, tmp_path, monkeypatch):
    assert failures(name, tmp_path, monkeypatch, MANY) == {}


def test_a_careless_reader_is_caught(tmp_path, monkeypatch):
    """The harness itself: readers that take what they get fail here."""

    def careless(folder, dice):
        return int(broken_json({"steps": 4}, dice)["steps"])

    monkeypatch.setitem(DOORS, "careless", DOORS["configs"]._replace(attempt=careless))
    assert len(failures("careless", tmp_path, monkeypatch, FEW)) > 5


def test_what_is_broken_differs_from_what_was_whole_and_is_the_same_each_time():
    whole, content = {"a": [1, {"b": "c"}], "d": None}, bytes(range(100))
    for breaks, given in ((broken_json, whole), (broken_text, whole), (broken_bytes, content)):
        first, second = ([repr(breaks(given, random.Random(number))) for number in range(50)] for _ in range(2))
        assert first == second
        assert len(set(first)) > 25
    assert whole == {"a": [1, {"b": "c"}], "d": None}
