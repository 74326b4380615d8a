"""Folds beside the rectifiers: what each is worth in closed form, in every spelling and by every entry point."""

import pytest
import torch
from tests.measures.regions.nets import he_normal_b
from tests.measures.regions.programs import KINDS, WAYS, Bend
from torch import nn
from torch.nn import functional

from sslens.measures.regions import Plane, count_regions, count_sampled, grid, partition, segment, square
from sslens.types import InputError

PLANE, DOMAIN = Plane.identity(), square(8.0)


def bent(kink):
    """Two units that are the coordinates, behind them a kink, and one output."""
    net = nn.Sequential(nn.Linear(2, 2, bias=False), kink, nn.Linear(2, 1)).double()
    net[0].weight.data = torch.eye(2).double()
    return net


class Two(nn.Module):
    """What is made of both coordinates."""

    def __init__(self, fold):
        super().__init__()
        self.fold = fold

    def forward(self, x):
        return self.fold(x[:, :1], x[:, 1:])


@pytest.mark.parametrize("engine", ["numba", "torch"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_spelling_of_a_fold_cuts_where_it_bends_and_maps_as_it_does(kind, engine):
    lines = 1 + len(KINDS[kind].breaks)
    for way in range(len(WAYS[kind])):
        net = bent(Bend(kind, way))
        cells = partition(net, PLANE, DOMAIN, engine=engine)
        assert cells.count == cells.linear_count == lines**2
        assert count_regions(net, PLANE, DOMAIN, engine=engine) == count_sampled(net, PLANE, 8 * grid(64)) == lines**2
        way_across = segment(net, torch.tensor([-8.0, 0.2]), torch.tensor([8.0, 0.2]))
        assert way_across.count == lines
        assert way_across.breaks.tolist() == pytest.approx([float(at + 8) / 16 for at in KINDS[kind].breaks])
        points = torch.rand(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 16 - 8
        cell = torch.stack([inside(cells.polygon(each), points) for each in range(cells.count)]).int().argmax(0)
        mapped = (cells.slope[cell] @ points[:, :, None]).squeeze(2) + cells.offset[cell]
        assert torch.allclose(mapped, net(points), atol=1e-12)


def inside(polygon, points):
    ends = polygon.roll(-1, 0) - polygon
    away = points[:, None] - polygon
    return (ends[:, 0] * away[..., 1] - ends[:, 1] * away[..., 0] >= 0).all(1)


@pytest.mark.parametrize(
    ("fold", "count"),
    [
        (torch.maximum, 2),
        (torch.minimum, 2),
        (torch.fmax, 2),
        (lambda a, b: torch.max(a, other=b), 2),
        (lambda a, b: a.min(b), 2),
        (lambda a, b: torch.where(a > b, a, b), 2),
        (lambda a, b: torch.where(a <= 2 * b, a - 2 * b, 0), 2),
        (lambda a, b: (a - b) * (b.lt(a)), 2),
        (lambda a, b: (b - a).masked_fill(a > b, 0.0), 2),
        (lambda a, b: a.clamp(min=b), 2),
        (lambda a, b: torch.clamp(a, b - 1, b + 1), 3),
        (lambda a, b: a.clamp(b, -b), 6),
        (lambda a, b: torch.maximum(a, b) + torch.minimum(a, b), 2),
    ],
)
def test_two_numbers_on_their_way_meet_in_a_line(fold, count):
    cells = partition(Two(fold), PLANE, DOMAIN)
    assert cells.count == count
    own = Two(fold)(cells.centres)
    assert torch.allclose((cells.slope @ cells.centres[:, :, None]).squeeze(2) + cells.offset, own, atol=1e-12)


@pytest.mark.parametrize(
    ("fold", "message"),
    [
        (lambda a, b: torch.where(a > 0.3, a, a * 0), "gt in 'gt'.*not known to meet"),
        (lambda a, b: torch.where(a > b, 1.0 + a, b), "gt in 'gt'.*'where' makes of it"),
        (lambda a, b: b * (a > 0), "gt in 'gt'.*'mul' makes of it"),
        (lambda a, b: (a > 0).double(), "the network makes of it"),
        (lambda a, b: a + (a > 0), "gt in 'gt'.*'add' makes of it"),
        (lambda a, b: a.masked_fill(a < -0.2, 0.0), "lt in 'lt'"),
        (lambda a, b: a * ((a > 0) & (a < 1)), "'and_' makes of it"),
        (lambda a, b: a * (a == 0), "eq in 'eq'"),
        (lambda a, b: functional.threshold(a, 0.5, 0.0), "threshold in .*It jumps"),
        (lambda a, b: functional.hardshrink(a), "hardshrink.*It jumps; softshrink"),
        (lambda a, b: functional.hardswish(a), "hardswish.*quadratic"),
        (lambda a, b: torch.cat([a, b], 1).amax(1, keepdim=True), "amax in 'amax'.*max_pool1d"),
        (lambda a, b: torch.cat([a, b], 1).max(1, keepdim=True)[0], "max in 'max_1'.*max_pool1d"),
        (lambda a, b: functional.prelu(a, b[0]), "prelu in 'prelu'.*second argument"),
    ],
)
def test_what_jumps_or_is_not_searched_is_refused_by_name(fold, message):
    for ask in (partition, count_regions):
        with pytest.raises(InputError, match=f"(?s){message}"):
            ask(Two(fold), PLANE, DOMAIN)


class Indexed(nn.Module):
    def __init__(self, place):
        super().__init__()
        self.first, self.pool, self.place = nn.Conv2d(1, 2, 2), nn.MaxPool2d(2, return_indices=True), place

    def forward(self, x):
        return self.pool(self.first(x))[self.place].flatten(1)


def test_places_of_a_pool_that_nobody_reads_change_nothing():
    torch.manual_seed(0)
    net, plane = Indexed(0), Plane.through(torch.randn(3, 1, 5, 5))
    usual = nn.Sequential(net.first, nn.MaxPool2d(2), nn.Flatten())
    cells, expected = (partition(each, plane, DOMAIN) for each in (net, usual))
    assert cells.count == expected.count > 10 and torch.equal(cells.slope, expected.slope)
    assert net.pool.return_indices
    with pytest.raises(InputError):
        partition(Indexed(1), plane, DOMAIN)


@pytest.mark.parametrize("factor", [1e-14, 1e-30, 1e14])
def test_units_far_smaller_than_others_of_their_layer_bend_as_much(factor):
    net = he_normal_b(0, 2, 8, 8).double()
    before = partition(net, PLANE, square(1.0))
    with torch.no_grad():
        for layer, following in ((net[0], net[2]), (net[2], net[4])):
            layer.weight[::2] *= factor
            layer.bias[::2] *= factor
            following.weight[:, ::2] /= factor
    after = partition(net, PLANE, square(1.0))
    assert after.count == before.count == count_regions(net, PLANE, square(1.0)) > 20
    assert torch.allclose(after.vertices, before.vertices, atol=1e-9)
    ends = torch.tensor([[-1.0, -0.7], [1.0, 0.9]])
    assert segment(net, *ends).count > 5


@pytest.mark.parametrize("factor", [1.0, 1e-14])
def test_a_unit_whose_summands_cancel_does_not_cut(factor):
    """Sums in two orders are equal up to rounding, which is no fold, however small the unit is."""
    net = he_normal_b(3, 2, 6, 2).double()
    with torch.no_grad():
        net[0].weight[3:], net[0].bias[3:] = net[0].weight[:3], net[0].bias[:3]
        net[2].weight[0] = torch.tensor([0.1, 0.7, 0.3, -0.3, -0.1, -0.7]).double()[[0, 1, 2, 4, 5, 3]] * factor
        net[2].bias[0] = 0.0
        alone = nn.Sequential(net[0], net[1], nn.Linear(6, 1)).double()
        alone[2].weight[0], alone[2].bias[0] = net[2].weight[1], net[2].bias[1]
        net[2].weight[0] = factor * torch.tensor([0.1, 0.7, 0.3, -0.1, -0.7, -0.3]).double()
    cells = partition(net, PLANE, square(1.0))
    assert cells.count == partition(nn.Sequential(*alone, nn.ReLU()), PLANE, square(1.0)).count > 4
    assert (cells.edges.unit[cells.edges.layer == 1] == 1).all()
