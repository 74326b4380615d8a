"""The bank: what it holds, that it is read and not trained again, and what it refuses."""

import pytest

from sslens import bank
from sslens.types import InputError, UnknownName


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLENS_DATA", str(tmp_path))


def test_a_lesson_has_twenty_runs_per_seed_and_the_smoke_bank_is_part_of_it():
    lesson, smoke = ({(sweep, value) for sweep, value, _ in bank.configs(name)} for name in ("lesson", "smoke"))
    assert len({config for _, _, config in bank.configs("lesson")}) == 20
    assert smoke < lesson and {sweep for sweep, _ in smoke} == set(bank.SWEEPS)


def test_every_sweep_moves_its_field_and_nothing_else():
    for name, sweep in bank.SWEEPS.items():
        found = [config for _, _, config in bank.configs("lesson", sweeps=[name])]
        assert [getattr(config, sweep.field) for config in found] == list(sweep.values)
        others = [{key: value for key, value in vars(config).items() if key != sweep.field} for config in found]
        assert all(other == others[0] for other in others)


def test_the_bank_is_trained_once_and_read_afterwards(monkeypatch):
    asked = {"seeds": 2, "sweeps": ["supervised", "untrained"], "steps": 2}
    first = bank.recorded("smoke", **asked)
    monkeypatch.setattr("sslens.train.memory.fit", lambda *_, **__: pytest.fail("trained again"))
    again = bank.recorded("smoke", **asked)
    assert [(member.name, member.seed) for member in again] == [(member.name, member.seed) for member in first]
    assert [member.name for member in again] == ["supervised", "untrained"] * 2
    assert [member.trace.steps for member in again] == [[0, 2], [0]] * 2


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"sweeps": ["SimCLR temprature"]}, UnknownName, "Did you mean 'SimCLR temperature'"),
        ({"seeds": 0}, InputError, "seeds"),
        ({"dataset": "scatterd_digits"}, UnknownName, "Did you mean 'scattered_digits'"),
        ({"steps": -1}, InputError, "Config.steps"),
    ],
)
def test_what_it_cannot_hold_is_refused_before_anything_is_trained(tmp_path, values, error, words):
    with pytest.raises(error, match=words):
        bank.recorded("smoke", **values)
    assert not (tmp_path / "cache").exists()
