"""Features of texts: layer by layer what the single measures say, whatever the batches; what probes know of them."""

import numpy as np
import pytest
import torch

from sslens.datasets.languages import LANGUAGES, bag_of_characters, corpus
from sslens.encoders import Transformer, readings
from sslens.measures import classes, probe
from sslens.measures.gate_geometry import attention_dimension, spline_features
from sslens.runtime import PROFILES
from sslens.studies import a_net_is_a_spline_texts as of_texts
from sslens.studies.a_net_is_a_spline_texts import LANGUAGE_MODEL, text_features
from sslens.train import Runs, record_all, restore
from sslens.types import InputError


@pytest.fixture(scope="module")
def model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Transformer(width=16, depth=2, heads=2).build((64,)).double().eval()


def test_columns_are_the_seven_of_each_layer_in_turn(model):
    ids = corpus(0, 2).images[:, :20]
    found = text_features(model, ids)
    for place, layer in enumerate(readings(model, ids)):
        seven = spline_features(layer.gates, layer.gate_weights)
        assert torch.allclose(found.spline[:, 7 * place : 7 * place + 7], seven, rtol=1e-12)
        assert found.dimension[:, place].equal(attention_dimension(layer.attention))
    assert (found.spline.shape, found.dimension.shape) == ((10, 14), (10, 2, 20))


def test_batches_change_nothing(model, monkeypatch):
    ids = corpus(1, 2).images[:, :12]
    whole = text_features(model, ids)
    monkeypatch.setattr(of_texts, "BATCH", 3)
    parts = text_features(model, ids)
    assert torch.allclose(whole.spline, parts.spline, rtol=1e-12) and whole.dimension.equal(parts.dimension)


def test_a_model_of_one_precision_gives_numbers_of_another():
    ids = corpus(0, 1).images[:, :12]
    single = text_features(Transformer().build((64,)).eval(), ids)
    assert single.spline.dtype == torch.float64 and single.spline.shape == (5, 21)


@pytest.mark.parametrize("ids", [torch.zeros(2, 65).long(), torch.zeros(0, 4).long(), torch.full((1, 2), 99)])
def test_what_are_no_texts_is_refused(model, ids, unchecked):
    with pytest.raises(InputError, match="ids"):
        text_features(model, ids)


def test_every_seed_learns_texts_of_its_own_at_every_profile():
    for profile in PROFILES:
        first, second = (of_texts.language_config(profile, seed) for seed in (0, 1))
        assert (first.data.options, second.data.options) == ((("seed", 0),), (("seed", 1),))
        assert first.optimisation.steps == {"smoke": 50, "lesson": 500, "full": 4000}[profile]
        assert first.optimisation.rate(0) == first.optimisation.rate(49) == 3e-3
    assert of_texts.language_config("smoke", 0).compute.dtype == "float64"


@pytest.fixture(scope="module")
def runs():
    configs = [of_texts.language_config("smoke", seed).changed(optimisation={"steps": 2}) for seed in (0, 1)]
    return Runs({LANGUAGE_MODEL: record_all(configs)}, (0, 1))


@pytest.fixture(scope="module")
def texts():
    return [corpus(seed, 6, part="test") for seed in (0, 1)]


def test_features_are_those_of_each_seeds_network_before_and_after_training(runs, texts):
    found = of_texts.features_of_texts(runs, texts)
    assert found.spline.dims == ("run", "seed", "text", "feature")
    assert found.attended.dims == ("run", "seed", "characters read")
    assert found.spline.attrs["setting"] == "languages, 2 steps"
    for name, index in (("untrained", 0), ("trained", -1)):
        right = text_features(restore(runs[LANGUAGE_MODEL][1], index), texts[1].images)
        assert np.array_equal(found.spline.sel(run=name, seed=1).values, right.spline.numpy())
        means = right.dimension.double().mean((0, 1)).numpy()
        assert found.attended.sel(run=name, seed=1).values == pytest.approx(means)
    before, after = (found.spline.sel(run=name).values for name in ("untrained", "trained"))
    assert not np.array_equal(before, after)


def test_accuracy_is_that_of_a_probe_of_half_the_texts_on_the_other_half(runs, texts):
    spline = of_texts.features_of_texts(runs, texts).spline
    found = of_texts.accuracy_by_language(spline, texts)
    assert found.dims == ("run", "seed", "class") and tuple(found["class"].values) == LANGUAGES
    assert found["run"].values.tolist() == ["21 numbers, trained", "21 numbers, untrained", "bag of characters"]
    assert found.name == "accuracy" and found.attrs["setting"] == "languages, 2 steps"
    bag, labels = bag_of_characters(texts[0].images), texts[0].labels
    predicted = probe.ridge(bag[::2], labels[::2], penalty=1e-6).predict(bag[1::2])
    right = classes.accuracy_by_class(predicted, labels[1::2], classes=5)
    assert found.sel(run="bag of characters", seed=0).values.tolist() == right.tolist()


def test_other_texts_than_one_set_for_each_seed_are_refused(runs, texts):
    with pytest.raises(ValueError, match="zip"):
        of_texts.features_of_texts(runs, texts[:1])
    spline = of_texts.features_of_texts(runs, texts).spline
    with pytest.raises(ValueError, match="zip"):
        of_texts.accuracy_by_language(spline, texts[:1])
