"""Texts go through the same loop, cache and files as images: same seed same bits, interruption leaves no mark."""

import math
from collections import Counter

import pytest
import torch
from torch.nn.functional import cross_entropy

from sslens.encoders import Transformer, readings
from sslens.objectives import NextCharacter
from sslens.runtime import data_root
from sslens.train import Config, fit, learned, prepare, record, record_all, replay, restore
from sslens.train.cache import FOLDER
from tests.train.cases import interrupted_at, same


def texts(**changes):
    base = Config(
        data={"name": "languages", "options": {"per_language": 40, "test_per_language": 10}},
        encoder=Transformer(width=12, depth=2, heads=3),
        objective=NextCharacter(),
        optimisation={"steps": 6, "batch_size": 8},
        snapshots={"count": 7, "reference": 20, "spacing": "linear"},
        compute={"device": "cpu", "dtype": "float64"},
    )
    return base.changed(**changes)


def test_a_seed_decides_every_bit_and_the_callers_random_numbers_stay_their_own():
    before = torch.random.get_rng_state()
    first = list(fit(texts(seed=1)))
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(3)
    same(first, list(fit(texts(seed=1))))
    other = next(fit(texts(seed=2)))
    assert not torch.equal(first[0].state["model.projector.weight"], other.state["model.projector.weight"])


def test_going_on_from_any_snapshot_ends_in_the_same_bits():
    whole = list(fit(texts()))
    for place, snapshot in enumerate(whole[:-1]):
        same(whole[place + 1 :], list(fit(texts(), after=snapshot)))


def test_a_run_of_texts_stands_in_the_cache_like_any_other_in_the_same_files(untrainable):
    whole = list(fit(texts()))
    run = record(texts())
    untrainable()
    again = record(texts())
    same(run, again)
    assert torch.equal(again.reference.images, run.reference.images) and not again.reference.images.is_floating_point()
    same([whole[-1]], [run.snapshots[-1]])
    folders = list((data_root() / "cache" / FOLDER).glob("*/"))
    assert len(folders) == 1
    names = {path.name.partition("-")[0] for path in folders[0].iterdir()}
    assert names == {"run.json", "reference.safetensors", "snapshot", "resume"}


def test_an_interrupted_run_of_texts_goes_on_where_it_stopped(monkeypatch):
    whole = list(fit(texts()))
    with interrupted_at(3):
        record(texts())
    run = record(texts())
    same([replay(run, place) for place in range(7)], whole)


def test_texts_and_images_are_recorded_together(monkeypatch):
    monkeypatch.setenv("SSLENS_CORES", "1")
    runs = record_all([texts(), texts(seed=1)])
    assert [run.status for run in runs] == ["complete"] * 2


def test_what_a_snapshot_holds_of_a_text_is_the_mean_over_its_characters():
    run = record(texts())
    for index in (0, -1):
        with torch.no_grad():
            rows = restore(run, index)(run.reference.images)
            logits = restore(run, index, head=True)(run.reference.images)
        torch.testing.assert_close(rows.mean(1), run.snapshots[index].representation)
        torch.testing.assert_close(logits.mean(1), run.snapshots[index].embedding)


def test_a_restored_network_can_be_read_layer_by_layer():
    run = record(texts())
    net = restore(run)
    assert not net.training
    read = readings(net, run.reference.images[:2].long())
    assert [each.attention.shape for each in read] == [(2, 3, 64, 64)] * 2


def test_the_first_loss_is_the_cross_entropy_of_the_next_character():
    config = texts(optimisation={"steps": 1, "batch_size": 200}, snapshots={"count": 2})
    first, last = list(fit(config))
    run = record(config)
    ids = learned(config).images  # the batch is the whole set, in another order
    logits = restore(run, 0, head=True)(ids)[:, :-1].flatten(0, 1)
    expected = cross_entropy(logits, ids[:, 1:].flatten().long()).item()
    assert last.terms["cross-entropy"].item() == pytest.approx(expected, rel=1e-9)
    assert expected == pytest.approx(math.log(47), abs=0.5) and not first.terms


def entropy(counts):
    total = sum(counts.values())
    return -sum(count / total * math.log(count / total) for count in counts.values())


def test_it_learns_more_than_how_often_each_character_occurs_in_each_language():
    config = texts(
        data={"options": {"per_language": 200, "test_per_language": 20}},
        encoder=Transformer(),
        optimisation={"steps": 60, "batch_size": 32, "learning_rate": 3e-3, "schedule": "constant", "warmup": 0.0},
        snapshots={"count": 2, "reference": 100},
        compute={"dtype": "float32"},
    )
    run = record(config)
    unseen = run.reference.take(run.held_out.nonzero().flatten())
    characters = entropy(Counter(unseen.images.flatten().tolist()))
    by_language = [entropy(Counter(unseen.images[unseen.labels == label].flatten().tolist())) for label in range(5)]
    with torch.no_grad():
        first, last = (
            cross_entropy(restore(run, index, head=True)(unseen.images)[:, :-1].mT, unseen.images[:, 1:].long()).item()
            for index in (0, -1)
        )
    assert last < sum(by_language) / 5 < characters < first
    losses = run.loss()
    assert len(losses) == 60 and float(losses[-5:].mean()) == pytest.approx(last, abs=0.15)


def test_the_languages_have_their_names_and_no_augmentation():
    setup = prepare(texts(recipe="natural"))
    assert len(setup.reference.classes) == 5 and len(setup.train) == 200
    same(list(fit(texts(recipe="natural"))), list(fit(texts(recipe="none"))))
