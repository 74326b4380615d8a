"""Spectra against closed forms, the papers' formulas and numpy; invariances over random features."""

import importlib
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.measures.spectrum.matrices import normal, rotation, shuffled, with_spectrum

from sslens.measures.spectrum import (
    effective_rank,
    eigenvalues,
    participation_ratio,
    rankme,
    singular_values,
    stable_rank,
)
from sslens.types import InputError

pytestmark = pytest.mark.filterwarnings("ignore::sslens.measures.spectrum.FewSamples")

RANKS = {
    "rankme": rankme,
    "rankme centred": lambda h: rankme(h, centre=True),
    "effective rank": effective_rank,
    "participation ratio": participation_ratio,
    "stable rank": stable_rank,
}
CENTRED = [name for name in RANKS if name != "rankme"]
seeds = st.integers(0, 2**32)
module = importlib.import_module("sslens.measures.spectrum.rankme")


def rankme_of_the_paper(h, eps=1e-7):
    """Eq. 1-2 of arXiv 2210.02885, term by term, in numpy."""
    sigma = np.linalg.svd(np.asarray(h, dtype=np.float64), compute_uv=False)
    total = sum(abs(value) for value in sigma)
    return math.exp(-sum(p * math.log(p) for p in (value / total + eps for value in sigma)))


@pytest.mark.parametrize("n, d", [(64, 64), (200, 16), (16, 200)])
def test_orthonormal_features_have_the_rank_of_their_smaller_side(n, d):
    h = torch.linalg.qr(normal(0, max(n, d), min(n, d))).Q
    h = h if n > d else h.T
    k = min(n, d)
    assert rankme(h) == pytest.approx(math.exp(-k * (1 / k + 1e-7) * math.log(1 / k + 1e-7)), rel=1e-12)
    assert rankme(h) == pytest.approx(k, rel=2 * k * 1e-7 * math.log(k))


@pytest.mark.parametrize("d, eps, golden", [(128, 1e-7, 128.006), (128, 1e-5, 128.6)])
def test_epsilon_is_added_after_normalising_and_never_normalised_away(d, eps, golden):
    value = rankme(torch.eye(d), eps=eps)
    assert value == pytest.approx(rankme_of_the_paper(np.eye(d), eps), rel=1e-12)
    assert value == pytest.approx(golden, abs=0.05 if eps > 1e-6 else 5e-4)


def test_white_2048_dimensions_give_the_published_number_and_more_with_a_larger_epsilon():
    # The spectrum of a white matrix is known, so its 2048-dimensional SVD need not be computed.
    def value(eps):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "singular_values", lambda h, centre: torch.ones(2048, dtype=torch.float64))
            return rankme(torch.eye(2), eps=eps)

    assert value(1e-7) == pytest.approx(2050.8, abs=0.05)
    assert value(1e-5) == pytest.approx(2345, abs=0.5)


@pytest.mark.parametrize("eps, golden", [(1e-7, 1.003), (1e-5, 1.266)])
def test_rank_one_in_2048_dimensions_is_one_but_for_epsilon(eps, golden):
    with pytest.MonkeyPatch.context() as patch:
        sigma = torch.zeros(2048, dtype=torch.float64)
        sigma[0] = 7.0
        patch.setattr(module, "singular_values", lambda h, centre: sigma)
        assert rankme(torch.eye(2), eps=eps) == pytest.approx(golden, abs=5e-4)


@pytest.mark.parametrize("values", [[1.0], [3.0, 1.0], [2.0**-k for k in range(12)], [1 / (k + 1) for k in range(40)]])
def test_ranks_of_a_known_spectrum(values):
    h, powers = with_spectrum(values, 60), [value**2 for value in values]
    assert singular_values(h).tolist() == pytest.approx(sorted(values, reverse=True), rel=1e-10)
    assert eigenvalues(h).tolist() == pytest.approx([power / 59 for power in powers], rel=1e-10)
    shares = [power / sum(powers) for power in powers]
    entropy = -sum(share * math.log(share) for share in shares)
    assert effective_rank(h) == pytest.approx(math.exp(entropy), rel=1e-10)
    assert participation_ratio(h) == pytest.approx(sum(powers) ** 2 / sum(power**2 for power in powers), rel=1e-10)
    assert stable_rank(h) == pytest.approx(sum(powers) / powers[0], rel=1e-10)
    assert rankme(h) == pytest.approx(rankme_of_the_paper(h), rel=1e-10)


def test_singular_values_survive_ten_decades_that_a_gram_matrix_would_lose():
    values = np.logspace(0, -10, 40)
    found = singular_values(with_spectrum(values, 100)).numpy()
    assert np.abs(found / values - 1).max() < 1e-4


@given(seeds, st.sampled_from([(2, 5), (5, 2), (7, 7), (30, 4), (4, 30)]))
@settings(max_examples=30, deadline=None)
def test_eigenvalues_are_those_of_numpys_covariance(seed, shape):
    h = normal(seed, *shape) + 3
    oracle = np.linalg.eigvalsh(np.cov(h.numpy(), rowvar=False))[::-1][: min(shape)]
    assert np.allclose(eigenvalues(h).numpy(), oracle, rtol=1e-9, atol=1e-12)


