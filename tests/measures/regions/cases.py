"""Reference networks of every kind, each small enough for the exact oracle: name -> network, plane and domain.

Those of whole numbers are the hardest: almost nothing in them is in general position.
"""

import math
from collections.abc import Callable
from functools import cache

import torch
from tests.measures.regions import oracle
from tests.measures.regions.nets import (
    Absolute,
    Case,
    always_on,
    axes,
    cancelled,
    changed,
    dead,
    he_normal_b,
    lines,
    negated,
    of_images,
    of_whole_numbers,
    on_square,
    polygon,
    repeated,
    square,
    through,
    whole_numbers,
    zero_rows,
)
from torch import nn

from sslens.encoders import ConvNet, ResNet18, mlp
from sslens.encoders.resnet18 import Residual

BORDERS = [(1, 0, 1), (1, 0, -1), (0, 1, 1), (0, -1, 1), (1, 0, 0), (0, 1, 0)]
DIAGONALS = [(1, 1, 0), (1, -1, 0), (1, 1, -2), (2, 1, -1), (1, 3, -2), (1, 0, 0.5)]
STAR = [(math.cos(k), math.sin(k), 0) for k in range(9)]
SMALL = [(math.cos(k), math.sin(k), 1e-4 * (k * k % 7 - 3)) for k in range(9)]
CROSSED = [(1, 1, -1), (1, 0, -0.5), (0, 1, -0.5), (1, -1, 0), (1, 2, -1.5), (3, 1, -1.9995)]

GENERIC: dict[str, Callable[[], Case]] = {
    "2-16-16": lambda: on_square(he_normal_b(0, 2, 16, 16)),
    "2-16-16, another seed": lambda: on_square(he_normal_b(1, 2, 16, 16)),
    "wide and shallow": lambda: on_square(he_normal_b(2, 2, 40)),
    "deep and narrow": lambda: on_square(he_normal_b(3, 2, 6, 6, 6, 6, 6, 6), 3.0),
    "three layers": lambda: on_square(he_normal_b(4, 2, 16, 16, 16)),
    "bottleneck": lambda: on_square(he_normal_b(5, 2, 16, 1, 16), 2.0),
    "one unit": lambda: on_square(he_normal_b(6, 2, 1, 1)),
    "one hidden layer of two": lambda: on_square(he_normal_b(7, 2, 2)),
    "domain of size 100": lambda: on_square(he_normal_b(8, 2, 16, 16), 100.0),
    "domain of size 1e-3": lambda: on_square(lines(*SMALL, seed=9), 1e-3),
    "triangle": lambda: Case(he_normal_b(10, 2, 16, 16), axes(), polygon(3)),
    "hexagon, clockwise": lambda: Case(he_normal_b(11, 2, 16, 16), axes(), polygon(6).flip(0)),
    "pentagon, far from the origin": lambda: Case(he_normal_b(12, 2, 16, 16), axes(), polygon(5) + 7.0),
    "thin rectangle": lambda: Case(he_normal_b(13, 2, 24, 24), axes(), square() * torch.tensor([5.0, 0.01])),
    "through one point": lambda: Case(he_normal_b(14, 10, 24, 24), through(14, 10, points=1), square(2.0)),
    "through two points": lambda: Case(he_normal_b(15, 10, 16, 16), through(15, 10, points=2), square()),
    "through three points": lambda: Case(he_normal_b(16, 30, 16, 16), through(16, 30), square()),
    "leaky": lambda: on_square(he_normal_b(17, 2, 16, 16, kink=nn.LeakyReLU)),
    "absolute": lambda: on_square(he_normal_b(18, 2, 12, 12, kink=Absolute)),
}
"""Networks in general position: nothing coincides."""

