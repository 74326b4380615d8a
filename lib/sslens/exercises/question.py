"""A question: its answer is a number, a word or some words that can be seen in the notebook."""

from collections.abc import Sequence
from typing import Any, SupportsFloat, final

import numpy as np

from sslens.exercises._values import in_words, number, off, plain, shown, single
from sslens.exercises.exercise import Exercise
from sslens.exercises.feedback import Feedback, right, unanswered, wrong
from sslens.types import InputError

YES, NO = {"yes", "true", "1", "1.0"}, {"no", "false", "0", "0.0"}


@final
class Question(Exercise):
    """A question with one right answer, which is taken from what the notebook measured.

    The type of ``truth`` says how answers are judged. A float: to a share ``within`` of it (of zero: to ``within``). A
    whole number: exactly. A text, or a list of texts in any order: without regard to case. True or False: as yes or no.
    Answers may be tensors, arrays, numbers or texts: ``7`` is as good as ``"7"`` or ``torch.tensor([7.0])``. Where runs
    diverged the truth may be no number; then nothing is right, and ``check`` says so.

    Raises:
        InputError: a truth of another kind, ``within`` that is not positive, no solution.

    >>> question = Question("share", 0.5, hints=("Divide.",), solution="It is {truth}, one by two.")
    >>> for answer in ("0.51", 0.6, [1, 2]):
    ...     print(question.check(answer))
    ✓ Right. Within 5 % counts.
    ✗ Not yet. 0.6 is 20 % too large; within 5 % counts.
    ✗ Not yet. A number is wanted, this is a list of 2.
    """

    def __init__(
        self,
        name: str,
        truth: SupportsFloat | str | Sequence[str],
        *,
        hints: Sequence[str] = (),
        solution: str,
        within: float = 0.05,
    ) -> None:
        super().__init__(name, hints=hints)
        truth = plain(truth)
        if not isinstance(truth, int | float | str | list) or not str(truth) or truth == []:
            raise InputError(f"{name}: truth", truth, "a number, a text, or a list of texts")
        if not within > 0:
            raise InputError(f"{name}: within", within, "a positive share")
        if not solution:
            raise InputError(f"{name}: solution", solution, "a sentence with the reasoning")
        self._truth: Any = [str(each) for each in truth] if isinstance(truth, list) else truth
        self._solution, self._within = solution, within

    @property
    def answer(self) -> Any:
        """The truth."""
        return self._truth

    def solution(self) -> Feedback:
        """The reasoning, with the right answer filled in."""
        truth = ", ".join(self._truth) if isinstance(self._truth, list) else self._truth
        truth = f"{truth:.4g}" if isinstance(truth, float) else str(truth)
        return Feedback((("Solution", self._solution.replace("{truth}", truth)),))

    def check(self, answer: Any) -> Feedback:
        """Say whether an answer is right, or by how much it is off, or what is wrong with its type."""
        try:
            return self._judge(plain(answer))
        except Exception:  # an object may do anything when it is read; the learner gets a sentence
            return wrong(f"No answer can be read from what is {in_words(answer)}.")

    def _judge(self, given: Any) -> Feedback:
        given = given.strip() if isinstance(given, str) else given
        if given is None or given is Ellipsis or given in ("", []):
            return unanswered(self.name)
        if isinstance(self._truth, list):
            return self._judge_texts(given)
        given = single(given)
        if isinstance(self._truth, bool):
            return self._judge_choice(given)
        return self._judge_text(given, self._truth) if isinstance(self._truth, str) else self._judge_number(given)

    def _judge_number(self, given: Any) -> Feedback:
        truth, found = self._truth, number(given)
        if isinstance(truth, float) and not np.isfinite(truth):
            return wrong("This run has no right answer: what was measured is no finite number.")
        if found is None:
            kind = "A whole number" if isinstance(truth, int) else "A number"
            return wrong(f"{kind} is wanted, this is {in_words(given)}.")
        return self._judge_whole(found, truth) if isinstance(truth, int) else self._judge_float(float(found), truth)

    def _judge_whole(self, found: float, truth: int) -> Feedback:
        if found == truth:
            return right("Whole numbers count exactly.")
        if found != int(found):
            return wrong(f"A whole number is wanted, {shown(found)} is none.")
        way = "large" if found > truth else "small"
        return wrong(f"{shown(int(found))} is too {way}; a whole number counts only if it is exact.")

    def _judge_float(self, found: float, truth: float) -> Feedback:
        tolerance = f"ithin {100 * self._within:.3g} % counts" if truth else f"ithin {self._within:.3g} counts"
        if abs(found - truth) <= self._within * (abs(truth) or 1):
            return right(f"W{tolerance}.")
        return wrong(f"{shown(found)} is {off(found, truth)}; w{tolerance}.")

    def _judge_choice(self, given: Any) -> Feedback:
        word = str(given).strip().casefold()
        if word not in YES | NO:
            return wrong(f"Yes or no is wanted, this is {in_words(given)}.")
        return right("") if (word in YES) == self._truth else wrong(f"{shown(given)} is not it.")

    def _judge_text(self, given: Any, truth: str) -> Feedback:
        if not isinstance(given, str | int | float):
            return wrong(f"One text is wanted, this is {in_words(given)}.")
        return right("") if _same(given, truth) else wrong(f"{shown(given)} is not it.")

    def _judge_texts(self, given: Any) -> Feedback:
        given = [each.strip() for each in given.split(",")] if isinstance(given, str) else given
        given = given if isinstance(given, list) else [given]
        if not all(isinstance(each, str | int | float) for each in given):
            return wrong("A list of texts is wanted.")
        wanted, left = len(self._truth), list(self._truth)
        for each in given:
            left.remove(match) if (match := next((word for word in left if _same(each, word)), None)) else None
        if not left and len(given) == wanted:
            return right("The order does not count.")
        return wrong(f"{wanted - len(left)} of the {wanted} are found, among {len(given)} given.")


def _same(given: str | float, truth: str) -> bool:
    """Whether both are the same word, or spell the same number."""
    word = truth.strip().casefold()
    if isinstance(given, bool):
        return word in (YES if given else NO) and not word[0].isdigit()
    if isinstance(given, str) and given.strip().casefold() == word:
        return True
    return (found := number(given)) is not None and found == number(truth)
