"""The words of the house: checked values, errors that help, records, intervals."""

import math
from dataclasses import replace
from typing import Annotated

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from scipy import stats

from sslens.types import DamagedFile, Dataset, InputError, Interval, OneOf, Range, UnknownName, checked

COUNT = Annotated[int, Range(1, 100)]
SHARE = Annotated[float, Range(0, 1)]
RATE = Annotated[float, Range(0, 10, above=True)]
NAME = Annotated[str, OneOf({"simclr": 1, "vicreg": 2, "simsiam": 3})]


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        *[(1, COUNT), (100, COUNT), (0.0, SHARE), (1.0, SHARE), (1e-300, RATE), (10.0, RATE), ("vicreg", NAME)],
        *[(True, bool), (False, bool), ("", str), (-5, int), (1e308, float)],
    ],
)
def test_a_legal_value_comes_back_unchanged(value, annotation):
    assert checked("field", value, annotation) == value
    assert type(checked("field", value, annotation)) is type(value)


def test_an_int_becomes_the_float_that_is_declared():
    assert repr(checked("field", 3, RATE)) == "3.0"


@pytest.mark.parametrize(
    ("value", "annotation", "allowed"),
    [
        ("3", COUNT, "an int in [1, 100]"),
        (3.0, COUNT, "an int in [1, 100]"),
        (True, COUNT, "an int in [1, 100]"),
        (None, COUNT, "an int in [1, 100]"),
        (np.int64(3), COUNT, "an int in [1, 100]"),
        (0, COUNT, "an int in [1, 100]"),
        (101, COUNT, "an int in [1, 100]"),
        (10**400, COUNT, "an int in [1, 100]"),
        (False, SHARE, "a float in [0, 1]"),
        ("0.5", SHARE, "a float in [0, 1]"),
        ([0.5], SHARE, "a float in [0, 1]"),
        (math.nan, SHARE, "a float in [0, 1]"),
        (math.inf, SHARE, "a float in [0, 1]"),
        (-math.inf, SHARE, "a float in [0, 1]"),
        (1.0000001, SHARE, "a float in [0, 1]"),
        (10**400, SHARE, "a float in [0, 1]"),
        (0.0, RATE, "a float in (0, 10]"),
        (10**400, float, "a float"),
        (1, bool, "a bool"),
        ("yes", bool, "a bool"),
        (1, str, "a str"),
    ],
    ids=lambda value: "ten to the 400" if value == 10**400 else None,
)
def test_an_illegal_value_is_named_with_what_is_legal(value, annotation, allowed):
    with pytest.raises(InputError) as caught:
        checked("Config.field", value, annotation)
    assert str(caught.value).startswith(f"Config.field must be {allowed}. Got {repr(value)[:20]}")
    assert (caught.value.field, caught.value.allowed) == ("Config.field", allowed)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_the_widest_range_is_finite_all_the_same(value):
    with pytest.raises(InputError):
        checked("field", value, Annotated[float, Range(-1.7e308, 1.7e308)])


@pytest.mark.parametrize(("word", "hint"), [("vicrag", "Did you mean 'vicreg'?"), ("SimCLR", ""), ("zzz", "")])
def test_an_unknown_word_is_answered_with_the_legal_ones_and_the_closest(word, hint):
    with pytest.raises(UnknownName) as caught:
        checked("objective", word, NAME)
    assert "one of: simclr, vicreg, simsiam. Got" in str(caught.value)
    assert caught.value.hint == hint or not hint


@pytest.mark.parametrize("value", [1, None, True, 1.5, ("vicreg",), ["vicreg"]])
def test_something_that_is_no_word_is_an_unknown_name(value):
    with pytest.raises(UnknownName):
        checked("objective", value, NAME)


@given(
    some.one_of(some.none(), some.booleans(), some.integers(), some.floats(), some.text(), some.lists(some.floats()))
)
def test_any_value_is_legal_or_our_own_error(value):
    for annotation in (COUNT, SHARE, RATE, NAME, bool, str):
        try:
            result = checked("field", value, annotation)
        except InputError:
            continue
        assert result == value


