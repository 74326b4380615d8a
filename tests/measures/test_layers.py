"""Features in the layers of a head, and what is read from them."""

from dataclasses import replace

import pytest
import torch

from sslens.measures import layers, probe, spectrum
from sslens.runtime import stream
from sslens.train import Config, record, restore
from sslens.types import InputError


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    asked = {"steps": 3, "snapshots": 2}
    kinds = {"simclr": {}, "cross_entropy": {}, "nested": {"objective": "cross_entropy", "nested": True}}
    return {
        name: record(Config.at("smoke", **asked | {"objective": name} | kind), folder / name)
        for name, kind in kinds.items()
    }


def test_the_last_layer_is_the_embedding_of_the_snapshot(runs):
    for name in ("simclr", "cross_entropy"):
        found, last = layers.of_head(runs[name]), runs[name].snapshots[-1]
        assert torch.equal(found["backbone"], last.representation)
        torch.testing.assert_close(found["embedding"], last.embedding)


def test_a_hidden_layer_is_taken_after_its_relu(runs):
    run = runs["simclr"]
    linear, norm, *_ = restore(run, 0, head=True)[1].double()
    by_hand = norm(linear(run.snapshots[0].representation)).clamp_min(0).detach()
    found = layers.of_head(run, 0)
    assert list(found) == ["backbone", "hidden 1", "embedding"]
    torch.testing.assert_close(found["hidden 1"], by_hand)


def test_a_classifier_has_no_hidden_layer(runs):
    assert list(layers.of_head(runs["cross_entropy"])) == ["backbone", "embedding"]


def test_nested_heads_are_no_chain(runs):
    with pytest.raises(InputError, match="whose head is a chain of layers"):
        layers.of_head(runs["nested"])


def test_sides_are_the_training_and_the_test_images(runs):
    run = runs["simclr"]
    (h, labels), (queries, truth) = layers.sides(run)
    assert torch.equal(torch.cat([h, queries]), run.snapshots[-1].representation)
    assert torch.equal(torch.cat([labels, truth]), run.reference.labels)
    assert len(h) == int((~run.held_out).sum())
    with pytest.raises(InputError, match="one row for each of the 600"):
        layers.sides(run, torch.ones(7, 2))


def test_what_is_read_is_what_the_probes_say(runs):
    run = runs["simclr"]
    h = run.snapshots[-1].representation
    bank, test = layers.sides(run)
    found = layers.read(run, h)
    few = probe.few_shot(bank, test, generator=stream(0, "labels")).mean
    right = [probe.accuracy(probe.knn(*bank, test[0]), test[1]), few]
    right.append(probe.accuracy(probe.ridge(*bank).predict(test[0]), test[1]))
    assert list(found["class accuracy"].values()) == right
    x = run.reference.factors["x"]
    place = probe.r_squared((bank[0], x[~run.held_out]), (test[0], x[run.held_out]))
    told = found["R² of a factor"]
    assert told["x"] == place
    assert "original" not in told
    assert found["mean R²"]["mean R²"] == pytest.approx(sum(told.values()) / 5)
    assert (
        found["RankMe"]["RankMe"] == spectrum.rankme(h) == pytest.approx(found["RankMe / width"]["RankMe / width"] * 64)
    )


def test_images_without_known_factors_have_no_r_squared(runs):
    run = runs["simclr"]
    bare = replace(run, reference=replace(run.reference, factors={}))
    assert list(layers.read(bare, run.snapshots[-1].representation)) == ["class accuracy", "RankMe", "RankMe / width"]


def test_over_a_head_every_layer_and_seed_is_read(runs):
    run = runs["simclr"]
    found = layers.over_head([run, run])
    for layer, h in layers.of_head(run).items():
        right = layers.read(run, h)
        for quantity, names in right.items():
            for name, value in names.items():
                assert found[quantity][name][layer].tolist() == [value, value]
    with pytest.raises(InputError, match="at least one run"):
        layers.over_head([])
