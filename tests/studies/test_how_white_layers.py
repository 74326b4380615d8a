"""Features in the layers of a head, and what is read from them image by image."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sslens.measures import probe
from sslens.objectives import CrossEntropy, SimCLR
from sslens.runtime import stream
from sslens.studies import how_white_layers
from sslens.studies.how_white_layers import (
    correct_by_layer,
    correct_with_few,
    explained_by_layer,
    factors,
    layers,
    origins,
    sides,
)
from sslens.studies.how_white_spectra import label_draws
from sslens.train import Config, Runs, restore
from sslens.types import Dataset, InputError


@pytest.fixture(scope="module")
def runs():
    base = Config.at("smoke", optimisation={"steps": 3}, snapshots={"count": 2})
    objectives = {"simclr": SimCLR(), "plain": CrossEntropy(), "nested": CrossEntropy(nested=True)}
    return Runs.of({name: base.changed(objective=objective) for name, objective in objectives.items()}, seeds=2)


def test_the_last_layer_is_the_embedding_of_the_snapshot(runs):
    for name in ("simclr", "plain"):
        trace = runs[name][0]
        found, last = layers(trace), trace.snapshots[-1]
        assert torch.equal(found["backbone"], last.representation)
        torch.testing.assert_close(found["embedding"], last.embedding)


def test_a_hidden_layer_is_taken_after_its_relu(runs):
    trace = runs["simclr"][0]
    linear, norm, *_ = restore(trace, 0, head=True)[1].double()
    by_hand = norm(linear(trace.snapshots[0].representation)).clamp_min(0).detach()
    found = layers(trace, 0)
    assert list(found) == ["backbone", "hidden 1", "embedding"]
    torch.testing.assert_close(found["hidden 1"], by_hand)


def test_a_classifier_has_no_hidden_layer(runs):
    assert list(layers(runs["plain"][0])) == ["backbone", "embedding"]


def test_nested_heads_are_no_chain(runs):
    with pytest.raises(InputError, match="whose head is a chain of layers"):
        layers(runs["nested"][0])


def test_few_labels_are_a_ridge_of_five_of_each_class():
    labels = torch.arange(60) % 3
    h = torch.randn(60, 4, generator=torch.Generator().manual_seed(0)).double() + labels[:, None]
    draws = label_draws(labels, 5, generator=stream(0, "labels"))
    slow = [probe.classify_by_ridge(h[chosen], labels[chosen], h) == labels for chosen in draws]
    assert correct_with_few((h, labels), (h, labels)).tolist() == torch.stack(slow).double().mean(0).tolist()


def test_every_layer_and_seed_is_read(runs):
    chosen = runs.select("simclr")
    right, fit = correct_by_layer(chosen), explained_by_layer(chosen)
    assert right.dims == ("run", "seed", "probe", "layer", "sample") and right.attrs["setting"] == chosen.setting
    for seed, trace in enumerate(chosen["simclr"]):
        assert right.origin.values.tolist() == trace.reference.origin[trace.held_out].tolist()
        for layer, h in layers(trace).items():
            at = {"run": "simclr", "seed": seed, "layer": layer}
            known, queries = sides(trace, h, trace.reference.labels)
            neighbours = float(right.sel(at | {"probe": "kNN"}).mean())
            assert neighbours == pytest.approx(probe.knn_accuracy(known, queries))
            chosen_ridge = probe.ridge_loo(*known, penalties=how_white_layers.PENALTIES).probe
            share = float((chosen_ridge.predict(queries[0]) == queries[1]).double().mean())
            assert float(right.sel(at | {"probe": "all labels"}).mean()) == pytest.approx(share)
            place = probe.r_squared(*sides(trace, h, trace.reference.factors["x"]))
            assert float(fit.sel(at | {"factor": "x"}).mean()) == pytest.approx(place)
    assert fit.factor.values.tolist() == ["contrast", "rotation", "scale", "x", "y"]


def test_a_run_that_diverged_is_not_a_number_in_every_layer(runs):
    first, second = runs["simclr"]
    *before, last = second.snapshots
    broken = replace(second, snapshots=(*before, replace(last, embedding=last.embedding * float("nan"))))
    found = correct_by_layer(Runs({"simclr": (first, broken)}, runs.seeds))
    assert np.isfinite(found.sel(seed=0)).all() and np.isnan(found.sel(seed=1)).all()


def dataset(**more):
    pixels = torch.rand(6, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    return Dataset(pixels, torch.arange(6) % 2, ("a", "b"), **more)


def test_images_of_unknown_factors_have_brightness_contrast_and_a_centre():
    images = dataset(factors={"superclass": torch.arange(6.0)})
    found = factors(images)
    assert list(found) == ["brightness", "contrast", "x", "y"]
    grey = images.images.double().mean(1)
    assert found["brightness"].tolist() == pytest.approx(grey.mean((1, 2)).tolist())
    assert found["contrast"][2].item() == pytest.approx(grey[2].std().item())
    right = sum(grey[1, row, column].item() * (column - 1.5) for row in range(5) for column in range(4))
    assert found["x"][1].item() == pytest.approx(right / grey[1].sum().item())
    down = sum(grey[1, row, column].item() * (row - 2) for row in range(5) for column in range(4))
    assert found["y"][1].item() == pytest.approx(down / grey[1].sum().item())


def test_known_factors_are_taken_as_they_are_and_texts_have_none():
    known = {"left x": torch.arange(6.0), "contrast": torch.ones(6)}
    assert list(factors(dataset(factors=known))) == ["contrast", "left x"]
    with pytest.raises(InputError, match="must be images"):
        factors(Dataset(torch.zeros(2, 5, dtype=torch.int64), torch.tensor([0, 1]), ("a", "b")))


def test_images_without_origins_are_each_their_own():
    assert origins(dataset()).tolist() == [0, 1, 2, 3, 4, 5]
    assert origins(dataset(origin=torch.tensor([3, 3, 1, 1, 0, 0]))).tolist() == [3, 3, 1, 1, 0, 0]
