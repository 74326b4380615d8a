"""Rank correlation, run by run and group by group."""

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas import Index
from xarray import DataArray, concat

from sslens.statistics import RankTest, labels, rank_test
from sslens.studies.one_number_agreement import (
    pooled,
    rank_correlation,
    rank_correlations,
    within,
)
from sslens.types import InputError


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def ranks(values):
    """Rank of each value: how many are smaller, and half of the others that are equal."""
    return [sum(v < value for v in values) + (sum(v == value for v in values) + 1) / 2 for value in values]


few = st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=2, max_size=9)


@given(few)
@settings(deadline=None)
def test_it_is_the_correlation_of_ranks_with_ties_shared(pairs):
    x, y = zip(*pairs, strict=True)
    found = rank_correlation(tensor(x), tensor(y))
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert found == 0
    else:
        assert found == pytest.approx(np.corrcoef(ranks(x), ranks(y))[0, 1], abs=1e-12)


@pytest.mark.parametrize("order", list(permutations(range(5)))[::7])
def test_without_ties_it_is_the_textbook_formula(order):
    squares = sum((place - rank) ** 2 for place, rank in enumerate(order))
    assert rank_correlation(torch.arange(5.0), tensor(order)) == pytest.approx(1 - 6 * squares / (5 * 24), abs=1e-12)


@given(few)
@settings(deadline=None)
def test_only_the_order_counts_and_a_turn_changes_the_sign(pairs):
    x, y = (tensor(column) for column in zip(*pairs, strict=True))
    found = rank_correlation(x, y)
    assert rank_correlation(y, x) == pytest.approx(found, abs=1e-12)
    assert rank_correlation(x.exp(), 5 * y - 7) == pytest.approx(found, abs=1e-12)
    assert rank_correlation(-x, y) == pytest.approx(-found, abs=1e-12)


def test_float32_and_gradients_are_taken_as_they_come():
    scores = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    assert rank_correlation(scores, scores * 2) == pytest.approx(1)


def test_one_run_has_no_order():
    with pytest.raises(InputError, match=r"scores must be at least 2\. Got '1 number"):
        rank_correlation(tensor([1]), tensor([2]))


NO_VECTORS = [torch.ones(3, 1), torch.ones(3).long(), torch.ones(0), torch.tensor(1.0), [1.0, 2.0, 3.0]]


@pytest.mark.parametrize("values", NO_VECTORS, ids=str)
def test_what_is_no_vector_of_numbers_is_our_error(values, unchecked):
    with pytest.raises(InputError, match="scores"):
        rank_correlation(values, torch.ones(3))
    with pytest.raises(InputError, match="qualities"):
        rank_correlation(torch.ones(3), values)


def test_a_diverged_run_and_a_missing_one_are_our_errors(unchecked):
    with pytest.raises(InputError, match=r"scores must be finite.*row 1"):
        rank_correlation(tensor([1.0, float("nan"), 2.0]), torch.ones(3))
    with pytest.raises(InputError, match="qualities must be finite"):
        rank_correlation(torch.ones(3), tensor([1.0, float("inf"), 2.0]))
    with pytest.raises(InputError, match="one for each of the 3 scores"):
        rank_correlation(torch.ones(3), torch.ones(2))


def test_runs_are_pooled_by_sweep_in_their_order():
    found = pooled({"b": ["q", "p"], "a": {"r": "0.1", "s": "1"}})
    assert found == {"b": ["q", "p"], "a": ["r", "s"], "all sweeps": ["q", "p", "r", "s"]}
    assert list(found) == ["b", "a", "all sweeps"]


def test_a_sweep_of_one_run_is_left_out_and_its_run_is_pooled_all_the_same():
    found = pooled({"a": ["p", "q"], "b": ["r", "s"], "c": ["t"]})
    assert found == {"a": ["p", "q"], "b": ["r", "s"], "all sweeps": ["p", "q", "r", "s", "t"]}


def test_a_run_of_two_sweeps_counts_once_among_all():
    assert pooled({"a": ["p", "q"], "b": ["q", "r"]})["all sweeps"] == ["p", "q", "r"]


def test_one_sweep_alone_is_not_pooled_and_a_single_run_has_no_group():
    assert pooled({"a": ["p", "q"]}) == {"a": ["p", "q"]}
    assert pooled({"a": ["p"], "b": ["q"]}) == {}
    for nothing in ({}, {"a": []}):
        with pytest.raises(InputError, match="sweeps must be at least one run"):
            pooled(nothing)


