"""What must hold for every partition of a network in general position, whatever its weights."""

from itertools import pairwise

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.measures.regions.nets import he_normal_b, polygon, through
from torch import nn

from sslens.measures.regions import Plane, count_regions, partition, segment, square

seeds = st.integers(0, 2**32)
widths = st.lists(st.integers(3, 14), min_size=1, max_size=4)
sizes = st.sampled_from([1e-2, 1.0, 30.0])


def network(seed, hidden, inputs=2):
    return he_normal_b(seed, inputs, *hidden, outputs=3).double().requires_grad_(False)


def cells_of(net, domain, **options):
    return partition(net, Plane.identity(), domain, **options)


def units_at(net, points):
    """What enters each ReLU, side by side."""
    seen, x = [], points
    for layer in net:
        if isinstance(layer, nn.ReLU):
            seen.append(x)
        x = layer(x)
    return seen


def inside(cells, seed, count=3):
    """Random points in every cell, (cells, count, 2)."""
    draw = torch.Generator().manual_seed(seed % 2**31)
    shares = [
        torch.rand(count, len(cells.polygon(cell)), generator=draw, dtype=torch.float64) for cell in range(cells.count)
    ]
    places = (share / share.sum(1, keepdim=True) @ cells.polygon(cell) for cell, share in enumerate(shares))
    return torch.stack(list(places))


def turned(points, a, b):
    """Twice the signed area of a triangle, for every point."""
    (x, y), (u, v) = a, b
    return (u - x) * (points[:, 1] - y) - (v - y) * (points[:, 0] - x)


@given(seeds, widths, sizes)
@settings(max_examples=40, deadline=None)
def test_corners_are_four_times_the_cells_and_euler_counts_them(seed, hidden, size):
    cells = cells_of(network(seed, hidden), square(size))
    edges = cells.edges
    border = int((edges.layer < 0).sum())
    assert len(cells.polygons.corners) == 4 * cells.count
    assert len(cells.vertices) - len(edges.vertices) + cells.count == 1
    assert 2 * len(edges.vertices) == 4 * cells.count + border
    assert len(cells.vertices) == cells.count + 1 + border / 2


@given(seeds, widths, sizes, st.integers(3, 9))
@settings(max_examples=40, deadline=None)
def test_cells_are_convex_counter_clockwise_and_fill_the_domain(seed, hidden, size, corners):
    domain = polygon(corners, size)
    cells = cells_of(network(seed, hidden), domain)
    x, y = domain.T
    whole = float((x * y.roll(-1) - y * x.roll(-1)).sum() / 2)
    assert float(cells.area.sum()) == pytest.approx(whole, rel=1e-9)
    for cell in range(cells.count):
        ring = cells.polygon(cell)
        for a, b in zip(ring, ring.roll(-1, 0), strict=True):
            assert (turned(ring, a, b) > -1e-12 * size**2).all()


@given(seeds, widths, sizes)
@settings(max_examples=30, deadline=None)
def test_the_pattern_of_a_cell_is_the_networks_own_at_its_centre(seed, hidden, size):
    net = network(seed, hidden)
    cells = cells_of(net, square(size))
    signs = [units > 0 for units in units_at(net, cells.centres)]
    assert torch.equal(cells.unpack(), torch.cat(signs, 1))
    for layer, own in zip(cells.layers, signs, strict=True):
        assert torch.equal(cells.unpack(layer), own)
    assert len(torch.cat(signs, 1).unique(dim=0)) == cells.count


@given(seeds, widths, sizes)
@settings(max_examples=30, deadline=None)
def test_the_map_of_a_cell_is_the_network_at_all_its_points(seed, hidden, size):
    net = network(seed, hidden)
    cells = cells_of(net, square(size))
    points = inside(cells, seed)
    own = net(points.flatten(0, 1)).unflatten(0, points.shape[:2])
    mapped = torch.einsum("rok,rpk->rpo", cells.slope, points) + cells.offset[:, None]
    assert torch.allclose(mapped, own, rtol=0, atol=1e-10 * float(own.abs().max()))


