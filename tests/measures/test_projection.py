"""The projection against scikit-learn's PCA; what it does with collapse; UMAP keeps neighbours."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from sslens.measures.projection import explained, neighbours_kept, project
from sslens.types import InputError, UnknownName

seeds = st.integers(0, 2**32)


def normal(seed, n, d):
    scales = torch.arange(1, d + 1)
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scales + 4


@given(seeds, st.sampled_from([(30, 4), (6, 9), (50, 2), (2, 2)]))
@settings(max_examples=30, deadline=None)
def test_pca_is_scikit_learns_but_for_the_sign(seed, shape):
    h = normal(seed, *shape)
    oracle = PCA(2, svd_solver="full").fit(h.numpy())
    assert np.allclose(project(h).abs().numpy(), np.abs(oracle.transform(h.numpy())), atol=1e-8)
    assert np.allclose(explained(h).numpy(), oracle.explained_variance_ratio_, atol=1e-12)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_the_largest_loading_is_positive_so_the_map_does_not_flip(seed):
    h = normal(seed, 20, 5)
    loadings = torch.linalg.lstsq(project(h), h - h.mean(0)).solution
    assert (loadings.gather(1, loadings.abs().argmax(1, keepdim=True)) > 0).all()
    assert torch.allclose(project(h + 100), project(h), atol=1e-9)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_constant_features_lie_at_the_origin_and_explain_nothing(kind):
    h = torch.full((50, 8), 0.1, dtype=kind)
    assert not project(h).any() and explained(h).tolist() == [0, 0]


def test_one_direction_or_one_dimension_leaves_the_second_axis_at_zero():
    line = torch.arange(6.0)[:, None]
    for h in (line, line * torch.tensor([[0.3, -0.1, 0.7]]) + 5):
        assert not project(h)[:, 1].any() and project(h)[:, 0].all()
        assert explained(h).tolist() == [1, 0]


def test_a_method_that_is_not_there_is_named_with_the_closest_one():
    with pytest.raises(UnknownName, match="Did you mean 'umap'"):
        project(torch.eye(5), method="umpa")


def test_umap_refuses_collapsed_features_and_fewer_than_four():
    with pytest.raises(InputError, match="collapsed"):
        project(torch.full((50, 8), 0.1), method="umap")
    with pytest.raises(InputError, match="at least 4"):
        project(torch.eye(3), method="umap")


def test_umap_keeps_neighbours_repeats_itself_and_takes_few_samples():
    digits = torch.from_numpy(load_digits().data[:200]).float()
    chart = project(digits, method="umap")
    assert chart.shape == (200, 2) and chart.isfinite().all()
    assert trustworthiness(digits.numpy(), chart.numpy(), n_neighbors=10) > 0.9
    assert torch.equal(project(digits, method="umap"), chart)
    assert not torch.equal(project(digits, method="umap", generator=torch.Generator().manual_seed(1)), chart)
    assert project(digits[:4], method="umap").isfinite().all()
    assert project(torch.arange(30.0)[:, None] * torch.ones(3), method="umap").isfinite().all()


def slow_share(h, plane, k):
    """Sets of neighbours, sample by sample; without ties."""
    kept = 0
    for row, place in zip(range(len(h)), plane, strict=True):
        near, shown = (
            sorted((j for j in range(len(h)) if j != row), key=lambda j: float((each[j] - one).norm()))[:k]
            for each, one in ((h, h[row]), (plane, place))
        )
        kept += len(set(near) & set(shown))
    return kept / k / len(h)


@given(seeds, st.integers(1, 11))
@settings(max_examples=20, deadline=None)
def test_neighbours_kept_are_counted_sample_by_sample(seed, k):
    h = normal(seed, 12, 5)
    assert neighbours_kept(h, project(h), k=k) == pytest.approx(slow_share(h, project(h), k), abs=1e-12)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(seed))
    assert neighbours_kept(h[order] * 7, project(h)[order], k=k) == pytest.approx(neighbours_kept(h, project(h), k=k))


def test_a_map_of_planar_features_keeps_every_neighbour_and_a_map_of_nothing_keeps_what_chance_does():
    flat = normal(0, 40, 2) @ normal(1, 2, 6)
    assert neighbours_kept(flat, project(flat), k=7) == 1
    assert neighbours_kept(normal(0, 40, 3), torch.zeros(40, 2), k=7) == pytest.approx(7 / 39)
    assert neighbours_kept(torch.ones(40, 3), normal(0, 40, 2), k=7) == pytest.approx(7 / 39)


def test_a_map_keeps_more_neighbours_the_more_scikit_learn_trusts_it():
    h = normal(0, 80, 6)
    maps = [project(h), h[:, -2:], h[:, :2], normal(3, 80, 2)]
    kept, trust = ([share(h, each) for each in maps] for share in (neighbours_kept, trustworthiness))
    assert sorted(kept, reverse=True) == kept and sorted(trust, reverse=True) == trust


def test_a_map_of_other_samples_and_too_many_neighbours_are_refused():
    with pytest.raises(InputError, match="one for each of the 5 samples"):
        neighbours_kept(torch.eye(5), torch.zeros(4, 2))
    with pytest.raises(InputError, match="k must be an int in \\[1, 4\\]"):
        neighbours_kept(torch.eye(5), torch.eye(5)[:, :2], k=5)
