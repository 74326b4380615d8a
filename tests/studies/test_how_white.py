"""How white: which runs it trains, what its claims measure, how its answer follows them."""

import numpy as np
import pytest
from xarray import DataArray

from sslens.presets import SHORT
from sslens.studies import how_white as study
from sslens.studies import of_notebook
from sslens.train import Config
from sslens.types import InputError, UnknownName


def test_the_notebook_finds_its_study():
    assert of_notebook("11_how_white") is study


def test_a_lesson_has_eleven_kinds_of_runs_of_which_two_are_one():
    configs = study.configs(study.Setting())
    assert len(configs) == 11 and len(set(configs.values())) == 10
    assert configs["width 64"] == configs["strength 1"] == study.configs(study.Setting(seeds=9))["width 64"]
    assert configs["width 16"].encoder.features == 16 and configs["narrow 2"].encoder.features == 2
    assert configs["strength 0.25"].augmentation(1).strength == 0.25
    assert configs["nested"].objective.nested and not configs["plain"].objective.nested


def test_smoke_is_short_and_has_fewer_runs():
    configs = study.configs(study.Setting(profile="smoke"))
    assert {config.optimisation.steps for config in configs.values()} == {SHORT}
    assert len(configs) == 8


def test_the_temperature_reaches_every_run_without_labels_and_no_other():
    configs = study.configs(study.Setting(temperature=0.5))
    for name, config in configs.items():
        unlabelled = name.startswith(("width", "strength"))
        assert getattr(config.objective, "temperature", None) == (0.5 if unlabelled else None)


def test_the_strength_is_that_of_the_recipe_digits_are_given():
    weak = study.configs(study.Setting())["strength 0.5"].augmentation(1)
    whole = Config().augmentation(1)
    assert (weak.rotation, weak.shift) == (whole.rotation, whole.shift) and weak.strength == 0.5


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"seeds": 0}, InputError, "seeds"),
        ({"temperature": 0.0}, InputError, "temperature"),
        ({"profile": "leson"}, UnknownName, "Did you mean 'lesson'"),
    ],
)
def test_parameters_out_of_range_are_refused(values, error, words):
    with pytest.raises(error, match=words):
        study.Setting(**values)


def test_an_array_of_a_sweep_is_labelled_by_its_values():
    array = DataArray([[0.5], [0.7]], {"run": ["strength 0.25", "strength 1"], "seed": [0]}, ("run", "seed"))
    found = study.swept(array, "strength")
    assert found.dims == ("strength", "seed") and found.strength.values.tolist() == [0.25, 1.0]


LABELS = ["1", "5", "all"]


def budgets(values):
    """seed x half x labels per class; or with beta 0 and 2 before the labels."""
    values = np.asarray(values, dtype=float)
    dims = ("seed", "half", "beta", "labels per class") if values.ndim == 4 else ("seed", "half", "labels per class")
    coords = {"seed": [0, 1], "labels per class": LABELS} | ({"beta": [0.0, 2.0]} if values.ndim == 4 else {})
    return DataArray(values, coords, dims)


def test_claims_about_spectra_measure_gain_loss_and_the_shift_of_the_best():
    trained = budgets(np.full((2, 2, 3), 0.5) + np.array([-0.001, 0.001])[:, None, None])  # seeds are never all alike
    white, steep = [0.3, 0.4, 0.7], [0.6, 0.55, 0.6]
    reshaped = budgets(np.broadcast_to([white, steep], (2, 2, 2, 3)))
    gain = study.another_spectrum_helps.judge(reshaped, trained)
    assert gain.interval.mean == pytest.approx(0.05) and gain.holds
    assert study.whitening_costs.judge(reshaped, trained).interval.mean == pytest.approx(0.1)
    assert study.more_labels_want_it_whiter.judge(reshaped, trained).interval.mean == 2.0


def test_claims_about_prefixes_hold_nested_against_its_rivals():
    runs = ["nested", "plain, cut", "plain, PCA"]
    values = np.array([[0.6, 0.7], [0.5, 0.75], [0.8, 0.7]])[:, None].repeat(2, 1)
    coords = {"run": runs, "seed": [0, 1], "columns kept": [8, 64]}
    values[1] += np.array([[-0.001], [0.001]])  # seeds are never all alike
    cut_short = DataArray(values, coords, ("run", "seed", "columns kept"))
    means = [
        claim.judge(cut_short).interval.mean
        for claim in (study.nested_beats_cut, study.nested_beats_pca, study.nesting_costs_nothing)
    ]
    assert means == pytest.approx([0.1, -0.2, -0.05])
    assert study.nesting_costs_nothing.judge(cut_short).holds is False


def test_a_wider_layer_is_held_against_the_narrowest_by_neighbours():
    values = np.array([[[0.3], [0.9], [0.5]], [[0.0], [0.0], [0.0]]])
    coords = {"probe": ["kNN", "all labels"], "width": [16.0, 64.0, 256.0], "seed": [0]}
    found = study.wider_is_better.judge(DataArray(values, coords, ("probe", "width", "seed")))
    assert found.interval.mean == pytest.approx(0.2)


def test_claims_about_layers_are_judged_at_full_strength():
    coords = {"strength": [0.5, 1.0], "seed": [0], "layer": ["backbone", "embedding"]}
    values = np.array([[9.0, 9.0], [0.9, 0.5]])[:, None, None]
    dims = ("strength", "seed", "probe", "layer")
    accuracy = DataArray(values, coords | {"probe": ["all labels"]}, dims)
    assert study.backbone_beats_embedding.judge(accuracy).interval.mean == pytest.approx(0.4)
    two = np.concatenate([values, values - 0.1], 2)
    fit = DataArray(two, coords | {"factor": ["x", "y"]}, ("strength", "seed", "factor", "layer"))
    assert study.projector_drops_factors.judge(fit).interval.mean == pytest.approx(0.4)
