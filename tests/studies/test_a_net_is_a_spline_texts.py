"""Features of texts: layer by layer what the single measures say, whatever the batches; what probes know of them."""

import numpy as np
import pytest
import torch

from sslens.datasets.languages import LANGUAGES, bag_of_characters, corpus
from sslens.encoders import Transformer, readings
from sslens.measures import classes, probe
from sslens.measures.gate_geometry import attention_dimension, hull_dimension, norm_features, spline_features
from sslens.runtime import PROFILES, initialisation
from sslens.studies import a_net_is_a_spline_texts as of_texts
from sslens.studies.a_net_is_a_spline_texts import LANGUAGE_MODEL, text_features
from sslens.train import Runs, record_all, restore
from sslens.types import InputError


@pytest.fixture(scope="module", params=["relu", "silu"])
def model(request):
    with initialisation(0):
        return Transformer(width=16, depth=2, heads=2, gate=request.param).build((64,)).eval()


def test_columns_are_those_of_each_layer_in_turn(model):
    ids = corpus(0, 2).images[:, :20]
    found = text_features(model, ids)
    for place, layer in enumerate(readings(model, ids)):
        seven, four = spline_features(layer.gates, layer.gate_weights), norm_features(layer.gates)
        assert torch.allclose(found.spline[:, 7 * place : 7 * place + 7], seven, rtol=1e-12)
        assert torch.allclose(found.norms[:, 4 * place : 4 * place + 4], four, rtol=1e-12)
        assert found.attended[:, place].equal(attention_dimension(layer.attention))
        assert found.dimension[:, place].equal(hull_dimension(layer.attention, head_width=8, width=16))
    assert (found.spline.shape, found.norms.shape, found.dimension.shape) == ((10, 14), (10, 8), (10, 2, 20))
    assert torch.allclose(found.hidden, model(ids).mean(1).detach(), rtol=1e-12)


def test_batches_change_nothing(model, monkeypatch):
    ids = corpus(1, 2).images[:, :12]
    whole = text_features(model, ids)
    monkeypatch.setattr(of_texts, "BATCH", 3)
    parts = text_features(model, ids)
    for name in ("spline", "norms", "hidden"):
        assert torch.allclose(getattr(whole, name), getattr(parts, name), rtol=1e-12, atol=1e-14)
    assert whole.attended.equal(parts.attended) and whole.dimension.equal(parts.dimension)


def test_a_model_of_one_precision_gives_numbers_of_another():
    ids = corpus(0, 1).images[:, :12]
    single = text_features(Transformer().build((64,)).eval(), ids)
    assert single.spline.dtype == single.hidden.dtype == torch.float64 and single.spline.shape == (5, 21)


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


def short_runs(gate):
    configs = [of_texts.language_config("smoke", seed, gate=gate).changed(optimisation={"steps": 2}) for seed in (0, 1)]
    return Runs({LANGUAGE_MODEL: record_all(configs)}, (0, 1))


@pytest.fixture(scope="module")
def runs():
    return short_runs("relu")


@pytest.fixture(scope="module")
def texts():
    return [corpus(seed, 6, part="test") for seed in (0, 1)]


@pytest.fixture(scope="module")
def features(runs, texts):
    return of_texts.features_of_texts(runs, texts)


def test_features_are_those_of_each_seeds_network_before_and_after_training(runs, texts, features):
    for name, index in (("untrained", 0), ("trained", -1)):
        right = text_features(restore(runs[LANGUAGE_MODEL][1], index), texts[1].images)
        assert features.of[name][1].spline.equal(right.spline) and features.of[name][1].attended.equal(right.attended)
    assert not features.of["trained"][1].spline.equal(features.of["untrained"][1].spline)


def test_attention_along_a_text_is_the_mean_over_texts_and_layers(features):
    for found, of in zip(of_texts.attention_along(features), ("attended", "dimension"), strict=True):
        assert found.dims == ("run", "seed", "characters read")
        assert found["characters read"].values.tolist() == list(range(1, 65))
        right = getattr(features.of["trained"][1], of).double().mean((0, 1))
        assert found.sel(run="trained", seed=1).values == pytest.approx(right.numpy())


