"""Wrong labels: which runs it trains, what its claims measure, its exercises."""

import numpy as np
import pytest
import torch
from xarray import DataArray

from sslens.encoders import MLP
from sslens.measures import probe
from sslens.presets import SHORT
from sslens.studies import of_notebook
from sslens.studies import wrong_labels as study
from sslens.studies.wrong_labels_features import CONTRASTIVE, REDRAWN, UNTRAINED
from sslens.train import Config, Runs
from sslens.types import InputError, UnknownName

RUNS = [
    "supervised, at its end",
    "supervised, best snapshot",
    "linear head on SimCLR features",
    "linear head on untrained features",
]


def test_the_notebook_finds_its_study():
    assert of_notebook("12_wrong_labels") is study


def test_a_lesson_has_a_run_without_labels_and_three_that_learn_their_labels_without_augmentation():
    configs = study.configs(study.Setting())
    assert list(configs) == ["SimCLR", "0% redrawn", "40% redrawn", "80% redrawn"]
    assert [config.data.label_noise for config in configs.values()] == [0.0, 0.0, 0.4, 0.8]
    assert [config.recipe for config in configs.values()] == ["auto", "none", "none", "none"]
    assert [config.optimisation.steps for config in configs.values()] == [300, 500, 500, 500]


def test_smoke_is_short():
    configs = study.configs(study.Setting(profile="smoke"))
    assert {config.optimisation.steps for config in configs.values()} == {SHORT}


def test_parameters_reach_the_runs_they_are_for():
    configs = study.configs(study.Setting(dataset="digits", encoder="mlp", recipe="auto", noise=0.5))
    assert list(configs)[1:] == ["0% redrawn", "25% redrawn", "50% redrawn"]
    assert {config.data.name for config in configs.values()} == {"digits"}
    assert {config.recipe for config in configs.values()} == {"auto"}
    assert {config.encoder for config in configs.values()} == {MLP()}


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"seeds": 0}, InputError, "seeds"),
        ({"noise": 0.0}, InputError, "noise"),
        ({"recipe": "nome"}, UnknownName, "Did you mean 'none'"),
        ({"profile": "leson"}, UnknownName, "Did you mean 'lesson'"),
        ({"dataset": "scattered_digit"}, UnknownName, "Did you mean 'scattered_digits'"),
        ({"encoder": "resnet18"}, UnknownName, "encoder"),
    ],
)
def test_parameters_out_of_range_are_refused(values, error, words):
    with pytest.raises(error, match=words):
        study.Setting(**values)


def test_supervised_runs_are_all_but_the_one_without_labels_and_the_noisiest_is_the_last():
    config = Config.at("smoke", optimisation={"steps": 1}, snapshots={"count": 2})
    runs = Runs.of({"SimCLR": config, "0% redrawn": config, "60% redrawn": config})
    assert study.supervised(runs).names == ("0% redrawn", "60% redrawn")
    assert study.noisiest(runs).names == ("60% redrawn",)
    assert len(study.training_images(runs)) == 2400


def judged(claim, array):
    """The verdict on a claim whose premise, if it has one, holds."""
    premise = claim.premise and claim.premise.judge(holding(claim.premise))
    return claim.judge(array, premise=premise)


def holding(claim):
    """Numbers for which a premise holds."""
    if claim is study.learned_by_heart:
        return DataArray([[[0.98], [0.99]]], dims=("labels", "seed", "step"))
    values = [[4.0, 0.4, 0.1]], [[4.0, 0.4, 0.2]]
    spectra = DataArray(np.array([values] * 3)[:, :, 0], dims=("run", "seed", "rank"), attrs={"classes": 2})
    return spectra.assign_coords(rank=[1, 2, 3])


def test_claims_about_noise_measure_what_is_lost_and_what_is_kept():
    values = np.array([[[1, 1, 1, 1], [1, 0, 0, 0]], [[1, 1, 1, 1], [1, 1, 0, 0]]] + [[[1, 1, 1, 0], [1, 1, 1, 0]]] * 2)
    values[3, 1] = [1, 1, 0, 0]
    table = np.stack([values, values], 1).astype(float)
    coords = {"run": RUNS, "seed": [0, 1], REDRAWN: [0.0, 0.8]}
    correct = DataArray(table, coords, ("run", "seed", REDRAWN, "sample"), attrs={"classes": 4})
    means = {
        study.noise_ruins_it: 0.75,
        study.head_is_ahead: 0.5,
        study.head_beats_best_snapshot: 0.25,
        study.head_keeps_more: 1.0,  # all of 0.5 above chance, and nothing of 0.75
        study.features_decide: 0.5,
    }
    for claim, mean in means.items():
        assert judged(claim, correct).interval.mean == pytest.approx(mean), claim.quantity


