"""The runs of the notebook, phases of training, what its claims measure, and the sentence that follows the verdicts."""

import numpy as np
import pytest
import torch
from xarray import DataArray

from sslens import datasets
from sslens.encoders import MLP
from sslens.measures import regions
from sslens.measures.phases import turning_points
from sslens.objectives import SimSiam, SquaredError
from sslens.studies import of_notebook
from sslens.studies import regions_on_the_move as study
from sslens.studies.regions_on_the_move import Setting
from sslens.train import Runs, learned, record
from sslens.types import InputError

PHASES = (study.folds_leave, study.folds_gather, study.folds_leave_again)


def curves(rows, **labels):
    seeds, steps = np.shape(rows)
    return DataArray(np.array(rows), {"seed": list(range(seeds)), "step": [10 * i for i in range(steps)]}, **labels)


def accuracies(train, attacked):
    kinds = {"train": train, "attacked": attacked}
    labels = {"points": list(kinds), "seed": list(range(len(train))), "step": [0, 10, 20]}
    return DataArray(np.array(list(kinds.values())), labels)


def test_it_is_the_study_of_its_notebook():
    assert of_notebook("31_regions_on_the_move") is study


@pytest.mark.parametrize("profile", ["smoke", "lesson", "full"])
def test_every_run_is_as_long_as_its_kind_at_every_profile(profile):
    found, lengths = study.configs(Setting(profile=profile)), study.LENGTHS[profile]
    long = [found[name] for name in ("weight decay", "large start", "no decay", "no decay, noisy labels")]
    assert {config.optimisation.steps for config in long} == {lengths.steps}
    assert {config.snapshots.spacing for config in long} == {"logarithmic"}
    for name in ("ReLU", "layer norm"):
        config = found[name]
        steps = config.snapshots.steps(config.optimisation.steps)
        assert steps == [lengths.task * task for task in range(lengths.tasks + 1)]
    encoders = [found[name] for name in ("simclr", "simsiam, no stop-gradient", "supervised")]
    assert {config.snapshots.count for config in encoders} == {2}
    assert len({config.optimisation.steps for config in encoders}) == 1


def test_runs_differ_in_what_the_notebook_says_and_in_nothing_else():
    found = study.configs(Setting())
    decay, large, kept = (found[name] for name in ("weight decay", "large start", "no decay"))
    assert kept == decay.changed(optimisation={"weight_decay": 0.0})
    assert found["no decay, noisy labels"] == kept.changed(data={"label_noise": 0.2})
    assert large == decay.changed(
        data={"images": 200}, objective=SquaredError(), optimisation={"weight_decay": 1.0, "initial_scale": 8.0}
    )
    assert (decay.encoder, decay.data.images, decay.optimisation.weight_decay) == (MLP(width=100), 500, 0.3)
    assert found["layer norm"] == found["ReLU"].changed(encoder=MLP(layer_norm=True))
    assert (found["ReLU"].data.label_noise, found["ReLU"].data.images) == (1.0, 400)
    for name in ("weight decay", "ReLU"):
        constant = found[name].optimisation
        assert constant.rate(0) == constant.rate(4000) == 3e-3 and constant.batch_size == 100
    assert found["simsiam, no stop-gradient"].objective == SimSiam(stop_gradient=False)


