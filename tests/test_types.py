"""The words of the house: checked values, errors that help, records."""

import math
from dataclasses import replace
from typing import Annotated

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from sslens.types import (
    DamagedFile,
    Dataset,
    InputError,
    OneOf,
    Range,
    UnknownName,
    checked,
    checked_dataclass,
    checked_ids,
    fields_of,
)

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


PAIR = tuple[SHARE, COUNT]
SHARES = tuple[SHARE, ...]


@pytest.mark.parametrize(("value", "annotation"), [((), SHARES), ((0.0, 1.0), SHARES), ((0.5, 3), PAIR)])
def test_every_element_of_a_tuple_is_checked(value, annotation):
    assert checked("field", value, annotation) == value
    assert repr(checked("field", (1, 1), SHARES)) == "(1.0, 1.0)"


@pytest.mark.parametrize(
    ("value", "annotation", "message"),
    [
        ((0.5, 2.0), SHARES, r"field\[1\] must be a float in \[0, 1\]. Got 2.0"),
        ([0.5], SHARES, "field must be a tuple. Got"),
        ((0.5,), PAIR, "field must be a tuple of 2. Got"),
        ((0.5, 0), PAIR, r"field\[1\] must be an int in"),
        (0.5, PAIR, "field must be a tuple of 2"),
    ],
)
def test_a_tuple_that_is_wrong_somewhere_is_refused_with_the_place(value, annotation, message):
    with pytest.raises(InputError, match=message):
        checked("field", value, annotation)


@checked_dataclass
class Crop:
    area: SHARE = 1.0
    views: COUNT = 2
    kind: NAME = "simclr"


@checked_dataclass
class Plan:
    crop: Crop
    options: tuple = ()


def test_a_checked_record_converts_as_declared_and_is_frozen():
    crop = Crop(1, kind="vicreg")
    assert repr(crop) == "Crop(area=1.0, views=2, kind='vicreg')" and crop == Crop(area=1.0, kind="vicreg")
    assert hash(crop) == hash(Crop(1.0, 2, "vicreg"))
    with pytest.raises(AttributeError):
        crop.area = 0.5


def test_a_mapping_makes_a_record_or_options_by_name():
    plan = Plan({"area": 0.5}, {"size": 32, "mode": "fast"})
    assert plan.crop == Crop(0.5) and plan.options == (("mode", "fast"), ("size", 32))
    assert replace(plan, crop=Crop()).crop == Crop()


@pytest.mark.parametrize(
    ("positional", "values", "message"),
    [
        ((), {"arae": 0.5}, "Crop must be one of: area, views, kind. Got 'arae'. Did you mean 'area'?"),
        ((2.0,), {}, r"Crop.area must be a float in \[0, 1\]"),
        ((0.5, 2, "vicreg", 3), {}, "Crop must be given each of its fields once: area, views, kind"),
        ((0.5,), {"area": 0.5}, "Crop must be given each of its fields once"),
        ((), {"kind": "vicrag"}, "Did you mean 'vicreg'"),
    ],
)
def test_a_record_that_cannot_be_is_refused_before_it_exists(positional, values, message):
    with pytest.raises(InputError, match=message):
        Crop(*positional, **values)


def test_a_record_within_a_record_is_named():
    with pytest.raises(InputError, match=r"Crop.views must be an int in"):
        Plan(crop={"views": 0})
    with pytest.raises(InputError, match=r"Plan.crop must be an instance of Crop. Got 3"):
        Plan(crop=3)
    with pytest.raises(InputError, match=r"Plan must be given its fields: crop"):
        Plan()


def test_the_fields_of_a_record_come_with_their_ranges():
    assert fields_of(Crop) == {"area": SHARE, "views": COUNT, "kind": NAME}


@pytest.mark.parametrize(
    ("ids", "options", "message"),
    [
        (torch.zeros(2, 3), {}, "ids must be an integer tensor"),
        (torch.zeros(2, 3, dtype=torch.bool), {}, "ids must be an integer tensor"),
        (torch.zeros(3, dtype=torch.int64), {}, "ids must be an integer tensor"),
        (torch.zeros(0, 3, dtype=torch.int64), {}, "ids must be an integer tensor"),
        (torch.zeros(2, 3, dtype=torch.int64), {"longest": 2}, "of 1 to 2 characters"),
        (torch.tensor([[0, -1]]), {}, "whole numbers from 0 to 4. Got -1"),
        (torch.tensor([[0, 5]]), {}, "whole numbers from 0 to 4. Got 5"),
        ([[0, 1]], {}, "Got 'list'"),
    ],
)
def test_ids_that_are_no_texts_are_refused(ids, options, message, unchecked):
    with pytest.raises(InputError, match=message):
        checked_ids(ids, vocabulary=5, **options)


def test_ids_of_any_whole_type_become_int64():
    assert checked_ids(torch.tensor([[0, 4]], dtype=torch.int16), vocabulary=5, longest=2).dtype == torch.int64


ODD_AND_EVEN = Dataset(
    torch.arange(4.0).reshape(4, 1, 1, 1) / 4,
    torch.tensor([0, 1, 0, 1]),
    ("even", "odd"),
    {"angle": torch.arange(4.0)},
    torch.tensor([7, 7, 8, 8]),
    torch.tensor([[True, False], [True, True], [True, False], [False, True]]),
)
TEXTS = Dataset(torch.arange(12).reshape(4, 3), torch.tensor([0, 1, 0, 1]), ("even", "odd"))


