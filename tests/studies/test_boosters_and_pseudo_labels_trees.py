"""Boosted trees: the same weights and votes as scikit-learn's, the 21 bits as they are defined, and what is drawn."""

import numpy as np
import pytest
import torch
from sklearn.ensemble import AdaBoostClassifier
from sklearn.tree import DecisionTreeClassifier

from sslens.runtime import stream
from sslens.studies import boosters_and_pseudo_labels_trees as trees
from sslens.types import InputError


def noisy_bits(count, *, noise=0.2):
    bits, labels = (each.numpy() for each in trees.drawn_bits(count, stream(3, "bits")))
    flipped = np.random.default_rng(0).random(count) < noise
    return bits.astype(np.float64), np.where(flipped, -labels, labels)


@pytest.mark.parametrize("depth", [1, 3])
def test_rounds_are_those_of_scikit_learn(depth):
    x, y = noisy_bits(300)
    found = trees.adaboost(x, y, counts=np.ones(300), depth=depth, rounds=12)
    base = DecisionTreeClassifier(max_depth=depth, random_state=0)
    model = AdaBoostClassifier(base, n_estimators=12, random_state=0).fit(x, y)
    assert np.array(found.votes) * 2 == pytest.approx(model.estimator_weights_, rel=1e-9)  # votes in halves there
    assert ((found.margins(x) > 0) == (model.predict(x) == 1)).all()


def test_a_round_weighs_examples_by_the_exponential_of_what_they_cost():
    margins, counts = torch.tensor([2.0, -1.0, 0.0]).double(), torch.tensor([1.0, 1.0, 4.0]).double()
    found = trees.exponential_weights(margins, counts)
    assert found.sum().item() == pytest.approx(1) and (found[1] / found[0]).item() == pytest.approx(np.exp(3))
    assert (found[2] / found[1]).item() == pytest.approx(4 * np.exp(-1))


def test_after_a_round_its_own_tree_is_no_better_than_a_guess():
    x, y = noisy_bits(200)
    one = trees.adaboost(x, y, counts=np.ones(200), depth=2, rounds=1)
    margins = torch.from_numpy(one.margins(x) * y)
    weights = trees.exponential_weights(margins, torch.ones(200).double())
    assert weights[margins < 0].sum().item() == pytest.approx(0.5, abs=1e-9)


def test_boosting_ends_with_a_tree_that_makes_no_error():
    x = np.array([[-1.0], [1.0]])
    found = trees.adaboost(x, np.array([-1, 1]), counts=np.ones(2), depth=1, rounds=50)
    assert len(found.trees) == 1 and np.sign(found.margins(x)).tolist() == [-1, 1]


@pytest.mark.parametrize("noise", [0.0, 0.2, 0.45])
def test_trees_keep_every_point_whatever_the_noise(noise):
    assert trees.tree_accuracy(noise, gap=0.05) == 1.0


def test_below_the_critical_margin_lines_keep_half_of_the_points_and_above_it_all():
    assert trees.points_kept_below([0.05, 0.3]).sel(run="lines").values.tolist() == [0.5, 0.5]
    assert trees.points_kept_below([0.05, 0.3], part=1.1).sel(run="lines").values.tolist() == [1.0, 1.0]


def test_bits_are_of_three_kinds_in_their_proportions_and_their_majority_is_the_label():
    bits, labels = trees.drawn_bits(8000, stream(0, "bits"))
    right = bits * labels[:, None] > 0
    first, last = right[:, :11].sum(1), right[:, 11:].sum(1)
    kinds = [(first == 11) & (last == 10), (first == 11) & (last == 0), (first == 5) & (last == 6)]
    assert torch.stack(kinds).sum(0).eq(1).all()
    assert [kind.double().mean().item() for kind in kinds] == pytest.approx([0.25, 0.25, 0.5], abs=0.02)
    assert (bits.sum(1).sign() == labels).all() and labels.double().mean().abs() < 0.05
    assert right[kinds[2]].double().mean(0).tolist() == pytest.approx([5 / 11] * 11 + [0.6] * 10, abs=0.04)


def test_noise_costs_lines_what_it_does_not_cost_deeper_trees():
    found = trees.correct_on_bits([1, 4], noise=0.2, seeds=2, examples=600, rounds=60).mean(["seed", "sample"])
    assert found.sel(run="no noise").min() > 0.9
    lines, deeper = found.sel(run="20% flipped").values
    assert lines < 0.82 < deeper


def test_all_seeds_answer_for_the_same_samples_and_a_seed_does_not_depend_on_how_many_there_are():
    one, two = (trees.correct_on_bits([1], noise=0.1, seeds=n, examples=60, rounds=5) for n in (1, 2))
    assert (one.sel(seed=0) == two.sel(seed=0)).all() and not (two.sel(seed=0) == two.sel(seed=1)).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: trees.tree_accuracy(0.5, gap=0.05), "noise"),
        (lambda: trees.tree_accuracy(0.1, gap=0.05, depth=0), "depth"),
        (lambda: trees.points_kept_below([0.0]), "shares"),
        (lambda: trees.points_kept_below([]), "shares"),
        (lambda: trees.drawn_bits(0, stream(0, "bits")), "count"),
        (lambda: trees.correct_on_bits([], noise=0.1, seeds=1), "depths"),
        (lambda: trees.correct_on_bits([1], noise=0.0, seeds=1), "noise"),
        (lambda: trees.correct_on_bits([1], noise=0.1, seeds=0), "seeds"),
    ],
)
def test_what_cannot_be_boosted_is_refused(call, words):
    with pytest.raises(InputError, match=words):
        call()