@given(seeds, widths)
@settings(max_examples=15, deadline=None)
def test_the_slope_of_a_cell_is_the_networks_jacobian_at_its_centre(seed, hidden):
    net = network(seed, hidden)
    cells = cells_of(net, square(1.0))
    chosen = cells.area.topk(min(10, cells.count)).indices
    jacobians = torch.stack([torch.autograd.functional.jacobian(net, cells.centres[cell]) for cell in chosen])
    assert torch.allclose(cells.slope[chosen], jacobians, atol=1e-10 * float(jacobians.abs().max() + 1))
    assert torch.allclose(cells.slope_norm[chosen], torch.linalg.svdvals(jacobians)[:, 0], rtol=1e-9)


@given(seeds, widths, sizes)
@settings(max_examples=30, deadline=None)
def test_an_edge_parts_two_cells_and_its_unit_is_zero_on_it(seed, hidden, size):
    net = network(seed, hidden)
    domain = square(size)
    cells = cells_of(net, domain)
    edges, within = cells.edges, cells.edges.layer >= 0
    assert torch.equal(edges.cells[:, 1] < 0, ~within)
    assert (edges.cells[:, 0] >= 0).all() and (edges.cells[:, 0] != edges.cells[:, 1]).all()
    middle = cells.vertices[edges.vertices].mean(1)
    units = units_at(net, middle)
    for layer in range(len(hidden)):
        mine = (edges.layer == layer).nonzero().flatten()
        zero = units[layer][mine].gather(1, edges.unit[mine, None])
        assert (zero.abs() <= 1e-10 * units[layer].abs().max()).all()
        patterns = cells.unpack(cells.layers[layer])[edges.cells[mine]].gather(
            2, edges.unit[mine, None, None].expand(-1, 2, 1)
        )
        assert (patterns[:, 0] != patterns[:, 1]).all()
    for side, (a, b) in enumerate(zip(domain, domain.roll(-1, 0), strict=True)):
        assert turned(middle[~within & (edges.unit == side)], a, b).abs().max() <= 1e-12 * size**2


@given(seeds, widths, st.integers(0, 5), st.booleans())
@settings(max_examples=25, deadline=None)
def test_neither_the_first_corner_of_the_domain_nor_its_direction_matters(seed, hidden, first, clockwise):
    net, domain = network(seed, hidden), polygon(6)
    other = domain.roll(first, 0)
    one, two = cells_of(net, domain), cells_of(net, other.flip(0) if clockwise else other)
    assert one.count == two.count
    assert torch.allclose(one.area.sort().values, two.area.sort().values, rtol=0, atol=1e-13)


@given(seeds, widths, st.integers(-20, 20))
@settings(max_examples=25, deadline=None)
def test_a_layer_times_a_positive_number_bends_where_it_did(seed, hidden, power):
    net = network(seed, hidden)
    before = cells_of(net, square(1.0))
    with torch.no_grad():
        net[0].weight *= 2.0**power
        net[0].bias *= 2.0**power
        for layer in net[2::2]:
            layer.bias *= 2.0**power
    after = cells_of(net, square(1.0))
    assert after.count == before.count
    assert torch.allclose(after.vertices, before.vertices, rtol=0, atol=1e-12)


@given(seeds, widths, st.floats(-0.9, 0.9))
@settings(max_examples=25, deadline=None)
def test_a_cut_through_the_domain_adds_the_cells_that_it_meets(seed, hidden, at):
    net = network(seed, hidden)
    left = torch.tensor([[-1.0, -1.0], [at, -1.0], [at, 1.0], [-1.0, 1.0]]).double()
    right = torch.tensor([[at, -1.0], [1.0, -1.0], [1.0, 1.0], [at, 1.0]]).double()
    one, two = cells_of(net, left), cells_of(net, right)
    met = int(((one.edges.layer < 0) & (one.edges.unit == 1)).sum())
    assert one.count + two.count == cells_of(net, square(1.0)).count + met


