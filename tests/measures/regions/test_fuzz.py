"""Networks put together at random against exact arithmetic, by every entry point."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.measures.regions import oracle
from tests.measures.regions.nets import axes, square, through
from tests.measures.regions.programs import image_networks, networks

from sslens.measures.regions import Plane, count_regions, count_sampled, grid, partition, segment
from sslens.types import InputError

SLIVER = 1e-10
"""Cells of a smaller share of the domain may be too thin to be told from a line."""
CALM = {"deadline": None, "suppress_health_check": list(HealthCheck)}


def held_against_exact_arithmetic(net, plane, domain, engine):
    exact = oracle.partition(net, plane, domain)
    try:
        cells = partition(net, Plane(*plane), domain, engine=engine)
    except InputError as error:  # a network all of whose folds are a sum of affine maps
        if "a network with a fold" not in str(error):
            raise
        assert exact.count == 1
        return
    areas = np.array(sorted(map(float, exact.areas)))
    assert float(cells.area.sum()) == pytest.approx(areas.sum(), rel=1e-12)
    assert cells.count == count_regions(net, Plane(*plane), domain, engine=engine) <= exact.count
    if areas[0] < SLIVER * areas.sum():
        return
    assert cells.count == exact.count
    if net.weights != "scaled":  # where sums of large and small numbers keep few digits of these
        assert np.abs(np.sort(cells.area.numpy()) - areas).max() <= 1e-9 * areas.sum()
        assert cells.linear_count == exact.linear_count
    mapped = (cells.slope @ cells.centres[:, :, None]).squeeze(2) + cells.offset
    own = net(cells.plane.at(cells.centres)).flatten(1)
    assert torch.allclose(mapped, own, rtol=0, atol=1e-9 * float(1 + own.abs().max()))
    size = float(domain.abs().max())
    assert count_sampled(net, Plane(*plane), size * grid(9) * (1 - 1e-3)) <= cells.count
    start, end = Plane(*plane).at(torch.tensor([[-0.9, -0.35], [0.8, 0.95]]).double() * size)
    breaks = list(map(float, oracle.breakpoints(net, start, end)))
    found = segment(net, start, end).breaks
    assert len(found) == len(breaks) and torch.allclose(found, torch.tensor(breaks).double(), atol=1e-9)


def images(seed):
    """A plane through three images, of numbers that float64 holds with room to spare."""
    return tuple((8 * part).round() / 8 for part in through(seed, 1, 4, 4))


planes = st.one_of(st.just(axes()), st.builds(through, st.integers(0, 2**31), st.just(2)))
of_vectors = st.tuples(networks(), planes)
of_images = st.tuples(image_networks(), st.builds(images, st.integers(0, 2**31)))
engines = st.sampled_from(["numba", "torch"])


def held(case, engine):
    net, plane = case
    held_against_exact_arithmetic(net.double().requires_grad_(False), plane, square(2.0), engine)


@given(case=of_vectors, engine=engines)
@settings(max_examples=40, derandomize=True, **CALM)
def test_random_networks_are_cut_as_by_exact_arithmetic(case, engine):
    held(case, engine)


@given(case=of_images, engine=engines)
@settings(max_examples=10, derandomize=True, **CALM)
def test_random_networks_of_images_are_cut_as_by_exact_arithmetic(case, engine):
    held(case, engine)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@given(case=of_vectors | of_vectors | of_vectors | of_images, engine=engines)
@settings(max_examples=2500, **CALM)
def test_thousands_of_random_networks_are_cut_as_by_exact_arithmetic(case, engine):
    held(case, engine)
