"""Affine maps of cells against the networks themselves."""

import numpy as np
import pytest
import torch
from tests.measures.regions.arrangements import linear, lines, on_plane
from torch import nn

from sslens.measures.regions import Plane, partition, square


def test_a_dead_layer_leaves_activation_regions_and_one_map():
    first = lines((1, 0, 0), (0, 1, 0), (1, 1, 0.3))
    net = nn.Sequential(*first, linear([[-1.0, -1.0, -1.0]] * 4, [-0.1] * 4), nn.ReLU(), linear([[1.0] * 4], [2.0]))
    cells = on_plane(net)
    assert (cells.count, cells.linear_count) == (7, 1)
    assert not cells.slope.any() and (cells.offset == 2).all() and not cells.unpack("3").any()


def test_maps_areas_and_patterns_of_two_absolute_values():
    class Absolute(nn.Module):
        def forward(self, x):
            return torch.abs(x).sum(1, keepdim=True)

    cells = on_plane(Absolute(), square(2.0, (1.0, 0.0)))
    assert cells.layers == ("abs_1",) and cells.count == cells.linear_count == 4
    signs = 2.0 * cells.unpack() - 1
    assert torch.equal(cells.slope[:, 0], signs.double()) and not cells.offset.any()
    assert torch.allclose(cells.slope_norm, torch.full((4,), 2**0.5).double())
    assert sorted(cells.area.tolist()) == pytest.approx([2, 2, 6, 6])
    assert np.array_equal(np.unpackbits(cells.patterns.numpy(), axis=1, bitorder="little")[:, :2], cells.unpack())


def test_maps_of_a_pooling_network_are_its_own():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv1d(1, 3, 3), nn.MaxPool1d(3, stride=2, padding=1), nn.Flatten(), nn.Linear(12, 2))
    plane = Plane.through(torch.randn(3, 1, 10))
    cells = partition(net, plane, square(2.0))
    own = net.double()(plane.at(cells.centres))
    assert torch.allclose((cells.slope @ cells.centres[:, :, None]).squeeze(2) + cells.offset, own, atol=1e-12)
    assert cells.count == cells.linear_count > 10  # places below the largest cut nothing
