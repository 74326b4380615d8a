"""A task: the learner writes a function, which is tried on cases beside the library's own."""

import copy
import inspect
import textwrap
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import numpy as np
import torch

from sslens.exercises._values import in_words, off, plain, shown, single
from sslens.exercises.exercise import Exercise
from sslens.exercises.feedback import Feedback, right, unanswered, wrong
from sslens.types import InputError

ROUNDING = {"float64": 2.3e-16, "float32": 1.2e-7, "complex64": 1.2e-7, "float16": 9.8e-4, "bfloat16": 7.9e-3}
STEPS = 64
"""Roundings that a right computation may add up."""


@final
class Task(Exercise):
    """A function that the learner writes: on every case it should give what ``like`` gives.

    Numbers may be off by a share ``within`` of the largest one of the right result, and by rounding where a case or a
    result holds float32 or less; whole numbers and texts by nothing. Tensors, arrays, numbers and lists of them are
    alike; a tuple is compared part by part. Each call gets a copy of the case, and the same global random stream.

    Raises:
        InputError: something that is not called, no case, a case that is no tuple of arguments, ``within`` that is not
            positive, a solution without source.

    >>> from sslens.measures.collapse import total_variance
    >>> cases = {"the corners of a square": (torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]], device="cpu"),)}
    >>> task = Task("variance", like=total_variance, cases=cases, hints=("Sum over columns.",), solution=total_variance)
    >>> for answer in (total_variance, lambda z: z.var(0, correction=0).sum(), lambda z: None):
    ...     print(task.check(answer))
    ✓ Right. The result is right on the one case.
    ✗ Not yet. On "the corners of a square" it gives 0.5, which is 25 % too small; 0.666667 is right.
    No answer yet. For a hint: exercises["variance"].hint()
    """

    def __init__(
        self,
        name: str,
        *,
        like: Callable[..., Any],
        cases: Mapping[str, tuple[Any, ...]],
        hints: Sequence[str] = (),
        solution: Callable[..., Any],
        within: float = 1e-6,
    ) -> None:
        super().__init__(name, hints=hints)
        if not callable(like):
            raise InputError(f"{name}: like", like, "a function")
        if not cases or not all(isinstance(case, tuple) for case in cases.values()):
            raise InputError(f"{name}: cases", dict(cases), "at least one tuple of arguments by its name")
        if not within > 0:
            raise InputError(f"{name}: within", within, "a positive share")
        self._like, self._cases, self._within = like, dict(cases), within
        self._function, self._source = solution, _source(name, solution)

    @property
    def answer(self) -> Callable[..., Any]:
        """The function whose source ``solution`` shows."""
        return self._function

    def solution(self) -> Feedback:
        """The source of a function that solves the task."""
        return Feedback((("Solution", "In code:"),), code=self._source)

    def check(self, answer: Any) -> Feedback:
        """Try a function on every case, and say in a sentence on which it fails and how."""
        if answer is None or answer is Ellipsis:
            return unanswered(self.name)
        if not callable(answer):
            return wrong("A function is wanted: give its name alone, without a call.")
        empty = 0
        for label, case in self._cases.items():
            try:
                found = _called(answer, case)
            except Exception as error:  # the learner's own code may do anything; what it did is said in a sentence
                return wrong(f'On "{label}" {_failure(error, answer)}.')
            if found is None:
                empty += 1
                continue
            if empty:
                break
            wanted = self._right(case)
            if trouble := _difference(found, wanted, self._allowed(case, found, wanted)):
                return wrong(f'On "{label}" it gives {trouble}.')
        if empty == len(self._cases):
            return unanswered(self.name)
        if empty:
            return wrong("On some cases it returns nothing: a way through it ends without return.")
        count = len(self._cases)
        return right(f"The result is right on {f'all {count} cases' if count > 1 else 'the one case'}.")

    def _right(self, case: tuple[Any, ...]) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a case that is small enough to be understood is small for a measure
            return _called(self._like, case)

    def _allowed(self, *values: Any) -> float:
        return max(self._within, STEPS * max(map(_rounding, values)))


