"""CKA against the n x n matrices of its definition."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.measures.spectrum.matrices import normal, rotation, shuffled

from sslens.measures.spectrum import cka
from sslens.types import InputError

pytestmark = pytest.mark.filterwarnings("ignore::sslens.measures.spectrum.FewSamples")
seeds = st.integers(0, 2**32)


def song(k, other):
    """HSIC₁ of Song et al., eq. by eq.: sums over samples i, j of the kernels without their diagonals."""
    n = len(k)
    off = [(i, j) for i in range(n) for j in range(n) if i != j]
    trace = sum(k[i, j] * other[j, i] for i, j in off)
    rows = [sum(k[i, j] for j in range(n) if j != i) for i in range(n)]
    others = [sum(other[i, j] for j in range(n) if j != i) for i in range(n)]
    crossed = sum(a * b for a, b in zip(rows, others, strict=True))
    return (trace + sum(rows) * sum(others) / ((n - 1) * (n - 2)) - 2 * crossed / (n - 2)) / (n * (n - 3))


def gretton(k, other):
    centre = np.eye(len(k)) - 1 / len(k)
    return np.trace(k @ centre @ other @ centre) / (len(k) - 1) ** 2


def definition(hsic, x, y):
    k, other = (side.numpy() @ side.numpy().T for side in (x, y))
    return hsic(k, other) / math.sqrt(hsic(k, k) * hsic(other, other))


@given(seeds, st.sampled_from([(4, 2, 3), (12, 5, 5), (12, 30, 4), (9, 20, 40), (15, 1, 3)]), st.floats(-2, 2))
@settings(max_examples=30, deadline=None)
def test_cka_is_that_of_the_kernel_matrices(seed, shape, shared):
    n, d, k = shape
    x = normal(seed, n, d) + 1
    y = shared * x[:, :1] + normal(seed + 1, n, k)
    assert cka(x, y) == pytest.approx(definition(song, x, y), rel=1e-7, abs=1e-9)
    assert cka(x, y, unbiased=False) == pytest.approx(definition(gretton, x, y), rel=1e-8)


@pytest.mark.parametrize("unbiased", [True, False])
@given(seeds, st.floats(-100, 100))
@settings(max_examples=15, deadline=None)
def test_rotation_scale_offset_order_and_sides_do_not_matter(unbiased, seed, decades):
    x = normal(seed, 15, 4)
    y = x[:, :3] + normal(seed + 1, 15, 3)
    plain, order = cka(x, y, unbiased=unbiased), shuffled(seed, 15)
    turned = 10**decades * (x @ rotation(seed, 4))[order]
    assert cka(y[order], turned, unbiased=unbiased) == pytest.approx(plain, rel=1e-7, abs=1e-9)
    assert cka(x + 5, y - 3, unbiased=unbiased) == pytest.approx(plain, rel=1e-7, abs=1e-9)
    assert cka(x, x @ rotation(seed, 4), unbiased=unbiased) == pytest.approx(1, rel=1e-9)


def test_unrelated_features_are_near_0_unbiased_and_far_from_it_biased():
    found = [[cka(normal(i, 50, 64), normal(i + 99, 50, 64), unbiased=way) for i in range(20)] for way in (True, False)]
    unbiased, biased = (sum(values) / 20 for values in found)
    assert abs(unbiased) < 0.02 and min(found[0]) < 0 < max(found[0]) and biased > 0.5


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_constant_features_are_like_nothing(unbiased, kind):
    x, constant = normal(0, 30, 3, kind), torch.full((30, 4), 0.1, dtype=kind)
    assert cka(x, constant, unbiased=unbiased) == cka(constant, x, unbiased=unbiased) == 0
    assert cka(constant, constant, unbiased=unbiased) == cka(torch.zeros(30, 2), x.double(), unbiased=unbiased) == 0


def test_samples_all_as_far_from_each_other_have_no_unbiased_structure():
    simplex = torch.eye(9) @ rotation(0, 9).float()
    assert cka(simplex.double(), normal(0, 9, 3)) == 0 and cka(torch.eye(9), torch.eye(9)) == 0
    assert cka(torch.eye(9), torch.eye(9), unbiased=False) == pytest.approx(1)


def test_the_other_side_has_the_same_samples_and_the_unbiased_form_at_least_four(unchecked):
    with pytest.raises(InputError, match="of 5 rows, the same samples as x"):
        cka(normal(0, 5, 2), normal(1, 6, 2))
    with pytest.raises(InputError, match="at least 4 rows"):
        cka(normal(0, 3, 2), normal(1, 3, 2))
    assert cka(normal(0, 3, 2), normal(1, 3, 2), unbiased=False) > 0
    with pytest.raises(InputError, match=r"y must be finite.*row 2, column 1"):
        cka(normal(0, 4, 2), torch.tensor([[0.0, 1], [1, 0], [1, torch.nan], [2, 3]]))
    with pytest.raises(InputError, match="unbiased"):
        cka(normal(0, 4, 2), normal(0, 4, 2), unbiased="yes")
