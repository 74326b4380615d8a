"""Spectra of features in 16 bits: what they are in 64, and a word where the type hides directions."""

import math
import re
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.measures.spectrum.matrices import normal, rotation, with_spectrum

from sslens.measures.spectrum import (
    Coarse,
    Spectrum,
    coherence,
    condition_number,
    effective_rank,
    eigenvalues,
    participation_ratio,
    power_law,
    rankme,
    singular_values,
    stable_rank,
)

pytestmark = pytest.mark.filterwarnings("ignore::sslens.measures.spectrum.FewSamples")
HALVES = [torch.float16, torch.bfloat16]
RANKS = effective_rank, participation_ratio, stable_rank, rankme, coherence, condition_number


def decaying(power, *, n=400, d=128, turned=True):
    h = normal(0, n, d) * torch.arange(1.0, d + 1) ** power
    return h @ rotation(1, d) if turned else h


@pytest.mark.parametrize("turned", [True, False])
@pytest.mark.parametrize("kind", HALVES)
def test_a_slowly_decaying_spectrum_is_whole_in_16_bits_and_nothing_is_said(kind, turned):
    exact = decaying(-0.5, turned=turned)
    for h in (exact.to(kind), Spectrum.of(exact.to(kind))):
        assert int((singular_values(h, centre=True) > 0).sum()) == 128
        for measure in RANKS:
            assert measure(h) == pytest.approx(measure(exact), rel=2e-3)
        assert power_law(eigenvalues(h)).ranks == (4, 100)
        assert power_law(eigenvalues(h)).exponent == pytest.approx(power_law(eigenvalues(exact)).exponent, rel=1e-3)


@pytest.mark.parametrize("kind", HALVES)
def test_what_16_bits_hide_of_a_steep_spectrum_is_said_and_costs_its_ranks_nothing(kind):
    exact = decaying(-2)
    for h in (exact.to(kind), Spectrum.of(exact.to(kind))):
        with pytest.warns(Coarse, match=r"of 128 directions are as small as") as said:
            left = int((singular_values(h, centre=True) > 0).sum())
        assert re.match(rf"{128 - left} of 128", str(said[0].message)) and 15 < left < 100
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Coarse)
            for measure in (effective_rank, participation_ratio, stable_rank):
                assert measure(h) == pytest.approx(measure(exact), rel=2e-3)
            found, window = power_law(eigenvalues(h)), (4, min(left, 100))
            assert found.ranks == window
            assert found.exponent == pytest.approx(power_law(eigenvalues(exact), ranks=window).exponent, rel=2e-3)
        with pytest.warns(Coarse):
            assert condition_number(h) == math.inf


@given(st.integers(0, 2**32), st.integers(1, 6), st.sampled_from(HALVES), st.floats(-30, 30))
@settings(max_examples=40, deadline=None)
def test_the_number_of_directions_is_exact_in_16_bits_too(seed, rank, kind, offset):
    h = (with_spectrum([10.0] * rank, 60, seed) @ normal(seed, rank, 20) * 5 + offset).to(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Coarse)
        assert int((singular_values(h, centre=True) > 0).sum()) == rank


@pytest.mark.filterwarnings("ignore::sslens.measures.spectrum.Coarse")
@pytest.mark.parametrize("kind", [*HALVES, torch.float8_e4m3fn])
def test_collapse_within_the_last_place_is_collapse(kind):
    h = (1 + 1e-4 * normal(0, 50, 8)).to(kind)
    assert effective_rank(h) == stable_rank(h) == 0 and not eigenvalues(torch.full((50, 8), 0.1).to(kind)).any()


def test_finer_types_are_held_to_what_no_rounding_exceeds():
    h = with_spectrum([1.0, 1e-3, 1e-8], 50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert int((singular_values(h.float(), centre=True) > 0).sum()) == 2
        assert int((singular_values(h, centre=True) > 0).sum()) == 3