def _source(name: str, function: Callable[..., Any]) -> str:
    try:
        return textwrap.dedent(inspect.getsource(function)).rstrip()
    except (OSError, TypeError):
        raise InputError(f"{name}: solution", function, "a function written in Python") from None


def _called(function: Callable[..., Any], case: tuple[Any, ...]) -> Any:
    """What a function gives for a case, of which nothing is changed."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return function(*copy.deepcopy(case))


def _failure(error: Exception, function: Callable[..., Any]) -> str:
    """An exception in words, with the line of the learner's that led to it."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    mine = [frame for frame in frames if code and frame.filename == code.co_filename]
    words = str(error).strip().partition("\n")[0]
    said = f"it raises {type(error).__name__}" + (f": {words.rstrip('.')}" if words else "")
    return f"{said} (line {mine[-1].lineno}: {mine[-1].line})" if mine else said


def _rounding(value: Any) -> float:
    """Of the coarsest floating type that a value holds; 0 where it says nothing of one."""
    if isinstance(value, tuple | list):
        return max(map(_rounding, value), default=0.0)
    return ROUNDING.get(str(getattr(value, "dtype", "")).rpartition(".")[2], 0.0)


def _difference(found: Any, wanted: Any, allowed: float) -> str:
    """In what a result departs from the right one, in words; nothing where they agree."""
    if isinstance(wanted, tuple):
        if not isinstance(found, tuple | list) or len(found) != len(wanted):
            count = len(found) if isinstance(found, tuple | list) else 1
            return f"{count} result{'s' * (count > 1)}, {len(wanted)} are wanted"
        parts = ((place, _difference(*pair, allowed)) for place, pair in enumerate(zip(found, wanted, strict=True), 1))
        return next((f"as result {place} {trouble}" for place, trouble in parts if trouble), "")
    try:
        values, truths = _array(found), _array(wanted)
    except Exception:  # it may be anything that a learner's function makes
        return f"no numbers: it is {in_words(found)}"
    if truths.dtype.kind not in "biufc":
        return "" if plain(found) == plain(wanted) else f"{shown(plain(found))}, {shown(plain(wanted))} is right"
    if values.dtype.kind not in "biufc":
        return f"no numbers: it is {in_words(single(plain(found)))}"
    if values.shape != truths.shape:
        return f"the shape {values.shape}; {f'the shape {truths.shape}' if truths.shape else 'one number'} is wanted"
    exact = truths.dtype.kind in "biu"
    kind = complex if "c" in (values.dtype.kind, truths.dtype.kind) else float
    return _worst(values.astype(kind), truths.astype(kind), 0.0 if exact else allowed)


def _array(value: Any) -> np.ndarray:
    """Numbers in bulk; a single one is as good as an array of one."""
    array = np.asarray(plain(value))
    return array.reshape(()) if array.size == 1 else array


def _worst(values: np.ndarray, truths: np.ndarray, allowed: float) -> str:
    """The element that is furthest off, in words; nothing where none is further off than allowed."""
    finite = np.abs(truths[np.isfinite(truths)])
    scale = finite.max() if finite.size and finite.max() > 0 else 1.0
    same = np.isclose(values, truths, rtol=0, atol=allowed * scale, equal_nan=True)
    if same.all():
        return ""
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.where(same, -1.0, np.nan_to_num(np.abs(values - truths), nan=np.inf))
    place = np.unravel_index(int(gap.argmax()), gap.shape)
    one, truth = values[place].item(), truths[place].item()
    where = f" at {[int(each) for each in place]}" if place else ""
    plainly = all(isinstance(each, float) and np.isfinite(each) for each in (one, truth))
    far = f", which is {off(one, truth)}" if plainly else ""
    return f"{one:.6g}{where}{far}; {truth:.6g} is right"
