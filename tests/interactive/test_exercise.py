"""Answers are judged by kind and size, and nothing is given away."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from sslens.interactive.exercise import check
from sslens.types import InputError


@pytest.mark.parametrize(
    ("answer", "truth", "said"),
    [
        (1.0, 1.0, "Right"),
        (1.04, 1.0, "Right"),
        (1.06, 1.0, "Not yet"),
        (0, 0, "Right"),
        (1, 0, "Not yet"),
        ("Eight", "eight", "Right"),
        (["3", "8"], ("8", "3"), "Right"),
        (["3", "9"], ["8", "3"], "Not yet"),
        (None, "anything", "No answer"),
    ],
)
def test_answers(answer, truth, said):
    text = check(answer, truth)
    assert text.startswith(said)
    assert str(truth) not in text


@pytest.mark.parametrize("kind", [Fraction, np.int64, np.float32, np.array, torch.tensor])
def test_numbers_of_every_kind_are_answers_and_truths(kind):
    assert check(kind(3), 3.0) == check(3, kind(3)) == check(kind(3), kind(3)) == "Right."
    assert check(kind(4), 3.0).startswith("Not yet") and check(3.0, kind(4)).startswith("Not yet")
    for answer, truth in ((kind(3), "3"), ("3", kind(3)), (kind(3), ["3"])):
        with pytest.raises(InputError, match="answer must be"):
            check(answer, truth)


@pytest.mark.parametrize(
    ("answer", "truth"),
    [("3", 3.0), (3, "3"), ("38", ["3", "8"]), (np.array([3]), 3.0), (torch.ones(1), 1.0), (np.array("3"), 3.0)],
)
def test_an_answer_of_another_kind_is_refused(answer, truth):
    with pytest.raises(InputError, match="answer must be"):
        check(answer, truth)
