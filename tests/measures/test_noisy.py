"""Heads and networks under label noise, by hand on the same runs."""

import numpy as np
import pytest
import torch

from sslens import datasets
from sslens.datasets.noise import mislabelled
from sslens.measures import noisy
from sslens.runtime import stream
from sslens.train import Config, record, restore
from sslens.types import InputError

SHORT = {"steps": 4, "snapshots": 3, "encoder": "mlp", "dataset": "digits", "recipe": "none"}


@pytest.fixture(scope="module")
def learned():
    return record(Config.at("smoke", objective="simclr", **SHORT))


@pytest.fixture(scope="module")
def supervised():
    shares = 0.0, 0.8
    return [record(Config.at("smoke", objective="cross_entropy", label_noise=share, **SHORT)) for share in shares]


def test_frozen_features_are_those_of_the_snapshot(learned):
    for index in (0, -1):
        h = noisy.frozen(learned, learned.reference.images, index=index)
        assert torch.allclose(h, learned.snapshots[index].representation.double(), atol=1e-5)


def test_a_head_is_least_squares_on_the_labels_the_other_run_was_given(learned, supervised):
    train = datasets.load("digits")[0]
    labels = mislabelled(train.labels, 0.8, classes=10, generator=stream(0, "labels/0")).numpy()
    with torch.no_grad():
        h = restore(learned).double()(train.images.double()).numpy()
    asked = learned.snapshots[-1].representation[learned.held_out].numpy() - h.mean(0)
    x = h - h.mean(0)
    scale, goals = np.sqrt((x**2).sum(1).mean()), np.eye(10)[labels]
    x, asked = x / scale, asked / scale
    errors, right = [], []
    for strength in noisy.STRENGTHS:
        inverse = np.linalg.inv(x.T @ x + strength * np.eye(x.shape[1]))
        hat = x @ inverse @ x.T + 1 / len(x)
        errors.append((((goals - hat @ goals) / (1 - np.diag(hat))[:, None]) ** 2).mean())
        scores = asked @ inverse @ x.T @ (goals - goals.mean(0)) + goals.mean(0)
        right.append((scores.argmax(1) == learned.reference.labels[learned.held_out].numpy()).mean())
    found = noisy.by_head(learned, supervised)
    assert found[1].item() == pytest.approx(right[int(np.argmin(errors))], abs=0.004)


def test_noise_costs_a_head_accuracy(learned, supervised):
    clean, wrong = noisy.by_head(learned, supervised).tolist()
    assert clean > wrong > 0.1


def test_a_network_is_judged_by_its_largest_logit_on_true_labels(supervised):
    run = supervised[1]
    names = run.reference.labels[run.held_out].tolist()
    for accuracy, look in zip(noisy.by_network(run).tolist(), run.snapshots, strict=True):
        said = [max(range(10), key=row.__getitem__) for row in look.embedding[run.held_out].tolist()]
        assert accuracy == pytest.approx(sum(a == b for a, b in zip(said, names, strict=True)) / len(names))


def test_runs_that_cannot_be_compared_are_refused(learned, supervised):
    other = record(Config.at("smoke", objective="cross_entropy", **(SHORT | {"images": 300})))
    with pytest.raises(InputError, match="same images"):
        noisy.by_head(learned, [other])
    with pytest.raises(InputError, match="supervised"):
        noisy.by_network(learned)
