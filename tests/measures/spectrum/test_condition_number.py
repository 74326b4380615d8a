"""Condition number against numpy."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.measures.spectrum.matrices import normal, with_spectrum

from sslens.measures.spectrum import condition_number

pytestmark = pytest.mark.filterwarnings("ignore::sslens.measures.spectrum.FewSamples")
seeds = st.integers(0, 2**32)


@given(seeds, st.sampled_from([(5, 5), (40, 6), (6, 40), (3, 1), (1, 3)]), st.floats(-50, 50))
@settings(max_examples=40, deadline=None)
def test_condition_number_is_numpys(seed, shape, offset):
    h = normal(seed, *shape) + offset
    assert condition_number(h) == pytest.approx(np.linalg.cond(h.numpy()), rel=1e-8)


def test_condition_number_of_a_known_spectrum_and_of_a_missing_direction():
    h = with_spectrum([8.0, 4.0, 0.5], 20)
    assert condition_number(h) == pytest.approx(16, rel=1e-10)
    assert condition_number(h[:, :2] @ normal(1, 2, 3)) == condition_number(torch.cat([h, h[:, :1]], 1)) == math.inf
    assert condition_number(torch.zeros(4, 2)) == math.inf


def test_a_direction_within_the_rounding_of_the_input_is_missing_and_one_above_it_is_not():
    h = with_spectrum([1.0, 1e-9], 50)
    assert condition_number(h) == pytest.approx(1e9, rel=1e-5)
    assert condition_number(h.float()) == math.inf
