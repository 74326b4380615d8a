"""Features in the layers of a head, and what is read from them; features cut short."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sslens.measures import probe
from sslens.objectives import CrossEntropy, SimCLR
from sslens.runtime import stream
from sslens.studies import how_white_layers
from sslens.train import Config, Runs, restore
from sslens.types import InputError, UnknownName


@pytest.fixture(scope="module")
def runs():
    base = Config.at("smoke", optimisation={"steps": 3}, snapshots={"count": 2})
    objectives = {"simclr": SimCLR(), "plain": CrossEntropy(), "nested": CrossEntropy(nested=True)}
    narrow = base.changed(objective=CrossEntropy(), encoder={"features": 8})
    configs = {name: base.changed(objective=objective) for name, objective in objectives.items()}
    return Runs.of(configs | {"narrow 8": narrow}, seeds=2)


def sides(trace, h, values):
    return [(h[side], values[side]) for side in (~trace.held_out, trace.held_out)]


def test_the_last_layer_is_the_embedding_of_the_snapshot(runs):
    for name in ("simclr", "plain"):
        trace = runs[name][0]
        found, last = how_white_layers.layers(trace), trace.snapshots[-1]
        assert torch.equal(found["backbone"], last.representation)
        torch.testing.assert_close(found["embedding"], last.embedding)


def test_a_hidden_layer_is_taken_after_its_relu(runs):
    trace = runs["simclr"][0]
    linear, norm, *_ = restore(trace, 0, head=True)[1].double()
    by_hand = norm(linear(trace.snapshots[0].representation)).clamp_min(0).detach()
    found = how_white_layers.layers(trace, 0)
    assert list(found) == ["backbone", "hidden 1", "embedding"]
    torch.testing.assert_close(found["hidden 1"], by_hand)


def test_a_classifier_has_no_hidden_layer(runs):
    assert list(how_white_layers.layers(runs["plain"][0])) == ["backbone", "embedding"]


def test_nested_heads_are_no_chain(runs):
    with pytest.raises(InputError, match="whose head is a chain of layers"):
        how_white_layers.layers(runs["nested"][0])


def accuracies_by_hand(trace, h):
    known, queries = sides(trace, h, trace.reference.labels)
    few = probe.few_shot(known, queries, generator=stream(0, "labels")).mean
    return [probe.knn_accuracy(known, queries), few, probe.ridge_accuracy(known, queries)]


def test_accuracies_are_what_the_probes_say_of_the_representation(runs):
    found = how_white_layers.accuracies(runs.select("simclr", "plain"))
    assert found.probe.values.tolist() == ["kNN", "5 labels per class", "all labels"]
    for run in ("simclr", "plain"):
        for seed, trace in enumerate(runs[run]):
            right = accuracies_by_hand(trace, trace.snapshots[-1].representation)
            assert found.sel(run=run, seed=seed).values.tolist() == right


def test_every_layer_and_seed_is_read(runs):
    chosen = runs.select("simclr")
    accuracy, fit = how_white_layers.accuracy_by_layer(chosen), how_white_layers.r_squared_by_layer(chosen)
    assert accuracy.dims == ("run", "seed", "probe", "layer") and accuracy.attrs["setting"] == chosen.setting
    for seed, trace in enumerate(chosen["simclr"]):
        for layer, h in how_white_layers.layers(trace).items():
            at = {"run": "simclr", "seed": seed, "layer": layer}
            assert accuracy.sel(at).values.tolist() == accuracies_by_hand(trace, h)
            place = probe.r_squared(*sides(trace, h, trace.reference.factors["x"]))
            assert float(fit.sel(at | {"factor": "x"})) == place
    assert fit.factor.values.tolist() == ["contrast", "rotation", "scale", "x", "y"]


def with_trace(runs, change):
    """The first two seeds of simclr, the second one changed."""
    first, second = runs["simclr"]
    return Runs({"simclr": (first, change(second))}, runs.seeds)


def test_a_run_that_diverged_is_not_a_number_in_every_layer(runs):
    def diverged(trace):
        *before, last = trace.snapshots
        return replace(trace, snapshots=(*before, replace(last, embedding=last.embedding * float("nan"))))

    found = how_white_layers.accuracy_by_layer(with_trace(runs, diverged))
    assert np.isfinite(found.sel(seed=0)).all() and np.isnan(found.sel(seed=1)).all()


def test_images_without_known_factors_have_no_r_squared(runs):
    def bare(trace):
        return replace(trace, reference=replace(trace.reference, factors={}))

    first, _ = runs["simclr"]
    with pytest.raises(InputError, match="whose factors are known"):
        how_white_layers.r_squared_by_layer(Runs({"simclr": (bare(first),)}, (0,)))


def test_features_cut_short_are_what_prefixes_say(runs):
    found = how_white_layers.accuracy_cut_short(runs, classifier="ridge")
    assert found["columns kept"].values.tolist() == [2, 4, 8, 16, 32, 64]
    for name, run, pca in (("nested", "nested", False), ("plain, cut", "plain", False), ("plain, PCA", "plain", True)):
        trace = runs[run][1]
        known, queries = sides(trace, trace.snapshots[-1].representation, trace.reference.labels)
        options = {"lengths": [2, 4, 8, 16, 32, 64], "classify": probe.classify_by_ridge, "pca": pca}
        right = probe.prefixes(known, queries, **options).tolist()
        assert found.sel(run=name, seed=1).values.tolist() == right


def test_a_narrow_network_is_read_at_its_own_width(runs):
    found = how_white_layers.accuracy_of_narrow(runs.select("narrow 8"))
    assert found.dims == ("run", "seed", "columns kept") and found["columns kept"].values.tolist() == [8]
    trace = runs["narrow 8"][0]
    known, queries = sides(trace, trace.snapshots[-1].representation, trace.reference.labels)
    assert float(found.sel(seed=0).squeeze()) == probe.knn_accuracy(known, queries)


def test_a_misspelt_classifier_is_named(runs):
    with pytest.raises(UnknownName, match="Did you mean 'ridge'"):
        how_white_layers.accuracy_cut_short(runs, classifier="rigde")
