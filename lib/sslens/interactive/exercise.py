"""Exercises: an answer is held against what the notebook itself measured."""

from collections.abc import Sequence
from typing import Any

from sslens.types import InputError

Answer = float | str | Sequence[str] | None


def check(answer: Answer, truth: float | str | Sequence[str], *, within: float = 0.05) -> str:
    """Say whether an answer is right, without giving the solution away; numbers may be off by a share ``within``.

    Words are compared without regard to case, lists of words without regard to order; ``None`` means no answer yet.

    Raises:
        InputError: the answer is of another kind than the truth.

    >>> check(None, 3.0), check(3.1, 3.0), check(["8", "3"], ["3", "8"])
    ('No answer yet.', 'Right.', 'Right.')
    """
    if answer is None:
        return "No answer yet."
    number = isinstance(truth, int | float)
    if isinstance(answer, int | float) != number or isinstance(answer, str) != isinstance(truth, str):
        raise InputError("answer", answer, "a number" if number else "text" if isinstance(truth, str) else "a list")
    return "Right." if _agree(answer, truth, within) else "Not yet: see the figure again."


def _agree(answer: Any, truth: Any, within: float) -> bool:
    if isinstance(truth, int | float):
        return abs(answer - truth) <= within * max(abs(truth), 1e-12)
    if isinstance(truth, str):
        return answer.casefold() == truth.casefold()
    return sorted(str(word).casefold() for word in answer) == sorted(str(word).casefold() for word in truth)
