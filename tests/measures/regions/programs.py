"""Networks put together at random: every way to write an operation, and what it is in exact arithmetic.

A ``Bend``, a ``Rearranged`` or a ``Branch`` is a module that torch.fx looks into, so that the operation is called as a
function, a method, a module of its own or one made on the spot. ``exact`` says what it is, without torch.
"""

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import torch
from hypothesis import strategies as st
from tests.measures.regions.cells import Forms, inside, pieces
from tests.measures.regions.layers import Fork, Join, Swap, affine, steps
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class Pieces:
    """A function of one number: between its breaks, slope · z + offset."""

    breaks: tuple
    lines: tuple

    def pieces(self, cell):
        last = cell.forms[-1]
        levels = [np.array([0, 0, at.numerator * last.denominator], dtype=object) for at in self.breaks]
        cuts = [last.values * at.denominator - level for at, level in zip(self.breaks, levels, strict=True)]
        return [self._bent(piece) for piece in pieces(cell, [form for cut in cuts for form in cut])]

    def _bent(self, cell):
        *waiting, last = cell.forms
        where, heights = inside(cell), []
        for form in last.values:
            height = Fraction(int(form @ where), int(where[2]) * last.denominator)
            slope, offset = self.lines[sum(height > at for at in self.breaks)]
            heights.append([slope * part / last.denominator for part in map(Fraction, form)])
            heights[-1][2] += offset
        return replace(cell, forms=(*waiting, common(heights)))


@dataclass(frozen=True)
class Meeting:
    """The larger or the smaller of the two that wait last."""

    larger: bool

    def pieces(self, cell):
        one, other = cell.forms[-2:]
        differences = one.values * other.denominator - other.values * one.denominator
        return [self._chosen(piece) for piece in pieces(cell, differences)]

    def _chosen(self, cell):
        *waiting, one, other = cell.forms
        where, rows = inside(cell), []
        for first, second in zip(one.values, other.values, strict=True):
            above = first @ where * other.denominator > second @ where * one.denominator
            chosen = (first, one.denominator) if above == self.larger else (second, other.denominator)
            rows.append([Fraction(part, chosen[1]) for part in chosen[0]])
        return replace(cell, forms=(*waiting, common(rows)))


class Beside:
    """The two that wait last, one behind the other."""

    def pieces(self, cell):
        *waiting, one, other = cell.forms
        values = np.concatenate([one.values * other.denominator, other.values * one.denominator])
        return [replace(cell, forms=(*waiting, Forms(values, one.denominator * other.denominator)))]


def common(rows):
    """Rows of fractions over one denominator."""
    denominator = math.lcm(*(part.denominator for row in rows for part in row))
    return Forms(np.array([[int(part * denominator) for part in row] for row in rows], dtype=object), denominator)


def pieces_of(*breaks, lines):
    exact = tuple((Fraction(slope), Fraction(offset)) for slope, offset in lines)
    return Pieces(tuple(map(Fraction, breaks)), exact)


