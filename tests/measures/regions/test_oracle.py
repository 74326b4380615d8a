"""The oracle itself: published counts, closed forms, and what torch computes at points of its cells."""

from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from tests.measures.regions import oracle
from tests.measures.regions.cases import CASES, case, truth
from tests.measures.regions.cells import area, polygon
from tests.measures.regions.nets import axes, he_normal_b, square

ONE_LAYER = ["wide and shallow", "one hidden layer of two", "zero biases, one layer", "whole numbers, one layer"]


def points_of(corners, count, seed):
    """Random points inside a cell, as numpy knows them."""
    places = np.array([[x / w, y / w] for x, y, w in corners])
    return np.random.default_rng(seed).dirichlet(np.ones(len(places)), count) @ places


def outputs(known, points):
    origin, first, second = (part.double() for part in known.plane)
    u, v = torch.from_numpy(points).T.reshape(2, -1, *[1] * origin.ndim)
    return known.net.double()(origin + u * first + v * second).detach().numpy()


@pytest.mark.parametrize(("sizes", "regions"), [((16, 16), 225), ((32, 32), 1026)])
def test_published_counts_of_the_recipe(sizes, regions):
    found = oracle.partition(he_normal_b(0, 2, *sizes), axes(), square())
    assert found.count == regions
    assert len(found.vertices) - found.edge_count + found.count == 1
    assert sum(map(len, found.cells)) == 4 * regions


@pytest.mark.parametrize("name", ONE_LAYER)
def test_one_layer_has_the_regions_of_its_lines(name):
    """1, and for every line inside 1 more, and for every crossing inside as many as lines meet there but one."""
    known = case(name)
    rows = torch.cat([known.net[0].weight, known.net[0].bias[:, None]], 1).tolist()
    half = Fraction(float(known.domain.max()))
    lines = {tuple(Fraction(part) / Fraction(next(filter(None, row))) for part in row) for row in rows if any(row[:2])}
    corners = [(x * half, y * half) for x in (-1, 1) for y in (-1, 1)]
    signs = {line: [line[0] * x + line[1] * y + line[2] for x, y in corners] for line in lines}
    across = [line for line in lines if min(signs[line]) < 0 < max(signs[line])]
    meeting = {}
    for (a, b, c), (d, e, f) in combinations(across, 2):
        if turn := a * e - b * d:
            point = (b * f - c * e) / turn, (c * d - a * f) / turn
            if max(map(abs, point)) < half:
                meeting.setdefault(point, set()).update({(a, b, c), (d, e, f)})
    assert truth(name).count == 1 + len(across) + sum(len(met) - 1 for met in meeting.values())


@pytest.mark.parametrize("name", CASES)
def test_cells_fill_the_domain_exactly_and_meet_side_to_side(name):
    found = truth(name)
    assert sum(found.areas) == area(polygon(case(name).domain, None).corners)
    assert min(found.areas) > 0
    assert len(found.vertices) - found.edge_count + found.count == 1


@pytest.mark.parametrize("name", CASES)
def test_the_map_of_a_cell_is_what_torch_computes_at_its_points(name):
    found = truth(name)
    chosen = np.random.default_rng(0).choice(found.count, min(found.count, 60), replace=False)
    points = np.concatenate([points_of(found.cells[cell], 4, cell) for cell in chosen])
    maps = np.array([found.maps[cell] for cell in chosen], dtype=np.float64).reshape(len(chosen), -1, 3).repeat(4, 0)
    expected = (maps[..., :2] @ points[:, :, None])[..., 0] + maps[..., 2]
    scale = np.abs(expected).max() + 1e-300
    assert np.abs(outputs(case(name), points) - expected).max() <= 1e-11 * scale


def test_breakpoints_are_where_the_slope_of_the_network_changes():
    net, (start, *_, end) = (
        he_normal_b(3, 6, 12, 12),
        torch.randn(2, 6, generator=torch.Generator().manual_seed(1)).double(),
    )
    at = [0.0, *map(float, oracle.breakpoints(net, start, end)), 1.0]
    assert len(at) > 6
    for low, high in pairwise(at):
        a, b, c, d = (
            net.double()(start + (low + share * (high - low)) * (end - start)) for share in (0.1, 0.4, 0.6, 0.9)
        )
        assert torch.allclose(b - a, d - c, atol=1e-12)
    slopes = [net(start + t * (end - start)) for t in at]
    steep = [(end - begin) / (t - s) for (begin, end), (s, t) in zip(pairwise(slopes), pairwise(at), strict=True)]
    assert all((one - other).abs().max() > 1e-9 for one, other in pairwise(steep))
