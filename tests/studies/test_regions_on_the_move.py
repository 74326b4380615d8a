"""Phases of training, what the notebook's claims measure of labelled numbers, and the sentence on the verdicts."""

import numpy as np
import pytest
import torch
from xarray import DataArray

from sslens.measures.phases import turning_points
from sslens.statistics import rank_test
from sslens.studies import of_notebook
from sslens.studies import regions_on_the_move as study
from sslens.studies import regions_on_the_move_exercises as of_exercises
from sslens.types import InputError

SIX = [f"{kind}, rate {rate:g}" for kind in ("ReLU", "layer norm") for rate in (1e-3, 3e-3, 9e-3)]


def curves(rows, **labels):
    seeds, steps = np.shape(rows)
    return DataArray(np.array(rows), {"seed": list(range(seeds)), "step": [10 * i for i in range(steps)]}, **labels)


def accuracies(train, attacked):
    kinds = {"train": train, "attacked": attacked}
    labels = {"points": list(kinds), "seed": list(range(len(train))), "step": [0, 10, 20]}
    return DataArray(np.array(list(kinds.values())), labels)


def test_it_is_the_study_of_its_notebook():
    assert of_notebook("31_regions_on_the_move") is study
    assert {each.notebook for each in study.STORED} == {study.NOTEBOOK}


def test_spans_are_those_of_the_mean_and_follow_each_other():
    found = study.phase_spans(curves([[5.0, 1.0, 4.0, 3.0], [5.0, 3.0, 4.0, 3.0]]))
    assert found == {"descent": (0, 10), "ascent": (10, 20), "second descent": (20, 30)}
    found = study.phase_spans(curves([[2.0, 1.0]]))
    assert found == {"descent": (0, 10), "ascent": (10, 10), "second descent": (10, 10)}
    assert study.phase_spans(curves([[2.0, 1.0], [2.0, np.nan]])) == {}


def test_what_has_no_phases_is_our_error():
    with pytest.raises(InputError, match="curves"):
        study.phase_spans(curves([[-1.0, 1.0]]))


def of_decay(rows):
    """Curves of the stored run around the images that it learns."""
    return curves(rows).expand_dims(run=["weight decay"], points=["train"])


def test_phases_are_measured_where_the_other_seeds_turn():
    rows = [[8.0, 2.0, 6.0, 3.0], [8.0, 4.0, 4.0, 4.0], [9.0, 3.0, 5.0, 1.0]]
    right = turning_points(torch.tensor(rows, dtype=torch.float64))
    assert study.folds_leave.measured(curves(rows)).values.tolist() == right.descent.tolist()
    assert study.folds_gather.measured(curves(rows)).values.tolist() == right.ascent.tolist()
    assert study.folds_leave_again.measured(of_decay(rows)).values.tolist() == right.second_descent.tolist()


def at_points(samples, boundary, way):
    kinds = {"samples": samples, "on the way": way, "boundary": boundary}
    labels = {"points": list(kinds), "seed": [0, 1], "step": [0, 10, 20, 30]}
    return DataArray(np.array(list(kinds.values())), labels).expand_dims(run=["weight decay"])


def test_migration_is_the_growth_of_the_share_at_the_boundary_since_the_peak():
    samples = [[8.0, 2.0, 6.0, 3.0], [8.0, 2.0, 6.0, 2.0]]  # both turn at step 20
    boundary = [[np.nan, 2.0, 3.0, 6.0], [np.nan, 4.0, 6.0, 6.0]]
    way = [[8.0, 2.0, 3.0, 4.0], [8.0, 2.0, 3.0, 6.0]]
    folds = at_points(samples, boundary, way)
    assert study.folds_migrate.measured(folds).values.tolist() == pytest.approx([(6 / 3) / (3 / 6), (6 / 2) / (6 / 6)])
    assert study.folds_stay_at_the_boundary.measured(folds).values.tolist() == pytest.approx([1.5, 1.0])


def test_a_network_that_does_not_change_shows_no_migration():
    """The control: whatever the folds of a network are, at equal ones at all steps nothing moves."""
    still = [[5.0] * 4, [6.0] * 4]
    found = study.folds_migrate.measured(at_points(still, [[7.0] * 4, [2.0] * 4], still))
    assert found.values.tolist() == [1.0, 1.0]
    assert study.folds_migrate.judge(at_points(still, [[7.0] * 4, [2.0] * 4], still)).holds is not True


def test_where_a_seed_diverged_no_phase_can_be_judged():
    rows = [[8.0, 2.0, 6.0, 3.0], [8.0, 4.0, np.nan, np.nan]]
    for verdict in (
        study.folds_leave.judge(curves(rows)),
        study.folds_leave_again.judge(of_decay(rows)),
        study.folds_migrate.judge(at_points(rows, rows, rows)),
    ):
        assert verdict.holds is None and verdict.interval.n == 2
        assert "diverged" in verdict.line()


def test_the_gain_of_robustness_is_image_by_image_from_the_snapshot_at_which_the_images_are_learned():
    late = accuracies([[0.5, 0.99, 0.98], [0.5, 0.6, 0.7]], np.zeros((2, 3)).tolist())
    right = np.array([[[0, 0], [0, 1], [1, 1]], [[0, 0], [1, 0], [0, 1]]], dtype=float)  # seed, step, sample
    labels = {"seed": [0, 1], "step": [0, 10, 20], "sample": [0, 1], "origin": ("sample", [7, 9])}
    gain = study.robustness_comes_late.measured(
        late, DataArray(right, labels, ("seed", "step", "sample")).expand_dims(run=["large start"])
    )
    assert gain.values.tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert gain["origin"].values.tolist() == [7, 9]
    assert study.step_of_learning(late) == 10


