"""Accuracy, folds and regions along training: what the single measures say of the restored networks."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sslens import datasets
from sslens.encoders import MLP
from sslens.measures import probe, regions, robustness
from sslens.objectives import CrossEntropy
from sslens.runtime import stream
from sslens.studies import regions_on_the_move_networks as of_networks
from sslens.train import Config, Runs, restore
from sslens.types import InputError, UnknownName

CONFIG = Config.at(
    "smoke",
    data={"name": "digits"},
    encoder=MLP(width=6, depth=2),
    objective=CrossEntropy(),
    recipe="none",
    optimisation={"steps": 4},
    snapshots={"count": 3, "reference": 16},
)


@pytest.fixture(scope="module")
def runs():
    return Runs.of({"one": CONFIG, "wide": CONFIG.changed(encoder=MLP(width=8, depth=2))}, seeds=2)


@pytest.fixture(scope="module")
def digits():
    train, test = datasets.load("digits")
    return {"train": train.take(torch.arange(20)), "test": test.take(torch.arange(30))}


@pytest.fixture(scope="module")
def points(digits):
    return {name: data.images for name, data in digits.items()}


def classifier(runs, name, seed, index):
    return restore(runs[name][seed], index, head=True).double()


def test_accuracy_is_measured_on_every_set_and_under_attack_on_the_last(runs, digits):
    found = of_networks.accuracy(runs, digits, epsilon=0.02)
    assert found.dims == ("run", "seed", "step", "points") and found.name == "accuracy"
    assert found["points"].values.tolist() == ["train", "test", "attacked"]
    network, test = classifier(runs, "wide", 1, 2), digits["test"]
    here = found.sel(run="wide", seed=1, step=4)
    predicted = network(test.images.double()).argmax(1)
    assert here.sel(points="test").item() == probe.accuracy(predicted, test.labels)
    right = robustness.adversarial(network, test.images, labels=test.labels, epsilon=0.02)
    assert here.sel(points="attacked").item() == right


def test_without_an_adversary_nothing_is_attacked(runs, digits):
    found = of_networks.accuracy(runs, {"test": digits["test"]})
    assert found["points"].values.tolist() == ["test"]


def test_local_complexity_keeps_its_directions_along_training(runs, points):
    found = of_networks.local_complexity(runs, points, radius=0.5)
    for index, step in enumerate(runs.steps):
        frames = stream(0, "frames")
        network = classifier(runs, "one", 0, index)
        right = regions.local_complexity(network, points["test"], radius=0.5, directions=25, generator=frames)
        assert found.sel(run="one", seed=0, step=step, points="test").item() == right.mean
    assert found.attrs["unit"] == "folds per neighbourhood" and found.attrs["setting"] == "digits, 4 steps"


def test_an_encoder_is_measured_with_or_without_its_head(runs, points):
    with_head, without = (of_networks.local_complexity(runs, points, radius=0.5, head=head) for head in (True, False))
    assert np.array_equal(with_head.values, without.values)  # a linear head folds nothing


def test_of_one_run_the_first_seed_is_measured_at_the_first_points(runs, points, monkeypatch):
    monkeypatch.setattr(of_networks, "FEW", 10)
    found = of_networks.local_complexity_of_one(runs, points, run="wide", radius=0.5)
    assert found.dims == ("step", "points")
    fewer = {name: images[:10] for name, images in points.items()}
    right = of_networks.local_complexity(runs, fewer, radius=0.5).sel(run="wide", seed=0)
    assert np.array_equal(found.values, right.values)
    with pytest.raises(UnknownName, match="Did you mean 'wide'"):
        of_networks.local_complexity_of_one(runs, points, run="wade", radius=0.5)


def test_regions_are_counted_on_squares_through_eight_points(runs, points):
    one = Runs({"one": runs["one"][:1]}, (0,))
    found = of_networks.regions_per_square(one, points)
    network = classifier(one, "one", 0, 1)
    squares = [regions.Plane.through(image[None]) for image in points["train"][:8]]
    right = [regions.count_regions(network, plane, regions.square(0.5)) for plane in squares]
    assert found.sel(run="one", seed=0, step=1, points="train").item() == sum(right) / 8


def test_a_diverged_snapshot_is_a_gap(runs, points):
    trace = runs["one"][0]
    last = replace(trace.snapshots[-1], embedding=trace.snapshots[-1].embedding * torch.nan)
    broken = Runs({"one": (replace(trace, snapshots=(*trace.snapshots[:-1], last)),)}, (0,))
    found = of_networks.local_complexity(broken, points, radius=0.5)
    assert np.isnan(found.sel(run="one", seed=0)).all("points").values.tolist() == [False, False, True]


def test_runs_that_were_measured_at_other_steps_are_refused(runs, points):
    longer = Runs.of({"long": CONFIG.changed(optimisation={"steps": 5})}, seeds=2)
    both = Runs(dict(runs.traces) | dict(longer.traces), runs.seeds)
    with pytest.raises(InputError, match="measured at the same steps"):
        of_networks.local_complexity(both, points, radius=0.5)


def test_kinds_of_points_become_panels_of_their_own(runs, points):
    found = of_networks.local_complexity(runs, points, radius=0.5)
    panels = of_networks.panels(found, name="folds around")
    assert [panel.name for panel in panels] == ["folds around train", "folds around test"]
    assert all(panel.dims == ("run", "seed", "step") for panel in panels)
    assert panels[0].attrs["unit"] == "folds per neighbourhood"


def test_under_attack_every_image_answers_for_itself(runs, digits):
    found = of_networks.attacked(runs, digits["test"], epsilon=0.02)
    assert found.dims == ("run", "seed", "step", "sample") and found.sizes["sample"] == 30
    assert found["origin"].values.tolist() == digits["test"].origin.tolist()
    mean = of_networks.accuracy(runs, digits, epsilon=0.02).sel(points="attacked", drop=True)
    np.testing.assert_allclose(found.mean("sample").values, mean.values)


def test_at_the_boundary_folds_are_counted_where_the_network_changes_its_class(runs, digits):
    images = digits["test"].images
    found = of_networks.complexity_at_the_boundary(runs, images, radius=0.5)
    assert found["points"].values.tolist() == ["samples", "on the way", "boundary"]
    here, network = found.sel(run="wide", seed=1, step=4), classifier(runs, "wide", 1, 2)
    border = regions.boundary_points(network, images[:15], ends=images[15:])
    right = [images, border]
    for kind, points in zip(("samples", "boundary"), right, strict=True):
        frames = stream(0, "frames")
        if len(points):
            mean = regions.local_complexity(network, points, radius=0.5, directions=25, generator=frames).mean
            assert here.sel(points=kind).item() == mean
        else:
            assert np.isnan(here.sel(points=kind).item())


def test_without_a_boundary_there_is_nothing_to_count(runs, digits):
    same = digits["test"].images[:1].expand(6, -1, -1, -1)
    found = of_networks.complexity_at_the_boundary(runs, same, radius=0.5)
    assert np.isnan(found.sel(points="boundary")).all() and np.isfinite(found.sel(points="on the way")).all()
