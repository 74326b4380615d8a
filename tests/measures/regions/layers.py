"""The layers of a network as exact steps: what each does to the forms of a cell, and where it cuts the cell.

One thing is not rational: the square root in batch norm, whose scale and shift are taken in float64 once, before the
exact part begins. A ReLU cuts a cell where its unit takes both signs inside; max-pooling parts it into the pieces on
which the same entry of a window is the largest, and not where two others are equal.
"""

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product

import numpy as np
from tests.measures.regions.cells import Forms, half, heights, inside, pieces, whole
from torch import nn

from sslens.encoders.resnet18 import Residual


@dataclass(frozen=True)
class Affine:
    """Rows of (places, weights) and a bias, over one denominator: linear layer, convolution, batch norm, mean."""

    rows: list
    bias: np.ndarray
    denominator: int

    def pieces(self, cell):
        *waiting, last = cell.forms
        values = np.array([weights @ last.values[places] for places, weights in self.rows], dtype=object)
        values[:, 2] += self.bias * last.denominator
        return [replace(cell, forms=(*waiting, Forms(values, self.denominator * last.denominator)))]


@dataclass(frozen=True)
class Kink:
    """z where positive, ``slope`` · z elsewhere: ReLU (0), LeakyReLU (its slope), the absolute value (-1)."""

    slope: Fraction

    def pieces(self, cell):
        return [self._bent(piece) for piece in pieces(cell, cell.forms[-1].values)]

    def _bent(self, cell):
        *waiting, last = cell.forms
        positive = last.values @ inside(cell) > 0
        above, below = self.slope.as_integer_ratio()
        values = last.values * np.where(positive, below, above).astype(object)[:, None]
        return replace(cell, forms=(*waiting, Forms(values, last.denominator * below)))


@dataclass(frozen=True)
class Largest:
    """Max-pooling: the largest of each window; a cell falls into pieces on which one entry is not below any other."""

    windows: list

    def pieces(self, cell):
        values, found = cell.forms[-1].values, [cell]
        for window in self.windows:
            entries = {tuple(values[place]): values[place] for place in window}  # of equal ones one
            found = [piece for each in found for piece in self._led(each, list(entries.values()))]
        return [self._pooled(piece) for piece in found]

    def _led(self, cell, entries):
        for entry in entries:
            piece = cell
            for other in entries:
                signs = heights(piece, entry - other)
                if max(signs) <= 0 and other is not entry:
                    break
                piece = half(piece, entry - other) if min(signs) < 0 else piece
            else:
                yield piece

    def _pooled(self, cell):
        *waiting, last = cell.forms
        at = last.values @ inside(cell)
        winners = [max(window, key=lambda place: at[place]) for window in self.windows]
        return replace(cell, forms=(*waiting, Forms(last.values[winners], last.denominator)))


class Fork:
    """Keeps what the body of a residual block reads for its shortcut."""

    def pieces(self, cell):
        return [replace(cell, forms=(*cell.forms, cell.forms[-1]))]


class Swap:
    """From the end of the body to the beginning of the shortcut."""

    def pieces(self, cell):
        *waiting, kept, body = cell.forms
        return [replace(cell, forms=(*waiting, body, kept))]


class Join:
    """The residual sum."""

    def pieces(self, cell):
        *waiting, one, other = cell.forms
        total = one.values * other.denominator + other.values * one.denominator
        return [replace(cell, forms=(*waiting, Forms(total, one.denominator * other.denominator)))]


def affine(places, weights, bias):
    """Rows of floats and their biases, exactly."""
    flat = np.concatenate([*map(np.ravel, weights), np.ravel(bias)])
    values, denominator = whole(flat)
    ends = np.cumsum([len(row) for row in weights])
    return Affine(list(zip(places, np.split(values, ends)[:-1], strict=True)), values[ends[-1] :], denominator)


