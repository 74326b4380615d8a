"""Resampled means against the binomial law they must follow."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from sslens.measures.probe import bootstrap
from sslens.runtime import stream
from sslens.types import InputError

seeds = st.integers(0, 2**32)


@pytest.mark.parametrize("successes", [1, 12, 30])
def test_resampled_shares_follow_the_binomial_law(successes):
    values = (torch.arange(40) < successes).double()[:, None]
    means = bootstrap(values, draws=4000, generator=stream(0, "resamples"))[:, 0]
    law = binom(40, successes / 40)
    assert float(means.mean()) == pytest.approx(law.mean() / 40, abs=5 * law.std() / 40 / 4000**0.5)
    assert float(means.var()) == pytest.approx(law.var() / 1600, rel=0.15)
    for share in (0.025, 0.5, 0.975):
        assert float(means.quantile(share)) == pytest.approx(law.ppf(share) / 40, abs=1 / 40 + 1e-12)


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_rows_are_drawn_whole_so_that_columns_stay_paired(seed):
    first = torch.randn(20, 1, generator=torch.Generator().manual_seed(seed))
    means = bootstrap(torch.cat([first, 2 * first + 1], 1), draws=30, generator=stream(seed, "resamples"))
    assert torch.allclose(means[:, 1], 2 * means[:, 0] + 1, atol=1e-6)
    assert means.shape == (30, 2) and len(means.unique(dim=0)) == 30


def test_bootstrap_refuses_no_draw():
    with pytest.raises(InputError, match="draws"):
        bootstrap(torch.ones(3, 1), draws=0, generator=stream(0, "resamples"))
