"""Planes and domains: what spans a plane, what is a convex polygon."""

import numpy as np
import pytest
import torch
from tests.measures.regions.arrangements import lines, on_plane

from sslens.measures.regions import Plane, count_regions, count_sampled, grid, segment, square
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


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.int64, torch.uint8, "array", "list"])
def test_what_is_unambiguous_is_taken_whatever_its_type(unchecked, kind):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(2, 7), torch.nn.ReLU()).double()
    inputs, corners = torch.tensor([[0, 0], [3, 1], [1, 4]]), torch.tensor([[0, 0], [3, 0], [3, 3], [0, 3]])
    right = count_regions(net, Plane.through(inputs.double()), corners.double())
    given = {"array": lambda values: values.numpy(), "list": lambda values: values.tolist()}
    changed = given.get(kind, lambda values: values.to(kind))
    plane = Plane.through(changed(inputs))
    assert count_regions(net, plane, changed(corners)) == right > 1
    by_hand = Plane(*(changed(each) for each in (inputs[0], inputs[1], inputs[2])))
    usual = Plane(*(each.double() for each in (inputs[0], inputs[1], inputs[2])))
    assert count_regions(net, by_hand, changed(corners)) == count_regions(net, usual, corners.double())
    assert count_sampled(net, usual, changed(corners)) == count_sampled(net, usual, corners.double())
    ends = changed(inputs)[1], changed(inputs)[2]
    assert segment(net, *ends).count == segment(net, inputs[1].double(), inputs[2].double()).count


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: count_regions(torch.nn.ReLU(), None, square(1)), "plane must be a Plane"),
        (lambda: count_sampled(torch.nn.ReLU(), torch.zeros(2), grid(3)), "plane must be a Plane"),
        (lambda: Plane(torch.zeros(2), torch.zeros(3), torch.zeros(2)), "an origin and two axes of one shape"),
        (lambda: Plane.through([torch.zeros(2), torch.zeros(3)]), "points must be tensors of one shape"),
        (lambda: Plane.through(torch.zeros(3, 4, device="meta")), "points must be real numbers"),
        (lambda: Plane(torch.zeros(2), torch.tensor([0, torch.nan]), torch.ones(2)), "Plane.first must be finite"),
        (lambda: Plane.identity().at(torch.zeros(3, 5)), r"coordinates must be points \(n, 2\)"),
        (lambda: Plane.identity().at(torch.zeros(2)), r"coordinates must be points \(n, 2\)"),
        (lambda: Plane.identity().coordinates(torch.zeros(3, 5)), r"inputs must be inputs \(n, 2\) of the plane"),
        (lambda: square(1.0, centre=("a", "b")), "centre must be a tensor, an array or a list of real numbers"),
        (lambda: square(1.0, centre=3), "centre must be two finite numbers"),
        (lambda: Plane.through("images"), "points must be a tensor, an array or a list of real numbers"),
        (lambda: Plane.through(torch.ones(2, 2, dtype=torch.complex64)), "real numbers, in a dense tensor"),
        (lambda: Plane.through(torch.eye(3).to_sparse()), "real numbers, in a dense tensor"),
        (lambda: segment(torch.nn.ReLU(), torch.zeros(2), torch.zeros(3)), "b must be of the shape of a"),
    ],
)
def test_what_is_no_plane_and_no_numbers_is_said(unchecked, ask, message):
    with pytest.raises(InputError, match=message):
        ask()


@pytest.mark.parametrize("kind", ["tensors", "arrays", "turned round", "other bytes"])
def test_lists_of_images_and_arrays_in_any_order_are_planes(unchecked, kind):
    images = np.random.default_rng(0).normal(size=(3, 1, 4, 4)).astype(np.float32)
    turned = images[..., ::-1].copy()[..., ::-1]  # the same numbers, from back to front
    given = {"tensors": [torch.tensor(image) for image in images], "arrays": list(images), "turned round": turned,
             "other bytes": images.astype(">f4")}[kind]  # fmt: skip
    plane, right = Plane.through(given), Plane.through(torch.tensor(images))
    for name in ("origin", "first", "second"):
        assert torch.equal(getattr(plane, name), getattr(right, name))


@pytest.mark.parametrize("kind", ["array", "list", torch.float32])
def test_places_of_any_kind_of_numbers_are_taken(unchecked, kind):
    places = torch.tensor([[1, 2], [3, 4]])
    given = {"array": places.numpy(), "list": places.tolist()}.get(kind)
    given = places.to(kind) if given is None else given
    assert Plane.identity().at(given).tolist() == Plane.identity().coordinates(given).tolist() == places.tolist()