def windows(shape, kernel, stride, padding):
    """For every place of a sliding window over c maps: its pixels as (row, column in the kernel, place in the map)."""
    (_, height, width), (down, right) = shape, kernel
    for top in range(-padding, height + padding - down + 1, stride):
        for left in range(-padding, width + padding - right + 1, stride):
            grid = [(i, j, top + i, left + j) for i, j in product(range(down), range(right))]
            yield [(i, j, y * width + x) for i, j, y, x in grid if 0 <= y < height and 0 <= x < width]


def convolution(layer, shape):
    """The rows of a convolution, by loops over its definition."""
    kernel, size = layer.weight.detach().double().numpy(), shape[1] * shape[2]
    slots = list(windows(shape, layer.kernel_size, layer.stride[0], layer.padding[0]))
    places = [[c * size + at for c in range(shape[0]) for _, _, at in slot] for slot in slots] * len(kernel)
    weights = [[part[c, i, j] for c in range(shape[0]) for i, j, _ in slot] for part in kernel for slot in slots]
    bias = np.zeros(len(kernel)) if layer.bias is None else layer.bias.detach().double().numpy()
    high = (shape[1] + 2 * layer.padding[0] - layer.kernel_size[0]) // layer.stride[0] + 1
    step = affine([np.array(row) for row in places], weights, np.repeat(bias, len(slots)))
    return [step], (len(kernel), high, len(slots) // high)


def pooled(layer, shape):
    """The windows of a max- or mean-pooling layer without padding, and the shape after it."""
    whole_map = isinstance(layer, nn.AdaptiveAvgPool2d)
    kernel, stride = (shape[1], 1) if whole_map else (layer.kernel_size, layer.stride)
    slots, size = list(windows(shape, (kernel, kernel), stride, 0)), shape[1] * shape[2]
    groups = [[c * size + at for _, _, at in slot] for c in range(shape[0]) for slot in slots]
    side = (shape[1] - kernel) // stride + 1
    return groups, (shape[0], side, len(slots) // side)


def steps(net, shape):
    """The exact steps of a network on inputs of this shape, and the shape that comes out."""
    match net:
        case nn.Sequential():
            found = []
            for layer in net:
                more, shape = steps(layer, shape)
                found += more
            return found, shape
        case Residual():
            body, after = steps(net.body, shape)
            shortcut, _ = steps(net.shortcut, shape)
            return [Fork(), *body, Swap(), *shortcut, Join(), Kink(Fraction(0))], after
        case nn.Linear():
            weights = net.weight.detach().double().numpy()
            bias = np.zeros(len(weights)) if net.bias is None else net.bias.detach().double().numpy()
            return [affine([np.arange(weights.shape[1])] * len(weights), list(weights), bias)], (len(weights),)
        case nn.Conv2d():
            return convolution(net, shape)
        case nn.BatchNorm1d() | nn.BatchNorm2d():
            scale = net.weight.double() / (net.running_var.double() + net.eps).sqrt()
            shift = net.bias.double() - net.running_mean.double() * scale
            scale, shift = (each.detach().numpy().repeat(math.prod(shape[1:])) for each in (scale, shift))
            return [affine(np.arange(len(scale))[:, None], scale[:, None], shift)], shape
        case nn.MaxPool2d():
            groups, after = pooled(net, shape)
            return [Largest(groups)], after
        case nn.AvgPool2d() | nn.AdaptiveAvgPool2d():
            groups, after = pooled(net, shape)
            rows = [(np.array(group), np.array([1] * len(group), dtype=object)) for group in groups]
            return [Affine(rows, np.array([0] * len(rows), dtype=object), len(groups[0]))], after
        case nn.Flatten():
            return [], (math.prod(shape),)
        case nn.Identity():
            return [], shape
        case nn.ReLU():
            return [Kink(Fraction(0))], shape
        case nn.LeakyReLU():
            return [Kink(Fraction(net.negative_slope))], shape
    if hasattr(net, "exact"):  # a module of a test that says itself what it is
        return net.exact(shape)
    if type(net).__name__ == "Absolute":
        return [Kink(Fraction(-1))], shape
    raise NotImplementedError(type(net).__name__)
