"""The planted features have the spectrum they are said to have, and gains are found in them."""

import pytest
import torch

from sslens.runtime import stream
from sslens.studies.how_white_planted import control, gain_of_steeper, gain_of_white, planted
from sslens.types import UnknownName


def test_variances_are_the_planted_ones():
    (h, labels), _ = planted("classes first", generator=stream(0, "x"))
    values = torch.linalg.eigvalsh(h.T.cov()).flip(0)
    assert values[:9].min() > 1.4 and abs(values[:9].mean() - 1.9) < 0.2 and values[9] < 1.5
    means = torch.stack([h[labels == label].mean(0) for label in range(10)])
    assert (means[:, :10] - 3 * torch.eye(10)).abs().max() < 0.5 and means[:, 10:].abs().max() < 0.5
    (loud, _), _ = planted("noise first", generator=stream(0, "x"))
    assert (loud.std(0)[10:] > 5).all() and (loud.std(0)[:10] < 2).all()


def test_gains_are_found_on_both_sides():
    found = control(draws=2)
    assert gain_of_steeper(*found).min() > 0.05
    assert gain_of_white(*found).min() > 0


def test_another_kind_is_refused():
    with pytest.raises(UnknownName, match="Did you mean 'noise first'"):
        planted("noise last", generator=stream(0, "x"))
