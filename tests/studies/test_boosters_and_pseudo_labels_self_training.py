"""Pseudo-labels under shift: weighted means by hand, density ratios in closed form, pools as they were described."""

import numpy as np
import pytest
import torch
from xarray import DataArray

from sslens import datasets
from sslens.objectives import SimCLR
from sslens.runtime import stream
from sslens.studies import boosters_and_pseudo_labels_self_training as training
from sslens.studies.boosters_and_pseudo_labels_self_training import ANGLE, PAIR, SELF, SKEW, SUPERVISED
from sslens.train import Config, Runs
from sslens.types import InputError


def blobs(count, *, turn=0.0, seed=0, spread=0.35):
    """Four classes around the corners of a square that is turned by an angle."""
    generator = stream(seed, f"blobs {turn}")
    labels = torch.arange(count) % 4
    angle = torch.deg2rad(45.0 + 90.0 * labels + turn)
    centres = torch.stack([angle.cos(), angle.sin()], 1).double()
    return centres + spread * torch.randn(count, 2, dtype=torch.float64, generator=generator), labels


def accuracies(*, turn=0.0, labelled=4, seed=0):
    """Of every method on the blobs: on the target, and of its pseudo-labels."""
    pool, hidden = blobs(400, turn=turn, seed=10 + seed)
    queries, truth = blobs(400, seed=20 + seed)
    known, held_out = blobs(labelled, seed=seed), blobs(200, seed=30 + seed)[0]
    found = training.under_shift(known, pool, held_out=held_out, queries=queries, classes=4)
    return {
        name: ((a == truth).double().mean().item(), (b == hidden).double().mean().item())
        for name, (a, b) in found.items()
    }


def test_weighted_means_are_those_of_samples_that_stand_there_several_times():
    h, labels = blobs(20)
    times = torch.arange(20) % 3 + 1
    repeated = [h[labels == label].repeat_interleave(times[labels == label], 0).mean(0) for label in range(4)]
    found = training.class_means(h, labels, weights=times.double(), classes=4)
    torch.testing.assert_close(found, torch.stack(repeated))


def test_pseudo_labels_are_lloyds_steps_from_the_labelled_means():
    (h, labels), (pool, _) = blobs(8), blobs(100, turn=20.0)
    means = np.stack([h[labels == label].mean(0) for label in range(4)])
    for _ in range(3):
        guesses = ((pool.numpy()[:, None] - means) ** 2).sum(2).argmin(1)
        both = np.concatenate([h, pool]), np.concatenate([labels, guesses])
        means = np.stack([both[0][both[1] == label].mean(0) for label in range(4)])
    found = training.pseudo_labels(h, labels, pool=pool, classes=4, rounds=3)
    assert found.tolist() == guesses.tolist()


def test_a_pool_of_the_same_kind_helps_and_one_that_lies_across_the_boundaries_does_harm():
    plain, turned = ([accuracies(turn=turn, seed=seed) for seed in range(6)] for turn in (0.0, 40.0))

    def gain(found, name):
        return np.mean([each[name][0] - each[SUPERVISED][0] for each in found])

    assert gain(plain, SELF) > 0.01 and gain(plain, PAIR) > 0.01
    assert gain(turned, SELF) < -0.05


def test_with_weights_of_one_both_predictors_are_those_of_self_training():
    (h, labels), (pool, _) = blobs(8), blobs(50, turn=30.0)
    ones = torch.ones(8).double(), torch.ones(50).double()
    means, guesses = training.bidirectional(h, labels, pool=pool, ratios=ones, classes=4)
    assert guesses.equal(training.pseudo_labels(h, labels, pool=pool, classes=4))
    both = torch.cat([h, pool]), torch.cat([labels, guesses])
    torch.testing.assert_close(means, training.class_means(*both, weights=torch.ones(58).double(), classes=4))


def test_a_pool_that_weighs_nothing_leaves_the_labelled_means():
    (h, labels), (pool, _) = blobs(8), blobs(50, turn=30.0)
    ratios = torch.ones(8).double(), torch.full((50,), 1e12).double()
    means, _ = training.bidirectional(h, labels, pool=pool, ratios=ratios, classes=4)
    torch.testing.assert_close(means, training.class_means(h, labels, weights=torch.ones(8).double(), classes=4))


def test_density_ratios_of_two_gaussians_are_theirs():
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(4000, 1, dtype=torch.float64, generator=generator)
    pool = torch.randn(2000, 1, dtype=torch.float64, generator=generator) + 1
    at_target, at_pool = training.density_ratio(target, pool)
    for rows, ratio in ((target, at_target), (pool, at_pool)):
        assert (ratio.log() - (rows[:, 0] - 0.5)).abs().mean() < 0.1  # log p(x; 1) / p(x; 0) = x - 1/2


def test_a_sample_does_not_decide_its_own_ratio():
    """Ten samples in forty dimensions are told from others without fail by a classifier that has seen them."""
    generator = torch.Generator().manual_seed(1)
    rows = torch.randn(210, 40, dtype=torch.float64, generator=generator)
    at_target, _ = training.density_ratio(rows[:10], rows[10:])
    assert 0.2 < at_target.median() < 20


