"""Training the language model: same seed same bits, interruption and damage leave no mark, and it learns."""

import math
from collections import Counter
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from sslens.language import SCALE, corpus, fit_language, restore_language, train_language, training
from sslens.runtime import PROFILES, stream
from sslens.types import InputError, UnknownName

SHORT: dict[str, Any] = {"steps": 4, "dtype": "float64"}


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    """A small corpus, small batches, and a cache of its own because the key of a run does not tell of them."""
    monkeypatch.setattr(training, "PER_LANGUAGE", 20)
    monkeypatch.setattr(training, "BATCH", 4)
    monkeypatch.setenv("SSLENS_DATA", str(tmp_path))


@pytest.fixture
def untrainable(monkeypatch):
    """From here on a run must come from the cache."""

    def forbidden():
        monkeypatch.setattr(training, "_look", lambda *_, **__: pytest.fail("trained again"))

    return forbidden


def same(first, second):
    assert [look.step for look in first] == [look.step for look in second]
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.losses, other.losses) and one.state.keys() == other.state.keys()
        assert all(torch.equal(one.state[name], other.state[name]) for name in one.state)


def files(tmp_path):
    return sorted(tmp_path.rglob("*.safetensors"))


def test_a_seed_decides_every_bit_and_the_callers_random_numbers_stay_their_own():
    before = torch.random.get_rng_state()
    first = list(fit_language(1, **SHORT))
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(3)
    same(first, list(fit_language(1, **SHORT)))
    other = list(fit_language(2, **SHORT))
    assert not torch.equal(first[0].state["model.head.weight"], other[0].state["model.head.weight"])


def test_looks_are_first_last_and_closer_together_early_on_and_hold_every_loss():
    looks = list(fit_language(0, **SHORT))
    assert [look.step for look in looks] == [0, 1, 3, 4]
    assert [len(look.losses) for look in looks] == [0, 1, 2, 1]
    assert [look.step for look in fit_language(0, steps=0)] == [0]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_going_on_from_a_look_ends_in_the_same_bits(place):
    whole = list(fit_language(1, **SHORT))
    same(whole[place + 1 :], list(fit_language(1, **SHORT, after=whole[place])))


def test_a_run_from_the_cache_equals_a_fresh_one(untrainable):
    fresh = list(fit_language(1, **SHORT))
    first = train_language(1, **SHORT)
    untrainable()
    again = train_language(1, **SHORT)
    same(fresh, first)
    same(fresh, again)
    with pytest.raises(pytest.fail.Exception):
        train_language(2, **SHORT)


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    fresh = list(fit_language(1, **SHORT))
    real, written = training._save, []

    def full_disk(path, look):
        if look.step > 2:
            raise OSError(28, "No space left on device")
        written.append(look.step)
        real(path, look)

    monkeypatch.setattr(training, "_save", full_disk)
    with pytest.raises(OSError, match="No space"):
        train_language(1, **SHORT)
    monkeypatch.setattr(training, "_save", lambda path, look: (written.append(look.step), real(path, look)))
    same(fresh, train_language(1, **SHORT))
    assert written == [0, 1, 3, 4]


@pytest.mark.parametrize("damage", ["truncate", "flip", "extend", "foreign", "empty"])
def test_a_damaged_look_is_told_and_trained_again(tmp_path, damage):
    whole = train_language(1, **SHORT)
    path = files(tmp_path)[2]
    content = bytearray(path.read_bytes())
    flipped = bytearray(content)
    flipped[-5] ^= 4
    changed = {"truncate": content[:-7], "flip": flipped, "extend": content + b"x", "empty": b""}
    path.write_bytes(changed.get(damage, b"a text that is no tensor"))
    with pytest.warns(UserWarning, match=f"{path.name}.*trained again"):
        same(whole, train_language(1, **SHORT))
    same(whole, train_language(1, **SHORT))


def test_a_look_of_another_name_is_noticed(tmp_path):
    """The checksum covers the names and shapes of the tensors too."""
    train_language(1, **SHORT)
    path = files(tmp_path)[1]
    path.write_bytes(path.read_bytes().replace(b"query.weight", b"query.height"))
    with pytest.warns(UserWarning, match="SHA-256"):
        train_language(1, **SHORT)


def test_another_seed_length_type_or_code_is_another_run(tmp_path, monkeypatch):
    train_language(1, **SHORT)
    train_language(2, **SHORT)
    train_language(1, steps=3, dtype="float64")
    train_language(1, steps=4, dtype="float32")
    monkeypatch.setattr(training, "library_version", lambda rooms: "changed")
    train_language(1, **SHORT)
    assert len({path.parent for path in files(tmp_path)}) == 5


def test_a_restored_network_predicts_as_the_trained_one_did():
    look = next(fit_language(1, **SHORT))
    net = restore_language(look)
    assert not net.training and net.head.weight.dtype == torch.float64
    assert all(torch.equal(value, look.state[f"model.{name}"]) for name, value in net.state_dict().items())
    going = next(fit_language(1, **SHORT, after=look))
    batch = corpus(1, 20).ids[torch.randint(100, (4,), generator=stream(1, "language/0"))]
    loss = cross_entropy(net(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
    assert loss.item() == pytest.approx(float(going.losses[0]), rel=1e-12)


def entropy(counts):
    total = sum(counts.values())
    return -sum(count / total * math.log(count / total) for count in counts.values())


def test_it_learns_more_than_how_often_each_character_occurs_in_each_language(monkeypatch):
    monkeypatch.setattr(training, "PER_LANGUAGE", 200)
    monkeypatch.setattr(training, "BATCH", 32)
    unseen = corpus(0, 20, part="test")
    characters = entropy(Counter(unseen.ids.flatten().tolist()))
    by_language = [entropy(Counter(unseen.ids[unseen.labels == label].flatten().tolist())) for label in range(5)]
    looks = list(fit_language(0, steps=60))
    first, last = (
        cross_entropy(restore_language(look)(unseen.ids[:, :-1]).mT, unseen.ids[:, 1:]).item() for look in looks[::5]
    )
    assert last < sum(by_language) / 5 < characters < first
    losses = torch.cat([look.losses for look in looks])
    assert len(losses) == 60 and float(losses[-5:].mean()) == pytest.approx(last, abs=0.15)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"steps": -1}, "steps"),
        ({"steps": 2.0}, "steps"),
        ({"dtype": "float46"}, "Did you mean 'float64'"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_written(tmp_path, unchecked, arguments, message):
    for train in (train_language, lambda **given: list(fit_language(**given))):
        with pytest.raises((InputError, UnknownName), match=message):
            train(**arguments)
    assert not list(tmp_path.iterdir())


def test_every_profile_has_its_scale_and_smoke_computes_in_float64():
    assert set(SCALE) == set(PROFILES) and SCALE["smoke"]["dtype"] == "float64"
