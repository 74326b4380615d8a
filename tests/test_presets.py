"""Sets of runs that several studies share: what they hold, and what they refuse."""

import pytest

from sslens.presets import SHORT, SWEEPS, swept
from sslens.train import Config, Runs
from sslens.types import InputError, UnknownName


def test_a_lesson_has_its_runs_once_per_seed_and_the_smoke_sweeps_are_part_of_it():
    lesson, smoke = (set(swept(profile)) for profile in ("lesson", "smoke"))
    assert len(set(swept("lesson").values())) == 31
    assert smoke < lesson and {sweep for sweep, _ in smoke} == set(SWEEPS)


FIELDS = {
    "temperature": lambda config: config.objective.temperature,
    "invariance": lambda config: config.objective.invariance,
    "covariance": lambda config: config.objective.covariance,
    "variance": lambda config: config.objective.variance,
    "learning_rate": lambda config: config.optimisation.learning_rate,
    "steps": lambda config: config.optimisation.steps,
}


@pytest.mark.parametrize("profile", ["smoke", "lesson", "full"])
@pytest.mark.parametrize("name", SWEEPS)
def test_every_sweep_moves_its_parameter_and_nothing_else(name, profile):
    sweep, configs = SWEEPS[name], list(swept(profile, sweeps=(name,)).values())
    values = sweep.few if profile == "smoke" else sweep.values
    assert len(configs) == len(values)
    if not sweep.parameter:
        return
    assert [FIELDS[sweep.parameter](config) for config in configs] == list(values)
    part = "optimisation" if sweep.parameter in ("steps", "learning_rate") else "objective"
    levelled = {config.changed(**{part: {sweep.parameter: values[0]}}) for config in configs}
    assert len(levelled) == 1


def test_a_run_that_is_in_two_sweeps_is_one_run():
    found = swept("lesson")
    assert found["SimCLR temperature", 0.2] == found["SimCLR learning rate", 2e-3]
    assert found["VICReg covariance", 16.0] == found["VICReg invariance", 25.0]


def test_length_and_data_can_be_chosen_and_smoke_is_short():
    assert {config.optimisation.steps for key, config in swept("smoke").items() if key[0] != "untrained"} == {SHORT}
    chosen = swept("lesson", dataset="digits", steps=7)
    assert {config.data.name for config in chosen.values()} == {"digits"}
    assert {config.optimisation.steps for config in chosen.values()} == {7, 0}
    usual = swept("lesson")["SimCLR temperature", 0.2]
    assert usual.optimisation == Config.at("lesson").optimisation


def test_they_are_trained_once_and_read_afterwards(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLENS_DATA", str(tmp_path))
    monkeypatch.setenv("SSLENS_CORES", "1")
    wanted = swept("smoke", sweeps=("VICReg without variance", "untrained"), steps=2)
    configs = {sweep: config for (sweep, _), config in wanted.items()}
    first = Runs.of(configs, seeds=2)
    monkeypatch.setattr("sslens.train.cache.fit", lambda *_, **__: pytest.fail("trained again"))
    again = Runs.of(configs, seeds=2)
    assert again.names == first.names == ("VICReg without variance", "untrained")
    assert [[trace.steps for trace in again[name]] for name in again] == [[[0, 2]] * 2, [[0]] * 2]


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"sweeps": ("SimCLR temprature",)}, UnknownName, "Did you mean 'SimCLR temperature'"),
        ({"dataset": "scatterd_digits"}, UnknownName, "Did you mean 'scattered_digits'"),
        ({"steps": -1}, InputError, "Optimisation.steps"),
    ],
)
def test_what_they_cannot_hold_is_refused(values, error, words):
    with pytest.raises(error, match=words):
        swept("smoke", **values)


def test_an_unknown_profile_is_refused():
    with pytest.raises(UnknownName, match="Did you mean 'lesson'"):
        swept("lessons")
