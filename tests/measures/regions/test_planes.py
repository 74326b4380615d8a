"""Planes and domains: what spans a plane, what is a convex polygon."""

import numpy as np
import pytest
import torch
from tests.measures.regions.arrangements import lines, on_plane

from sslens.measures.regions import Plane
from sslens.types import InputError


@pytest.mark.parametrize(
    "domain",
    [
        [[0.0, 0.0], [1.0, 0.0]],
        [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]],
        [[0.0, 0.0], [1.0, 0.0], [0.2, 0.2], [0.0, 1.0]],
        [[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]],
        [[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]],
        [[0.0, 0.0], [1.0, 0.0], [0.0, float("nan")]],
        [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
        [[float(np.cos(4 * np.pi * k / 5)), float(np.sin(4 * np.pi * k / 5))] for k in range(5)],
    ],
    ids=["two corners", "flat", "dented", "bow tie", "repeated", "nan", "three coordinates", "star"],
)
def test_a_domain_that_is_no_convex_polygon_is_refused(domain, unchecked):
    with pytest.raises(InputError, match="domain"):
        on_plane(lines((1, 0, 0)), torch.tensor(domain))


def test_planes_go_through_their_points_with_orthonormal_axes():
    for count in (1, 2, 3):
        points = torch.randn(count, 3, 4, generator=torch.Generator().manual_seed(count))
        plane = Plane.through(points)
        axes = torch.stack([plane.first.flatten(), plane.second.flatten()])
        assert torch.allclose(axes @ axes.T, torch.eye(2).double(), atol=1e-14)
        assert torch.allclose(plane.at(plane.coordinates(points)), points.double(), atol=1e-14)
        assert torch.allclose(plane.origin, points.double().mean(0))
        again = Plane.through(points)
        assert torch.equal(again.second, plane.second)
    nearly = torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 1e-6, 0]]).double()
    assert torch.allclose(Plane.through(nearly).second, torch.tensor([0.0, 1, 0]).double(), atol=1e-9)


@pytest.mark.parametrize(
    "points",
    [torch.zeros(2, 3), torch.arange(3.0)[:, None].repeat(1, 4), torch.randn(4, 5), torch.randn(1, 1)],
    ids=["equal", "on a line", "four", "one dimension"],
)
def test_points_that_span_no_plane_are_refused(points):
    with pytest.raises(InputError, match="points"):
        Plane.through(points)
