"""Tasks: which images they hold, and what a probe of an encoder makes of them."""

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from sslens import datasets
from sslens.measures import probe
from sslens.studies.one_number_tasks import correct_on, encoded, own_task, read_factors, task_elsewhere
from sslens.train import Config, Runs, restore

STEPS = {"optimisation": {"steps": 2}}


@pytest.fixture(scope="module")
def runs():
    return Runs.of({"short": Config.at("smoke", snapshots={"count": 2}, **STEPS)}, seeds=2)


def test_scattered_digits_are_placed_anew_and_no_original_is_on_both_sides():
    task = own_task("scattered_digits", most=10**6)
    train, test = datasets.load("scattered_digits")
    assert len(task.known) == len(train) and len(task.queries) == 2 * len(test)
    assert torch.equal(task.queries.images[: len(test)], test.images)
    assert not torch.equal(task.queries.images[len(test) :], test.images)
    assert torch.equal(task.queries.origin[len(test) :], test.origin)
    assert not set(task.known.origin.tolist()) & set(task.queries.origin.tolist())


def test_other_sets_are_judged_as_they_are_and_a_draw_is_always_the_same():
    task = own_task("digits", most=100)
    assert (len(task.known), len(task.queries)) == (100, 100)
    assert torch.equal(task.queries.images, own_task("digits", most=100).queries.images)
    assert len(own_task("digits", most=10**6).queries) == 597


@pytest.mark.parametrize(("dataset", "shape"), [("scattered_digits", (1, 16, 16)), ("digits", (1, 8, 8))])
def test_elsewhere_are_other_images_of_the_same_size(dataset, shape):
    task = task_elsewhere(dataset, most=10**6)
    other = datasets.load("digits" if dataset == "scattered_digits" else "scattered_digits")[1]
    assert task.queries.images.shape[1:] == shape
    resized = interpolate(other.images, size=shape[1:], mode="bilinear", align_corners=False)
    assert torch.equal(task.queries.images, resized) and torch.equal(task.queries.labels, other.labels)


def test_of_colour_images_elsewhere_has_three_equal_channels(monkeypatch):
    from dataclasses import replace

    small = datasets.load("digits")[1].take(torch.arange(4))
    colour = replace(small, images=torch.rand(4, 3, 12, 10, generator=torch.Generator().manual_seed(0)))
    load = datasets.load
    monkeypatch.setattr(datasets, "load", lambda name, **options: (colour, colour) if name == "mine" else load(name))
    images = task_elsewhere("mine", most=5).known.images
    assert images.shape == (5, 3, 12, 10)
    assert torch.equal(images[:, 0], images[:, 2])


@pytest.mark.parametrize("classifier", ["kNN", "linear"])
def test_what_is_right_is_what_the_probe_says_of_every_image(runs, classifier):
    task = own_task("scattered_digits", most=60)
    found = correct_on(task, runs, classifier=classifier)
    assert found.dims == ("run", "seed", "sample") and found.name == f"{classifier} accuracy"
    assert np.array_equal(found["origin"].values, task.queries.origin.numpy())
    network = restore(runs["short"][1])
    with torch.no_grad():
        known, queries = (network(side.images.double()) for side in (task.known, task.queries))
    classify = {"kNN": probe.knn, "linear": probe.classify_by_ridge}[classifier]
    right = classify(known, task.known.labels, queries) == task.queries.labels
    assert found.sel(run="short", seed=1).values.tolist() == right.double().tolist()


def test_encoding_in_pieces_changes_nothing(runs):
    network, images = restore(runs["short"][0]), own_task("scattered_digits", most=700).known
    with torch.no_grad():
        whole = network(images.images.double())
    assert torch.allclose(encoded(network, images), whole, rtol=1e-9)


def test_place_and_rotation_are_read_on_unseen_images(runs):
    found = read_factors(runs)
    assert found.dims == ("factor", "run", "seed") and found.factor.values.tolist() == ["x", "y", "rotation"]
    trace = runs["short"][1]
    h, x, unseen = trace.snapshots[-1].representation, trace.reference.factors["x"], trace.held_out
    right = probe.r_squared((h[~unseen], x[~unseen]), (h[unseen], x[unseen]))
    assert found.sel(factor="x", run="short", seed=1).item() == right
    plain = Runs.of({"short": Config.at("smoke", data={"name": "digits"}, snapshots={"count": 2}, **STEPS)})
    assert read_factors(plain) is None
