"""Numbers as figures read, thin and round them."""

import math

import numpy as np
import pytest
import torch

from sslens.figures import curves, theme
from sslens.types import InputError, Interval

STYLE = theme.style_at(0)


def test_five_digits_in_four_bytes():
    stored = curves.rounded([math.pi, 1e-9 / 3, 0.0])
    assert stored.dtype == np.float32
    assert stored.tolist() == pytest.approx([3.1416, 3.3333e-10, 0.0], rel=1e-6)


def test_numbers_beyond_four_bytes_keep_eight():
    assert curves.rounded([1e-60, 1.0]).tolist() == [1e-60, 1.0]


def test_a_long_curve_is_thinned_to_its_limit_and_keeps_its_ends():
    index = curves.thin(100_000)
    assert (len(index), index[0], index[-1]) == (2000, 0, 99_999)
    assert np.all(np.diff(index) > 0)


@pytest.mark.parametrize("values", [[1, 2], np.array([1.0, 2.0]), torch.tensor([1.0, 2.0], dtype=torch.bfloat16)])
def test_lists_arrays_and_tensors_read_the_same(values):
    assert curves.curve("loss", values).mean.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "values", [[], [math.nan, math.inf], np.zeros((2, 2)), torch.zeros(0), [Interval(math.nan, 0, 0, 3)]]
)
def test_what_is_no_curve_is_refused_by_name(values):
    with pytest.raises(InputError, match="loss"):
        curves.curve("loss", values)


def test_a_curve_of_the_wrong_length_is_refused():
    with pytest.raises(InputError, match="3 values"):
        curves.curve("loss", [1.0, 2.0], length=3)


def test_a_band_is_interrupted_where_its_curve_is():
    points = [Interval(1.0, 0.5, 1.5, 3), Interval(1.0, 0.5, 1.5, 3), math.nan, Interval(2.0, 1.0, 3.0, 3)]
    band = next(
        trace
        for trace in curves.traces(np.arange(4.0), curves.curve("loss", points), name="run", style=STYLE)
        if trace.fill == "toself"
    )
    assert np.array_equal(band.x, [0, 1, 1, 0, np.nan, 3, 3, np.nan], equal_nan=True)
    assert np.array_equal(band.y, [0.5, 0.5, 1.5, 1.5, np.nan, 1, 3, np.nan], equal_nan=True)


def test_one_seed_has_no_band_and_says_so():
    single = curves.curve("loss", [Interval.of([1.0]), Interval.of([2.0])])
    (line,) = curves.traces(np.arange(2.0), single, name="run", style=STYLE)
    assert "one seed" in line.hovertemplate
    assert curves.notes([single]) == ["one seed, no interval"]


def test_gaps_are_marked_where_they_begin_and_where_a_late_curve_starts():
    late = curves.curve("loss", [math.nan, 1.0, math.nan, 2.0])
    marks = curves.traces(np.array([0.0, 10.0, 20.0, 30.0]), late, name="run", style=STYLE)[-1]
    assert sorted(zip(marks.x.tolist(), marks.text, strict=True)) == [
        (10, "no finite value before 10"),
        (10, "no finite value from 20 on"),
    ]