KINDS = {
    "relu": pieces_of(0, lines=[(0, 0), (1, 0)]),
    "leaky": pieces_of(0, lines=[(0.25, 0), (1, 0)]),
    "abs": pieces_of(0, lines=[(-1, 0), (1, 0)]),
    "lower": pieces_of(0.5, lines=[(0, 0.5), (1, 0)]),
    "upper": pieces_of(0.5, lines=[(1, 0), (0, 0.5)]),
    "both": pieces_of(-0.5, 0.75, lines=[(0, -0.5), (1, 0), (0, 0.75)]),
    "relu6": pieces_of(0, 6, lines=[(0, 0), (1, 0), (0, 6)]),
    "shrunk": pieces_of(-0.5, 0.5, lines=[(1, 0.5), (0, 0), (1, -0.5)]),
    "sigmoid": pieces_of(-3, 3, lines=[(0, 0), (Fraction(1, 6), Fraction(1, 2)), (0, 1)]),
}
HOMOGENEOUS = "relu", "leaky", "abs"
"""What a positive factor passes through."""
WAYS = {
    "relu": [
        *(nn.ReLU(), nn.ReLU(inplace=True), functional.relu, torch.relu, lambda x: x.relu()),
        *(lambda x: nn.ReLU()(x), lambda x: (1 * x).relu_(), lambda x: functional.relu(x + 0, inplace=True)),
        *(lambda x: x.clamp(min=0), lambda x: torch.clamp_min(x, 0), lambda x: x.clip(0)),
        *(lambda x: x * (x > 0), lambda x: (x >= 0) * x, lambda x: x * (x > 0).to(x.dtype), lambda x: x * ~(x <= 0)),
        *(lambda x: torch.where(x > 0, x, 0.0), lambda x: torch.where(x < 0, torch.zeros_like(x), x)),
        *(lambda x: x.masked_fill(x < 0, 0.0), lambda x: x.where(x.gt(0), x.new_zeros(1))),
        *(lambda x: torch.maximum(x, x.new_zeros(1)), lambda x: torch.max(x, 0 * x), lambda x: -(-x).fmin(0 * x)),
        *(lambda x: functional.threshold(x, 0, 0), nn.Threshold(0.0, 0.0), lambda x: (x + x.abs()) / 2),
    ],
    "leaky": [
        *(nn.LeakyReLU(0.25), lambda x: functional.leaky_relu(x, 0.25), nn.PReLU(init=0.25), nn.RReLU(0.25, 0.25)),
        *(lambda x: functional.prelu(x, x.new_full((1,), 0.25)), lambda x: functional.rrelu(x, 0.25, 0.25)),
        *(lambda x: torch.maximum(x, x / 4), lambda x: torch.where(x > 0, x, x / 4)),
        *(lambda x: x * (0.75 * (x > 0) + 0.25), lambda x: x * torch.where(x > 0, 1.0, 0.25)),
        lambda x: functional.leaky_relu_(x - 0, 0.25),
    ],
    "abs": [
        *(torch.abs, abs, lambda x: x.abs(), torch.absolute, lambda x: torch.maximum(x, -x)),
        *(lambda x: torch.where(x < 0, -x, x), lambda x: (x * 1).abs_(), lambda x: x * (1 - 2 * (x < 0).double())),
    ],
    "lower": [
        *(lambda x: x.clamp(min=0.5), lambda x: torch.clamp_min(x, 0.5), lambda x: (x + 0).clamp_min_(0.5)),
        *(lambda x: torch.fmax(x, x.new_full((1,), 0.5)), lambda x: torch.where(x > 0.5, x, 0.5)),
        *(lambda x: functional.threshold(x, 0.5, 0.5), nn.Threshold(0.5, 0.5), lambda x: x.masked_fill(x < 0.5, 0.5)),
    ],
    "upper": [
        *(lambda x: x.clamp(max=0.5), lambda x: torch.clamp_max(x, 0.5), lambda x: torch.clamp(x, None, 0.5)),
        *(lambda x: torch.min(x, x.new_full((1,), 0.5)), lambda x: torch.where(x <= 0.5, x, 0.5)),
    ],
    "both": [
        *(nn.Hardtanh(-0.5, 0.75), lambda x: functional.hardtanh(x, -0.5, 0.75), lambda x: x.clamp(-0.5, 0.75)),
        *(lambda x: torch.clamp(x, min=-0.5, max=0.75), lambda x: torch.clip(x, -0.5, 0.75)),
        *(lambda x: torch.minimum(x.clamp(min=-0.5), x.new_full((1,), 0.75)), nn.Hardtanh(-0.5, 0.75, inplace=True)),
        lambda x: torch.clamp(x, x.new_full((1,), -0.5), x.new_full((1,), 0.75)),
    ],
    "relu6": [nn.ReLU6(), functional.relu6, lambda x: x.clamp(0, 6), nn.ReLU6(inplace=True)],
    "shrunk": [nn.Softshrink(0.5), lambda x: functional.softshrink(x, 0.5), lambda x: x - x.clamp(-0.5, 0.5)],
    "sigmoid": [nn.Hardsigmoid(), functional.hardsigmoid, lambda x: functional.relu6(x + 3) / 6],
}


class Bend(nn.Module):
    def __init__(self, kind, way):
        super().__init__()
        self.kind, self.way = kind, WAYS[kind][way % len(WAYS[kind])]

    def forward(self, x):
        return self.way(x)

    def exact(self, shape):
        return [KINDS[self.kind]], shape


ORDERS = [
    lambda x: x.flip(1),
    lambda x: x.roll(1, 1),
    lambda x: x[:, torch.arange(x.shape[1]).flip(0)],
    lambda x: torch.cat(x.chunk(2, 1)[::-1], 1),
    lambda x: torch.stack([x, x], 2).flatten(1),
    lambda x: x[:, None].expand(-1, 2, -1).reshape(x.shape[0], -1),
    lambda x: x.repeat(1, 2).view(x.size(0), 2, -1).transpose(1, 2).reshape(x.size(0), -1),
    lambda x: x[:, ::2],
    lambda x: torch.einsum("nf,fg->ng", x, torch.eye(x.shape[1], dtype=x.dtype).flip(0)),
]


class Rearranged(nn.Module):
    """Numbers of each sample in another order, some of them twice, some left out."""

    def __init__(self, order):
        super().__init__()
        self.order = ORDERS[order % len(ORDERS)]

    def forward(self, x):
        assert x.dim() == 2
        return self.order(x)

    def exact(self, shape):
        places = self.order(torch.arange(float(shape[0]))[None])[0].long().numpy()
        return [affine(places[:, None], np.ones((len(places), 1)), np.zeros(len(places)))], (len(places),)


HOW = {
    "sum": lambda a, b: a + b,
    "larger": torch.maximum,
    "smaller": lambda a, b: torch.where(a < b, a, b),
    "beside": lambda a, b: torch.cat([a, b], 1),
}