def dataset(**changes):
    """Four images of one pixel, two classes."""
    return replace(ODD_AND_EVEN, **changes)


def test_take_gives_the_samples_at_the_places_in_their_order():
    taken = dataset().take(torch.tensor([3, 0, 3]))
    assert taken.images.flatten().tolist() == [0.75, 0.0, 0.75]
    assert taken.labels.tolist() == [1, 0, 1]
    assert taken.factors["angle"].tolist() == [3.0, 0.0, 3.0]
    assert taken.origin.tolist() == [8, 7, 8]
    assert taken.multi_labels.tolist() == [[False, True], [True, False], [False, True]]
    assert taken.classes == ("even", "odd")
    assert len(taken) == 3


def test_a_set_holds_only_what_is_known_of_it():
    bare = dataset(origin=None, multi_labels=None, factors={})
    assert bare.tensors().keys() == {"images", "labels"}
    assert (bare.take(torch.tensor([1])).origin, bare.take(torch.tensor([1])).multi_labels) == (None, None)
    assert dataset().tensors().keys() == {"images", "labels", "origin", "multi_labels", "factors.angle"}


@pytest.mark.parametrize("original", [ODD_AND_EVEN, TEXTS])
def test_a_set_comes_back_from_its_tensors(original):
    again = Dataset.of_tensors(original.tensors(), original.classes)
    assert again.digest() == original.digest()
    assert again.tensors().keys() == original.tensors().keys()


@pytest.mark.parametrize("original", [ODD_AND_EVEN, TEXTS])
def test_two_parts_of_a_set_join_to_the_whole(original):
    parts = [original.take(index) for index in torch.arange(4).split(3)]
    assert parts[0].joined(parts[1]).digest() == original.digest()


@pytest.mark.parametrize(
    "changes", [{"classes": ("odd", "even")}, {"factors": {}}, {"origin": None}, {"multi_labels": None}]
)
def test_sets_of_another_kind_do_not_join(changes):
    with pytest.raises(InputError, match=r"Dataset.joined must be a set of the classes even, odd that holds images"):
        dataset().joined(dataset(**changes))


@pytest.mark.parametrize("original", [ODD_AND_EVEN, TEXTS])
def test_digest_is_the_same_for_the_same_content(original):
    copied = Dataset.of_tensors({name: rows.clone() for name, rows in original.tensors().items()}, original.classes)
    assert original.digest() == copied.digest()
    assert original.digest() == original.to(torch.device("cpu"), torch.float64).digest()
    assert len(original.digest()) == 32


def test_digest_does_not_depend_on_the_blocks_it_reads_or_on_the_memory_layout(monkeypatch):
    images = torch.rand(10, 3, 4, 4)
    whole = Dataset(images, torch.arange(10) % 2, ("even", "odd"))
    expected = whole.digest()
    monkeypatch.setattr("sslens.types.BLOCK", 3)
    assert whole.digest() == expected
    assert replace(whole, images=images.contiguous(memory_format=torch.channels_last)).digest() == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"images": torch.arange(4.0).reshape(4, 1, 1, 1) / 5},
        {"images": torch.arange(4.0).flip(0).reshape(4, 1, 1, 1) / 4},
        {"images": torch.zeros(4, 1, 2, 2)},
        {"labels": torch.tensor([0, 1, 1, 1])},
        {"classes": ("odd", "even")},
        {"factors": {}},
        {"factors": {"angel": torch.arange(4.0)}},
        {"factors": {"angle": torch.tensor([0.0, 1.0, 2.0, 3.5])}},
        {"origin": None},
        {"origin": torch.tensor([7, 7, 7, 8])},
        {"multi_labels": None},
        {"multi_labels": ODD_AND_EVEN.multi_labels.flip(0)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_digest_changes_with_the_content(changes):
    assert dataset(**changes).digest() != dataset().digest()


def test_digest_distinguishes_the_order_of_samples():
    assert dataset().take(torch.tensor([1, 0, 2, 3])).digest() != dataset().digest()


def test_digest_copies_no_more_than_a_block():
    whole = Dataset(torch.rand(20_000, 3, 16, 16), torch.zeros(20_000, dtype=torch.int64), ("only",))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        whole.digest()
    assert sum(max(0, event.self_cpu_memory_usage) for event in profile.events()) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": torch.tensor([0, 1, 0])}, r"Dataset.labels must be as many as the 4 images. Got 3."),
        ({"origin": torch.tensor([0, 1])}, r"Dataset.origin must be as many as the 4 images. Got 2."),
        ({"factors": {"x": torch.ones(5)}}, r"Dataset.factors.x must be as many as the 4 images. Got 5."),
        ({"multi_labels": torch.ones(4, 3).bool()}, r"Dataset.multi_labels must be a column for each of the 2 classes"),
    ],
)
def test_rows_that_do_not_fit_the_images_are_refused_without_shape_checking_too(changes, message, unchecked):
    with pytest.raises(InputError, match=message):
        dataset(**changes)


def test_to_changes_the_pixels_type_and_keeps_whole_numbers_whole():
    moved = dataset().to(torch.device("cpu"), torch.float64)
    assert (moved.images.dtype, moved.labels.dtype, moved.origin.dtype) == (torch.float64, torch.int64, torch.int64)
    assert (moved.multi_labels.dtype, moved.factors["angle"].dtype) == (torch.bool, torch.float32)
    assert TEXTS.to(torch.device("cpu"), torch.float64).images.dtype == torch.int64