def test_every_method_names_every_query_and_every_pool_sample():
    found = training.under_shift(blobs(8), blobs(40)[0], held_out=blobs(30)[0], queries=blobs(50)[0], classes=4)
    assert list(found) == list(training.METHODS)
    assert {(len(queries), len(pool)) for queries, pool in found.values()} == {(50, 40)}


def test_parts_share_no_image_and_hold_as_many_of_each_class_as_wanted():
    labels = datasets.load("digits")[0].labels
    known, pool, held_out = training.parts_of(labels, per_class=2, classes=10, generator=stream(0, "parts"))
    assert labels[known].bincount().tolist() == [2] * 10
    assert torch.cat([known, pool, held_out]).sort().values.equal(torch.arange(len(labels)))
    assert len(held_out) == (len(labels) - 20) // 4


def test_a_skewed_pool_is_thinned_out_from_the_first_class_to_the_last_and_by_further_samples_only():
    labels = torch.arange(10).repeat(500)
    kept = {
        skew: training.thinned(labels, skew, classes=10, generator=stream(0, "thinned")) for skew in (0.0, 0.5, 0.95)
    }
    assert kept[0.0].all() and not (kept[0.95] & ~kept[0.5]).any()
    shares = labels[kept[0.95]].bincount(minlength=10) / 500
    assert shares.tolist() == pytest.approx([1 - 0.95 * k / 9 for k in range(10)], abs=0.07)


def test_a_quarter_turn_only_moves_pixels():
    images = datasets.load("digits")[0].images[:3]
    torch.testing.assert_close(training.turned(images, 90.0), images.rot90(1, (2, 3)), atol=1e-5, rtol=0)


@pytest.fixture(scope="module")
def runs():
    short = {"optimisation": {"steps": 2}, "snapshots": {"count": 2}, "data": {"name": "digits"}}
    return Runs.of({"SimCLR": Config.at("smoke", objective=SimCLR(), **short)}, seeds=2)


def test_correctness_is_method_by_seed_by_shift_by_test_image_with_its_origin(runs):
    correct, guessed = training.under_shifts(runs, [0.0, 45.0], kind=ANGLE, labels_per_class=2)
    assert correct.dims == ("run", "seed", ANGLE, "sample") and guessed.dims == ("run", "seed", ANGLE)
    reference = runs["SimCLR"][0]
    assert correct.origin.values.tolist() == reference.reference.origin[reference.held_out].tolist()
    assert set(np.unique(correct.values)) == {0.0, 1.0} and correct[ANGLE].attrs["unit"] == "degrees"
    supervised = correct.sel(run=SUPERVISED)
    assert (supervised[:, 0] == supervised[:, 1]).all()  # labels alone do not see the pool
    assert not (supervised[0] == supervised[1]).all()


def test_without_shift_both_kinds_are_the_same_pool(runs):
    (turned, _), (skewed, _) = (training.under_shifts(runs, [0.0], kind=kind) for kind in (ANGLE, SKEW))
    assert (turned.values == skewed.values).all()


def test_a_run_that_diverged_gives_no_number(runs, monkeypatch):
    broken = Runs({"SimCLR": runs["SimCLR"]}, runs.seeds)
    monkeypatch.setattr(type(runs["SimCLR"][0]), "status", property(lambda trace: "diverged"))
    correct, guessed = training.under_shifts(broken, [0.0], kind=ANGLE)
    assert correct.isnull().all() and guessed.isnull().all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shifts": []}, "shifts"),
        ({"kind": "blur"}, "kind"),
        ({"shifts": [200.0]}, "angle"),
        ({"shifts": [2.0], "kind": SKEW}, "skew"),
        ({"labels_per_class": 500}, "labels_per_class"),
    ],
)
def test_pools_that_cannot_be_made_are_refused(runs, change, words):
    given = {"shifts": [0.0], "kind": ANGLE} | change
    with pytest.raises(InputError, match=words):
        training.under_shifts(runs, given.pop("shifts"), **given)


def hits(values, origins=None):
    coords = {"run": [SUPERVISED, SELF, PAIR], "seed": [0], ANGLE: [15.0, 30.0], "sample": range(4)}
    coords["origin"] = ("sample", list(range(4)) if origins is None else origins)
    return DataArray(np.array(values, dtype=float)[:, None], coords, ("run", "seed", ANGLE, "sample"))


def test_the_better_of_two_is_chosen_on_the_other_half_of_the_images():
    none, every = [0, 0, 0, 0], [1, 1, 1, 1]
    clear = hits([[none, every], [every, none], [every, every]])
    assert (training.ahead_of_the_better(clear, run=PAIR) == 0).all()  # at each shift the perfect one of the two
    # even images favour the first, odd ones the second: chosen on the other half, each is judged by its worse rival
    split = hits([[[1, 0, 1, 0]] * 2, [[0, 1, 0, 1]] * 2, [every] * 2])
    assert training.ahead_of_the_better(split, run=PAIR).values.tolist() == [[1, 1, 1, 1]]
    # samples of one origin are never on both sides
    twins = hits([[[1, 1, 0, 0]] * 2, [[0, 0, 1, 1]] * 2, [every] * 2], origins=[5, 5, 9, 9])
    assert training.ahead_of_the_better(twins, run=PAIR).values.tolist() == [[1, 1, 1, 1]]
