"""CLID against loops over samples, folds and neighbours; dimensions that are known."""

import importlib
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.measures.spectrum.matrices import normal, rotation

from sslens.measures.spectrum import Copies, clid
from sslens.runtime import stream
from sslens.types import InputError

seeds = st.integers(0, 2**16)
module = importlib.import_module("sslens.measures.spectrum.clid")


def of(h, *, seed=0, **options):
    return clid(h, **options, generator=stream(seed, "clid"))


def slow_learnability(h, labels, fold, neighbours):
    """Each sample's label by a vote of its nearest in other folds, distances by difference."""
    right = 0
    for i, row in enumerate(h):
        apart = [(math.dist(row, other), j) for j, other in enumerate(h) if fold[j] != fold[i]]
        votes = [labels[j] for _, j in sorted(apart)[:neighbours]]
        right += labels[i] == min(set(votes), key=lambda label: (-votes.count(label), label))
    return right / len(h)


def slow_dimension(h):
    """Facco et al., steps 1-5: ratios, their empirical distribution, a line through the origin by least squares."""
    ratios = []
    for i, row in enumerate(h):
        first, second = sorted(math.dist(row, other) for j, other in enumerate(h) if j != i)[:2]
        if first:
            ratios.append(second / first)
    ratios, count = sorted(ratios), len(ratios)
    kept = int(0.9 * count)
    x = np.log(ratios[:kept])[:, None]
    y = [-math.log(1 - (i + 1) / count) for i in range(kept)]
    return np.linalg.lstsq(x, y)[0][0]


@given(seeds, st.sampled_from([(20, 2, 2), (40, 5, 3), (25, 30, 4)]), st.sampled_from([1, 3, 4]), st.integers(2, 6))
@settings(max_examples=12, deadline=None)
def test_clid_is_counted_one_sample_at_a_time(seed, shape, neighbours, folds):
    n, d, count = shape
    h = normal(seed, n, d)
    found = of(h, seed=seed, clusters=count, neighbours=neighbours, folds=folds)
    generator, deviation = stream(seed, "clid"), h - h.mean(0)
    fold = (torch.randperm(n, generator=generator) % folds).tolist()
    labels = module._clusters(deviation / deviation.abs().max(), count, generator=generator).tolist()
    assert found.learnability == slow_learnability(h.tolist(), labels, fold, neighbours)
    assert found.dimension == pytest.approx(slow_dimension(h.tolist()), rel=1e-7)


def test_a_large_set_goes_through_in_blocks(monkeypatch):
    h = normal(0, 150, 3)
    whole = of(h, clusters=4)
    monkeypatch.setattr(module, "CHUNK", 37)
    assert of(h, clusters=4).learnability == whole.learnability
    assert of(h, clusters=4).dimension == pytest.approx(whole.dimension, rel=1e-9)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_dimension_is_that_of_the_set_and_not_of_the_space_around_it(d):
    flat = torch.rand(1500, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    h = torch.cat([flat, torch.zeros(1500, 12 - d)], 1) @ rotation(0, 12) * 1e-3 + 7
    assert of(h, clusters=2).dimension == pytest.approx(d, rel=0.08)


def test_clusters_that_lie_apart_are_learned_and_a_featureless_ball_less_well():
    blobs = 20 * torch.eye(5)[torch.arange(200) % 5] + normal(0, 200, 5)
    assert of(blobs, clusters=5).learnability == 1
    assert of(normal(1, 200, 60), clusters=5).learnability < 0.8


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_total_collapse_is_one_learnable_point(kind):
    found = of(torch.full((30, 4), 0.1, dtype=kind))
    assert (found.learnability, found.dimension) == (1, 0)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("copied", [20, 60])
def test_samples_that_stand_several_times_count_once_and_it_is_said(copied, kind):
    h = (normal(0, 60, 20) + 10).to(kind)
    doubled = torch.cat([h, h[:copied]])
    with pytest.warns(Copies, match=f"{copied} of {60 + copied} samples"):
        found = of(doubled, clusters=3)
    assert found.dimension == pytest.approx(slow_dimension(h.tolist()), rel=1e-4)
    assert found.learnability == of(h, clusters=3).learnability < 0.9


@pytest.mark.parametrize("options", [{"clusters": 5}, {"folds": 5}, {"clusters": 2, "folds": 2, "neighbours": 4}])
def test_a_collapse_to_a_few_points_is_learnable_and_has_no_dimension(options):
    found = of(normal(0, 5, 3).repeat(20, 1), **({"clusters": 2} | options))
    assert (found.learnability, found.dimension) == (1, 0)


def test_samples_all_as_far_from_each_other_have_no_finite_dimension():
    assert of(torch.eye(8), clusters=2).dimension == math.inf
    grid = torch.cartesian_prod(torch.arange(7.0), torch.arange(7.0))  # its mean is no whole number over its size
    assert of(grid).dimension == of(grid / 7 - 0.1).dimension == math.inf


def test_its_generator_decides_and_the_global_one_does_not():
    h = normal(0, 80, 20)
    torch.manual_seed(1)
    first, state = of(h, seed=3), torch.random.get_rng_state()
    torch.manual_seed(2)
    assert of(h, seed=3) == first and of(h, seed=4).learnability != first.learnability
    torch.manual_seed(1)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("size", [1e-140, 1e-3, 1e3, 1e140])
def test_size_and_offset_do_not_matter(size):
    h = normal(0, 60, 3)
    found, plain = of(size * h, clusters=4), of(h, clusters=4)
    assert found.learnability == plain.learnability and found.dimension == pytest.approx(plain.dimension, rel=1e-9)


@pytest.mark.parametrize(
    ("field", "options"),
    [("clusters", {"clusters": 1}), ("clusters", {"clusters": 13}), ("folds", {"folds": 1}), ("folds", {"folds": 13}),
     ("neighbours", {"neighbours": 0}), ("neighbours", {"neighbours": 7, "folds": 2}), ("clusters", {"clusters": 2.0})],
)  # fmt: skip
def test_what_cannot_be_clustered_or_split_is_refused(field, options, unchecked):
    with pytest.raises(InputError) as error:
        of(normal(0, 12, 2), **({"clusters": 3} | options))
    assert error.value.field == field


def test_a_second_neighbour_takes_three_samples():
    with pytest.raises(InputError, match="at least 3 rows"):
        of(normal(0, 2, 2))
    assert of(normal(0, 3, 2), clusters=2, folds=3).dimension > 0


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_copies_but_for_rounding_are_said(kind):
    h = normal(0, 60, 20).to(kind)
    moved = h[:20] * (1 + torch.finfo(kind).eps)
    assert (moved != h[:20]).any(1).all()
    with pytest.warns(Copies, match="40 of 80 samples are copies but for rounding"):
        of(torch.cat([h, moved]), clusters=3)
    of(torch.cat([h, h[:20] * 1.001]), clusters=3)  # which are others, and no warning is given


@pytest.mark.parametrize("generator", [None, 0])
def test_without_a_generator_nothing_is_drawn(generator, unchecked):
    with pytest.raises(InputError, match="generator must be an instance of Generator"):
        clid(normal(0, 12, 2), clusters=3, generator=generator)
