"""The check of old; it goes as soon as every notebook has its exercises from ``sslens.exercises``."""

from collections.abc import Sequence
from numbers import Real
from typing import Any, SupportsFloat

from sslens.types import InputError

Truth = SupportsFloat | str | Sequence[str]
"""A number of any kind, a numpy or torch one too; a word, or words."""


def check(answer: Truth | None, truth: Truth, *, within: float = 0.05) -> str:
    """Say whether an answer is right, without giving the solution away; numbers may be off by a share ``within``.

    Words are compared without regard to case, lists of words without regard to order; ``None`` means no answer yet.

    Raises:
        InputError: the answer is of another kind than the truth.

    >>> check(None, 3.0), check(3.1, 3.0), check(["8", "3"], ["3", "8"])
    ('No answer yet.', 'Right.', 'Right.')
    """
    if answer is None:
        return "No answer yet."
    answer, truth = _plain(answer), _plain(truth)
    number = _is_number(truth)
    if _is_number(answer) != number or isinstance(answer, str) != isinstance(truth, str):
        raise InputError("answer", answer, "a number" if number else "text" if isinstance(truth, str) else "a list")
    return "Right." if _agree(answer, truth, within) else "Not yet: see the figure again."


def _plain(value: Any) -> Any:
    """What a scalar, an array or a tensor without axes holds; anything else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def _is_number(value: Any) -> bool:
    return isinstance(value, Real)


def _agree(answer: Any, truth: Any, within: float) -> bool:
    if _is_number(truth):
        return abs(answer - truth) <= within * max(abs(truth), 1e-12)
    if isinstance(truth, str):
        return answer.casefold() == truth.casefold()
    return sorted(str(word).casefold() for word in answer) == sorted(str(word).casefold() for word in truth)