DEGENERATE: dict[str, Callable[[], Case]] = {
    "zero biases, one layer": lambda: on_square(he_normal_b(20, 2, 24, bias=0)),
    "zero biases, three layers": lambda: on_square(he_normal_b(21, 2, 16, 16, 16, bias=0)),
    "zero biases, away from the origin": lambda: on_square(he_normal_b(22, 2, 16, 16, bias=0), 1.0, (0.5, 0.25)),
    "zero biases, the origin a corner": lambda: on_square(he_normal_b(23, 2, 16, 16, bias=0), 0.5, (0.5, 0.5)),
    "zero biases, dead around the origin": lambda: on_square(
        he_normal_b(61, 2, 8, 4, 10, 12, bias=0), 4.0, (-1.0, -0.5)
    ),
    "repeated units": lambda: on_square(changed(he_normal_b(24, 2, 16, 16), repeated)),
    "negated units": lambda: on_square(changed(he_normal_b(25, 2, 16, 16), negated)),
    "zero rows": lambda: on_square(changed(he_normal_b(26, 2, 16, 16), zero_rows)),
    "dead first layer": lambda: on_square(changed(he_normal_b(27, 2, 16, 16), dead(0))),
    "dead last layer": lambda: on_square(changed(he_normal_b(28, 2, 16, 16), dead(1))),
    "first layer always on": lambda: on_square(changed(he_normal_b(29, 2, 16, 16), always_on)),
    "units that cancel": lambda: on_square(changed(he_normal_b(30, 2, 12, 12), cancelled)),
    "lines on axes and borders": lambda: on_square(lines(*BORDERS, seed=31)),
    "lines through corners": lambda: on_square(lines(*DIAGONALS, seed=32)),
    "lines through one point": lambda: on_square(lines(*STAR, (1, 1, 0.5), seed=33)),
    "lines on borders and diagonals": lambda: on_square(lines(*BORDERS, *DIAGONALS, seed=34)),
    "whole numbers, one layer": lambda: on_square(whole_numbers(35, 2, 20, largest=3), 2.0),
    "whole numbers, two layers": lambda: on_square(whole_numbers(36, 2, 16, 16), 2.0),
    "whole numbers up to 3, two layers": lambda: on_square(whole_numbers(37, 2, 12, 12, largest=3), 2.0),
    "whole numbers, three layers": lambda: on_square(whole_numbers(38, 2, 12, 12, 12), 2.0),
    "whole numbers, four layers": lambda: on_square(whole_numbers(39, 2, 9, 9, 9, 9), 4.0),
    "whole numbers, leaky": lambda: on_square(whole_numbers(40, 2, 9, 9, kink=lambda: nn.LeakyReLU(0.25)), 2.0),
    "whole numbers, absolute": lambda: on_square(whole_numbers(41, 2, 9, 9, kink=Absolute), 2.0),
    "whole numbers on a domain of size 100": lambda: on_square(whole_numbers(42, 2, 12, 12, largest=3), 100.0),
    "whole numbers on a triangle": lambda: Case(whole_numbers(43, 2, 12, 12), axes(), 2 * square()[:3]),
    "meeting point on a domain of size 1e-3": lambda: on_square(lines(*STAR, seed=44), 1e-3),
    "off-centre domain of size 1e-3": lambda: on_square(lines(*CROSSED, seed=45), 1e-3, (0.5, 0.5)),
}
"""Networks in which lines coincide, meet in one point, run along borders and through corners, or never bend."""

LAYERED: dict[str, Callable[[], Case]] = {
    "mlp of images": lambda: of_images(50, mlp(25, 16, 16, 3)),
    "batch norm between linear layers": lambda: of_images(
        51, nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2), shape=(6,)
    ),
    "convolutions with stride and padding": lambda: of_images(
        52, nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(2, 3, 2), nn.ReLU(), *linear(2)
    ),
    "convnet": lambda: of_images(53, ConvNet(width=4).build((1, 8, 8)), shape=(1, 8, 8), half=4.0),
    "resnet": lambda: of_images(54, ResNet18(width=1).build((1, 4, 4)), half=0.25),
    "residual block": lambda: of_images(55, Residual(1, 1), nn.AvgPool2d(2), *linear(2), shape=(1, 4, 4)),
    "residual block with a projection": lambda: of_images(56, Residual(1, 2, stride=2), *linear(2)),
    "two residual blocks": lambda: of_images(57, Residual(1, 2, stride=2), Residual(2, 2), nn.Flatten(), half=1.0),
    "max-pooling after a ReLU": lambda: of_images(58, nn.Conv2d(1, 2, 2), nn.ReLU(), nn.MaxPool2d(2), *linear(3)),
    "max-pooling before a ReLU": lambda: of_images(59, nn.Conv2d(1, 2, 2), nn.MaxPool2d(2), nn.ReLU(), *linear(3)),
    "overlapping max-pooling": lambda: of_images(
        60, nn.Conv2d(1, 1, 2), nn.MaxPool2d(2, stride=1), nn.LeakyReLU(0.1), *linear(3), half=1.0
    ),
    "overlapping max-pooling of three by three after a ReLU": lambda: of_images(
        62, nn.Conv2d(1, 1, 2), nn.ReLU(), nn.MaxPool2d(3, stride=2), *linear(3), shape=(1, 6, 6), half=3.0
    ),
    "max-pooling of a whole map": lambda: of_images(63, nn.Conv2d(1, 3, 2), nn.MaxPool2d(4), *linear(2), half=9.0),
    "max-pooling of whole numbers": lambda: of_whole_numbers(64, nn.MaxPool2d(3, stride=1), nn.ReLU(), nn.MaxPool2d(2)),
    "max-pooling twice": lambda: of_images(
        65, nn.MaxPool2d(2, stride=1), nn.Conv2d(1, 2, 2), nn.ReLU(), nn.MaxPool2d(2, stride=1), *linear(2)
    ),
    "max-pooling of the image": lambda: of_images(61, nn.MaxPool2d(2), nn.Conv2d(1, 8, 2), nn.ReLU(), nn.Flatten()),
}
"""Networks of convolutions, batch norm, shortcuts and pooling, on planes through three random images."""

POOLED = [name for name in LAYERED if "pooling" in name]
CASES = GENERIC | DEGENERATE | LAYERED


def linear(outputs):
    return nn.Flatten(), nn.LazyLinear(outputs)


@cache
def case(name):
    return CASES[name]()


@cache
def truth(name):
    """What the oracle says of a case."""
    known = case(name)
    return oracle.partition(known.net, known.plane, known.domain)