def test_the_step_of_learning_is_the_lower_of_the_two_in_the_middle():
    late = accuracies([[1.0, 1.0, 1.0], [0.0, 1.0, 1.0], [0.0, 0.0, 0.0]], np.zeros((3, 3)).tolist())
    assert study.step_of_learning(late) == 10
    assert study.step_of_learning(late.isel(seed=[1, 2])) == 10


def test_labels_are_compared_at_the_end():
    runs = ["no decay", "no decay, noisy labels"]
    folds = DataArray([[[9.0, 2.0]], [[9.0, 3.0]]], {"run": runs, "seed": [0], "step": [0, 10]})
    assert study.noisy_labels_keep_folds.measured(folds).values.tolist() == [1.5]


def by_task(last, first=0.0):
    """Numbers of six settings at a first and a last task, seed x run x task."""
    values = np.stack([np.full_like(np.array(last, dtype=float), first), np.array(last, dtype=float)], -1)
    return DataArray(values, {"seed": list(range(len(last))), "run": SIX, "task": [1, 20]})


def test_lost_ability_is_judged_at_the_notebooks_own_learning_rate():
    loss = by_task([[0.1, 1.5, 2.0, 0.0, 0.3, 1.0]], first=0.5)
    assert study.relu_loses_ability.measured(loss).values.tolist() == [1.0]
    assert study.layer_norm_loses_some.measured(loss).values.tolist() == pytest.approx([-0.2])
    assert study.layer_norm_preserves_it.measured(loss).values.tolist() == pytest.approx([-1.2])
    assert study.lost_without_dead_units.measured(loss).values.tolist() == [0.3]


def test_a_lower_level_is_no_smaller_loss_of_ability():
    """Layer norm that starts and ends lower, but loses as much, preserves nothing."""
    loss = by_task([[0, 2.0, 0, 0, 1.0, 0], [0, 2.1, 0, 0, 1.2, 0], [0, 2.0, 0, 0, 1.1, 0]], first=0.0)
    loss.loc[{"task": 1}] = np.array([0, 1.0, 0, 0, 0.0, 0])
    assert study.layer_norm_preserves_it.judge(loss).holds is not True


def test_what_goes_with_lost_ability_is_judged_by_the_order_of_six_settings():
    loss = by_task([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.1, 0.2, 0.3, 0.4, 0.6, 0.5], [0.2, 0.1, 0.3, 0.4, 0.5, 0.6]])
    sharpness = by_task([[2.0, 3.0, 4.0, 5.0, 6.0, 7.0]] * 3, first=1.0)
    found = study.curvature_goes_with_it.measured(loss, sharpness)
    assert found.values.tolist() == pytest.approx([1.0, 1 - 12 / 210, 1 - 12 / 210])
    right = rank_test(study.lost_ability(loss), study.growth(sharpness))
    assert found["p_high"].item() == right.high and found["settings"].item() == 6
    assert study.curvature_goes_with_it.judge(loss, sharpness).holds
    assert not study.dead_units_go_with_it.judge(loss, by_task([[0.6, 0.5, 0.4, 0.3, 0.2, 0.1]] * 3)).holds


def test_without_an_order_nothing_goes_with_lost_ability():
    loss, none = by_task([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]] * 2), by_task([[0.0] * 6] * 2)
    assert study.dead_units_go_with_it.measured(loss, none).values.tolist() == [0.0, 0.0]
    assert study.dead_units_go_with_it.judge(loss, none).holds is None
    lost = loss.copy()
    lost.loc[{"seed": 1, "run": SIX[0]}] = np.nan
    assert "diverged" in study.dead_units_go_with_it.judge(lost, none).line()


def test_every_third_step_is_pictured_and_the_last():
    assert study.pictured([0, 1, 2, 5, 9, 12, 20]) == [0, 5, 20]
    assert study.pictured([0, 1, 2, 5, 9]) == [0, 5, 9]


@pytest.fixture
def exercises():
    kinds = {"points": ["train", "test", "random"], "seed": [0, 1], "step": [0, 10]}
    counts = DataArray(np.array([[[4, 3], [4, 3]], [[8, 2], [8, 2]], [[6, 1], [6, 1]]], dtype=float), kinds)
    return study.exercises(counts, DataArray([[0.0, 0.2], [0.0, 0.4]], {"seed": [0, 1], "task": [1, 2]}))


@pytest.mark.parametrize("name, right, wrong", [("thinned", 4.0, 0.25), ("most", "train", "test"), ("dead", 0.3, 0.2)])
def test_exercises_know_the_right_answer(exercises, name, right, wrong):
    said = [repr(exercises[name].check(answer)) for answer in (right, wrong, None)]
    assert len(set(said)) == 3 and "Right" in said[0]


def test_the_solution_of_the_task_passes_and_others_do_not(exercises):
    def of_the_first_corner(layer, corners):
        """Whoever looks at one corner only sees no change."""
        return int((layer(corners[:1]) > 0).sum())

    right, wrong = (repr(exercises["by_hand"].check(each)) for each in (of_exercises.folds_nearby, of_the_first_corner))
    assert "Right" in right and "Right" not in wrong