def by_run(rows, **attrs):
    """One row of numbers for each run p, q, r, one number for each seed."""
    array = DataArray(np.array(rows, dtype=float), {"run": list("pqr"), "seed": [3, 5]}, ("run", "seed"))
    return array.rename("accuracy").assign_attrs(attrs)


UP = by_run([[0, 3], [1, 4], [2, 5]])
QUALITIES = by_run([[0, 1], [4, 2], [1, 5]], setting="digits, 40 steps")
GROUPS = {"all": ["p", "q", "r"], "two": ["r", "q"]}


def largest_gap(scores, qualities):
    """What the highest score is behind the best quality."""
    return float(qualities.max() - qualities[scores.argmax()])


def test_within_takes_every_group_seed_and_score_alone():
    scores = concat([UP, -UP], Index(["up", "down"], name="measure"))
    found = within(scores, QUALITIES, groups=GROUPS, agree=largest_gap)
    assert found.dims == ("measure", "sweep", "seed")
    assert labels(found, "sweep") == ["all", "two"] and labels(found, "seed") == [3, 5]
    assert found.sel(measure="up").values.tolist() == [[3, 0], [3, 0]]
    assert found.sel(measure="down").values.tolist() == [[4, 4], [0, 3]]
    assert found.attrs["setting"] == "digits, 40 steps"


def test_the_order_of_dimensions_and_further_ones_change_nothing():
    deep = concat([UP, -UP], Index(["embedding", "representation"], name="layer")).expand_dims(measure=["rank"])
    found = within(deep, QUALITIES, groups=GROUPS, agree=rank_correlation)
    turned = within(deep.transpose(), QUALITIES.T, groups=GROUPS, agree=rank_correlation)
    assert found.dims == ("measure", "layer", "sweep", "seed")
    assert found.equals(turned.transpose(*found.dims))
    flat = within(-UP, QUALITIES, groups=GROUPS, agree=rank_correlation)
    assert np.array_equal(found.sel(measure="rank", layer="representation").values, flat.values)


def test_correlations_bear_the_name_of_the_quality():
    order = rank_correlations(UP, QUALITIES, groups=GROUPS)
    assert order.name == "Spearman correlation with accuracy"
    assert order.sel(sweep="all").values.tolist() == pytest.approx([0.5, 1])


def test_a_diverged_run_leaves_a_gap_where_it_belongs_and_nowhere_else():
    broken = UP.copy()
    broken.loc["p", 5] = np.nan
    for scores, qualities in ((broken, QUALITIES), (QUALITIES, broken)):
        found = rank_correlations(scores, qualities, groups=GROUPS)
        assert np.isnan(found.values).tolist() == [[False, True], [False, False]]


def test_what_does_not_match_is_our_error():
    with pytest.raises(InputError, match="seed must be the same in both"):
        rank_correlations(UP.isel(seed=[0]), QUALITIES, groups=GROUPS)
    with pytest.raises(InputError, match="run must be the same in both"):
        rank_correlations(UP.isel(run=[1, 0, 2]), QUALITIES, groups=GROUPS)
    with pytest.raises(InputError, match=r"groups must be runs of \['p', 'q', 'r'\]. Got \['stranger'\]"):
        rank_correlations(UP, QUALITIES, groups={"all": ["p", "stranger"]})
    with pytest.raises(InputError, match="groups must be at least one"):
        rank_correlations(UP, QUALITIES, groups={})


def test_a_permutation_test_stands_beside_the_correlations_of_each_group_and_score():
    draw = np.random.default_rng(0)
    coords = {"run": list("abcdefg"), "seed": [0, 1, 2]}
    quality = DataArray(draw.normal(size=(7, 3)), coords, ("run", "seed"), "accuracy")
    scores = concat([quality, -quality], Index(["same", "turned"], name="choice"))
    groups = {"all": list("abcdefg"), "some": list("bdf")}
    found = rank_correlations(scores, quality, groups=groups)
    assert (
        found["settings"].sel(sweep="all").values.tolist() == [7, 7]
        and (found["settings"].sel(sweep="some") == 3).all()
    )
    for choice, sweep in (("same", "all"), ("turned", "some")):
        ours = RankTest.beside(found.sel(choice=choice, sweep=sweep))
        assert ours == rank_test(
            scores.sel(choice=choice, run=groups[sweep], drop=True), quality.sel(run=groups[sweep])
        )


def test_where_a_run_diverged_there_is_no_test():
    quality = DataArray([[0.5, 0.5], [0.25, np.nan]], {"run": ["a", "b"], "seed": [0, 1]}, ("run", "seed"), "accuracy")
    found = rank_correlations(quality, quality, groups={"both": ["a", "b"]})
    assert found["settings"].item() == 2 and np.isnan(found["p_high"].item())