def test_accuracy_is_that_of_a_probe_of_half_the_texts_on_the_other_half(features, texts):
    found = of_texts.accuracy_by_language(features, texts)
    assert found.dims == ("run", "seed", "class") and tuple(found["class"].values) == LANGUAGES
    labels = texts[0].labels
    for name, h in {
        "21 spline numbers, trained": features.of["trained"][0].spline,
        "21 spline numbers, untrained": features.of["untrained"][0].spline,
        "12 norms": features.of["trained"][0].norms,
        "hidden state": features.of["trained"][0].hidden,
        "bag of characters": bag_of_characters(texts[0].images),
    }.items():
        predicted = probe.ridge(h[::2], labels[::2], penalty=1e-6).predict(h[1::2])
        right = classes.accuracy_by_class(predicted, labels[1::2], classes=5)
        assert found.sel(run=name, seed=0).values.tolist() == right.tolist()
    assert found.sizes["run"] == 5 and found.name == "accuracy"


def test_the_spline_numbers_alone_see_that_signs_were_turned(runs):
    found = of_texts.accuracy_on_signs(runs, [corpus(seed, 50, part="test") for seed in (0, 1)])
    assert (found.sel(run="21 spline numbers") > 0.95).all()
    assert found.sel(run="12 norms").values.tolist() == [0.5, 0.5]


def test_a_misfit_begins_at_the_border_with_a_relu_and_at_once_with_a_silu(runs, texts):
    found = of_texts.misfit_along_steps(runs, texts)
    assert found["run"].values.tolist() == ["relu gate, trained", "silu gate, untrained"]
    plain, smooth = found.sel(run="relu gate, trained"), found.sel(run="silu gate, untrained")
    inside = found[of_texts.STEP] < 1
    assert (plain[:, inside] < 1e-12).all() and (plain[:, ~inside] > 1e-7).all()
    assert (smooth > 1e-9).all() and (np.diff(smooth.values) > 0).all()


def test_a_misfit_is_the_distance_to_the_map_of_the_region(runs, texts):
    """One unit turns: behind its border the feed-forward differs by its pre-activation there times its column."""
    model = restore(runs[LANGUAGE_MODEL][0], -1).double()
    ids, share, right = texts[0].images[: of_texts.CHECKED], 1.01, []
    for layer, reading in zip(model.layers, readings(model, ids), strict=True):
        w = layer.gate.weight.detach()
        away = reading.gates.abs() / w.norm(dim=1)
        distance, unit = away.min(2)
        only = (away < share * distance[..., None]).sum(2) == 1
        behind = (share - 1) * distance * w.norm(dim=1)[unit] * layer.down.weight.detach().norm(dim=0)[unit]
        output = layer.feed_forward(reading.gate_inputs).detach().norm(dim=2)
        right.append(float((behind / output)[only].max()))
    found = of_texts.misfit_along_steps(runs, texts).sel({"seed": 0, of_texts.STEP: share}).isel(run=0)
    assert found.item() >= max(right) * (1 - 1e-6)
    assert found.item() == pytest.approx(max(right), rel=0.5)


def test_a_model_with_a_smooth_gate_is_named_so_and_bends_at_once(texts):
    found = of_texts.misfit_along_steps(short_runs("silu"), texts)
    assert found["run"].values.tolist() == ["silu gate, trained", "silu gate, untrained"]
    assert (found > 1e-9).all()


def test_other_texts_than_one_set_for_each_seed_are_refused(runs, texts, features):
    for call in (
        lambda: of_texts.features_of_texts(runs, texts[:1]),
        lambda: of_texts.accuracy_by_language(features, texts[:1]),
        lambda: of_texts.misfit_along_steps(runs, texts[:1]),
        lambda: of_texts.accuracy_on_signs(runs, texts[:1]),
    ):
        with pytest.raises(ValueError, match="zip"):
            call()
