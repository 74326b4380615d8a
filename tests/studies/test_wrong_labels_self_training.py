"""Pseudo-labels under shift: harmless where there is none, ruinous where classes trade places."""

import pytest
import torch

from sslens import datasets
from sslens.runtime import stream
from sslens.studies.wrong_labels_self_training import self_training, turned_pool, under_shift
from sslens.types import InputError
from sslens.views import Draw, apply


def blobs(count, *, turn=0.0, seed=0, spread=0.35):
    """Four classes around the corners of a square that is turned by an angle."""
    generator = stream(seed, f"blobs {turn}")
    labels = torch.arange(count) % 4
    angle = torch.deg2rad(45.0 + 90.0 * labels + turn)
    centres = torch.stack([angle.cos(), angle.sin()], 1).double()
    return centres + spread * torch.randn(count, 2, dtype=torch.float64, generator=generator), labels


def test_without_shift_pseudo_labels_are_right_and_cost_nothing():
    found = under_shift(blobs(12), blobs(400, seed=1), test=blobs(400, seed=2))
    assert found.pseudo_labels > 0.85
    assert found.self_training > found.supervised - 0.05 and found.bidirectional > found.supervised - 0.05


def turned_digits(draw, angle):
    """Five labelled digits of each class, and the others turned by an angle."""
    train, test = datasets.load("digits")
    order = torch.randperm(len(train), generator=stream(draw, "labels"))
    few = torch.cat([order[train.labels[order] == label][:5] for label in range(10)])
    rest = order[~torch.isin(order, few)]
    rows = Draw(seed=torch.zeros(len(rest), dtype=torch.int64), rotation=torch.full((len(rest),), angle))
    sides = (train.images[few], few), (apply(train.images[rest], rows), rest)
    labelled, unlabelled = ((images.flatten(1), train.labels[place]) for images, place in sides)
    return under_shift(labelled, unlabelled, test=(test.images.flatten(1), test.labels))


def test_pseudo_labels_of_turned_digits_cost_accuracy_and_the_decoupled_pair_less():
    found = [turned_digits(draw, 45.0) for draw in range(3)]
    mean = {name: sum(getattr(each, name) for each in found) / 3 for name in vars(found[0])}
    assert mean["pseudo_labels"] < 0.4
    assert mean["self_training"] < mean["supervised"] - 0.02
    assert mean["bidirectional"] > mean["self_training"]


def test_labels_alone_do_not_see_the_unlabelled_samples():
    first, second = (under_shift(blobs(12), blobs(100, turn=turn), test=blobs(100, seed=2)) for turn in (0.0, 40.0))
    assert first.supervised == second.supervised


def test_the_unit_and_place_of_the_features_do_not_matter():
    def moved(part):
        return 100 * part[0] + 7, part[1]

    parts = blobs(12), blobs(100, turn=30.0), blobs(100, seed=2)
    plain = under_shift(parts[0], parts[1], test=parts[2])
    other = under_shift(moved(parts[0]), moved(parts[1]), test=moved(parts[2]))
    assert vars(plain) == pytest.approx(vars(other), abs=0.011)  # a solver's last digit may turn a sample


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labelled": (torch.ones(4, 2), torch.zeros(4, dtype=torch.int64))}, "labels"),
        ({"unlabelled": (torch.ones(4, 3), torch.arange(4))}, "columns"),
        ({"unlabelled": (torch.full((4, 2), float("nan")), torch.arange(4))}, "unlabelled"),
        ({"rounds": 0}, "rounds"),
        ({"C": 0.0}, "C must be"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(change, words, unchecked):
    parts = {"labelled": blobs(12), "unlabelled": blobs(20), "test": blobs(20)} | change
    with pytest.raises(InputError, match=words):
        under_shift(parts.pop("labelled"), parts.pop("unlabelled"), **parts)


def test_a_turned_pool_shares_no_image_with_the_labelled_ones_and_a_quarter_turn_only_moves_pixels():
    digits = datasets.load("digits")[0]
    (known, names), (pool, hidden) = turned_pool(digits, 90.0, generator=stream(0, "pool"))
    assert names.bincount().tolist() == [5] * 10
    rows = {tuple((16 * image).flatten().tolist()): at for at, image in enumerate(digits.images)}
    back = [rows[tuple((16 * image.view(8, 8).rot90(-1)).round().flatten().tolist())] for image in pool]
    assert digits.labels[back].tolist() == hidden.tolist()
    assert not set(back) & {rows[tuple(row)] for row in (16 * known).tolist()}


def test_a_turned_pool_is_thinned_out_from_the_first_class_to_the_last():
    digits = datasets.load("digits")[0]
    draws = [turned_pool(digits, 0.0, generator=stream(draw, "pool"))[1][1] for draw in range(20)]
    kept = torch.stack([hidden.bincount(minlength=10) for hidden in draws]).double().mean(0)
    assert kept[0] == (digits.labels == 0).sum() - 5
    shares = kept / (digits.labels.bincount() - 5)
    assert shares.tolist() == pytest.approx([1 - k / 10 for k in range(10)], abs=0.03)


def test_the_same_draw_chooses_the_same_images_at_every_angle():
    digits = datasets.load("digits")[0]
    first, second = (turned_pool(digits, angle, generator=stream(3, "pool")) for angle in (0.0, 40.0))
    assert first[0][0].equal(second[0][0]) and first[1][1].equal(second[1][1])
    assert not first[1][0].equal(second[1][0])


@pytest.mark.parametrize(
    ("angle", "per_class", "words"), [(181.0, 5, "angle"), (10.0, 0, "per_class"), (0.0, 200, "per")]
)
def test_a_pool_that_cannot_be_made_is_refused(angle, per_class, words):
    with pytest.raises(InputError, match=words):
        turned_pool(datasets.load("digits")[0], angle, per_class=per_class, generator=stream(0, "pool"))


def test_draws_are_those_of_the_streams_of_their_numbers():
    train, test = datasets.load("digits")
    found = self_training([20.0, 40.0], draws=2)
    assert found.dims == ("run", "draw", "angle of the pool") and found["angle of the pool"].attrs["unit"] == "degrees"
    for angle in (20.0, 40.0):
        pool = turned_pool(train, angle, generator=stream(1, "pool"))
        second = under_shift(*pool, test=(test.images.flatten(1), test.labels))
        at = {"draw": 1, "angle of the pool": angle}
        assert found.sel(at).values.tolist() == list(vars(second).values())
    with pytest.raises(InputError, match="draws"):
        self_training([20.0], draws=0)
    with pytest.raises(InputError, match="angles"):
        self_training([])
