"""Many runs at once: trained beside each other, read from the cache, refused before the first is trained."""

import pytest
import torch

from sslens.train import Config, record, record_all
from sslens.types import InputError

SMALL = {"steps": 6, "snapshots": 3, "batch_size": 32, "reference": 32, "width": 8, "hidden": 16, "device": "cpu"}


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLENS_DATA", str(tmp_path))


def configs(count=3):
    return [Config(**SMALL, seed=seed) for seed in range(count)]


def test_runs_trained_beside_each_other_are_those_trained_alone_in_the_order_asked_for(tmp_path, monkeypatch):
    together = record_all(configs())
    monkeypatch.setenv("SSLENS_DATA", str(tmp_path / "other"))
    for config, run in zip(configs(), together, strict=True):
        alone = record(config)
        assert run.config == alone.config and run.status == "complete"
        state = alone.snapshots[-1].state
        assert all(torch.equal(value, state[name]) for name, value in run.snapshots[-1].state.items())


def test_only_what_is_missing_is_trained(monkeypatch):
    record_all(configs(2))
    trained = []
    monkeypatch.setattr("sslens.train.memory._trained", lambda missing: iter(trained.extend(missing) or missing))
    record_all(configs(3)[:2])
    assert trained == []
    record_all(configs(3))
    assert trained == [Config(**SMALL, seed=2)]


def test_one_that_cannot_be_trained_stops_all_before_the_first(tmp_path):
    with pytest.raises(InputError, match="batch_size"):
        record_all([*configs(2), Config(**(SMALL | {"batch_size": 5000}))])
    assert not (tmp_path / "cache" / "runs").exists()


def test_runs_of_different_sets_may_be_asked_for_together():
    runs = record_all([Config(**SMALL), Config(**SMALL, dataset="digits")])
    assert [run.reference.images.shape[-1] for run in runs] == [16, 8]


def test_no_run_is_no_work():
    assert record_all([]) == ()
