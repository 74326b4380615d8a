"""Wrong labels: which runs it trains, what its claims measure, how its answer follows them."""

import numpy as np
import pytest
from xarray import DataArray

from sslens.presets import SHORT
from sslens.studies import of_notebook
from sslens.studies import wrong_labels as study
from sslens.train import Config, Runs
from sslens.types import InputError, UnknownName

REDRAWN = "share of labels redrawn"


def test_the_notebook_finds_its_study():
    assert of_notebook("12_wrong_labels") is study


def test_a_lesson_has_a_run_without_labels_and_one_for_each_share():
    configs = study.configs(study.Setting())
    assert list(configs) == ["SimCLR", "0% redrawn", "20% redrawn", "40% redrawn", "60% redrawn", "80% redrawn"]
    assert [config.data.label_noise for config in configs.values()] == [0.0, 0.0, 0.2, 0.4, 0.6, 0.8]
    assert {config.optimisation.steps for config in configs.values()} == {300}


def test_smoke_is_short_and_has_fewer_runs():
    configs = study.configs(study.Setting(profile="smoke"))
    assert list(configs) == ["SimCLR", "0% redrawn", "60% redrawn", "80% redrawn"]
    assert {config.optimisation.steps for config in configs.values()} == {SHORT}


def test_the_recipe_is_that_of_the_supervised_networks_alone():
    configs = study.configs(study.Setting(recipe="none"))
    assert configs.pop("SimCLR").recipe == "auto"
    assert {config.recipe for config in configs.values()} == {"none"}


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"seeds": 0}, InputError, "seeds"),
        ({"recipe": "nome"}, UnknownName, "Did you mean 'none'"),
        ({"profile": "leson"}, UnknownName, "Did you mean 'lesson'"),
    ],
)
def test_parameters_out_of_range_are_refused(values, error, words):
    with pytest.raises(error, match=words):
        study.Setting(**values)


def test_supervised_runs_are_all_but_the_one_without_labels():
    config = Config.at("smoke", optimisation={"steps": 1}, snapshots={"count": 2})
    runs = Runs.of({"SimCLR": config, "60% redrawn": config})
    assert study.supervised(runs).names == ("60% redrawn",)
    assert len(study.training_images(runs)) == 2400


def test_claims_about_noise_measure_what_is_lost_to_it():
    runs = ["supervised, at its end", "supervised, best snapshot", "SimCLR, linear head", "untrained, linear head"]
    values = np.array([[0.9, 0.5], [0.9, 0.6], [0.6, 0.55], [0.3, 0.2]])[:, None]
    accuracy = DataArray(values, {"run": runs, "seed": [0], REDRAWN: [0.0, 0.6]}, ("run", "seed", REDRAWN))
    claims = (study.head_loses_less, study.less_than_the_best_snapshot, study.head_is_ahead)
    assert [claim.judge(accuracy).interval.mean for claim in claims] == pytest.approx([0.35, 0.25, 0.05])


def test_claims_about_directions_hold_true_labels_against_noise_and_the_untrained_network():
    runs = ["trained, true labels", "untrained, true labels", "trained, redrawn labels"]
    energy = DataArray([[0.24], [0.03], [0.004]], {"run": runs, "seed": [0]}, ("run", "seed"))
    claims = (study.directions_hold_classes, study.training_puts_them_there)
    assert [claim.judge(energy).interval.mean for claim in claims] == pytest.approx([0.236, 0.21])


def test_stable_ranks_are_sums_of_squares_over_the_largest():
    values = np.array([[[1.0, 0.0]], [[1.0, 1.0]]])
    spectra = DataArray(values, {"run": ["SimCLR", "untrained"], "seed": [0]}, ("run", "seed", "rank"))
    assert study.stable_rank_is_lower.judge(spectra).interval.mean == 0.5


def test_boosters_are_judged_over_margins_and_self_training_over_draws_at_one_angle():
    margins = {"run": ["lines, logistic loss", "trees, exponential loss"], "margin": [0.05, 0.1]}
    accuracy = DataArray([[0.5, 0.5], [1.0, 1.0]], margins, ("run", "margin"))
    lines, trees = study.noise_defeats_lines.judge(accuracy), study.trees_resist.judge(accuracy)
    assert lines.holds and trees.holds and "over 2 margins, each of them exact" in lines.line()
    coords = {"run": ["supervised", "self-training", "bidirectional"], "draw": [0, 1]}
    coords |= {"angle of the pool": [15.0, 45.0]}
    values = np.array([[9.0, 0.7], [9.0, 0.6], [9.0, 0.65]])[:, None].repeat(2, 1)
    found = DataArray(values, coords, tuple(coords), attrs={"setting": "digits"})
    harm, help_ = study.self_training_harms.judge(found), study.two_predictors_help.judge(found)
    assert (harm.interval.mean, help_.interval.mean) == pytest.approx((-0.1, 0.05))
    assert harm.line().endswith(
        " over 2 draws; all 2 draws alike: no spread to judge by; claimed < 0; digits, 45 degrees)"
    )
