"""Regions that samples hit: against loops over patterns, against the exact count, and the cases known by hand."""

import numpy as np
import pytest
import torch
from tests.measures.regions.nets import he_normal_b, of_images, through
from torch import nn

from sslens.encoders.convnet import conv
from sslens.measures.regions import Plane, count_regions, count_sampled, grid, partition, sampling, square
from sslens.types import InputError


def patterns(net, points):
    """By numpy, one point after the other."""
    layers = [(each.weight.detach().numpy(), each.bias.detach().numpy()) for each in net if isinstance(each, nn.Linear)]
    seen = set()
    for x in points.numpy():
        bits = []
        for weight, bias in layers[:-1]:
            z = np.array([sum(w * v for w, v in zip(row, x, strict=True)) for row in weight]) + bias
            bits += [bool(value > 0) for value in z]
            x = np.where(z > 0, z, 0.0)
        seen.add(tuple(bits))
    return len(seen)


def test_a_grid_tiles_the_square_evenly():
    points = grid(5)
    assert len(points) == 25 and torch.allclose(points.mean(0), torch.zeros(2).double())
    assert (points.amax(0).tolist(), points.amin(0).tolist()) == ([0.8, 0.8], [-0.8, -0.8])
    assert float(torch.pdist(points).min()) == pytest.approx(0.4)


@pytest.mark.parametrize("side", [0, -1, 10_001, 2.5])
def test_a_grid_without_points_or_with_too_many_is_refused(side, unchecked):
    with pytest.raises(InputError, match="side"):
        grid(side)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_counted_are_distinct_patterns(seed):
    net, points = he_normal_b(seed, 2, 9, 7), grid(12)
    assert count_sampled(net, Plane.identity(), points) == patterns(net, points) > 10


def test_three_of_four_quadrants():
    net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU())
    net[0].weight.data = torch.eye(2)
    places = torch.tensor([[1.0, 1], [2, 1], [-1, 1], [-1, -1], [-3, -1]])
    assert count_sampled(net, Plane.identity(), places) == 3


def test_a_point_in_every_cell_finds_every_region():
    net = he_normal_b(0, 2, 16, 16)
    assert count_sampled(net, Plane.identity(), partition(net, Plane.identity(), square(1)).centres) == 225


def test_more_points_find_more_and_never_more_than_there_are():
    net = he_normal_b(1, 2, 16, 16)
    found = [count_sampled(net, Plane.identity(), grid(side)) for side in (5, 15, 45)]  # each within the next
    assert 1 < found[0] < found[1] < found[2] < count_regions(net, Plane.identity(), square(1))


def test_images_and_their_convolutions_are_sampled_too():
    case = of_images(0, conv(1, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 2))
    cells = partition(case.net, Plane(*case.plane), case.domain)
    assert count_sampled(case.net, Plane(*case.plane), cells.centres) == cells.count > 20


def test_pieces_change_nothing(monkeypatch):
    net, points = he_normal_b(2, 2, 9, 7), grid(10)
    whole = count_sampled(net, Plane.identity(), points)
    monkeypatch.setattr(sampling, "VALUES", 1)
    assert count_sampled(net, Plane.identity(), points) == whole


def test_points_are_taken_in_the_plane_s_own_coordinates():
    net, (origin, first, second) = he_normal_b(3, 5, 12, 12), through(3, 5)
    near = count_sampled(net, Plane(origin, first, second), grid(20))
    assert near == count_sampled(net, Plane(origin, 2 * first, 2 * second), grid(20) / 2) > 5


@pytest.mark.parametrize(
    "points",
    [torch.ones(3), torch.ones(3, 3), torch.full((2, 2), torch.nan), torch.ones(0, 2), torch.ones(2, 2).bool()],
)
def test_what_are_no_points_of_a_plane_is_refused(points, unchecked):
    with pytest.raises(InputError, match="points"):
        count_sampled(he_normal_b(0, 2, 4), Plane.identity(), points)


def test_a_smooth_network_is_refused():
    with pytest.raises(InputError, match="net"):
        count_sampled(nn.Sequential(nn.Linear(2, 2), nn.GELU()), Plane.identity(), torch.ones(1, 2))


class Cancelling(nn.Module):
    """Three numbers whose sum is zero everywhere, up to rounding, before a fold, and a unit that is not."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 1).double()
        self.first.weight.data, self.first.bias.data = torch.tensor([[1 / 3, 0.7]]).double(), torch.zeros(1).double()

    def forward(self, x):
        z = self.first(x)
        cancelled = 0.1 * z.relu() - 0.1 * (-z).relu() - z / 10
        return torch.relu(torch.cat([cancelled, x + 9], 1))


def test_what_rounding_leaves_of_a_unit_that_is_zero_parts_no_samples():
    net = Cancelling()
    with torch.no_grad():
        assert len(net(grid(50).double())[:, 0].sign().unique()) == 2  # rounding is above zero here and there
    assert count_sampled(net, Plane.identity(), grid(50)) == count_regions(net, Plane.identity(), square(1.0)) == 2
