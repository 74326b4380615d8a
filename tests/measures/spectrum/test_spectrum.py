"""One decomposition against one for each measure; the singular values of a diagonal with a row against numpy."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.measures.spectrum.matrices import normal, rotation, with_spectrum

from sslens.measures import spectrum
from sslens.measures.spectrum import Spectrum
from sslens.measures.spectrum.spectrum import with_row
from sslens.types import InputError

pytestmark = pytest.mark.filterwarnings("ignore::sslens.measures.spectrum.FewSamples")
seeds = st.integers(0, 2**32)
MEASURES = {
    "singular values": spectrum.singular_values,
    "centred singular values": lambda h: spectrum.singular_values(h, centre=True),
    "eigenvalues": spectrum.eigenvalues,
    "rankme": spectrum.rankme,
    "rankme centred": lambda h: spectrum.rankme(h, centre=True),
    "effective rank": spectrum.effective_rank,
    "participation ratio": spectrum.participation_ratio,
    "stable rank": spectrum.stable_rank,
    "condition number": spectrum.condition_number,
    "coherence": spectrum.coherence,
    "spectral map": lambda h: spectrum.spectral_map(h, 0.7),
    "principal": lambda h: spectrum.principal(h, torch.ones(3, h.shape[1]))[1].abs(),
    "reshaped": lambda h: spectrum.reshaped(h, torch.ones(3, h.shape[1]), beta=0.3)[1].abs(),
}
SHAPES = [(40, 6), (13, 12), (9, 9), (6, 40), (2, 3), (200, 1), (3, 2)]
OFFSETS = [0.0, 1.0, 1e4]


def numbers(answer):
    return answer.flatten().tolist() if isinstance(answer, torch.Tensor) else [answer]


def spread(seed, n, d, offset=0.3):
    return normal(seed, n, d) * torch.arange(1, d + 1) ** -0.5 + offset * normal(seed + 1, 1, d)


@pytest.mark.parametrize("name", MEASURES)
@given(seeds, st.sampled_from(SHAPES), st.sampled_from(OFFSETS))
@settings(max_examples=25, deadline=None)
def test_every_measure_of_a_spectrum_is_that_of_its_features(name, seed, shape, offset):
    h = spread(seed, *shape, offset)
    found, right = (numbers(MEASURES[name](each)) for each in (Spectrum.of(h), h))
    # Distances in units of the largest: a singular value of either is known to some eps · σ₁.
    assert found == pytest.approx(right, rel=1e-8, abs=1e-12 * max(map(abs, right)) + 1e-11)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize(
    "case",
    ["constant", "zero", "rank two", "rank two and a mean", "mean within", "dead units", "copies", "one dimension"],
)
def test_every_measure_of_a_spectrum_is_that_of_degenerate_features(name, case, kind):
    flat = with_spectrum([3.0, 1.0], 30) @ normal(5, 2, 8)
    h = {
        "constant": torch.full((30, 8), 0.1),
        "zero": torch.zeros(30, 8),
        "rank two": flat,
        "rank two and a mean": flat + normal(7, 1, 8),
        "mean within": flat + normal(6, 1, 2) @ normal(5, 2, 8),
        "dead units": torch.cat([spread(1, 30, 5), torch.zeros(30, 3)], 1),
        "copies": spread(2, 3, 8).repeat(10, 1),
        "one dimension": spread(3, 30, 1),
    }[case].to(kind)
    found, right = (numbers(MEASURES[name](each)) for each in (Spectrum.of(h), h))
    assert found == pytest.approx(right, rel=1e-6, abs=1e-9)


def test_the_exponent_of_a_spectrum_is_that_of_its_eigenvalues_at_any_size():
    h = spread(0, 300, 20)
    right = spectrum.power_law(spectrum.eigenvalues(h), ranks=(2, 15))
    for size in (1.0, 1e-300, 1e300):
        law = spectrum.power_law(Spectrum.of(h * size), ranks=(2, 15))
        assert law.exponent == pytest.approx(right.exponent, rel=1e-9)
        assert law.intercept == pytest.approx(right.intercept + 2 * math.log(size), rel=1e-9)


def test_features_are_taken_apart_once_for_all_their_measures(monkeypatch):
    calls = []
    for name in ("svd", "svdvals", "qr", "eigh", "eigvalsh"):
        real = getattr(torch.linalg, name)
        monkeypatch.setattr(torch.linalg, name, lambda *a, of=real, by=name, **k: (calls.append(by), of(*a, **k))[1])
    shared = Spectrum.of(spread(0, 60, 8))
    for measure in MEASURES.values():
        measure(shared)
    assert calls == ["qr", "svd"] and Spectrum.of(shared) is shared


@pytest.mark.parametrize("offset", [0.0, 1.0, 1e3, 1e6])
def test_plain_singular_values_are_as_accurate_as_an_svd_of_the_features(offset):
    h = with_spectrum(np.logspace(0, -9, 30), 100) + offset * normal(3, 1, 30)
    found, right = Spectrum.of(h).plain, torch.linalg.svdvals(h)
    assert float((found - right).abs().max()) < 100 * torch.finfo(h.dtype).eps * float(right[0])
    assert spectrum.rankme(Spectrum.of(h)) == pytest.approx(spectrum.rankme(h), rel=1e-12)


@given(seeds, st.integers(1, 12), st.sampled_from(["apart", "equal", "zeros", "tiny row", "zero row", "decades"]))
@settings(max_examples=80, deadline=None)
def test_a_row_below_a_diagonal_moves_its_singular_values_as_numpy_says(seed, k, case):
    diagonal, row = normal(seed, k, 1)[:, 0].abs().sort(descending=True).values, normal(seed + 1, k, 1)[:, 0]
    if case == "equal":
        diagonal = diagonal[:1].expand(k).clone()
    if case == "zeros":
        diagonal[k // 2 :] = 0
    if case == "decades":
        diagonal = 10.0 ** -torch.arange(k).double()
    row = row * {"tiny row": 1e-12, "zero row": 0.0}.get(case, 1.0)
    found = with_row(diagonal, row)
    right = np.linalg.svd(np.vstack([np.diag(diagonal.numpy()), row.numpy()]), compute_uv=False)
    assert np.abs(found.numpy() - right).max() < 1e-14 * max(right[0], 1e-300) * 20
    assert (found.diff() <= 0).all()


def test_small_values_beside_a_row_are_relatively_accurate():
    """Two by two, the product of the singular values of R = [[a, 0], [0, b], [r, s]] is √(a²b² + a²s² + b²r²)."""
    a, b, r, s = 1.0, 1e-11, 0.7, 3e-11
    diagonal, row = torch.tensor([[a, b], [r, s]], dtype=torch.float64)
    first, second = with_row(diagonal, row).tolist()
    product = math.sqrt((a * b) ** 2 + (a * s) ** 2 + (b * r) ** 2)
    assert second == pytest.approx(product / math.hypot(a, r), rel=1e-14, abs=0)
    assert first == pytest.approx(math.hypot(a, r), rel=1e-14)


def test_leverages_add_up_to_the_rank():
    for h in (spread(0, 40, 6), spread(0, 6, 40), torch.cat([spread(1, 30, 5), torch.zeros(30, 3)], 1)):
        rank, shares = Spectrum.of(h).leverages
        assert rank == torch.linalg.matrix_rank(h) and float(shares.sum()) == pytest.approx(rank, rel=1e-12)


def test_a_spectrum_takes_two_rows_and_what_features_are(unchecked):
    with pytest.raises(InputError, match="at least 2 row"):
        Spectrum.of(torch.ones(1, 3))
    h = spread(0, 20, 3)
    assert spectrum.rankme(Spectrum.of(h.numpy())) == spectrum.rankme(Spectrum.of(h.tolist()))
    assert spectrum.stable_rank(Spectrum.of(h @ rotation(0, 3))) == pytest.approx(spectrum.stable_rank(h), rel=1e-12)
