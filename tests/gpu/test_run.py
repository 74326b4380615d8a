"""Whole runs on a GPU: repeatable, interruptible, readable without one, and as good as on the CPU."""

from typing import Any

import pytest
import torch

from sslens import trace
from sslens.encoders import ConvNet, ResNet18
from sslens.measures import probe
from sslens.objectives import SimCLR, SimSiam, VICReg
from sslens.train import Config, fit, prepare, record, restore

SMALL: dict[str, Any] = {
    "optimisation": {"steps": 8, "batch_size": 64},
    "snapshots": {"count": 4, "reference": 64},
    "encoder": ConvNet(width=16),
}
SEEDS = range(3)


def small(device, **changes):
    return Config(compute={"device": device}).changed(**SMALL).changed(**changes)


def same(first, second):
    assert first.state.keys() == second.state.keys()
    return all(torch.equal(first.state[name], second.state[name]) for name in first.state)


@pytest.mark.filterwarnings("error:.*deterministic")
@pytest.mark.parametrize("kind", [ConvNet, ResNet18])
def test_the_same_seed_gives_the_same_bits_twice(device, coloured, kind):
    changes: dict[str, Any] = {"data": {"name": coloured}, "encoder": kind(width=16)}
    if device == "cpu":
        changes |= {"encoder": kind(width=4), "optimisation": {"batch_size": 16}}
    config = small(device, **changes)
    first, again = (list(fit(config))[-1] for _ in range(2))
    assert same(first, again) and torch.equal(first.embedding, again.embedding)
    assert not same(first, list(fit(config.changed(seed=1)))[-1])


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("objective", [VICReg(), SimCLR(), SimSiam()])
def test_a_run_that_was_interrupted_ends_in_the_same_bits(device, objective, momentum):
    """Bit for bit in bf16 too: convolutions are deterministic, and moments keep the layout of their weights."""
    config = small(device, objective=objective, momentum=momentum)
    whole = list(fit(config))
    for snapshot in whole[:-1]:
        assert same(list(fit(config, after=snapshot))[-1], whole[-1])


def test_a_recorded_run_is_read_and_restored_on_the_cpu(device, tmp_path):
    """A GPU multiplies float32 with the 10-bit mantissas of TF32 in convolutions: 5e-4 a layer, 1 % over five."""
    record(small(device), tmp_path / "run")
    run = trace.load(tmp_path / "run")
    assert run.status == "complete" and run.provenance["device"] == device
    for index, snapshot in enumerate(run.snapshots):
        assert {each.device.type for each in snapshot.state.values()} == {"cpu"}
        with torch.no_grad():
            h = restore(run, index)(run.reference.images)
        assert (h - snapshot.representation).norm() < 0.01 * h.norm()


def test_a_run_is_recorded_once_for_each_device(device, tmp_path, monkeypatch):
    monkeypatch.setenv("SSLENS_DATA", str(tmp_path))
    for where in {"cpu", device}:
        for _ in range(2):
            record(small(where))
    assert len(list((tmp_path / "cache" / "traces").glob("*/run.json"))) == len({"cpu", device})


@pytest.mark.parametrize("objective", [VICReg(), SimCLR()])
def test_loss_and_neighbours_are_those_of_the_cpu_within_a_band(device, objective, monkeypatch):
    """Means over three seeds: the loss of every tenth of the run to 3 %, nearest neighbours at its end to 0.1.

    A GPU draws other views and batches from the same seed and rounds to bf16, so the curves cannot be the same. On one
    CPU three seeds in float32 and three others in bf16 differed by up to 1.3 % in the loss, and by 0.03 (VICReg) and
    0.05 (SimCLR) in the neighbours, with a standard deviation of 0.02 to 0.05 from seed to seed.
    """
    config = Config(objective=objective, optimisation={"steps": 150}, snapshots={"count": 2})
    if device == "cpu":
        config = config.changed(optimisation={"steps": 20, "batch_size": 64}, encoder=ConvNet(width=16))
    there = [outcome(config.changed(compute={"device": device}, seed=seed)) for seed in SEEDS]
    monkeypatch.setattr(torch, "autocast", torch.amp.autocast)  # the CPU's own arithmetic, where it was rehearsed
    here = [outcome(config.changed(compute={"device": "cpu"}, seed=seed)) for seed in SEEDS]
    (curves, found), (expected, known) = (map(torch.stack, zip(*runs, strict=True)) for runs in (there, here))
    torch.testing.assert_close(curves.mean(0), expected.mean(0), rtol=0.03, atol=0)
    torch.testing.assert_close(found.mean(), known.mean(), rtol=0, atol=0.1)


def outcome(config):
    """The mean loss in every tenth of a run, and the share of held-out images with neighbours of their class."""
    setup = prepare(config)
    last = list(fit(setup))[-1]
    h, labels, held_out = last.representation.double(), setup.reference.labels, setup.held_out
    known, queries = (h[~held_out], labels[~held_out]), (h[held_out], labels[held_out])
    loss = torch.stack([term.double() for term in last.terms.values()]).sum(0)
    return loss.unflatten(0, (10, -1)).mean(1), torch.tensor(probe.knn_accuracy(known, queries))
