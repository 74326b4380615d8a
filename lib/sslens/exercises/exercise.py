"""What questions and tasks share: a name, hints that come one by one, and the feedback that a learner reads."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, final

from sslens.exercises.feedback import Feedback
from sslens.types import InputError, UnknownName


class Exercise(ABC):
    """A question or a task: it checks an answer, and has hints and a solution for whoever calls for them.

    Raises:
        InputError: no name, or hints that are no texts.

    >>> from sslens.exercises import Question
    >>> question = Question("rank", 3, hints=("Count.", "On one hand."), solution="There are {truth}.")
    >>> _ = question.hint()
    >>> question.hint()
    Hint 1 of 2. Count.
    Hint 2 of 2. On one hand.
    >>> question.solution()
    Solution. There are 3.
    """

    def __init__(self, name: str, *, hints: Sequence[str]) -> None:
        if not name:
            raise InputError("name", name, "a word by which a notebook finds the exercise")
        if isinstance(hints, str) or not all(isinstance(each, str) and each for each in hints):
            raise InputError(f"{name}: hints", hints, "a tuple of texts")
        self.name, self._hints, self._shown = name, tuple(hints), 0

    @property
    @abstractmethod
    def answer(self) -> Any:
        """What ``check`` calls right."""

    @abstractmethod
    def check(self, answer: Any) -> Feedback:
        """Say whether an answer is right, and if not, what is wrong with it; whatever the answer, nothing is raised."""

    @abstractmethod
    def solution(self) -> Feedback:
        """The right answer, and how one finds it."""

    def hint(self) -> Feedback:
        """Show one hint more each time, below those shown before."""
        count, more = len(self._hints), self._shown < len(self._hints)
        self._shown += more
        lines = [(f"Hint {place} of {count}", text) for place, text in enumerate(self._hints[: self._shown], 1)]
        if not more:
            lines.append(("No more hints", f'The solution: exercises["{self.name}"].solution()'))
        return Feedback(tuple(lines))


@final
class Exercises:
    """The exercises of a notebook, by name.

    Raises:
        InputError: two exercises of one name.
        UnknownName: a name that no exercise has.

    >>> from sslens.exercises import Question
    >>> exercises = Exercises(Question("rank", 3, hints=("Count.",), solution="There are {truth}."))
    >>> exercises["rank"].check(4)
    ✗ Not yet. 4 is too large; a whole number counts only if it is exact.
    """

    def __init__(self, *exercises: Exercise) -> None:
        self._exercises = {each.name: each for each in exercises}
        if len(self._exercises) < len(exercises):
            raise InputError("exercises", [each.name for each in exercises], "exercises with a name each")

    def __getitem__(self, name: str) -> Exercise:
        if name not in self._exercises:
            raise UnknownName("exercise", name, self._exercises)
        return self._exercises[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._exercises)

    def __len__(self) -> int:
        return len(self._exercises)

    def __repr__(self) -> str:
        return f"{len(self)} exercises: {', '.join(self)}"
