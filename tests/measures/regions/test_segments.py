"""Segments: what makes no way, and ways along folds; ``test_exactness`` has the others."""

import pytest
import torch
from tests.measures.regions.arrangements import lines
from torch import nn

from sslens.measures.regions import segment
from sslens.types import InputError


def test_inputs_that_make_no_way_are_refused():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    with pytest.raises(InputError, match="another input"):
        segment(net, torch.ones(2), torch.ones(2))
    with pytest.raises(InputError, match="finite"):
        segment(net, torch.ones(2), torch.tensor([1.0, float("inf")]))


def test_a_line_along_a_fold_and_many_folds_at_one_place():
    net = lines((1, 0, 0), (0, 1, 0), (0, 2, 0), (1, 1, 0))
    way = segment(net, torch.tensor([0.0, -1.0]), torch.tensor([0.0, 3.0]))
    assert way.count == 2 and way.breaks.tolist() == [0.25] and way.layers == ("1",)
    assert way.bits.tolist() == [[False] * 4, [False, True, True, True]]