def test_stable_rank_is_the_one_of_numerical_analysis_on_the_centred_matrix():
    h = normal(5, 50, 8) * torch.arange(1, 9) + 2
    a = h - h.mean(0)
    assert stable_rank(h) == pytest.approx(float(a.norm() ** 2 / torch.linalg.matrix_norm(a, 2) ** 2), rel=1e-12)


@pytest.mark.parametrize("name", RANKS)
@given(seeds, st.floats(-30, 30))
@settings(max_examples=20, deadline=None)
def test_ranks_ignore_rotation_order_of_samples_and_scale(name, seed, decades):
    h = normal(seed, 12, 5) * torch.tensor([5.0, 2, 1, 0.5, 0.1]) + 0.3
    rank = RANKS[name](h)
    order = shuffled(seed, 12)
    assert RANKS[name](h @ rotation(seed, 5)) == pytest.approx(rank, rel=1e-9)
    assert RANKS[name](h[order]) == pytest.approx(rank, rel=1e-9)
    assert RANKS[name](h * 10**decades) == pytest.approx(rank, rel=1e-9)


@pytest.mark.parametrize("name", CENTRED)
@given(seeds, st.floats(-100, 100))
@settings(max_examples=20, deadline=None)
def test_centred_ranks_ignore_a_row_added_to_every_sample(name, seed, offset):
    h = normal(seed, 12, 5)
    assert RANKS[name](h + offset) == pytest.approx(RANKS[name](h), rel=1e-9)


@given(seeds, st.integers(1, 6), st.sampled_from([torch.float32, torch.float64]), st.floats(-1e3, 1e3))
@settings(max_examples=40, deadline=None)
def test_the_number_of_directions_is_exact_whatever_row_is_added_and_however_coarse_the_numbers(
    seed, rank, kind, offset
):
    h = (with_spectrum([1.0] * rank, 40, seed) @ normal(seed, rank, 20) + offset).to(kind)
    assert int((singular_values(h, centre=True) > 0).sum()) == rank


@pytest.mark.parametrize("shape", [(64, 1000), (1000, 64), (3, 5)])
def test_one_direction_in_many_dimensions_is_one_direction(shape):
    h = normal(0, shape[0], 1) @ normal(1, 1, shape[1])
    assert int((singular_values(h, centre=True) > 0).sum()) == 1


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_ranks_by_eigenvalues_never_exceed_each_other_in_this_order(seed):
    h = normal(seed, 30, 6) * torch.tensor([3.0, 2, 1, 1, 0.5, 0.1])
    # Rényi entropies of one spectrum fall with their order: infinite, 2, 1; and σ spreads more evenly than λ.
    values = [stable_rank(h), participation_ratio(h), effective_rank(h), rankme(h, centre=True, eps=0.0)]
    assert values == sorted(values)


def test_effective_rank_of_singular_values_is_another_number_than_of_eigenvalues():
    h = normal(0, 4096, 64) / torch.arange(1, 65)
    assert (round(effective_rank(h), 1), round(rankme(h, eps=0.0))) == (4.6, 29)


def test_rankme_as_published_falls_with_an_offset_and_centred_does_not():
    h = normal(0, 2000, 64)
    plain, centred = [rankme(h + m) for m in (0.0, 0.5, 1, 10)], [rankme(h + m, centre=True) for m in (0.0, 0.5, 1, 10)]
    assert plain == sorted(plain, reverse=True) and plain[-1] < plain[0] / 4
    assert centred == pytest.approx([centred[0]] * 4, rel=1e-9)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_total_collapse_has_rank_zero_and_no_rounding_is_shown_as_a_spectrum(kind):
    h = torch.full((1000, 64), 0.1, dtype=kind)
    assert not singular_values(h, centre=True).any() and not eigenvalues(h).any()
    assert effective_rank(h) == participation_ratio(h) == stable_rank(h) == 0
    assert rankme(h, centre=True) == rankme(torch.zeros_like(h)) == 0
    assert rankme(h) == pytest.approx(1, abs=2e-4)


def test_tiny_features_are_not_collapsed_features():
    h = normal(1, 50, 8)
    assert stable_rank((h * 1e-30).float()) == pytest.approx(stable_rank(h), rel=1e-6)
    assert participation_ratio(h * 1e-150) == pytest.approx(participation_ratio(h), rel=1e-9)


def test_one_row_has_no_covariance_but_a_rankme():
    row = torch.tensor([[1.0, 2.0, 3.0]])
    assert rankme(row) == pytest.approx(1, abs=1e-6)
    for measure in (eigenvalues, effective_rank, participation_ratio, stable_rank, RANKS["rankme centred"]):
        with pytest.raises(InputError, match="at least 2 row"):
            measure(row)


@pytest.mark.parametrize("eps", [-1e-7, 1.5, float("nan")])
def test_epsilon_out_of_range_is_refused(eps):
    with pytest.raises(InputError, match="eps"):
        rankme(torch.eye(3), eps=eps)
