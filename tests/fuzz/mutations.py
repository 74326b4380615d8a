"""Ways to break what a program is given: bytes, JSON, words. All of them are made at run time from what is whole."""

import copy
import json
from random import Random
from typing import Any

HOSTILE = ("", " ", "-", "--", "-p", "..", "../..", "~", "~nobody/x", "x" * 300, "x" * 5000, "nan", "inf", "1e999",
           "-1", "007", "1_000", "9" * 5000, "true", "None", "null", "{}", "[]", "{0.__class__}", "%s", "$HOME", "*",
           "a\nb", "\x1b[31mred", "\u202egnp", "\ufeff", "\U0001f469\u200d\U0001f680", "\udcff", "e\u0301", "a/b",
           "/dev/null", "folder:", "folder:nowhere", "folder+skip:.", "digits", "smoke", "__class__", "run.json",
           )  # fmt: skip
"""Words that have broken programs."""
VALUES: tuple[Any, ...] = (None, True, False, 0, -1, 10**30, 0.5, -0.0, 1e308, float("nan"), float("inf"), [], {}, [[]],
                           {"": None}, [None] * 3)  # fmt: skip
"""JSON of every type."""
DEEP = 100_000
"""Brackets within brackets, deeper than any reader goes."""


def broken_bytes(whole: bytes, dice: Random) -> bytes:
    """A few bits turned, a piece cut, doubled or moved, or an end that is missing."""
    content = bytearray(whole)
    for _ in range(dice.choice((1, 1, 1, 2, 5, 20))):
        place, length = dice.randrange(len(content) + 1), dice.choice((1, 2, 4, 30))
        piece = content[place : place + length]
        match dice.randrange(7):
            case 0 | 1 if content:
                content[place - 1] ^= 1 << dice.randrange(8)
            case 2:
                content[place : place + length] = dice.randbytes(len(piece))
            case 3:
                del content[place:]
            case 4:
                del content[place : place + length]
            case 5:
                content[place:place] = piece or dice.randbytes(length)
            case _:
                content[place : place + 4] = dice.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
    return bytes(content)


def broken_json(whole: Any, dice: Random) -> Any:
    """The same but for a few places: another value, another name, one more or one less."""
    content = copy.deepcopy(whole)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        holders = [each for each in _holders(content) if each]
        if not holders:
            return dice.choice(VALUES)
        holder = dice.choice(holders)
        place = dice.choice(list(holder)) if isinstance(holder, dict) else dice.randrange(len(holder))
        match dice.randrange(6):
            case 0:
                del holder[place]
            case 1 if isinstance(holder, dict):
                holder[dice.choice(HOSTILE)] = holder.pop(place)
            case 2:
                holder[place] = dice.choice(HOSTILE)
            case 3:
                holder[place] = copy.deepcopy(dice.choice(holders))
            case _:
                holder[place] = copy.deepcopy(dice.choice(VALUES))
    return content


def broken_text(whole: Any, dice: Random) -> bytes:
    """JSON on disk, broken as JSON or as bytes; now and then without a bottom, or with a number that has no end."""
    text = json.dumps(broken_json(whole, dice))
    match dice.randrange(8):
        case 0:
            return broken_bytes(text.encode(), dice)
        case 1:
            opening = dice.choice(("[", '{"a":'))
            return (opening * dice.choice((50, 1000, DEEP))).encode()
        case 2:
            return text.replace("0", "9" * 5000, 1).encode()
        case _:
            return text.encode(dice.choice(("utf-8", "utf-8", "utf-16", "latin-1")), "replace")


def _holders(value: Any) -> list[Any]:
    """Every list and every mapping in a JSON value."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [each for part in inner for each in _holders(part)]
    return [value, *found] if isinstance(value, dict | list) else found