@given(seeds, widths, st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_a_slice_bends_where_the_network_in_all_its_dimensions_does(seed, hidden, points):
    net, draw = network(seed, hidden, inputs=9), torch.Generator().manual_seed(seed % 2**31)
    anchors = torch.randn(points, 9, generator=draw, dtype=torch.float64)
    plane = Plane.through(anchors)
    cells = partition(net, plane, square(3.0))
    signs = torch.cat([units > 0 for units in units_at(net, plane.at(cells.centres))], 1)
    assert torch.equal(cells.unpack(), signs) and len(signs.unique(dim=0)) == cells.count
    assert torch.allclose(plane.at(plane.coordinates(anchors)), anchors, atol=1e-12)


@given(seeds, widths, sizes)
@settings(max_examples=25, deadline=None)
def test_counting_equals_the_partition(seed, hidden, size):
    net = network(seed, hidden)
    assert count_regions(net, Plane.identity(), square(size)) == cells_of(net, square(size)).count


@given(seeds, widths, sizes)
@settings(max_examples=15, deadline=None)
def test_both_engines_make_the_same_cells(seed, hidden, size):
    net = network(seed, hidden)
    one, two = (cells_of(net, square(size), engine=engine) for engine in ("numba", "torch"))
    assert one.count == two.count
    patterns = [
        cells.unpack().int() @ torch.arange(1, 1 + cells.unpack().shape[1], dtype=torch.int32) for cells in (one, two)
    ]
    assert torch.equal(patterns[0].sort().values, patterns[1].sort().values)
    assert torch.allclose(one.area.sort().values, two.area.sort().values, rtol=0, atol=1e-13 * size**2)
    apart = torch.cdist(one.vertices, two.vertices, compute_mode="donot_use_mm_for_euclid_dist")
    assert max(apart.amin(0).max(), apart.amin(1).max()) <= 1e-9 * size


@given(seeds, widths)
@settings(max_examples=12, deadline=None)
def test_two_outputs_are_equal_and_first_on_the_decision_boundary(seed, hidden):
    net = network(seed, hidden)
    points = polygon(40, 0.7)
    assume(net(points).var(0).min() > 1e-6)
    net[-1].bias -= net(points).mean(0)  # with equal means, no output can be the largest everywhere
    border = cells_of(net, square(1.0)).boundary()
    assert len(border.segments) > 0
    outputs = net(border.segments.mean(1))
    first, near = outputs.topk(2), 1e-10 * float(outputs.abs().sum() + 1)
    assert torch.allclose(first.values[:, 0], first.values[:, 1], rtol=0, atol=near)
    distinct = (
        outputs.sort(1).values[:, -3] < first.values[:, 1] - near
    )  # where a third output meets them, no two are first
    assert torch.equal(first.indices.sort(1).values[distinct], border.classes[distinct])


@given(seeds, widths)
@settings(max_examples=20, deadline=None)
def test_a_segment_bends_at_its_breaks_and_nowhere_else(seed, hidden):
    net, (start, end, _) = network(seed, hidden, inputs=9), through(seed % 2**31, 9, points=1)
    found = segment(net, start, end)
    at = [0.0, *found.breaks.tolist(), 1.0]
    assert at == sorted(at)
    middles = torch.tensor([(low + high) / 2 for low, high in pairwise(at)]).double()
    signs = torch.cat([units > 0 for units in units_at(net, start + middles[:, None] * (end - start))], 1)
    assert ((signs[1:] != signs[:-1]).sum(1) == 1).all()
    fine = start + torch.linspace(0, 1, 2001).double()[:, None] * (end - start)
    grid = torch.cat([units > 0 for units in units_at(net, fine)], 1)
    changes = (grid[1:] != grid[:-1]).any(1).nonzero().flatten()
    for place in changes.tolist():
        assert any(place / 2000 - 1e-12 <= bend <= (place + 1) / 2000 + 1e-12 for bend in at[1:-1])


@given(seeds, st.integers(-60, 20))
@settings(max_examples=10, deadline=None)
def test_linear_regions_do_not_depend_on_the_size_of_the_outputs(seed, power):
    net = network(seed, [5, 4])
    net[0].weight[1], net[0].bias[1] = -net[0].weight[0], -net[0].bias[0]  # some cells share their map
    net[2].weight[:, 1] = -net[2].weight[:, 0]
    before = cells_of(net, square(3.0))
    for part in net[-1].parameters():
        part *= 2.0**power
    after = cells_of(net, square(3.0))
    assert torch.equal(after.linear_region, before.linear_region)
    assert after.linear_count <= after.count
