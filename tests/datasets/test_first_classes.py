import pytest
import torch

from sslens import datasets
from sslens.datasets import scattered_digits
from sslens.types import InputError, UnknownName


def test_half_of_the_classes_come_as_they_are_in_the_whole_set():
    for part, whole in zip(datasets.load("first_classes"), scattered_digits.load(), strict=True):
        kept = whole.labels < 5
        assert part.classes == whole.classes[:5]
        for name, rows in part.tensors().items():
            assert torch.equal(rows, whole.tensors()[name][kept])


def test_half_of_an_odd_number_is_rounded_up():
    assert len(datasets.load("first_classes", of="languages")[0].classes) == 3


def test_a_number_of_classes_may_be_given():
    train, test = datasets.load("first_classes", of="digits", count=2)
    assert train.classes == ("0", "1") and set(test.labels.tolist()) == {0, 1}


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"of": "scatered_digits"}, UnknownName, "Did you mean 'scattered_digits'"),
        ({"of": "first_classes"}, InputError, "another set"),
        ({"count": 11}, InputError, "from 2 to the 10 classes of scattered_digits"),
        ({"count": 1}, InputError, "from 2 to"),
        ({"count": -1}, InputError, r"first_classes.count must be an int in \["),
        ({"first": 3}, UnknownName, "one of: of, count"),
    ],
)
def test_what_is_no_part_of_a_set_is_refused(options, error, words):
    with pytest.raises(error, match=words):
        datasets.load("first_classes", **options)
