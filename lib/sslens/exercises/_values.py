"""Answers as learners give them, brought to plain Python values, and words for how far they are off."""

from typing import Any

import numpy as np
from xarray import DataArray

LONGEST = 60
"""Characters of an answer that feedback repeats."""


def plain(value: Any) -> Any:
    """Python's own numbers, texts and lists of what a tensor, an array or a collection holds; anything else as it is.

    >>> import torch
    >>> plain(torch.ones(2)), plain((np.int64(3), "a")), plain(DataArray(0.5)), plain(None)
    ([1.0, 1.0], [3, 'a'], 0.5, None)
    """
    if isinstance(value, DataArray):
        value = value.values
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, set | frozenset):
        value = sorted(value, key=str)
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def single(value: Any) -> Any:
    """The one element of a plain list of one, at any depth; anything else as it is.

    >>> single([[7.0]]), single([1, 2])
    (7.0, [1, 2])
    """
    while isinstance(value, list) and len(value) == 1:
        (value,) = value
    return value


def in_words(value: Any) -> str:
    """What kind of thing a plain value is, in a few words.

    >>> in_words([1, 2]), in_words("x"), in_words(0.5), in_words(len)
    ('a list of 2', "the text 'x'", 'the number 0.5', 'a function, which is to be called first')
    """
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float):
        return f"the number {shown(value)}"
    if isinstance(value, str):
        return f"the text {shown(value)}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if callable(value) and not isinstance(value, type):
        return "a function, which is to be called first"
    return f"of type {type(value).__name__}"


def shown(value: Any) -> str:
    """A plain value as feedback repeats it: six significant digits, or so many characters.

    >>> shown(1 / 3), shown(2), shown("seven")
    ('0.333333', '2', "'seven'")
    """
    try:
        text = f"{value:.6g}" if isinstance(value, float) else repr(value)
    except ValueError:  # Python prints no int of more than 4300 digits
        return "of very many digits"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def number(value: Any) -> float | int | None:
    """The finite number that a plain value is or spells; None where it is none. True and False are no numbers.

    >>> number("7.0"), number(3), number("seven"), number(True), number(float("nan"))
    (7.0, 3, None, None, None)
    """
    if isinstance(value, bool):
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return (value if isinstance(value, int) else found) if np.isfinite(found) else None


def off(found: float, truth: float) -> str:
    """How far a number is from the right one, in words: a share, a factor, or the other sign.

    >>> off(1.1, 1.0), off(0.1, 1.0), off(-1.0, 1.0), off(0.3, 0.0)
    ('10 % too large', 'too small by a factor of 10', 'of the wrong sign', 'too large by 0.3')
    """
    way = "large" if found > truth else "small"
    if found == 0 or truth == 0:
        return f"too {way} by {abs(found - truth):.3g}"
    if found * truth < 0:
        return "of the wrong sign"
    size = abs(found / truth)
    way = "large" if size > 1 else "small"  # in size: of negative numbers, too
    way = way if truth > 0 else f"{way} in size"
    if 0.5 < size < 2:
        return f"{100 * abs(size - 1):.3g} % too {way}"
    return (
        f"too {way} by a factor of {size if size > 1 else 1 / size:.3g}" if size else "zero, which is too small in size"
    )