def test_a_long_value_is_cut_in_the_message():
    assert len(str(InputError("field", "x" * 10_000, "short"))) < 300
    assert len(str(InputError("field", 10**5_000, "short"))) < 300  # Python refuses to print so long a number


def test_every_error_of_ours_is_caught_as_one():
    assert issubclass(UnknownName, InputError)
    assert issubclass(DamagedFile, InputError)
    assert issubclass(InputError, ValueError)


@given(some.lists(some.floats(-1e6, 1e6), min_size=2, max_size=12), some.floats(0.5, 0.999))
def test_interval_is_scipys_student_t_interval(values, confidence):
    ours = Interval.of(values, confidence)
    error = stats.sem(values)
    low, high = stats.t.interval(confidence, len(values) - 1, np.mean(values), error) if error > 0 else (ours.mean,) * 2
    scale = max(map(abs, values)) + 1e-300
    assert (ours.low, ours.high) == pytest.approx((low, high), rel=1e-9, abs=1e-9 * scale)
    assert ours.n == len(values)


def test_interval_of_three_seeds_from_the_printed_table():
    ours = Interval.of([1.0, 2.0, 3.0])  # t of 2 degrees of freedom at 0.975 is 4.303 in every printed table
    assert (ours.mean, ours.high - ours.mean) == pytest.approx((2.0, 4.3027 / math.sqrt(3)), rel=1e-4)


def test_interval_of_one_value_knows_nothing():
    assert Interval.of([0.7]) == Interval(0.7, -math.inf, math.inf, 1)


def test_interval_of_equal_values_is_a_point():
    assert Interval.of([0.1] * 5) == Interval(0.1, 0.1, 0.1, 5)


@pytest.mark.parametrize("values", [[], [math.nan], [1.0, math.inf]])
def test_interval_of_nothing_or_of_the_infinite_is_refused(values):
    with pytest.raises(InputError):
        Interval.of(values)


ODD_AND_EVEN = Dataset(
    torch.arange(4.0).reshape(4, 1, 1, 1) / 4, torch.tensor([0, 1, 0, 1]), ("even", "odd"), {"angle": torch.arange(4.0)}
)


def dataset(**changes):
    """Four images of one pixel, two classes."""
    return replace(ODD_AND_EVEN, **changes)


def test_take_gives_the_samples_asked_for_in_order():
    taken = dataset().take(torch.tensor([3, 0, 3]))
    assert taken.images.flatten().tolist() == [0.75, 0.0, 0.75]
    assert taken.labels.tolist() == [1, 0, 1]
    assert taken.factors["angle"].tolist() == [3.0, 0.0, 3.0]
    assert taken.classes == ("even", "odd")
    assert len(taken) == 3


def test_digest_is_the_same_for_the_same_content():
    assert dataset().digest() == dataset().digest()
    assert dataset().digest() == dataset(factors={}).digest()
    assert dataset().digest() == dataset().to(torch.device("cpu"), torch.float64).digest()
    assert len(dataset().digest()) == 32


@pytest.mark.parametrize(
    "changes",
    [
        {"images": torch.arange(4.0).reshape(4, 1, 1, 1) / 5},
        {"images": torch.arange(4.0).flip(0).reshape(4, 1, 1, 1) / 4},
        {"images": torch.zeros(4, 1, 2, 2)},
        {"labels": torch.tensor([0, 1, 1, 1])},
        {"classes": ("odd", "even")},
    ],
)
def test_digest_changes_with_the_content(changes):
    assert dataset(**changes).digest() != dataset().digest()


def test_digest_tells_the_order_of_samples_apart():
    assert dataset().take(torch.tensor([1, 0, 2, 3])).digest() != dataset().digest()


def test_labels_that_do_not_fit_the_images_are_refused_without_shape_checking_too(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(InputError, match=r"Dataset.labels must be as many as the 4 images. Got 3."):
        dataset(labels=torch.tensor([0, 1, 0]), factors={})


def test_to_changes_the_pixels_type_and_keeps_labels_whole():
    moved = dataset().to(torch.device("cpu"), torch.float64)
    assert (moved.images.dtype, moved.labels.dtype) == (torch.float64, torch.int64)
