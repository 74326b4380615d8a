"""Tasks try a learner's function on every case, and say on which it fails, where, and by how much."""

import math

import numpy as np
import pytest
import torch

from sslens.exercises import Task
from sslens.types import InputError

CASES = {"one": (torch.tensor([[1.0, 2.0], [3.0, 5.0]]),), "two": (torch.eye(3, dtype=torch.float64),)}


def trace(z):
    """The sum of the diagonal."""
    return z.diagonal().sum()


def halves(z):
    return z.sum(0) / 2, z.shape[0], "halves"


def task(like=trace, cases=CASES, **options):
    return Task("it", like=like, cases=cases, solution=trace, **options)


@pytest.mark.parametrize(
    "function",
    [
        trace,
        lambda z: float(trace(z)),
        lambda z: trace(z).numpy(),
        lambda z: trace(z).reshape(1, 1),
        lambda z: [trace(z)],
        lambda z: str(float(trace(z))) and np.trace(z.numpy()),
        lambda z: trace(z) * (1 + 1e-7),
    ],
)
def test_a_right_function_is_right_whatever_it_returns(function):
    assert repr(task().check(function)) == "✓ Right. The result is right on all 2 cases."


def raises_inside(z):
    total = int(z.sum())
    return total / len([])


def no_return(z):
    if len(z) == 3:
        return trace(z)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (raises_inside, 'On "one" it raises ZeroDivisionError: division by zero'),
        (raises_inside, ": return total / len([]))."),
        (lambda: 1, "it raises TypeError"),
        (lambda z: z[7], "it raises IndexError"),
        (lambda z: {}["a"], "it raises KeyError: 'a'"),
        (lambda z: z, "it gives the shape (2, 2); one number is wanted."),
        (lambda z: trace(z).expand(3), "it gives the shape (3,); one number is wanted."),
        (lambda z: trace(z) * 1.5, 'On "one" it gives 9, which is 50 % too large; 6 is right.'),
        (lambda z: z[0, 0] + z[1, 1], 'On "two" it gives 2, which is 33.3 % too small; 3 is right.'),
        (lambda z: trace(z) * math.nan, 'On "one" it gives nan; 6 is right.'),
        (lambda z: "six", "it gives no numbers: it is the text 'six'."),
        (lambda z: {"a": 1}, "it gives no numbers"),
        (lambda z: trace, "it gives no numbers"),
        (lambda z: [1, [2]], "it gives no numbers: it is a list of 2."),
        (no_return, "On some cases it returns nothing: a way through it ends without return."),
        (lambda z: trace(z) if len(z) == 2 else None, "On some cases it returns nothing"),
        (trace(CASES["one"][0]), "A function is wanted: give its name alone, without a call."),
        (3, "A function is wanted"),
    ],
)
def test_a_wrong_function_gets_one_sentence(function, said):
    feedback = task().check(function)
    assert feedback.right is False
    assert said in repr(feedback)
    assert repr(feedback).startswith("✗ Not yet. ")
    assert "\n" not in repr(feedback)


@pytest.mark.parametrize("function", [None, ..., lambda z: None])
def test_no_answer_yet(function):
    assert repr(task().check(function)) == 'No answer yet. For a hint: exercises["it"].hint()'


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda z: (z.sum(0), 2, "halves"), "as result 1 10"),
        (lambda z: (z.sum(0) / 2, 3, "halves"), "as result 2 3, which is 50 % too large; 2 is right."),
        (lambda z: (z.sum(0) / 2, 2, "quarters"), "as result 3 'quarters', 'halves' is right."),
        (lambda z: (z.sum(0) / 2, 2), "2 results, 3 are wanted."),
        (lambda z: z.sum(0) / 2, "1 result, 3 are wanted."),
    ],
)
def test_a_tuple_is_compared_part_by_part(function, said):
    tried = task(halves, {"one": CASES["one"]})
    assert tried.check(halves).right is True
    assert tried.check(lambda z: list(halves(z))).right is True
    feedback = tried.check(function)
    assert feedback.right is False
    assert said.replace("10", "") in repr(feedback)


def test_the_worst_element_of_a_tensor_is_named():
    tried = task(lambda z: 2 * z, {"one": CASES["one"]})
    changed = torch.tensor([[2.0, 4.1], [6.0, 13.0]])
    assert repr(tried.check(lambda z: changed)) == (
        '✗ Not yet. On "one" it gives 13 at [1, 1], which is 30 % too large; 10 is right.'
    )


def test_whole_numbers_are_exact_and_others_are_not():
    counted = task(lambda z: 10**6, within=0.1)
    assert counted.check(lambda z: 10**6 + 1).right is False
    measured = task(lambda z: 1e6, within=0.1)
    assert measured.check(lambda z: 10**6 + 1).right is True
    assert measured.check(lambda z: 1.2e6).right is False
    assert task(lambda z: z > 1).check(lambda z: (z > 1).float()).right is True
    assert task(lambda z: z > 1).check(lambda z: z > 2).right is False


def test_single_precision_may_round_and_double_precision_may_not():
    single, double = CASES["one"][0], CASES["one"][0].double()
    for case, right in ((single, True), (double, False)):
        assert task(cases={"it": (case,)}).check(lambda z: trace(z).double() * (1 + 5e-6)).right is right


def test_complex_numbers_and_infinities_agree_with_themselves():
    values = task(torch.linalg.eigvals, {"turn": (torch.tensor([[0.0, -1.0], [1.0, 0.0]]),)})
    assert values.check(torch.linalg.eigvals).right is True
    assert values.check(lambda z: torch.linalg.eigvals(z) + 1).right is False
    assert task(lambda z: math.inf).check(lambda z: math.inf).right is True
    assert task(lambda z: math.inf).check(lambda z: 1.0).right is False
    both = task(lambda z: torch.tensor([math.inf, 1.0]), within=1e-6)
    assert "gives 2 at [1]" in repr(both.check(lambda z: torch.tensor([math.inf, 2.0])))


def test_a_function_that_changes_its_case_harms_nobody():
    def zeroed(z):
        return trace(z.zero_())

    tried = task()
    assert tried.check(zeroed).right is False
    assert tried.check(trace).right is True
    assert float(CASES["one"][0].sum()) == 11


def test_both_functions_draw_the_same_numbers_and_the_notebook_draws_on():
    before = torch.random.get_rng_state()
    assert task(lambda z: torch.randn(3)).check(lambda z: torch.randn(3)).right is True
    assert torch.equal(torch.random.get_rng_state(), before)


def test_hints_and_the_real_source():
    tried = task(hints=("Diagonal.",))
    assert repr(tried.hint()) == "Hint 1 of 1. Diagonal."
    solution = tried.solution()
    assert solution.code == 'def trace(z):\n    """The sum of the diagonal."""\n    return z.diagonal().sum()'
    assert "<pre><code>def trace(z):" in solution._repr_html_()
    assert tried.check(tried.answer).right is True


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cases": {}}, "cases must be at least one tuple"),
        ({"within": 0.0}, "within must be a positive share"),
        ({"solution": math.sin}, "solution must be a function written in Python"),
    ],
)
def test_a_wrong_task_is_refused(options, said):
    with pytest.raises(InputError, match=said):
        Task("it", **{"like": trace, "cases": CASES, "solution": trace} | options)
