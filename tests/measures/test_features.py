"""Checks and preparations that every room of the measures shares."""

import numpy as np
import pytest
import torch

from sslens.measures.features import (
    centred,
    checked_features,
    checked_labels,
    deviations,
    rounding,
    significant,
    unit_rows,
)
from sslens.types import InputError


@pytest.mark.parametrize(
    "wrong",
    [torch.ones(3), torch.ones(2, 2, 2), torch.ones(3, 2).long(), torch.ones(3, 2) > 0, torch.ones(0, 2),
     torch.ones(2, 0), torch.ones(2, 2, dtype=torch.complex64), np.ones((3, 2)), [[1.0]], None],
)  # fmt: skip
def test_only_floating_matrices_with_entries_are_features(wrong, unchecked):
    with pytest.raises(InputError, match="floating-point tensor"):
        checked_features(wrong)


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


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [0.1, -3.3e7, 1 / 3])
def test_centring_equal_rows_leaves_exactly_nothing(kind, value):
    h = torch.full((1000, 64), value, dtype=kind)
    assert not centred(h.double(), floor=rounding(h)).any()


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_deviations_are_the_centred_features_with_their_rounding_and_leave_them_alone(kind):
    h = (torch.randn(50, 7, generator=torch.Generator().manual_seed(0)) + 3).to(kind)
    kept = h.clone()
    deviation, floor = deviations(h)
    assert torch.allclose(deviation, centred(h.double(), floor=0.0), rtol=1e-13, atol=1e-14)
    assert floor == pytest.approx(rounding(h), rel=1e-12)
    deviation.zero_()
    assert torch.equal(h, kept)
    with pytest.raises(InputError, match="at least 2 row"):
        deviations(h[:1])


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [0.1, -3.3e7, 1 / 3])
def test_deviations_of_equal_rows_are_not_above_their_rounding(kind, value):
    deviation, floor = deviations(torch.full((1000, 64), value, dtype=kind))
    assert float(deviation.norm()) <= floor


def test_singular_values_that_the_rounding_of_float32_can_make_are_zero():
    spectrum = torch.tensor([1.0, 1e-3, 1e-9], dtype=torch.float64)
    ones = torch.ones(10, 10)
    assert significant(spectrum, ones).tolist() == [1.0, 1e-3, 0.0]
    assert significant(spectrum, ones.double()).tolist() == spectrum.tolist()


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1.0, 1e140])
def test_unit_rows_have_length_one_at_any_size_and_zero_rows_stay_zero(size):
    rows = unit_rows(torch.tensor([[3.0, -4.0], [0.0, 0.0]], dtype=torch.float64) * size)
    assert torch.allclose(rows, torch.tensor([[0.6, -0.8], [0.0, 0.0]], dtype=torch.float64), atol=1e-15)
