"""Where a network is cut: planes through its input space, and convex polygons on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, final

import torch
from jaxtyping import Float, Float64, Shaped
from torch import Tensor

from sslens.measures.features import checked_features, converted
from sslens.runtime import stream
from sslens.types import InputError, Range, checked

SMALLEST_ANGLE = 1e-9
"""Sine below which two directions, or two neighbouring sides of a polygon, count as one."""


@final
@dataclass(frozen=True, eq=False)
class Plane:
    """An affine plane in input space: (u, v) stands for the input origin + u · first + v · second.

    >>> Plane.identity().at(torch.tensor([[3.0, 4.0]]))
    tensor([[3., 4.]], dtype=torch.float64)
    """

    origin: Float[Tensor, "*shape"]
    first: Float[Tensor, "*shape"]
    """What one unit of u adds to the input."""
    second: Float[Tensor, "*shape"]

    def __post_init__(self) -> None:
        named = {name: in_double(getattr(self, name), name=f"Plane.{name}") for name in ("origin", "first", "second")}
        shapes = {name: tuple(values.shape) for name, values in named.items()}
        if len(set(shapes.values())) > 1:
            raise InputError("Plane", shapes, "an origin and two axes of one shape")
        for name, values in named.items():
            if not values.isfinite().all():
                raise InputError(f"Plane.{name}", "values that are not finite", "finite")
            object.__setattr__(self, name, values)

    @classmethod
    def identity(cls) -> "Plane":
        """The input space of a network of two inputs, as it is."""
        axes = torch.eye(2, dtype=torch.float64, device="cpu")
        return cls(torch.zeros(2, dtype=torch.float64, device="cpu"), axes[0], axes[1])

    @classmethod
    def through(cls, points: Float[Tensor, "p *shape"]) -> "Plane":
        """The plane through one, two or three inputs, its origin in their mean, its axes orthonormal.

        u and v are lengths in units of the input. The first axis points from the first input to the second; directions
        that the inputs leave open are drawn from a fixed stream, so they are the same at every call.

        Raises:
            InputError: other than one to three inputs, not finite, of fewer than two numbers, or not apart from each
                other (three inputs on a line).

        >>> three = Plane.through(torch.tensor([[0.0, 0.0, 1.0], [2.0, 0.0, 1.0], [0.0, 4.0, 1.0]]))
        >>> three.first, three.second
        (tensor([1., 0., 0.], dtype=torch.float64), tensor([0., 1., 0.], dtype=torch.float64))
        """
        points = in_double(points, name="points")
        rows = checked_features(points.flatten(1) if points.ndim > 1 else points, name="points")
        if not 1 <= len(rows) <= 3 or rows.shape[1] < 2:
            raise InputError("points", tuple(points.shape), "one, two or three inputs of at least two numbers")
        given = rows[1:] - rows[0]
        open_ = torch.randn(2, rows.shape[1], generator=stream(0, "plane"), dtype=torch.float64, device="cpu")
        axes: list[Tensor] = []
        for direction in [*given, *open_[len(given) :]]:
            across = direction / direction.abs().max().clamp_min(torch.finfo(torch.float64).tiny)
            for axis in axes * 2:  # twice, for one pass leaves rounding of nearly parallel directions
                across = across - (across @ axis) * axis
            if across.norm() <= SMALLEST_ANGLE:
                raise InputError("points", rows.tolist(), "apart from each other, three of them not on a line")
            axes.append(across / across.norm())
        return cls(*(row.reshape(points.shape[1:]).to(points.device) for row in (rows.mean(0), *axes)))

    def at(self, coordinates: Float[Tensor, "n 2"]) -> Float[Tensor, "n *shape"]:
        """The inputs at these coordinates, in float64 and on the plane's device.

        Raises:
            InputError: no (n, 2) matrix of numbers.
        """
        along = in_double(coordinates, name="coordinates").to(self.origin.device)
        if along.ndim != 2 or along.shape[1] != 2:
            raise InputError("coordinates", tuple(along.shape), "points (n, 2) in plane coordinates")
        rows = self.origin.flatten() + along @ torch.stack([self.first.flatten(), self.second.flatten()])
        return rows.unflatten(1, self.origin.shape)

    def to(self, device: torch.device | str) -> "Plane":
        """The same plane on another device."""
        return Plane(self.origin.to(device), self.first.to(device), self.second.to(device))

    def coordinates(self, inputs: Float[Tensor, "n *shape"]) -> Float[Tensor, "n 2"]:
        """Coordinates of the nearest points on the plane: where to draw a sample.

        Raises:
            InputError: no numbers, or not of the shape of the plane's inputs.
        """
        samples = in_double(inputs, name="inputs").to(self.origin.device)
        if samples.shape[1:] != self.origin.shape:
            allowed = f"inputs (n, {', '.join(map(str, self.origin.shape))}) of the plane"
            raise InputError("inputs", tuple(samples.shape), allowed)
        axes = torch.stack([self.first.flatten(), self.second.flatten()], 1)
        away = (samples - self.origin).flatten(1)
        return torch.linalg.lstsq(axes.cpu(), away.cpu().T).solution.T


def in_double(values: Any, *, name: str) -> Float64[Tensor, "..."]:
    """Numbers in float64: tensors of any type of numbers, arrays and lists; pixels from 0 to 255 stay what they are.

    Raises:
        InputError: no real numbers.

    >>> in_double([[0, 1], [2, 3]], name="points").dtype
    torch.float64
    """
    if isinstance(values, list | tuple) and values and all(isinstance(each, Tensor) for each in values):
        values = _stacked(values, name=name)
    if isinstance(values, int | float):
        values = torch.tensor(values, device="cpu")
    if not isinstance(values, Tensor):
        values = converted(values, name, allowed="a tensor, an array or a list of real numbers")
    if values.is_complex() or values.dtype == torch.bool or values.layout != torch.strided or values.is_meta:
        got = f"{values.dtype}, {values.layout}, on {values.device.type}"
        raise InputError(name, got, "real numbers, in a dense tensor")
    return values.double()


def _stacked(tensors: Sequence[Tensor], *, name: str) -> Shaped[Tensor, "n ..."]:
    shapes = [tuple(each.shape) for each in tensors]
    if len(set(shapes)) > 1:
        raise InputError(name, shapes, "tensors of one shape")
    return torch.stack([each.to(tensors[0].device) for each in tensors])


def checked_plane(plane: Any) -> Plane:
    """The plane, if it is one.

    Raises:
        InputError: anything else.

    >>> checked_plane(Plane.identity()).origin
    tensor([0., 0.], dtype=torch.float64)
    """
    if not isinstance(plane, Plane):
        raise InputError("plane", type(plane).__name__, "a Plane, such as Plane.through(images[:3])")
    return plane


def square(half: float, centre: Sequence[float] = (0.0, 0.0)) -> Float[Tensor, "4 2"]:
    """The square of half-side ``half`` around ``centre``, as a domain; in plane coordinates.

    Raises:
        InputError: a half-side that is not above 0, or a centre that is not two finite numbers.

    >>> square(1).tolist()
    [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]
    """
    half = checked("half", half, Annotated[float, Range(0, 1e12, above=True)])
    middle = in_double(centre, name="centre").cpu()
    if middle.shape != (2,) or not (middle.abs() <= 1e12).all():
        raise InputError("centre", centre, "two finite numbers")
    corners = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]], dtype=torch.float64, device="cpu")
    return half * corners + middle


def checked_domain(domain: Shaped[Tensor, "..."]) -> Float[Tensor, "p 2"]:
    """The polygon in float64, counter-clockwise, if it is convex, has an area and no superfluous corner.

    Raises:
        InputError: fewer than three corners, not finite, without area, or not strictly convex.

    >>> checked_domain(torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]))[0]
    tensor([0., 0.], dtype=torch.float64)
    """
    corners = checked_features(in_double(domain, name="domain"), name="domain", rows=3).cpu()
    if corners.shape[1] != 2:
        raise InputError("domain", tuple(domain.shape), "a polygon (p, 2) in plane coordinates")
    sides = corners.roll(-1, 0) - corners
    lengths = sides.norm(dim=1)
    turns = _cross(sides, sides.roll(-1, 0)) / (lengths * lengths.roll(-1, 0)).clamp_min(
        torch.finfo(torch.float64).tiny
    )
    once = abs(float(torch.atan2(turns, _cosines(sides)).sum())) < 7  # a star turns more than once around
    if not (once and ((turns > SMALLEST_ANGLE).all() or (turns < -SMALLEST_ANGLE).all())):
        raise InputError("domain", corners.tolist(), "a strictly convex polygon with an area")
    return corners if turns[0] > 0 else corners.flip(0)


def _cross(a: Float[Tensor, "p 2"], b: Float[Tensor, "p 2"]) -> Float[Tensor, "p"]:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _cosines(sides: Float[Tensor, "p 2"]) -> Float[Tensor, "p"]:
    following = sides.roll(-1, 0)
    return (sides * following).sum(1) / (sides.norm(dim=1) * following.norm(dim=1))
