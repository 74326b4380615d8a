"""What is shown or kept says nothing of this machine's folders, and does nothing to a terminal."""

import getpass
import re
import tempfile
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Any

ACTS = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode's categories of what a terminal may act on instead of showing it: control and format characters (those that
turn the direction of writing among them), halves of pairs, ends of lines and paragraphs."""
COLOUR = r"(?:\x1b\[[0-9;]*m)"
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")


def harmless(text: object) -> str:
    r"""Text from data or exceptions on one line, what a terminal would act on written out.

    >>> harmless("red \x1b[31m, turned \u202e, two\nlines, é")
    'red \\x1b[31m, turned \\u202e, two\\nlines, é'
    """
    return "".join(_written_out(letter) if unicodedata.category(letter) in ACTS else letter for letter in str(text))


def _written_out(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def short(path: Path) -> str:
    """A path as a person types it: from where they are, or from home, harmless.

    >>> short(Path.cwd() / "runs" / "a")
    'runs/a'
    """
    home, _, _ = _places()
    if path.is_relative_to(Path.cwd()):
        return harmless(path.relative_to(Path.cwd()))
    at_home = len(home) > 1 and path.is_relative_to(home)
    return harmless(Path("~") / path.relative_to(home) if at_home else path)


def hidden(text: str, staging: Path | None = None) -> str:
    """Text without paths of this machine: home is ``~``, the temporary folder ``$TMPDIR``, the staging folder ``.``.

    Only whole paths are meant: with a home of ``/home/u``, ``/home/u2`` stays as it is. In what is left of a path the
    user's name becomes ``user``.

    >>> hidden(f"no file {Path.home()}/images") if len(str(Path.home())) > 1 else "no file ~/images"
    'no file ~/images'
    """
    for pattern, instead in _patterns(*_places(), str(staging or "")):
        text = pattern.sub(instead, text)
    return text


def hidden_within(value: Any, staging: Path | None = None) -> Any:
    """JSON values with every text in them as ``hidden`` leaves it; encoded pictures stay as they are.

    >>> hidden_within({"files": [tempfile.gettempdir() + "/x"], "count": 3})
    {'files': ['$TMPDIR/x'], 'count': 3}
    """
    if isinstance(value, str):
        return hidden(value, staging)
    if isinstance(value, dict):
        return {
            hidden(name, staging): each if name in PICTURES else hidden_within(each, staging)
            for name, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [hidden_within(each, staging) for each in value]
    return value


def _places() -> tuple[str, str, str]:
    try:
        home, user = str(Path.home()), getpass.getuser()
    except (RuntimeError, KeyError, OSError):  # a user without a name and a home, as in some containers
        home, user = "", ""
    return home, tempfile.gettempdir(), user


@lru_cache(maxsize=32)
def _patterns(home: str, temporary: str, user: str, staging: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    places = {str(Path(temporary).resolve()): "$TMPDIR", temporary: "$TMPDIR"}
    places |= {str(Path(home).resolve()): "~", home: "~"} if home else {}
    places |= {str(Path(staging).resolve()): ".", staging: "."} if staging else {}
    longest_first = sorted((place for place in places if len(place) > 1), key=len, reverse=True)
    whole = [(_whole(place), rf"\g<before>{places[place]}") for place in longest_first]
    named = [(re.compile(rf"(?<=[/-]){re.escape(user)}(?=[/-])"), "user")] if len(user) > 2 and user != "root" else []
    return (*whole, *named)


def _whole(place: str) -> re.Pattern[str]:
    """A path that nothing goes before and only a folder inside it goes after; a colour may stand before it."""
    return re.compile(rf"(?P<before>{COLOUR}|(?<![\w.-])){re.escape(place)}(?![\w-]|\.\w)")
