"""Paths of this machine are hidden at their borders only; text from data does nothing to a terminal."""

import getpass
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from sslens.headless.shown import harmless, hidden, hidden_within, short


@pytest.fixture(autouse=True)
def alice(monkeypatch):
    monkeypatch.setenv("HOME", "/home/u")
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/tmp")
    monkeypatch.setattr(getpass, "getuser", lambda: "alice")


SAID = {
    "/home/u/images": "~/images",
    "no file /home/u.": "no file ~.",
    "'/home/u'": "'~'",
    "folder:/home/u/x": "folder:~/x",
    "file:///home/u/x": "file://~/x",
    "\x1b[1;32m/home/u/x.py\x1b[0m": "\x1b[1;32m~/x.py\x1b[0m",
    "/home/u2": "/home/u2",
    "/home/u-2/x": "/home/u-2/x",
    "/home/u.old": "/home/u.old",
    "/mnt/home/u/x": "/mnt/home/u/x",
    "../home/u": "../home/u",
    "/tmp/pytest-of-alice/x": "$TMPDIR/pytest-of-user/x",
    "/var/tmp/x": "/var/tmp/x",
    "/tmpfs": "/tmpfs",
    "/media/alice/disk": "/media/user/disk",
    "alice and malice": "alice and malice",
    "/home/u/out/.staging-a.1/work/receipt.json": "./work/receipt.json",
}


@pytest.mark.parametrize("said", SAID)
def test_whole_paths_of_this_machine_are_hidden_and_nothing_else(said):
    assert hidden(said, Path("/home/u/out/.staging-a.1")) == SAID[said]


def test_what_is_hidden_twice_is_hidden_once():
    for said in SAID:
        assert hidden(hidden(said)) == hidden(said)


def test_a_user_without_a_home_or_a_name_hides_what_there_is(monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: Path("/"))
    assert hidden("/etc/x /tmp/x") == "/etc/x $TMPDIR/x"

    def nobody():
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert hidden("/etc/x /tmp/x") == "/etc/x $TMPDIR/x"


def test_every_text_within_is_hidden_but_encoded_pictures():
    value = {"data": {"image/png": "/tmp/", "text/html": ["/home/u/x", 3, None, ("/tmp",)]}, "/home/u/k": True}
    assert hidden_within(value) == {
        "data": {"image/png": "/tmp/", "text/html": ["~/x", 3, None, ["$TMPDIR"]]}, "~/k": True,
    }  # fmt: skip


def test_a_path_is_shown_as_it_is_typed(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    shown = [short(path) for path in (tmp_path / "a", Path("/home/u/runs/a"), Path("/srv/a"), Path("/srv/\x1b[2J"))]
    assert shown == ["a", "~/runs/a", "/srv/a", "/srv/\\x1b[2J"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain é ✓ 中", "plain é ✓ 中"), ("\x1b[31m", "\\x1b[31m"), ("a\u202eb", "a\\u202eb"), ("a\nb\tc", "a\\nb\\tc"),
     ("\x9b2J", "\\x9b2J"), ("\u2066", "\\u2066"), ("\ud800", "\\ud800"), ("\U000e0001", "\\U000e0001"),
     ("\x7f", "\\x7f"), ("\u2028", "\\u2028"), ("\u200f", "\\u200f")],
)  # fmt: skip
def test_what_a_terminal_acts_on_is_written_out(text, shown):
    assert harmless(text) == shown


@given(some.text())
def test_nothing_that_acts_is_left(text):
    assert not {unicodedata.category(letter) for letter in harmless(text)} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
