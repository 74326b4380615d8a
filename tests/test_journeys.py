"""Journeys: what they are, that the labels told are those trained on, and what is refused."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from sslens import journeys, train
from sslens.config import SCALE, Config
from sslens.types import InputError, UnknownName


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLENS_DATA", str(tmp_path))


@pytest.mark.parametrize("profile", SCALE)
@pytest.mark.parametrize("name", journeys.KINDS)
def test_every_journey_has_a_config_at_every_profile(name, profile):
    config = journeys.config(name, profile=profile, seed=3)
    assert (config.seed, config.dtype) == (3, "float64" if profile == "smoke" else "float32")
    assert config.steps % config.tasks == 0
    assert config.looks()[-1] == config.steps


def test_controls_differ_in_nothing_but_their_name():
    def differing(one, other):
        one, other = (vars(journeys.config(name)) for name in (one, other))
        return {field for field in one if one[field] != other[field]}

    assert differing("weight decay", "no decay") == {"weight_decay"}
    assert differing("no decay", "no decay, noisy labels") == {"label_noise"}
    assert differing("ReLU", "layer norm") == {"encoder"}


def test_a_sequence_of_tasks_has_a_snapshot_where_each_begins_and_ends():
    config = journeys.config("ReLU")
    assert config.looks() == [task * config.steps // config.tasks for task in range(config.tasks + 1)]


def test_they_are_recorded_for_every_seed_and_read_afterwards(monkeypatch):
    small = {"dataset": "digits", "encoder": "mlp", "reference": 16, "width": 8}
    monkeypatch.setattr(journeys, "KINDS", {name: small | {"objective": name} for name in ("simclr", "vicreg")})
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})  # so that no process is started for two steps
    monkeypatch.setitem(journeys.LENGTHS, "smoke", journeys.Lengths(1, looks=2, tasks=1, task=1, short=1))
    first = journeys.recorded("smoke", seeds=2)
    monkeypatch.setattr("sslens.train.memory.fit", lambda *_, **__: pytest.fail("trained again"))
    again = journeys.recorded("smoke", seeds=2)
    told = {name: [(run.config["objective"], run.config["seed"]) for run in runs] for name, runs in again.items()}
    assert told == {name: [(name, 0), (name, 1)] for name in ("simclr", "vicreg")}
    assert first["simclr"][0].provenance == again["simclr"][0].provenance


def test_images_and_labels_told_are_those_the_run_was_trained_on():
    asked = {
        "dataset": "digits",
        "encoder": "mlp",
        "objective": "cross_entropy",
        "recipe": "none",
        "learning_rate": 0.0,
    }
    asked |= {"images": 100, "batch_size": 100, "label_noise": 0.7, "tasks": 2, "steps": 4, "snapshots": 2, "seed": 5}
    run = train.record(Config.at("smoke", **asked))
    logits = train.restore(run, 0, head=True)(journeys.learned(run).images)  # a rate of 0 leaves it as it is
    right = [cross_entropy(logits, journeys.labels(run, task)).item() for task in (0, 0, 1, 1)]
    assert run.loss().tolist() == pytest.approx(right, rel=1e-6)
    assert right[0] != right[2]


def test_without_noise_the_labels_are_the_true_ones():
    config = Config.at("smoke", encoder="mlp", images=100, steps=1, snapshots=2)
    run = train.record(config)
    torch.testing.assert_close(journeys.labels(run), journeys.learned(run).labels)
    with pytest.raises(InputError, match="task must be a number from 0 to 0"):
        journeys.labels(run, 1)


def test_what_is_not_there_is_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(UnknownName, match="Did you mean 'no decay'"):
        journeys.config("no decai")
    with pytest.raises(UnknownName, match="profile"):
        journeys.config("ReLU", profile="lessons")
    with pytest.raises(InputError, match="seeds"):
        journeys.recorded("smoke", seeds=0)
    assert not (tmp_path / "cache").exists()
