"""The stored result of the notebook: the same function measures a tiny run, and what is stored has its form."""

import numpy as np
import pytest
import torch

from sslens.measures import regions
from sslens.runtime import stream
from sslens.studies.regions_on_the_move_full import LONG_RUN, measured
from sslens.studies.regions_on_the_move_networks import SAMPLES
from sslens.studies.regions_on_the_move_runs import Setting, configs
from sslens.train import Runs, learned, restore


@pytest.fixture(scope="module")
def runs():
    """The run as it is stored, but for its length."""
    config = LONG_RUN.configs["weight decay"]
    short = config.changed(optimisation={"steps": 30}, snapshots={"count": 2, "reference": 16})
    return Runs.of({"weight decay": short}, seeds=1)


@pytest.fixture(scope="module")
def found(runs):
    return measured(runs)


def test_it_is_the_notebooks_run_at_full_length():
    assert LONG_RUN.configs["weight decay"] == configs(Setting(profile="full"))["weight decay"]
    assert LONG_RUN.configs["weight decay"].optimisation.steps == 100_000


def test_a_tiny_run_is_measured_by_the_same_function(runs, found):
    stored = LONG_RUN.read().arrays
    assert found.keys() == stored.keys()
    for name, array in found.items():
        assert array.dims == stored[name].dims
        assert array["points"].values.tolist() == stored[name]["points"].values.tolist()
    at_end = found["boundary"].sel(points="boundary", step=30).item()
    assert np.isfinite(at_end) and at_end > 0


def test_folds_at_samples_are_those_of_the_measure(runs, found):
    network = restore(runs["weight decay"][0], -1, head=True).double()
    images = learned(configs(Setting())["large start"]).images
    right = regions.local_complexity(network, images, radius=0.05, directions=25, generator=stream(0, "frames"))
    assert found["boundary"].sel(points=SAMPLES, step=30).item() == right.mean
    assert found["folds"].sel(points="train", step=30).item() == right.mean


def test_an_untrained_network_that_knows_one_class_has_no_boundary(runs, found):
    network = restore(runs["weight decay"][0], 0, head=True)
    images = learned(configs(Setting())["large start"]).images
    classes = network(images).argmax(1)
    parted = bool((classes[:100] != classes[100:]).any())
    assert bool(torch.isfinite(torch.tensor(found["boundary"].sel(points="boundary", step=0).item()))) == parted