def test_what_makes_no_setting_is_refused():
    for wrong in ({"radius": 0.0}, {"seeds": 0}, {"epsilon": 1.5}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            Setting(**wrong)


def test_every_long_run_learns_the_digits_that_folds_are_counted_around():
    found = study.configs(Setting())
    few, many = (learned(found[name]).origin for name in ("large start", "weight decay"))
    assert len(few) == 200 and set(few.tolist()) <= set(many.tolist())
    unseen = study.unseen_digits()
    assert len(unseen) == 200 and not set(unseen.origin.tolist()) & set(many.tolist())


def test_the_digits_of_a_run_come_with_their_true_labels():
    noisy = study.configs(Setting(profile="smoke"))["ReLU"].changed(optimisation={"steps": 4}, snapshots={"count": 5})
    runs = Runs({"ReLU": (record(noisy),)}, (0,))
    digits = study.learned_digits(runs, "ReLU")
    originals = datasets.load("digits")[0]
    places = {int(origin): place for place, origin in enumerate(originals.origin)}
    rows = torch.tensor([places[int(origin)] for origin in digits.origin])
    assert digits.labels.equal(originals.labels[rows]) and len(digits) == 400


def test_random_pixels_are_the_same_at_every_call():
    like = torch.zeros(3, 1, 8, 8)
    cloud = study.random_pixels(like)
    assert cloud.shape == like.shape and cloud.equal(study.random_pixels(like))
    assert 0 <= float(cloud.min()) < float(cloud.max()) <= 1


def test_digits_are_placed_on_their_plane_by_name():
    three = study.unseen_digits().take(torch.arange(3))
    plane = regions.Plane.through(three.images)
    found = study.places_of(three, plane)
    assert list(found) == [f"a {label}" for label in three.labels.tolist()]
    torch.testing.assert_close(plane.at(torch.cat(list(found.values()))), three.images.double())


def test_spans_are_those_of_the_mean_and_follow_each_other():
    found = study.phase_spans(curves([[5.0, 1.0, 4.0, 3.0], [5.0, 3.0, 4.0, 3.0]]))
    assert found == {"descent": (0, 10), "ascent": (10, 20), "second descent": (20, 30)}
    found = study.phase_spans(curves([[2.0, 1.0]]))
    assert found == {"descent": (0, 10), "ascent": (10, 10), "second descent": (10, 10)}
    assert study.phase_spans(curves([[2.0, 1.0], [2.0, np.nan]])) == {}


def test_what_has_no_phases_is_our_error():
    with pytest.raises(InputError, match="curves"):
        study.phase_spans(curves([[-1.0, 1.0]]))


def test_phases_are_measured_where_the_other_seeds_turn():
    rows = [[8.0, 2.0, 6.0, 3.0], [8.0, 4.0, 4.0, 4.0], [9.0, 3.0, 5.0, 1.0]]
    right = turning_points(torch.tensor(rows, dtype=torch.float64))
    expected = (right.descent, right.ascent, right.second_descent)
    for claim, values in zip(PHASES, expected, strict=True):
        assert claim.measured(curves(rows)).values.tolist() == values.tolist()


def test_where_a_seed_diverged_no_phase_can_be_judged():
    verdict = study.folds_leave.judge(curves([[8.0, 2.0], [8.0, np.nan]]))
    assert verdict.holds is None and verdict.interval.n == 2
    assert "diverged" in verdict.line()


def test_the_gain_of_robustness_is_from_the_snapshot_at_which_the_digits_are_learned():
    late = accuracies([[0.5, 0.99, 0.98], [0.5, 0.6, 0.7]], [[0.0, 0.2, 0.5], [0.1, 0.4, 0.3]])
    assert study.robustness_comes_late.measured(late).values.tolist() == pytest.approx([0.3, 0.0])
    assert study.step_of_learning(late) == 10
    late.loc[{"seed": 1, "step": 20}] = np.nan
    gain = study.robustness_comes_late.measured(late).values
    assert np.isnan(gain).tolist() == [False, True]


def test_the_step_of_learning_is_the_lower_of_the_two_in_the_middle():
    late = accuracies([[1.0, 1.0, 1.0], [0.0, 1.0, 1.0], [0.0, 0.0, 0.0]], np.zeros((3, 3)).tolist())
    assert study.step_of_learning(late) == 10
    assert study.step_of_learning(late.isel(seed=[1, 2])) == 10


def test_labels_and_losses_are_compared_at_the_end():
    runs = ["no decay", "no decay, noisy labels"]
    folds = DataArray([[[9.0, 2.0]], [[9.0, 3.0]]], {"run": runs, "seed": [0], "step": [0, 10]})
    assert study.noisy_labels_keep_folds.measured(folds).values.tolist() == [1.5]
    loss = DataArray([[[0.5, 2.0]], [[0.1, 1.5]]], {"run": ["ReLU", "layer norm"], "seed": [0], "task": [1, 2]})
    assert study.relu_tires.measured(loss).values.tolist() == [4.0]
    assert study.layer_norm_keeps_fresh.measured(loss).values.tolist() == [-0.5]


def test_every_third_step_is_pictured_and_the_last():
    assert study.pictured([0, 1, 2, 5, 9, 12, 20]) == [0, 5, 20]
    assert study.pictured([0, 1, 2, 5, 9]) == [0, 5, 9]


def test_exercises_read_the_figures():
    kinds = {"points": ["train", "test", "random"], "seed": [0, 1], "step": [0, 10]}
    counts = DataArray(np.array([[[4, 3], [4, 3]], [[8, 2], [8, 2]], [[6, 1], [6, 1]]], dtype=float), kinds)
    dead = DataArray([[[0.0, 0.2], [0.0, 0.4]]], {"run": ["ReLU"], "seed": [0, 1], "task": [1, 2]})
    assert study.exercise_truths(counts, dead) == (4.0, "train", pytest.approx(0.3))
