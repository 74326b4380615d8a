"""Questions take answers of every type, say what is wrong in a sentence, and never raise."""

import numpy as np
import pytest
import torch
from xarray import DataArray

from sslens.exercises import Exercises, Feedback, Question
from sslens.types import InputError, UnknownName


def question(truth, **options):
    return Question("it", truth, solution="It is {truth}.", **options)


class Unreadable:
    """An object that raises whatever one does with it."""

    def tolist(self):
        raise RuntimeError("no")

    __float__ = __eq__ = tolist
    __hash__ = None


SEVEN = [
    7,
    7.0,
    "7",
    " 7.0 ",
    np.int64(7),
    np.float32(7),
    np.array([7]),
    np.array([[7.0]]),
    np.str_("7"),
    torch.tensor(7),
    torch.tensor([7.0], requires_grad=True),
    torch.tensor(7, dtype=torch.bfloat16),
    DataArray(7.0),
    DataArray([7], dims="seed"),
    [7],
    (7,),
    {7},
]


@pytest.mark.parametrize("answer", SEVEN, ids=repr)
@pytest.mark.parametrize("truth", [7, 7.0, "7", "7.0", np.float64(7), np.int32(7), torch.tensor(7.0), DataArray(7)])
def test_seven_is_seven_whatever_holds_it(truth, answer):
    assert question(truth).check(answer).right is True


