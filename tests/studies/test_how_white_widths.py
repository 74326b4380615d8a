"""What is read from networks of several widths: against probes by hand, on classes seen and not seen."""

import numpy as np
import pytest
import torch
from xarray import DataArray

from sslens import datasets
from sslens.measures import probe
from sslens.studies.how_white_layers import classify_by_tuned_ridge
from sslens.studies.how_white_widths import (
    correct_on_classes,
    explained_by_width,
    gained,
    lines_of,
    spectra_on_new_classes,
    whole,
)
from sslens.train import Config, Runs, restore
from sslens.types import InputError


@pytest.fixture(scope="module")
def found():
    base = Config.at("smoke", data={"name": "first_classes"}, optimisation={"steps": 3}, snapshots={"count": 2})
    configs = {f"SimCLR {width}": base.changed(encoder={"features": width}) for width in (4, 16)}
    return whole(Runs.of(configs, seeds=2), "scattered_digits")


def test_features_are_those_of_the_restored_network(found):
    train, test = datasets.load("scattered_digits")
    network = restore(found.runs["SimCLR 16"][1]).double()
    h, others = found.features["SimCLR 16", 1]
    assert (len(h), len(others), found.seen) == (2400, 1194, 5)
    torch.testing.assert_close(others[::100], network(test.images[::100].double()).detach())
    torch.testing.assert_close(h[::200], network(train.images[::200].double()).detach())


@pytest.mark.parametrize("seen", [True, False])
def test_classes_are_found_by_a_ridge_on_images_of_these_classes_alone(found, seen):
    right = correct_on_classes(found, seen=seen)
    train, test = datasets.load("scattered_digits")
    known, queried = (train.labels < 5) == seen, (test.labels < 5) == seen
    assert right.origin.values.tolist() == test.origin[queried].tolist()
    h, others = found.features["SimCLR 4", 0]
    guessed = classify_by_tuned_ridge(h[known], train.labels[known], others[queried])
    assert right.sel(run="SimCLR 4", seed=0).values.tolist() == (guessed == test.labels[queried]).double().tolist()


def test_factors_are_read_from_all_images(found):
    fit = explained_by_width(found)
    assert fit.dims == ("factor", "run", "seed", "sample") and fit.sizes["sample"] == 1194
    train, test = datasets.load("scattered_digits")
    h, others = found.features["SimCLR 16", 1]
    right = probe.r_squared((h, train.factors["scale"]), (others, test.factors["scale"]))
    assert float(fit.sel(factor="scale", run="SimCLR 16", seed=1).mean()) == pytest.approx(right)


def test_spectra_are_tried_on_new_classes(found):
    trained, reshaped = spectra_on_new_classes(found, "SimCLR 16", betas=(0.0, 2.0))
    assert trained.sizes["sample"] == int((datasets.load("scattered_digits")[1].labels >= 5).sum())
    assert reshaped.beta.values.tolist() == [0.0, 2.0] and trained.attrs["setting"] == "first_classes, 3 steps"
    assert np.isfinite(trained).all()


def test_features_that_are_not_finite_have_no_accuracy(found):
    h, others = found.features["SimCLR 4", 0]
    found.features["SimCLR 4", 0] = h * float("nan"), others
    right = correct_on_classes(found, seen=True)
    found.features["SimCLR 4", 0] = h, others
    assert np.isnan(right.sel(run="SimCLR 4", seed=0)).all() and np.isfinite(right.sel(run="SimCLR 4", seed=1)).all()


def test_the_gain_is_of_the_widest_over_the_narrowest():
    array = DataArray([0.4, 0.1, 0.7], {"run": ["a 256", "a 16", "a 64"]})
    assert float(gained(array, "a")) == pytest.approx(0.3)
    with pytest.raises(InputError, match="two widths or more of b"):
        gained(array, "b")


def test_lines_are_by_training_and_width():
    names = ["supervised 16", "supervised 64", "SimCLR 16", "SimCLR 64", "untrained 16", "untrained 64"]
    lines = lines_of(DataArray(np.arange(6.0), {"run": names}))
    assert lines.training.values.tolist() == ["supervised", "SimCLR", "untrained"]
    assert lines.width.values.tolist() == [16.0, 64.0] and lines.values.tolist() == [[0, 1], [2, 3], [4, 5]]