def test_claims_about_training_compare_the_best_snapshot_with_the_end_and_with_the_other_run():
    scratch, tuned = [[0, 0], [1, 0], [0, 0]], [[0, 0], [1, 1], [1, 0]]
    values = np.array([scratch, tuned], dtype=float)[:, None].repeat(2, 1)
    coords = {"run": ["from scratch", "fine-tuned"], "seed": [0, 1], "step": [0, 1, 2]}
    correct = DataArray(values, coords, ("run", "seed", "step", "sample"))
    # from scratch: the first image is judged where the second is best, at step 0; the second where the first is
    means = {study.falls: 0.0, study.fine_tuning_is_ahead: 1.0, study.fine_tuning_falls_too: 0.5}
    for claim, mean in means.items():
        assert judged(claim, correct).interval.mean == pytest.approx(mean), claim.quantity


def test_claims_that_need_labels_known_by_heart_are_not_tested_without():
    unlearned = study.learned_by_heart.judge(DataArray([[[0.2], [0.3]]], dims=("labels", "seed", "step")))
    correct = DataArray(
        np.ones((4, 2, 2, 4)),
        {"run": RUNS, "seed": [0, 1], REDRAWN: [0.0, 0.8]},
        ("run", "seed", REDRAWN, "sample"),
        attrs={"classes": 4},
    )
    assert study.head_is_ahead.judge(correct, premise=unlearned).outcome == "not tested here"


def test_claims_about_the_spectrum_measure_the_drop_behind_the_classes():
    spectra = DataArray(
        np.array([[[4.0, 3.0, 2.0]], [[9.0, 9.0, 9.0]], [[8.0, 6.0, 0.5]]]),
        {"run": ["SimCLR", "untrained", "supervised, 0% redrawn"], "seed": [0], "rank": [1, 2, 3]},
        ("run", "seed", "rank"),
        attrs={"classes": 2},
    )
    assert study.labels_make_a_gap.judge(spectra).interval.mean == 12.0
    assert judged(study.one_value_a_class, spectra).interval.mean == 1.5
    with pytest.raises(InputError, match="classes"):
        study.labels_make_a_gap.judge(spectra.assign_attrs(classes=3))


def test_claims_about_directions_hold_trained_against_untrained_features_and_a_share_of_what_is_held():
    coords = {"run": [CONTRASTIVE, UNTRAINED], "seed": [0], "labels": ["true", "redrawn"]}
    coords |= {"share": ["of all", "of what is held"]}
    values = np.array([[[[0.24, 0.6], [0.004, 0.15]]], [[[0.03, 0.3], [0.004, 0.15]]]])
    energy = DataArray(values, coords, tuple(coords))
    assert study.leading_directions_hold_classes.judge(energy).interval.mean == 0.6
    assert study.training_puts_them_there.judge(energy).interval.mean == pytest.approx(0.21)


def test_claims_about_jacobians_divide_ranks_and_subtract_shares():
    runs = ["pre-trained with SimCLR", "freshly drawn"]
    measures = ["stable rank", "entropy rank", "directions for 90%"]
    coords = {"measure": measures, "run": runs, "seed": [0]}
    found = DataArray(np.array([[[2.0], [4.0]], [[9.0], [6.0]], [[8.0], [8.0]]]), coords, tuple(coords))
    claims = (study.stable_rank_is_lower, study.entropy_rank_is_lower, study.fewer_directions_hold_it)
    assert [claim.judge(found).interval.mean for claim in claims] == [0.5, 1.5, 1.0]
    places = {
        "run": runs,
        "labels": ["true labels", "redrawn labels"],
        "seed": [0],
        "share of directions": range(1, 11),
    }
    values = np.ones((2, 2, 1, 10))
    values[:, :, 0, 0] = [[0.5, 0.1], [0.3, 0.1]]  # the leading tenth
    energy = DataArray(values, places, tuple(places))
    claims = (study.jacobian_hears_classes, study.hears_them_better_than_fresh)
    assert [claim.judge(energy).interval.mean for claim in claims] == pytest.approx([0.4, 0.2])


def test_exercises_take_the_librarys_own_and_a_solution_and_refuse_what_is_not_centred():
    coords = {"run": ["from scratch", "fine-tuned"], "step": [0, 5, 9]}
    accuracy = DataArray([[[0.1, 0.2, 0.4]], [[0.1, 0.3, 0.2]]], coords, ("run", "seed", "step"))
    data = study.training_images(Runs.of({"SimCLR": Config.at("smoke", optimisation={"steps": 1})}))
    features = {"SimCLR": (torch.nn.functional.one_hot(data.labels).double(),)}
    exercises = study.exercises(accuracy, features, data=data)
    assert exercises["peak"].check(5).right and not exercises["peak"].check(9).right
    assert exercises["by_hand"].check(probe.label_energy).right

    def not_centred(h, labels):
        left = torch.linalg.svd(h.double(), full_matrices=False).U
        y = torch.nn.functional.one_hot(labels).double()
        return (left.T @ y).square().sum(1) / y.square().sum()

    assert not exercises["by_hand"].check(not_centred).right
    assert exercises["by_hand"].check(exercises["by_hand"].answer).right