@pytest.mark.parametrize(
    ("truth", "answer", "said"),
    [
        (7, 8, "8 is too large; a whole number counts only if it is exact."),
        (7, 6.0, "6 is too small; a whole number counts only if it is exact."),
        (7, 7.2, "A whole number is wanted, 7.2 is none."),
        (10**30, 10**30 + 1, "a whole number counts only if it is exact."),
        (7, "seven", "A whole number is wanted, this is the text 'seven'."),
        (32, 31, "31 is too small"),
        (7.0, 7.7, "7.7 is 10 % too large; within 5 % counts."),
        (7.0, 6, "6 is 14.3 % too small; within 5 % counts."),
        (7.0, 70, "70 is too large by a factor of 10; within 5 % counts."),
        (7.0, 0.7, "0.7 is too small by a factor of 10; within 5 % counts."),
        (-7.0, -14, "-14 is too large in size by a factor of 2; within 5 % counts."),
        (-7.0, -6, "-6 is 14.3 % too small in size; within 5 % counts."),
        (7.0, -7, "-7 is of the wrong sign; within 5 % counts."),
        (7.0, 0, "0 is too small by 7; within 5 % counts."),
        (0.0, 0.2, "0.2 is too large by 0.2; within 0.05 counts."),
        (7.0, True, "A number is wanted, this is True."),
        (7.0, [1, 2], "A number is wanted, this is a list of 2."),
        (7.0, torch.ones(3, 3), "A number is wanted, this is a list of 3."),
        (7.0, {"a": 1}, "A number is wanted, this is of type dict."),
        (7.0, float("nan"), "A number is wanted, this is the number nan."),
        (7.0, 10**400, "A number is wanted, this is the number 1000"),
        (7.0, len, "A number is wanted, this is a function, which is to be called first."),
        (7.0, 7 + 1j, "A number is wanted, this is of type complex."),
        (float("nan"), 7, "This run has no right answer: what was measured is no finite number."),
        ("seven", "eight", "'eight' is not it."),
        ("seven", 7, "7 is not it."),
        ("seven", ["a", "b"], "One text is wanted, this is a list of 2."),
        (True, "no", "'no' is not it."),
        (True, 5, "Yes or no is wanted, this is the number 5."),
        (["3", "8"], ["3"], "1 of the 2 are found, among 1 given."),
        (["3", "8"], ["3", "9"], "1 of the 2 are found, among 2 given."),
        (["3", "8"], ["3", "3"], "1 of the 2 are found, among 2 given."),
        (["3", "8"], ["3", "8", "9"], "2 of the 2 are found, among 3 given."),
        (["3", "8"], [["3", "8"], None], "A list of texts is wanted."),
        (7.0, Unreadable(), "No answer can be read from what is of type Unreadable."),
        ("seven", "x" * 500, "..."),
        ("seven", torch.empty(2, device="meta"), "No answer can be read from what is of type Tensor."),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(truth, answer, said):
    feedback = question(truth).check(answer)
    assert feedback.right is False
    assert repr(feedback).startswith("✗ Not yet. ")
    assert said in repr(feedback)
    assert len(repr(feedback)) < 140


def test_a_number_that_python_does_not_print_is_said_to_be_long():
    assert "the number of very many digits." in repr(question(7).check(10**5000))
    assert "of very many digits is not it." in repr(question("seven").check(10**5000))


@pytest.mark.parametrize(
    ("truth", "answer"),
    [
        ("yes", True),
        ("False", np.bool_(False)),
        (7.0, 7.34),
        (7.0, 6.66),
        (0.0, 0.04),
        (-2.0, -2.05),
        ("Seven", " sEVEN "),
        (["3", "8"], ["8", "3"]),
        (["3", "8"], "8, 3"),
        (["3", "8"], torch.tensor([8, 3])),
        (["3", "8"], {3, 8.0}),
        (("a", "a"), ["a", "A"]),
        (["3"], 3),
        (True, "Yes"),
        (True, torch.tensor(True)),
        (False, 0),
        (np.bool_(False), "false"),
    ],
)
def test_what_is_right(truth, answer):
    assert question(truth).check(answer).right is True


def test_the_tolerance_is_said_also_where_the_answer_is_right():
    assert repr(question(2.0, within=0.1).check(2.15)) == "✓ Right. Within 10 % counts."
    assert repr(question(2).check(2)) == "✓ Right. Whole numbers count exactly."
    assert question(2.0, within=0.001).check(2.15).right is False


@pytest.mark.parametrize("answer", [None, ..., "", "  ", [], np.array(None), torch.tensor([])], ids=repr)
def test_no_answer_yet(answer):
    feedback = question(3).check(answer)
    assert feedback.right is None
    assert repr(feedback) == 'No answer yet. For a hint: exercises["it"].hint()'


def test_hints_come_one_by_one_and_the_solution_on_demand():
    asks = question(0.123456, hints=("Look.", "Count."))
    assert repr(asks.hint()) == "Hint 1 of 2. Look."
    assert repr(asks.hint()) == "Hint 1 of 2. Look.\nHint 2 of 2. Count."
    for _ in range(2):
        assert repr(asks.hint()).splitlines()[2:] == ['No more hints. The solution: exercises["it"].solution()']
    assert repr(asks.solution()) == "Solution. It is 0.1235."
    assert repr(question(["a", "b"]).solution()) == "Solution. It is a, b."
    assert repr(question(3).hint()) == 'No more hints. The solution: exercises["it"].solution()'


def test_braces_of_formulas_survive_in_a_solution():
    asks = Question("it", 3, solution=r"\frac{1}{n} is {truth}")
    assert repr(asks.solution()) == r"Solution. \frac{1}{n} is 3"


def test_no_answer_writes_html():
    feedback = question("seven").check("<script>alert(1)</script>")
    assert "<script" not in feedback._repr_html_()
    assert "&lt;script&gt;" in feedback._repr_html_()
    assert feedback._repr_html_().startswith("<p><strong>✗ Not yet.</strong> ")


def test_exercises_are_found_by_name():
    exercises = Exercises(question(3), Question("other", 4, solution="Four."))
    assert (list(exercises), len(exercises), exercises["other"].answer) == (["it", "other"], 2, 4)
    assert repr(exercises) == "2 exercises: it, other"
    with pytest.raises(UnknownName, match="Did you mean 'other'"):
        exercises["othr"]
    with pytest.raises(InputError, match="a name each"):
        Exercises(question(3), question(4))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: question(""), "it: truth must be a number"),
        (lambda: question([]), "it: truth must be a number"),
        (lambda: question(torch.tensor(1 + 1j)), "it: truth must be a number"),
        (lambda: question(1.0, within=0.0), "it: within must be a positive share"),
        (lambda: Question("it", 1, solution=""), "it: solution must be"),
        (lambda: Question("", 1, solution="One."), "name must be"),
        (lambda: question(1, hints="Count."), "it: hints must be a tuple of texts"),
    ],
)
def test_a_wrong_question_is_refused(make, said):
    with pytest.raises(InputError, match=said):
        make()


def test_feedback_is_a_value():
    assert Feedback((("a", "b"),)) == Feedback((("a", "b"),))
