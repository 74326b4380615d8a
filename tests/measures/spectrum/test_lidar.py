"""LiDAR against Σ_w^−½ Σ_b Σ_w^−½ built sample by sample."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.measures.spectrum.matrices import normal, rotation, shuffled

from sslens.measures.spectrum import effective_rank, lidar
from sslens.types import InputError

pytestmark = pytest.mark.filterwarnings("ignore::sslens.measures.spectrum.FewSamples")
seeds = st.integers(0, 2**32)


def augmented(seed, v, n, d, noise=0.5):
    clean = normal(seed, n, d) * torch.arange(1, d + 1) + 2
    return torch.stack([clean + noise * normal(seed + 1 + i, n, d) for i in range(v)])


def lidar_of_the_paper(views, delta=1e-4, eps=0.0):
    """Eq. 1-2 of arXiv 2312.04000, outer product by outer product, with the symmetric root."""
    views = views.double().numpy()
    v, n, d = views.shape
    means = [views[:, i].mean(0) for i in range(n)]
    middle = sum(means) / n
    between = sum(np.outer(mean - middle, mean - middle) for mean in means) / (n - 1)
    within = delta * np.eye(d)
    for i in range(n):
        for j in range(v):
            within += np.outer(views[j, i] - means[i], views[j, i] - means[i]) / (n * (v - 1))
    values, vectors = np.linalg.eigh(within)
    root = vectors @ np.diag(values**-0.5) @ vectors.T
    spectrum = np.linalg.eigvalsh(root @ between @ root)
    shares = [value / spectrum.sum() + eps for value in spectrum if value > 1e-12 * spectrum.max() or eps]
    return math.exp(-sum(share * math.log(share) for share in shares))


@given(seeds, st.sampled_from([(2, 30, 4), (5, 12, 6), (3, 8, 1), (2, 5, 9), (2, 2, 3)]))
@settings(max_examples=30, deadline=None)
def test_lidar_is_that_of_the_paper(seed, shape):
    views = augmented(seed, *shape)
    assert lidar(views) == pytest.approx(lidar_of_the_paper(views), rel=1e-8)
    assert lidar(views, delta=0.3) == pytest.approx(lidar_of_the_paper(views, 0.3), rel=1e-8)


def test_an_epsilon_is_added_after_normalising_as_in_rankme():
    views = augmented(0, 4, 40, 6)
    assert lidar(views, eps=1e-3) == pytest.approx(lidar_of_the_paper(views, eps=1e-3), rel=1e-9)
    assert lidar(views, eps=1e-3) > lidar(views)


def test_lidar_counts_directions_that_tell_samples_apart_and_not_those_augmentation_moves():
    clean, moved = torch.zeros(200, 8).double(), normal(1, 3 * 200, 8).reshape(3, 200, 8)
    clean[:, :3] = normal(0, 200, 3)
    views = clean + 0.01 * moved
    views[:, :, 7] += 100 * normal(2, 600, 1).reshape(3, 200)
    assert effective_rank(views[0]) < 1.01 and lidar(views) == pytest.approx(3, abs=0.1)


def test_equal_views_leave_the_effective_rank_of_the_samples():
    h = normal(0, 60, 5) * torch.tensor([3.0, 2, 1, 1, 0.5])
    assert lidar(torch.stack([h, h, h])) == pytest.approx(effective_rank(h), rel=1e-10)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_lidar_ignores_order_rotation_offset_and_with_a_small_delta_any_invertible_map(seed):
    views = augmented(seed, 3, 20, 4)
    plain, order = lidar(views), shuffled(seed, 20)
    assert lidar(views[:, order].flip(0) @ rotation(seed, 4) + 3) == pytest.approx(plain, rel=1e-8)
    assert lidar(100 * views, delta=1.0) == pytest.approx(plain, rel=1e-8)  # delta goes with the square of the scale
    bent = views @ rotation(seed, 4) * torch.tensor([1.0, 5, 0.2, 2]) @ rotation(seed + 1, 4)
    assert lidar(bent, delta=1e-12) == pytest.approx(lidar(views, delta=1e-12), rel=1e-6)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_samples_that_do_not_differ_have_lidar_0(kind):
    assert lidar(torch.full((3, 20, 4), 0.1, dtype=kind)) == lidar(torch.zeros(2, 9, 3, dtype=kind)) == 0
    assert lidar((normal(0, 3, 4).to(kind)[:, None]).expand(3, 50, 4)) == 0


def test_views_that_are_none_are_refused(unchecked):
    good = augmented(0, 2, 6, 3)
    for wrong in (good[0], good[:1], good[:, :1], good[:, :, :0], good > 0, good[None], None, [[1.0], [2.0, 3.0]]):
        with pytest.raises(InputError, match="views"):
            lidar(wrong)
    assert lidar(good.tolist()) == lidar(good.numpy()) == lidar(good)
    good[1, 4, 2] = math.inf
    with pytest.raises(InputError, match=r"views\[1\] must be finite.*1 of 18 values, first in row 4, column 2"):
        lidar(good)


def test_more_views_than_samples_are_taken_for_the_axes_the_wrong_way_round():
    views = augmented(0, 4, 30, 3)
    with pytest.raises(InputError, match=r"no more views of a sample than samples.*views\.transpose\(0, 1\)"):
        lidar(views.transpose(0, 1))
    assert lidar(views[:, :4]) > 1


@pytest.mark.parametrize("size", [1e-300, 1e-170, 1e170, 1e300])
@pytest.mark.parametrize("noise", [0.5, 0.0])
def test_lidar_of_any_size_is_what_is_left_when_delta_is_small_or_all(size, noise):
    views = augmented(0, 3, 30, 4, noise)
    found = lidar(views * size)
    if size < 1 or not noise:  # of nothing but delta, or where views do not differ: that of the samples
        assert found == pytest.approx(effective_rank(views.mean(0)), rel=1e-9)
    else:
        assert found == pytest.approx(lidar(views, delta=1e-12), rel=1e-9)


@pytest.mark.parametrize(
    "options", [{"delta": 0.0}, {"delta": -1.0}, {"delta": math.nan}, {"eps": -1e-7}, {"eps": 2.0}]
)
def test_regularisation_out_of_range_is_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        lidar(augmented(0, 2, 6, 3), **options)
