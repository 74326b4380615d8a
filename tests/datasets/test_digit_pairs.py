import os
import subprocess
import sys

import pytest
import torch
from torch.nn.functional import one_hot

from sslens.datasets import digit_pairs, digits

GOLDEN = ["f27bb8ba5c5164e58ce2e01fe4dca70b", "d514d844001c2113fac8e4498f2b70bd"]
PRINT_DIGESTS = "from sslens.datasets import digit_pairs as s; [print(side.digest()) for side in s.load()]"


@pytest.fixture(scope="module")
def sides():
    return digit_pairs.load()


@pytest.fixture(scope="module")
def pairs():
    labels = digits.originals().labels
    return [digit_pairs.couples(labels, side) for side in digits.split(labels)]


@pytest.mark.parametrize(
    "setting",
    [{"OMP_NUM_THREADS": "2"}, {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"}],
    ids=["two threads", "no vector instructions"],
)
def test_threads_and_instruction_sets_make_the_golden_bits(setting):
    run = [sys.executable, "-c", PRINT_DIGESTS]
    done = subprocess.run(run, env=os.environ | setting, capture_output=True, text=True, check=True)
    assert done.stdout.split() == GOLDEN


def test_all_hundred_classes_have_as_many_images(sides):
    for side, count in zip(sides, (44, 20), strict=True):
        assert side.classes[:12] == ("00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11")
        assert side.labels.bincount().tolist() == [count] * 100


def test_the_class_is_the_left_digit_and_then_the_right_one(sides, pairs):
    labels = digits.originals().labels
    for side, (both, _) in zip(sides, pairs, strict=True):
        left, right = labels[both].T
        assert torch.equal(side.labels, (10 * left + right).repeat(digit_pairs.PLACEMENTS))


def test_no_digit_is_on_both_sides(pairs):
    (train, _), (test, _) = pairs
    assert not set(train.flatten().tolist()) & set(test.flatten().tolist())


def test_origins_share_no_digit_and_a_digit_has_one_origin(pairs):
    for both, origin in pairs:
        owners = {}
        for pair, name in zip(both.tolist(), origin.tolist(), strict=True):
            for digit in pair:
                assert owners.setdefault(digit, name) == name


def test_unlike_digits_stand_in_both_orders_and_like_ones_in_a_ring(pairs):
    labels = digits.originals().labels
    for both, origin in pairs:
        for name in origin.unique():
            members = both[origin == name].tolist()
            if labels[members[0][0]] == labels[members[0][1]]:
                assert len({left for left, _ in members}) == len({right for _, right in members}) == len(members)
                assert all(left != right for left, right in members)
            else:
                assert len(members) == 2 and members[0] == members[1][::-1]


def test_origins_are_as_many_as_the_readme_says(sides):
    assert [len(side.origin.unique()) for side in sides] == [505, 235]


def test_the_ink_lies_where_the_factors_say(sides):
    train, _ = sides
    ink, at = (train.images[:, 0] - 0.45).clamp(min=0), torch.arange(20) - 9.5
    for name, columns in (("left", slice(0, 10)), ("right", slice(10, 20))):
        half = ink[:, :, columns]
        mass = half.sum((1, 2)).clamp(min=1e-9)
        down = (half.sum(2) * at).sum(1) / mass
        across = (half.sum(1) * at[columns]).sum(1) / mass
        assert torch.corrcoef(torch.stack([down, train.factors[f"{name} y"]]))[0, 1] > 0.9
        assert abs((across - train.factors[f"{name} x"]).mean()) < 0.5


def test_factors_fill_their_ranges(sides):
    for name, middle in (("left", -4.5), ("right", 4.5)):
        for key, (low, high) in digit_pairs.RANGES.items():
            values = sides[0].factors[f"{name} {key}"] - (middle if key == "x" else 0)
            slack = 0.01 * (high - low)
            assert low - 1e-5 <= values.min() < low + slack and high - slack < values.max() <= high + 1e-5


def test_another_seed_keeps_pairs_and_moves_digits(sides):
    train, _ = digit_pairs.load(seed=1)
    assert train.digest() != GOLDEN[0]
    assert torch.equal(train.labels, sides[0].labels) and torch.equal(train.origin, sides[0].origin)
    assert abs(torch.corrcoef(torch.stack([train.factors["left y"], sides[0].factors["left y"]]))[0, 1]) < 0.1


def test_the_global_generator_neither_matters_nor_moves():
    before = torch.manual_seed(7).get_state()
    assert digit_pairs.load()[0].digest() == GOLDEN[0]
    assert torch.equal(torch.get_rng_state(), before)


def test_raw_pixels_hardly_tell_the_class(sides):
    (train, test), penalty = sides, 10 * torch.eye(400, dtype=torch.float64)
    pixels, queries = (side.images.flatten(1).double() - 0.15 for side in (train, test))
    weights = torch.linalg.solve(pixels.T @ pixels + penalty, pixels.T @ one_hot(train.labels).double())
    accuracy = ((queries @ weights).argmax(1) == test.labels).double().mean()
    assert 0.01 < accuracy < 0.15
