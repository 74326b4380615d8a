"""Convex cells in exact arithmetic: whole numbers only, so nothing is ever rounded.

A *form* (a, b, c) is the function a·u + b·v + c of the plane's coordinates, in whole numbers over one denominator. A
corner is (x, y, w) with w > 0, the point (x/w, y/w), in lowest terms. The sign of a form at a corner is then the sign
of a whole number. Float64 numbers are whole numbers over powers of two, so a network's weights need no rounding either.
"""

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import torch


@dataclass(frozen=True)
class Forms:
    """Affine functions over one denominator: ``values`` holds whole numbers, (units, 3)."""

    values: np.ndarray
    denominator: int


@dataclass(frozen=True)
class Cell:
    """A convex polygon, counter-clockwise: corners, the line from each to the next, and the forms that hold inside.

    The last of the forms are those the next layer reads; the ones before wait for their residual sum.
    """

    corners: list
    sides: list
    forms: tuple


def whole(numbers):
    """Floats as whole numbers over one denominator."""
    ratios = [float(number).as_integer_ratio() for number in np.asarray(numbers).flat]
    denominator = max(below for _, below in ratios)
    values = np.array([above * (denominator // below) for above, below in ratios] + [None], dtype=object)[:-1]
    return values.reshape(np.shape(numbers)), denominator


def cross(p, q):
    """The line through two corners, or the point that two lines share."""
    return p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0]


def corner(x, y, w):
    shared = math.gcd(x, y, w) * (1 if w > 0 else -1)
    return x // shared, y // shared, w // shared


def area(corners):
    points = [(Fraction(x, w), Fraction(y, w)) for x, y, w in corners]
    turned = [*points[1:], points[0]]
    return sum(x * v - y * u for (x, y), (u, v) in zip(points, turned, strict=True)) / 2


def width(corners):
    """Of a convex polygon between the two parallels that are closest: one of them lies along a side."""
    (x, y, w), *_ = corners
    there = [(float(Fraction(a, c) - Fraction(x, w)), float(Fraction(b, c) - Fraction(y, w))) for a, b, c in corners]
    sides = [(one, (other[0] - one[0], other[1] - one[1])) for one, other in pairwise([*there, there[0]])]
    return min(
        max(abs(run * (b - y) - rise * (a - x)) for a, b in there) / math.hypot(run, rise)
        for (x, y), (run, rise) in sides
    )


def polygon(domain, forms):
    """The domain as the first cell, counter-clockwise."""
    corners = []
    for point in torch.as_tensor(domain).double().tolist():
        (x, y), denominator = whole(point)
        corners.append(corner(x, y, denominator))
    if area(corners) < 0:
        corners.reverse()
    sides = [cross(one, other) for one, other in zip(corners, [*corners[1:], corners[0]], strict=True)]
    return Cell(corners, sides, (forms,))


def heights(cell, form):
    a, b, c = form
    return [a * x + b * y + c * w for x, y, w in cell.corners]


def half(cell, form):
    """The part of a cell where a form that takes both signs in it is positive."""
    signs, corners, sides = heights(cell, form), [], []
    for place, (here, there) in enumerate(zip(signs, [*signs[1:], signs[0]], strict=True)):
        side = cell.sides[place]
        if here >= 0:
            corners.append(cell.corners[place])
            sides.append(side if here > 0 or there > 0 else form)
        if here * there < 0:
            corners.append(corner(*cross(side, form)))
            sides.append(form if here > 0 else side)
    return replace(cell, corners=corners, sides=sides)


def pieces(cell, forms):
    """A cell split by every form that takes both signs inside."""
    found = [cell]
    for form in forms:
        before, found = found, []
        for piece in before:
            signs = heights(piece, form)
            cut = min(signs) < 0 < max(signs)
            found += [half(piece, form), half(piece, [-part for part in form])] if cut else [piece]
    return found


def inside(cell):
    """A point inside: any sum of corners is one, as their last coordinates are positive."""
    return np.array([sum(column) for column in zip(*cell.corners, strict=True)], dtype=object)
