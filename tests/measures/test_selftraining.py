"""Pseudo-labels under shift: harmless where there is none, ruinous where classes trade places."""

import pytest
import torch

from sslens import datasets
from sslens.measures.selftraining import under_shift
from sslens.runtime import stream
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
        ({"strength": 0.0}, "strength"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(change, words, unchecked):
    parts = {"labelled": blobs(12), "unlabelled": blobs(20), "test": blobs(20)} | change
    with pytest.raises(InputError, match=words):
        under_shift(parts.pop("labelled"), parts.pop("unlabelled"), **parts)
