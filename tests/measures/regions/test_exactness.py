"""The engine against the oracle: every reference network, exactly; and counts that are known for larger ones."""

import numpy as np
import pytest
import torch
from tests.measures.regions import oracle
from tests.measures.regions.cases import CASES, DEGENERATE, GENERIC, LAYERED, POOLED, case, truth
from tests.measures.regions.nets import axes, he_normal_b, square, through

from sslens.measures.regions import Plane, count_regions, partition, segment


def found(name, **options):
    known = case(name)
    return partition(known.net, Plane(*known.plane), known.domain, **options)


def matched(places, others):
    """The distance from each place to the nearest of the others."""
    return torch.cdist(places, others, compute_mode="donot_use_mm_for_euclid_dist").amin(1)


@pytest.mark.parametrize("name", CASES)
def test_cells_are_those_of_exact_arithmetic(name):
    exact, cells = truth(name), found(name)
    assert cells.count == exact.count
    assert cells.linear_count == exact.linear_count
    assert (len(cells.vertices), len(cells.edges.vertices)) == (len(exact.vertices), exact.edge_count)
    areas = np.array(sorted(map(float, exact.areas)))
    assert np.abs(np.sort(cells.area.numpy()) - areas).max() <= 1e-12 * areas.sum()
    size = float((case(name).domain.amax(0) - case(name).domain.amin(0)).max())
    vertices = torch.tensor([[x / w, y / w] for x, y, w in exact.vertices], dtype=torch.float64)
    assert matched(cells.vertices, vertices).max() < 1e-7 * size
    assert matched(vertices, cells.vertices).max() < 1e-7 * size


@pytest.mark.parametrize("name", CASES)
def test_counting_needs_no_geometry_of_the_last_layer(name):
    known = case(name)
    assert count_regions(known.net, Plane(*known.plane), known.domain) == truth(name).count


@pytest.mark.parametrize("name", CASES)
def test_batched_operations_count_as_compiled_loops_do(name):
    cells = found(name, engine="torch")
    assert (cells.count, len(cells.vertices)) == (truth(name).count, len(truth(name).vertices))


@pytest.mark.parametrize("name", [*GENERIC, *DEGENERATE, *POOLED])
def test_chunks_that_hold_few_cells_change_nothing(name):
    cells = found(name, chunk=30)
    assert (cells.count, len(cells.vertices)) == (truth(name).count, len(truth(name).vertices))


@pytest.mark.parametrize(("hidden", "regions"), [((32, 32, 32), 1981), ((64, 64, 64), 8161), ((128, 128, 128), 33551)])
def test_published_counts_of_larger_networks(hidden, regions):
    net = he_normal_b(0, 2, *hidden)
    assert partition(net, Plane(*axes()), square()).count == regions
    assert count_regions(net, Plane(*axes()), square()) == regions


def same_breaks(net, start, end):
    exact = np.array(list(map(float, oracle.breakpoints(net, start, end))))
    breaks = segment(net, start, end).breaks.numpy()
    assert len(breaks) == len(exact)
    assert np.abs(breaks - exact).max(initial=0) < 1e-12
    return len(breaks)


@pytest.mark.parametrize("seed", range(8))
def test_breaks_of_a_segment_are_those_of_exact_arithmetic(seed):
    start, end, _ = through(seed, 7, points=1)
    assert same_breaks(he_normal_b(seed, 7, 16, 16, 16), start, end) > 5


@pytest.mark.parametrize("name", [name for name in [*GENERIC, *DEGENERATE] if case(name).plane[0].shape == (2,)])
def test_breaks_along_a_diagonal_are_those_of_exact_arithmetic(name):
    """Where lines meet in one point, and where the way runs along one."""
    domain = case(name).domain
    same_breaks(case(name).net.double(), domain[0], domain[2])


@pytest.mark.parametrize("name", LAYERED)
def test_breaks_between_two_images_are_those_of_exact_arithmetic(name):
    start, step, _ = case(name).plane
    same_breaks(case(name).net.double(), start, start + step)