class Branch(nn.Module):
    """Two ways from one place to the next."""

    def __init__(self, one, other, how):
        super().__init__()
        self.one, self.other, self.how = one, other, how

    def forward(self, x):
        return HOW[self.how](self.one(x), self.other(x))

    def exact(self, shape):
        (one, after), (other, _) = steps(self.one, shape), steps(self.other, shape)
        last = {"sum": Join(), "larger": Meeting(True), "smaller": Meeting(False), "beside": Beside()}[self.how]
        after = (2 * after[0],) if self.how == "beside" else after
        return [Fork(), *one, Swap(), *other, last], after


def layer(draw, entering, leaving, *, weights):
    """A linear layer: its rows general, small and whole (zero, through one point), or repeated.

    ``entering`` and ``leaving`` are the factors of its inputs and of its units, powers of two: what it computes is the
    same with each number times its factor, to the last bit.
    """
    inputs, units = len(entering), len(leaving)
    linear = nn.Linear(inputs, units).double()
    if weights == "whole":
        weight, bias = draw.integers(-2, 3, (units, inputs)), draw.integers(-2, 3, units) / 2
    else:
        weight, bias = draw.standard_normal((units, inputs)) * np.sqrt(2 / inputs), draw.standard_normal(units) / 2
    if weights == "repeated":
        rows = draw.integers(0, units, units)
        factors = draw.choice([1.0, -1.0, 2.0, 0.0], units)
        weight, bias = weight[rows] * factors[:, None], bias[rows] * factors
    linear.weight.data = torch.from_numpy(weight * leaving[:, None] / entering)
    linear.bias.data = torch.from_numpy(bias * leaving)
    return linear


def normalised(draw, units):
    norm = nn.BatchNorm1d(units).double().eval()
    norm.running_mean, norm.running_var = torch.from_numpy(draw.standard_normal(units)), torch.ones(units).double() * 4
    norm.eps = 0.0
    return norm


def bends(kinds=tuple(KINDS)):
    return st.builds(Bend, st.sampled_from(kinds), st.integers(0, 50))


@st.composite
def networks(choose, inputs=2):
    """A network of that many inputs and some outputs.

    Where it is "scaled", the units of a layer lie up to 2⁵⁰ apart, and the next layer takes each back to one size: so
    no sum keeps few digits of any. Then all its bends are those that a factor passes through.
    """
    draw = np.random.default_rng(choose(st.integers(0, 2**32)))
    weights = choose(st.sampled_from(["general", "whole", "repeated", "scaled"]))
    scaled, bend = weights == "scaled", bends(HOMOGENEOUS if weights == "scaled" else tuple(KINDS))
    layers, factors, depth = [], np.ones(inputs), choose(st.integers(1, 3))
    for place in range(depth):
        units, apart = choose(st.integers(1, 5)), scaled and place < depth - 1  # outputs are of one size
        leaving = 2.0 ** draw.integers(-50, 1, units if apart else 1) * np.ones(units) if scaled else np.ones(units)
        if choose(st.integers(0, 3)):
            layers += [layer(draw, factors, leaving, weights=weights), choose(bend)]
        else:
            ways = [
                nn.Sequential(
                    layer(draw, factors, leaving, weights=weights), *([choose(bend)] if choose(st.booleans()) else [])
                )
                for _ in range(2)
            ]
            layers += [Branch(*ways, choose(st.sampled_from(list(HOW))))]
            leaving = np.tile(leaving, 2) if layers[-1].how == "beside" else leaving
        if not scaled and choose(st.integers(0, 3)) == 0:
            layers += [normalised(draw, len(leaving))]
        if len(leaving) > 1 and choose(st.integers(0, 3)) == 0:
            layers += [Rearranged(choose(st.integers(0, 50)))]
            leaving = layers[-1](torch.from_numpy(leaving)[None])[0].numpy()
        factors = leaving
    if choose(st.booleans()):
        layers += [layer(draw, factors, np.ones(2), weights=weights)]
    if not any(isinstance(part, Bend | Branch) for part in layers):
        layers += [Bend("relu", 0)]
    return nn.Sequential(*layers)


@st.composite
def image_networks(choose):
    """A network of images of one channel, four by four."""
    draw, weights = np.random.default_rng(choose(st.integers(0, 2**32))), choose(st.sampled_from(["general", "whole"]))
    channels, (kernel, padding) = choose(st.integers(1, 2)), choose(st.sampled_from([(2, 0), (3, 0), (3, 1)]))
    conv, side = nn.Conv2d(1, channels, kernel, padding=padding).double(), 4 + 2 * padding - kernel + 1
    drawn = draw.standard_normal if weights == "general" else lambda size: draw.integers(-1, 2, size) * 1.0
    for part in (conv.weight, conv.bias):
        part.data = torch.from_numpy(drawn(tuple(part.shape)))
    layers = [conv, choose(bends())]
    pool = choose(st.sampled_from([None, nn.MaxPool2d(2), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1)]))
    if pool is not None:
        layers += [pool]
        side = 1 if isinstance(pool, nn.AdaptiveAvgPool2d) else side // 2
    ones = np.ones(channels * side**2), np.ones(choose(st.integers(1, 2)))
    return nn.Sequential(*layers, nn.Flatten(), layer(draw, *ones, weights=weights), choose(bends()))
