"""Pairs of runs that are never silently incomplete."""

import math

import numpy as np
import pytest
import xarray
from hypothesis import given
from hypothesis import strategies as some
from xarray import DataArray

from sslens.statistics import difference, labels, paired, ratio
from sslens.types import InputError
from tests.statistics.simulated import array

SEEDS = array([1.0, 2.0, 3.0], seed=[0, 1, 2])

OTHERS = {
    "a seed less": (array([1.0, 2.0], seed=[0, 1]), "seed must be the same in both: .0, 1, 2.. Got .0, 1."),
    "another seed": (array([1.0, 2.0, 3.0], seed=[0, 1, 3]), "seed must be the same in both"),
    "another order": (array([1.0, 2.0, 3.0], seed=[0, 2, 1]), "seed must be the same in both"),
    "no labels but as many": (DataArray([1.0, 2.0, 3.0], dims=["seed"]), None),
    "no labels and fewer": (DataArray([1.0, 2.0], dims=["seed"]), "seed must be the same in both"),
    "labels of another kind": (array([1.0, 2.0, 3.0], seed=["0", "1", "2"]), "seed must be the same in both"),
}


@pytest.mark.parametrize("combine", [paired, difference, ratio])
@pytest.mark.parametrize("name", OTHERS)
def test_runs_are_combined_only_where_every_label_is_the_same(combine, name):
    other, message = OTHERS[name]
    if message is None:
        combine(SEEDS, other)
        return
    for pair in ((SEEDS, other), (other, SEEDS)):
        with pytest.raises(InputError, match=r"seed must be the same in both"):
            combine(*pair)
    with pytest.raises(InputError, match=message):
        combine(SEEDS, other)


def test_this_is_what_arithmetic_of_arrays_would_have_hidden():
    with xarray.set_options(arithmetic_join="inner"):
        assert (SEEDS - array([1.0, 2.0], seed=[1, 2])).sizes == {"seed": 2}


def test_steps_of_different_lengths_are_refused():
    long, short = (array(np.zeros((2, n)), seed=[0, 1], step=range(n)) for n in (4, 3))
    with pytest.raises(InputError, match=r"step must be the same in both: \[0, 1, 2, 3\]. Got \[0, 1, 2\]"):
        difference(long, short)


def test_paired_gives_both_as_they_are():
    other = array([[5.0, 6.0, 7.0]], run=["a"], seed=[0, 1, 2])
    first, second = paired(SEEDS, other)
    assert first is SEEDS and second is other


@pytest.mark.parametrize("combine", [difference, ratio])
def test_a_dimension_that_one_of_them_lacks_is_refused(combine):
    other = array([[5.0, 6.0, 7.0]], run=["a"], seed=[0, 1, 2])
    for pair in ((SEEDS, other), (other, SEEDS)):
        with pytest.raises(InputError, match="dims must be the same in both"):
            combine(*pair)


VALUES = some.floats(-1e6, 1e6)
TABLES = some.integers(1, 4).flatmap(
    lambda n: some.lists(some.tuples(*[some.one_of(VALUES, some.just(math.nan))] * n), min_size=1, max_size=4)
)


@given(TABLES, TABLES)
def test_pairs_are_combined_place_by_place_and_nan_stays_where_it_is(first, second):
    one, other = (array(each, seed=range(len(each)), step=range(len(each[0]))) for each in (first, second))
    if one.shape != other.shape:
        with pytest.raises(InputError):
            difference(one, other)
        return
    found = difference(one, other)
    np.testing.assert_array_equal(found.values, one.values - other.values)
    assert np.isnan(found.values).sum() == (np.isnan(one.values) | np.isnan(other.values)).sum()


@given(TABLES)
def test_a_difference_with_itself_is_nothing_and_a_ratio_one(values):
    table = array(values, seed=range(len(values)), step=range(len(values[0])))
    finite = np.isfinite(table.values)
    assert (difference(table, table).values[finite] == 0).all()
    assert (ratio(table, table).values[finite] == 1).all()
    assert np.isnan(ratio(table, table).values[~finite]).all()


def test_a_ratio_to_nothing_is_infinite_and_of_nothing_to_nothing_no_change():
    found = ratio(array([1.0, 0.0, -1.0], seed=[0, 1, 2]), array([0.0, 0.0, 0.0], seed=[0, 1, 2]))
    assert found.values.tolist() == [math.inf, 1.0, -math.inf]


def test_dimensions_in_another_order_are_brought_into_that_of_the_first():
    table = array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], run=["a", "b"], seed=[0, 1, 2])
    found = difference(table, table.transpose("seed", "run"))
    assert found.dims == ("run", "seed") and (found == 0).all()


def test_what_both_agree_on_stays_in_the_attributes_and_the_name_is_given():
    one, other = SEEDS.assign_attrs(unit="nats", setting="a"), SEEDS.assign_attrs(unit="nats", setting="b")
    found = difference(one, other, name="gain")
    assert (
        found.name == "gain" and found.attrs == {"unit": "nats"} and found.coords["seed"].values.tolist() == [0, 1, 2]
    )
    assert difference(one, other).name is None


def test_marks_of_one_run_are_no_labels_of_the_pair():
    marked = SEEDS.assign_coords(status=("seed", ["complete", "diverged", "complete"]))
    assert "status" not in difference(marked, SEEDS).coords and difference(SEEDS, marked).sizes == {"seed": 3}


def test_originals_stay_with_their_samples_and_must_be_the_same():
    one, other = (array(np.ones((2, 3)), seed=[0, 1], sample=[4, 5, 6]) for _ in range(2))
    one, same, another = (
        one.assign_coords(origin=("sample", origins)) for origins in ([7, 7, 8], [7, 7, 8], [7, 8, 8])
    )
    assert labels(difference(one, same), "origin") == [7, 7, 8]
    for pair in ((one, another), (another, one), (one, other), (other, one)):
        with pytest.raises(InputError, match="origin must be the same in both"):
            difference(*pair)
    assert "origin" not in difference(other, other).coords


def test_labels_are_plain_values():
    assert labels(array([1.0], run=["a"]), "run") == ["a"] and labels(DataArray([1.0, 2.0], dims=["x"]), "x") == [0, 1]
