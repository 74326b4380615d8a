"""Checks and preparations that every room of the measures shares."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sslens.measures.features import (
    centred,
    checked_features,
    checked_labels,
    deviations,
    finite_features,
    grain,
    prepared,
    rounding,
    significant,
    squared,
    unit_of,
    unit_rows,
)
from sslens.types import InputError


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [(torch.ones(3), r"features\[:, None\]"), (torch.ones(2, 2, 2), r"features\.flatten\(0, 1\).*features\.mean\(1\)"),
     (torch.ones(2, 2, 2, 2), r"features\.flatten\(1\)"), (torch.ones(3, 2) > 0, r"features\.double\(\)"),
     (torch.ones(0, 2), "at least 1 row"), (torch.ones(2, 0), "1 column"),
     (torch.ones(2, 2, dtype=torch.complex64), r"view_as_real"), (torch.eye(3).to_sparse(), r"features\.to_dense\(\)"),
     ({"hidden": torch.ones(3, 2)}, r"features\['hidden'\]"),
     (SimpleNamespace(last_hidden_state=torch.ones(3, 2)), r"features\.last_hidden_state"),
     ([[1.0], [1.0, 2.0]], "equally many"), (np.array(["a"]), "numbers"),
     (torch.ones(3, 2, device="meta"), "without numbers"), (None, "floating-point"), (3.0, "tensor")],
)  # fmt: skip
def test_what_are_no_features_is_refused_with_what_to_say(wrong, remedy, unchecked):
    for check in (checked_features, finite_features, prepared):
        with pytest.raises(InputError, match=remedy):
            check(wrong)


@pytest.mark.filterwarnings(
    "ignore:.*quantize_per_tensor:DeprecationWarning", "ignore:.*quantize_per_tensor:UserWarning"
)
def test_quantised_features_are_refused_with_what_to_say(unchecked):
    quantised = torch.quantize_per_tensor(torch.ones(2, 2), 0.1, 0, torch.qint8)
    with pytest.raises(InputError, match=r"features\.dequantize\(\)"):
        checked_features(quantised)


@pytest.mark.parametrize(
    "given",
    [[[1, 2], [3, 4]], [[1.0, 2.0], [3.0, 4.0]], ((1, 2), (3, 4)), np.array([[1, 2], [3, 4]]),
     np.array([[1, 2], [3, 4]], dtype=np.float16), np.array([[3, 4], [1, 2]])[::-1], np.array([[1, 2], [3, 4]], ">f8"),
     torch.tensor([[1, 2], [3, 4]]),
     torch.tensor([[1, 2], [3, 4]], dtype=torch.uint8), torch.tensor([[1.0, 2], [3, 4]]).to(torch.float8_e4m3fn)],
    ids=repr,
)  # fmt: skip
def test_numbers_of_any_kind_are_converted(given, unchecked):
    for check in (checked_features, finite_features, lambda h: prepared(h).values):
        assert check(given).tolist() == [[1, 2], [3, 4]] and check(given).dtype == torch.float64


def test_the_error_counts_the_values_that_are_not_finite_and_names_the_first():
    h = torch.ones(40, 16)
    h[17, 2], h[17, 9], h[30, 0] = float("nan"), float("inf"), -float("inf")
    with pytest.raises(InputError, match=r"Got nan\. This is true of 3 of 640 values, first in row 17, column 2"):
        checked_features(h)


def test_features_too_large_to_be_squared_are_refused_in_both_precisions():
    with pytest.raises(InputError):
        checked_features(torch.full((2, 2), 1e200, dtype=torch.float64))
    assert checked_features(torch.full((2, 2), 3e38)).isfinite().all()
    largest = torch.full((40, 40), 9e149, dtype=torch.float64)  # each may be squared, though their norm is above 1e150
    assert torch.equal(checked_features(largest), largest)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_features_come_back_in_float64_and_without_gradient(kind):
    values = checked_features(torch.ones(2, 3, dtype=kind, requires_grad=True))
    assert values.dtype == torch.float64 and not values.requires_grad


@pytest.mark.parametrize(
    "wrong",
    [torch.tensor([0.0]), torch.tensor([True]), torch.tensor([[0]]), torch.tensor([], dtype=torch.long),
     torch.tensor([0, -1]), torch.tensor([0, 3]), torch.tensor([0, 1, 2])],
)  # fmt: skip
def test_labels_are_whole_numbers_below_the_number_of_classes_one_per_sample(wrong, unchecked):
    with pytest.raises(InputError, match="labels"):
        checked_labels(wrong, count=2, classes=3)


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [(torch.tensor([0, -1]), "keep = labels >= 0"), (torch.eye(2).long(), r"labels\.argmax\(1\)"),
     (torch.tensor([0.0, 1.0]), r"labels\.long\(\)")],
)  # fmt: skip
def test_labels_that_are_refused_are_refused_with_what_to_say(wrong, remedy, unchecked):
    with pytest.raises(InputError, match=remedy):
        checked_labels(wrong, count=2)
    assert checked_labels([0, 1]).tolist() == checked_labels(np.array([0, 1], dtype=np.uint8)).tolist() == [0, 1]


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [0.1, -3.3e7, 1 / 3])
def test_centring_equal_rows_leaves_exactly_nothing(kind, value):
    h = torch.full((1000, 64), value, dtype=kind)
    assert not centred(h.double(), floor=rounding(h)).any()


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_deviations_are_the_centred_features_with_their_rounding_and_leave_them_alone(kind):
    h = (torch.randn(50, 7, generator=torch.Generator().manual_seed(0)) + 3).to(kind)
    kept = h.clone()
    deviation, _, floor, _ = deviations(h)
    assert torch.allclose(deviation, centred(h.double(), floor=0.0), rtol=1e-13, atol=1e-14)
    assert floor == pytest.approx(rounding(h), rel=1e-12)
    deviation.zero_()
    assert torch.equal(h, kept)
    with pytest.raises(InputError, match="at least 2 row"):
        deviations(h[:1])


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [0.1, -3.3e7, 1 / 3])
def test_deviations_of_equal_rows_are_not_above_their_rounding(kind, value):
    deviation, _, floor, _ = deviations(torch.full((1000, 64), value, dtype=kind))
    assert float(deviation.norm()) <= floor


def test_singular_values_that_the_rounding_of_float32_can_make_are_zero():
    spectrum = torch.tensor([1.0, 1e-3, 1e-9], dtype=torch.float64)
    ones = torch.ones(10, 10)
    assert significant(spectrum, floor=rounding(ones)).tolist() == [1.0, 1e-3, 0.0]
    assert significant(spectrum, floor=rounding(ones.double())).tolist() == spectrum.tolist()


@pytest.mark.parametrize("size", [1e-310, 1e-300, 1e-170, 1e170, 1e300])
def test_features_of_any_size_are_prepared_in_a_unit_in_which_they_can_be_squared(size):
    h = torch.randn(20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * size
    values, unit, floor, finest = prepared(h)
    assert torch.equal(values * unit, h) and 0.01 < float(values.abs().max()) < 4
    assert math.log2(unit).is_integer() and floor == finest == pytest.approx(rounding(h) / unit, rel=1e-12)
    assert unit_of(h * 0) == 1 and prepared(h / size).unit == 1
    with pytest.raises(InputError, match="features / "):
        squared(torch.ones(1).double(), unit)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float8_e4m3fn])
@pytest.mark.parametrize("shape", [(2, 2), (50, 8), (300, 200)])
def test_no_direction_that_rounding_makes_is_longer_than_the_grain(kind, shape):
    for seed in range(20):
        h = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        rounded = h.to(kind)
        longest = float(torch.linalg.matrix_norm(rounded.double() - h, 2))
        assert longest < grain(rounded) and (shape[0] < 300 or grain(rounded) < 4 * longest)


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1.0, 1e140])
def test_unit_rows_have_length_one_at_any_size_and_zero_rows_stay_zero(size):
    rows = unit_rows(torch.tensor([[3.0, -4.0], [0.0, 0.0]], dtype=torch.float64) * size)
    assert torch.allclose(rows, torch.tensor([[0.6, -0.8], [0.0, 0.0]], dtype=torch.float64), atol=1e-15)
