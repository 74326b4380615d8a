"""Phases of a curve: against a search through all pairs of snapshots, and what noise alone must not show."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sslens.measures.phases import reached, turning_points
from sslens.types import InputError


def tensor(rows):
    return torch.tensor(rows, dtype=torch.float64)


tables = st.integers(1, 4).flatmap(
    lambda seeds: st.integers(1, 6).flatmap(
        lambda snapshots: st.lists(
            st.lists(st.integers(0, 9), min_size=snapshots, max_size=snapshots), min_size=seeds, max_size=seeds
        )
    )
)


def turns(curve):
    """Valley and peak by trying every pair; of equal rises the last."""
    pairs = [(i, j) for i in range(len(curve)) for j in range(i, len(curve))]
    return max(pairs, key=lambda pair: (curve[pair[1]] - curve[pair[0]], pair))


@given(tables)
@settings(deadline=None)
def test_every_seed_is_measured_where_the_others_turn(rows):
    found = turning_points(tensor(rows))
    for seed, row in enumerate(rows):
        rest = [other for index, other in enumerate(rows) if index != seed] or [row]
        sums = [sum(column) for column in zip(*rest, strict=True)]
        valley, peak = turns(sums)
        if len(rest) != 3:  # a third of a whole number is rounded, which may part equal rises
            assert (int(found.valley[seed]), int(found.peak[seed])) == (valley, peak)
        valley, peak = int(found.valley[seed]), int(found.peak[seed])
        changes = found.descent[seed], found.ascent[seed], found.second_descent[seed]
        steps = (row[0], row[valley]), (row[valley], row[peak]), (row[peak], row[-1])
        for change, (before, after) in zip(changes, steps, strict=True):
            right = 1 if before == after else float("inf") if before == 0 else after / before
            assert float(change) == pytest.approx(right)


def test_the_recipe_of_the_paper_is_read_as_fall_rise_fall():
    found = turning_points(tensor([[5.5, 1.6, 3.0, 5.0, 3.8]]))
    assert (found.valley.tolist(), found.peak.tolist()) == ([1], [3])
    changes = [found.descent.item(), found.ascent.item(), found.second_descent.item()]
    assert changes == pytest.approx([1.6 / 5.5, 5 / 1.6, 3.8 / 5])


def test_a_curve_that_only_falls_has_its_valley_and_its_peak_at_the_end():
    found = turning_points(tensor([[4.0, 2.0, 1.0]] * 2))
    assert (found.valley.tolist(), found.peak.tolist()) == ([2, 2], [2, 2])
    assert (found.descent.tolist(), found.ascent.tolist()) == ([0.25] * 2, [1.0] * 2)
    assert found.second_descent.tolist() == [1.0, 1.0]


def test_a_curve_that_only_rises_has_no_descent():
    found = turning_points(tensor([[1.0, 2.0, 4.0]] * 3))
    assert (found.descent.tolist(), found.ascent.tolist()) == ([1.0] * 3, [4.0] * 3)


def test_noise_alone_shows_no_phases():
    noise = 1 + torch.rand(600, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    by_threes = [turning_points(three) for three in noise.reshape(200, 3, 40)]
    logs = torch.stack([each.ascent.log().mean() for each in by_threes])
    assert abs(float(logs.mean())) < 4 * float(logs.std()) / 200**0.5
    own = torch.stack([turning_points(row[None]).ascent.log().mean() for row in noise])
    assert float(own.mean()) > 0.6  # at its own extremes a curve of noise nearly doubles


def test_a_level_is_reached_where_a_walk_along_the_curve_meets_it_first():
    curves = torch.rand(50, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    right = [next((step for step, value in enumerate(row) if value >= 0.8), 8) for row in curves.tolist()]
    assert reached(curves, 0.8).tolist() == right
    assert reached(tensor([[0.2, 0.99, 1.0]]), 0.99).tolist() == [1]


def test_scale_does_not_matter():
    curves = tensor([[3.0, 1.0, 2.0, 1.5], [4.0, 2.0, 3.0, 1.0]])
    for name in ("valley", "peak", "descent", "ascent", "second_descent"):
        torch.testing.assert_close(getattr(turning_points(7 * curves), name), getattr(turning_points(curves), name))


def test_a_dead_network_is_a_result():
    found = turning_points(tensor([[4.0, 0.0, 0.0]] * 2))
    assert (found.descent.tolist(), found.ascent.tolist(), found.second_descent.tolist()) == ([0, 0], [1, 1], [1, 1])


@pytest.mark.parametrize(
    "curves", [torch.ones(0, 3), torch.ones(2, 0), tensor([[1.0, float("nan")]]), tensor([[-1.0]])]
)
def test_what_has_no_phases_is_our_error(curves):
    with pytest.raises(InputError, match="curves"):
        turning_points(curves)


def test_what_has_no_levels_is_our_error():
    with pytest.raises(InputError, match="curves"):
        reached(tensor([[float("nan")]]), 0.5)
