"""Max-pools: a region for each pattern of signs and largest places, by whichever way it is found."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.measures.regions import oracle
from tests.measures.regions.cases import POOLED, case, truth
from tests.measures.regions.nets import of_whole_numbers
from torch import nn

from sslens.measures.regions import Plane, count_regions, count_sampled, grid, partition, segment, square

seeds = st.integers(0, 2**32)
pools = st.builds(lambda kernel, stride: nn.MaxPool2d(kernel, stride=stride), st.integers(2, 3), st.integers(1, 2))
shapes = st.sampled_from(["pool", "pool relu", "relu pool", "pool pool", "relu pool relu"])


def cells_of(name, **options):
    known = case(name)
    return partition(known.net, Plane(*known.plane), known.domain, **options)


def cone(places):
    """Pooling over so many functions u cos a + v sin a and the constant 1: where the cone of the first is below it."""
    angle = torch.arange(places).double() * 2 * torch.pi / places
    net = nn.Sequential(nn.Linear(2, places + 1), nn.Unflatten(1, (1, places + 1)), nn.MaxPool1d(places + 1)).double()
    net[0].weight.data = torch.stack(
        [torch.cat([f(angle), torch.zeros(1)]) for f in (torch.cos, torch.sin)], 1
    ).double()
    net[0].bias.data = torch.cat([torch.zeros(places), torch.ones(1)]).double()
    return net


@pytest.mark.parametrize("engine", ["numba", "torch"])
@pytest.mark.parametrize("places", [3, 8, 70, 200])
def test_a_polygon_in_the_middle_and_a_sector_for_each_of_its_sides(places, engine):
    net = cone(places)
    cells = partition(net, Plane.identity(), square(4.0), engine=engine)
    assert cells.count == cells.linear_count == places + 1 == count_regions(net, Plane.identity(), square(4.0))
    middle = cells.unpack()[:, -1]
    assert float(cells.area[middle]) == pytest.approx(places * np.tan(np.pi / places), rel=1e-12)
    assert torch.equal(cells.unpack().sum(1), torch.ones(places + 1).long())
    assert (len(cells.vertices), len(cells.edges.vertices)) == (2 * places + 4, 3 * places + 4)


def test_places_that_are_nowhere_the_largest_cut_nothing():
    net = nn.Sequential(nn.Linear(2, 3), nn.Unflatten(1, (1, 3)), nn.MaxPool1d(3)).double()
    net[0].weight.data, net[0].bias.data = torch.tensor([[1.0, 0], [0, 1], [0, 0]]).double(), torch.tensor([0.0, 0, 9])
    cells = partition(net, Plane.identity(), square(1.0))
    assert cells.count == 1 and cells.unpack().tolist() == [[False, False, True]]


def test_of_places_that_are_equal_everywhere_the_first_is_named():
    net = nn.Sequential(nn.Linear(2, 4), nn.Unflatten(1, (1, 4)), nn.MaxPool1d(4)).double()
    net[0].weight.data, net[0].bias.data = torch.tensor([[0.0, 0], [1, 0], [0, 0], [1, 0]]).double(), torch.zeros(4)
    cells = partition(net, Plane.identity(), square(1.0))
    named = cells.unpack()[cells.centres[:, 0].argsort()]
    assert named.tolist() == [[True, False, False, False], [False, True, False, False]]
    assert cells.edges.unit[cells.edges.inner].tolist() == [0]


@pytest.mark.parametrize("engine", ["numba", "torch"])
@pytest.mark.parametrize("name", POOLED)
def test_the_places_named_are_the_largest_at_the_centres_and_all_patterns_are_different(name, engine):
    known, cells = case(name), cells_of(name, engine=engine, chunk=50)
    assert len(cells.unpack().unique(dim=0)) == cells.count
    assert count_sampled(known.net, Plane(*known.plane), cells.centres) == cells.count
    x = Plane(*known.plane).at(cells.centres)
    for layer in known.net:
        x, before = layer(x), x
        if isinstance(layer, nn.MaxPool2d):
            windows = nn.functional.unfold(before.flatten(0, 1)[:, None], layer.kernel_size, stride=layer.stride)
            tops = windows.amax(1)  # torch's own choice among equal ones is up to rounding
            bits = cells.unpack(str(list(known.net).index(layer))).unflatten(1, (-1, layer.kernel_size**2))
            assert torch.equal(bits.sum(2), torch.ones_like(bits[..., 0]).long())
            named = windows.gather(1, bits.long().argmax(2).reshape(len(tops), 1, -1))[:, 0]
            assert torch.allclose(named, tops, rtol=0, atol=1e-12 * float(tops.detach().abs().max()))


@pytest.mark.parametrize("name", POOLED)
def test_samples_never_see_more_than_there_is(name):
    known = case(name)
    points = grid(40) * float(known.domain.max())
    assert 1 < count_sampled(known.net, Plane(*known.plane), points) <= truth(name).count


@given(seeds, pools, shapes, st.sampled_from([-8, 3]))
@settings(max_examples=6, deadline=None)
def test_whole_numbers_give_the_regions_of_exact_arithmetic_at_every_scale(seed, pool, shape, power):
    assume((shape, pool.kernel_size, pool.stride) != ("pool pool", 3, 2))  # of which five places a side are too few
    torch.manual_seed(0)
    layers = [pool if word == "pool" else nn.ReLU() for word in shape.split()]
    known = of_whole_numbers(seed, *layers, shape=(1, 4, 4))
    assume(known.plane[1].any() and known.plane[2].any() and not (known.plane[1] == known.plane[2]).all())
    exact = oracle.partition(known.net, known.plane, known.domain)
    scaled = of_whole_numbers(seed, *layers, shape=(1, 4, 4)).net
    for parameter in scaled[0].parameters():
        parameter.data *= 2.0**power
    for net, options in ((known.net, {}), (known.net, {"engine": "torch", "chunk": 100}), (scaled, {"chunk": 60})):
        cells = partition(net, Plane(*known.plane), known.domain, **options)
        assert (cells.count, cells.linear_count) == (exact.count, exact.linear_count)
        assert (len(cells.vertices), len(cells.edges.vertices)) == (len(exact.vertices), exact.edge_count)
        assert len(cells.unpack().unique(dim=0)) == cells.count
    start, step, _ = known.plane
    breaks = list(map(float, oracle.breakpoints(known.net, start, start + step)))
    assert segment(known.net, start, start + step).breaks.tolist() == pytest.approx(breaks, abs=1e-12)
