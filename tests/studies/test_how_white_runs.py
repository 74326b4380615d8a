"""Which networks the study of whiteness trains."""

import pytest
import torch
from xarray import DataArray

from sslens.objectives import CrossEntropy, SimCLR
from sslens.presets import SHORT
from sslens.studies import how_white_runs
from sslens.studies.how_white_runs import Setting, by_value, of_kind, of_prefixes, of_spectra, of_widths
from sslens.train import Config, Runs
from sslens.types import InputError, UnknownName


def test_a_lesson_has_seventeen_kinds_of_runs():
    setting = Setting()
    names = [*of_spectra(setting), *of_prefixes(setting), *of_widths(setting)]
    assert len(names) == len(set(names)) == 17 and list(how_white_runs.configs(setting)) == names


def test_smoke_is_short_and_has_fewer_runs():
    setting = Setting(profile="smoke")
    steps = [config.optimisation.steps for part in (of_spectra, of_prefixes) for config in part(setting).values()]
    assert steps == [SHORT, SHORT, 2 * SHORT, 2 * SHORT, 2 * SHORT]
    assert len(of_widths(setting)) == 6


def test_networks_of_spectra_differ_in_the_strength_of_their_views_alone():
    weak, whole = of_spectra(Setting()).values()
    assert (weak.augmentation(1).strength, whole.augmentation(1).strength) == (0.25, 1)
    assert weak.changed(recipe=whole.recipe) == whole
    assert whole.snapshots.reference == 2400 and isinstance(whole.objective, SimCLR)


def test_networks_of_widths_see_half_of_the_classes_and_differ_in_their_last_layer():
    configs = of_widths(Setting(dataset="digits"))
    for name, config in configs.items():
        kind, width = name.split()
        assert dict(config.data.options) == {"of": "digits"} and config.data.name == "first_classes"
        assert config.encoder.features == int(width)
        assert isinstance(config.objective, CrossEntropy) == (kind == "supervised")
        assert (config.optimisation.steps == 0) == (kind == "untrained")


def test_networks_of_prefixes_are_nested_or_separate():
    configs = of_prefixes(Setting(many_classes="digits"))
    assert [name for name, config in configs.items() if config.objective.nested] == ["nested"]
    assert [config.encoder.features for config in configs.values()] == [64, 4, 8, 16, 32, 64]
    assert {config.data.name for config in configs.values()} == {"digits"}
    assert configs["nested"].changed(objective=CrossEntropy()) == configs["width 64"]


@pytest.mark.parametrize("encoder", how_white_runs.MEASURED)
def test_every_encoder_has_the_width_that_a_run_says(encoder):
    for config in of_prefixes(Setting(encoder=encoder)).values():
        network = config.encoder.build((1, 16, 16)).eval()
        assert network(torch.zeros(2, 1, 16, 16)).shape[1] == config.encoder.features


def test_the_temperature_reaches_every_run_without_labels_and_no_other():
    setting = Setting(temperature=0.5)
    for config in {**of_spectra(setting), **of_widths(setting), **of_prefixes(setting)}.values():
        supervised = isinstance(config.objective, CrossEntropy)
        assert getattr(config.objective, "temperature", None) == (None if supervised else 0.5)


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"seeds": 0}, InputError, "seeds"),
        ({"temperature": 0.0}, InputError, "temperature"),
        ({"profile": "leson"}, UnknownName, "Did you mean 'lesson'"),
        ({"encoder": "transformer"}, UnknownName, "convnet"),
        ({"dataset": "scatered_digits"}, UnknownName, "scattered_digits"),
        ({"many_classes": "digit_pair"}, UnknownName, "digit_pairs"),
    ],
)
def test_parameters_out_of_range_are_refused(values, error, words):
    with pytest.raises(error, match=words):
        Setting(**values)


def test_an_array_of_runs_is_labelled_by_its_values():
    array = DataArray([[0.5], [0.7], [0.9]], {"run": ["a 0.25", "a 1", "b 1"], "seed": [0]}, ("run", "seed"))
    found = by_value(array, "a", dim="strength")
    assert found.dims == ("strength", "seed") and found.strength.values.tolist() == [0.25, 1.0]


def test_runs_are_chosen_by_the_first_word_of_their_name():
    config = Config.at("smoke", optimisation={"steps": 2}, snapshots={"count": 2})
    runs = Runs.of({"width 8": config, "widths": config, "nested": config})
    assert of_kind(runs, "nested", "width").names == ("width 8", "nested")
