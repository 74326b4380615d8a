"""Rank correlation and the regret of a choice."""

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sslens.measures.agreement import groups, rank_correlation, regret, within
from sslens.types import InputError, Interval


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


@given(few)
@settings(deadline=None)
def test_regret_is_what_a_loop_over_the_choices_finds(pairs):
    x, y = zip(*pairs, strict=True)
    chosen = [quality for score, quality in pairs if score == max(x)]
    assert regret(tensor(x), tensor(y)) == pytest.approx(max(y) - sum(chosen) / len(chosen), abs=1e-12)


def test_the_best_choice_costs_nothing_the_worst_the_whole_range_and_a_blind_one_the_mean():
    qualities = tensor([0.5, 0.9, 0.7, 0.3])
    assert regret(qualities, qualities) == 0
    assert regret(-qualities, qualities) == pytest.approx(0.6, abs=1e-12)
    assert regret(torch.zeros(4), qualities) == pytest.approx(0.9 - 0.6, abs=1e-12)


def test_float32_and_gradients_are_taken_as_they_come():
    scores = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    assert rank_correlation(scores, scores * 2) == pytest.approx(1)
    assert regret(scores, scores) == 0


def test_one_run_has_no_order_but_a_regret():
    with pytest.raises(InputError, match=r"scores must be at least 2\. Got '1 number"):
        rank_correlation(tensor([1]), tensor([2]))
    assert regret(tensor([1]), tensor([2])) == 0


NO_VECTORS = [torch.ones(3, 1), torch.ones(3).long(), torch.ones(0), torch.tensor(1.0), [1.0, 2.0, 3.0]]


@pytest.mark.parametrize("measure", [rank_correlation, regret])
@pytest.mark.parametrize("values", NO_VECTORS, ids=str)
def test_what_is_no_vector_of_numbers_is_our_error(measure, values, unchecked):
    with pytest.raises(InputError, match="scores"):
        measure(values, torch.ones(3))
    with pytest.raises(InputError, match="qualities"):
        measure(torch.ones(3), values)


@pytest.mark.parametrize("measure", [rank_correlation, regret])
def test_a_diverged_run_and_a_missing_one_are_our_errors(measure, unchecked):
    with pytest.raises(InputError, match=r"scores must be finite.*row 1"):
        measure(tensor([1.0, float("nan"), 2.0]), torch.ones(3))
    with pytest.raises(InputError, match="qualities must be finite"):
        measure(torch.ones(3), tensor([1.0, float("inf"), 2.0]))
    with pytest.raises(InputError, match="one for each of the 3 scores"):
        measure(torch.ones(3), torch.ones(2))


def test_runs_are_grouped_by_sweep_and_seed_in_their_order():
    found = groups(list(zip("babaaabb", [0, 0, 0, 0, 1, 1, 1, 1], range(8), strict=True)))
    assert found == {"b": [[0, 2], [6, 7]], "a": [[1, 3], [4, 5]], "all runs": [[0, 1, 2, 3], [4, 5, 6, 7]]}
    assert list(found) == ["b", "a", "all runs"]


def test_a_sweep_that_one_seed_lost_is_left_out_and_its_runs_are_pooled_all_the_same():
    assert groups(list(zip("aabbaabbcc", [*[0] * 4, *[1] * 4, 0, 0], range(10), strict=True))) == {
        "a": [[0, 1], [4, 5]],
        "b": [[2, 3], [6, 7]],
        "all runs": [[0, 1, 2, 3, 8, 9], [4, 5, 6, 7]],
    }


def test_a_run_of_two_sweeps_counts_once_among_all():
    runs = [(sweep, seed, name) for seed in (0, 1) for sweep, name in zip("aabb", "pqqr", strict=True)]
    assert groups(runs)["all runs"] == [[0, 1, 3], [4, 5, 7]]


def test_one_sweep_alone_is_not_pooled_and_a_single_run_has_no_group():
    assert groups([("a", 0, 1), ("a", 0, 2)]) == {"a": [[0, 1]]}
    assert groups([("a", 0, 1), ("a", 1, 2)]) == {}
    with pytest.raises(InputError, match="runs must be at least one"):
        groups([])


def test_within_asks_for_every_group_seed_and_score_alone():
    scores, qualities = {"up": tensor(range(6)), "down": -tensor(range(6))}, tensor([0, 4, 1, 1, 2, 5])
    found = within(scores, qualities, agree=regret, groups={"a": [[0, 1, 2], [3, 4, 5]], "b": [[1, 5]]})
    assert found == {
        "a": {"up": Interval.of([3, 0]), "down": Interval.of([4, 4])},
        "b": {"up": Interval.of([0]), "down": Interval.of([1])},
    }
