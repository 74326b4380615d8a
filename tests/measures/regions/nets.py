"""Recipes of reference networks, generic and degenerate, and of the planes and polygons they are cut on.

Generic networks follow one recipe, he-normal-b: from numpy's ``default_rng(seed)``, layer by layer, W = N(0, 1) · √(2 /
inputs), then b = N(0, 1) · 0.5. Degenerate ones have weights that float64 holds exactly, so that lines which should
coincide do.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Case:
    """A network on a convex polygon of the plane origin + u · first + v · second."""

    net: nn.Module
    plane: tuple[Tensor, Tensor, Tensor]
    domain: Tensor


class Absolute(nn.Module):
    """|z|, which torch has as a function only."""

    def forward(self, x):
        return torch.abs(x)


def square(half=1.0, centre=(0.0, 0.0)):
    return torch.tensor([[-half, -half], [half, -half], [half, half], [-half, half]]).double() + torch.tensor(centre)


def polygon(corners, radius=1.0, turn=0.1):
    angle = turn + torch.arange(corners, dtype=torch.float64) * 2 * math.pi / corners
    return radius * torch.stack([angle.cos(), angle.sin()], 1)


def axes():
    """The plane that is the input space."""
    return torch.zeros(2).double(), torch.tensor([1.0, 0]).double(), torch.tensor([0, 1.0]).double()


def through(seed, *shape, points=3):
    """A plane through one, two or three random inputs, its axes as they are drawn: neither unit nor orthogonal."""
    draw = torch.Generator().manual_seed(seed)
    origin, *others = torch.randn(3, *shape, generator=draw, dtype=torch.float64)
    return origin, *(other - origin if place < points - 1 else other for place, other in enumerate(others))


def put(linear, weight, bias):
    linear.weight.data = torch.as_tensor(np.array(weight, dtype=np.float64))
    linear.bias.data = torch.as_tensor(np.array(bias, dtype=np.float64))


def he_normal_b(seed, *sizes, outputs=2, kink=nn.ReLU, bias=0.5):
    """Hidden layers of these sizes after the input's, by the recipe; then a linear layer."""
    draw, layers = np.random.default_rng(seed), []
    for inputs, units in pairwise((*sizes, outputs)):
        layer = nn.Linear(inputs, units)
        put(layer, draw.standard_normal((units, inputs)) * np.sqrt(2 / inputs), draw.standard_normal(units) * bias)
        layers += [layer, kink()]
    return nn.Sequential(*layers[:-1])


def changed(net, change):
    """The same network after ``change(linear layers)``."""
    with torch.no_grad():
        change([layer for layer in net if isinstance(layer, nn.Linear)])
    return net


def whole_numbers(seed, *sizes, outputs=2, largest=1, kink=nn.ReLU):
    """Small whole weights, biases in halves: lines meet in one point, run along borders and through corners."""
    draw, layers = np.random.default_rng(seed), []
    for inputs, units in pairwise((*sizes, outputs)):
        layer = nn.Linear(inputs, units)
        put(layer, draw.integers(-largest, largest + 1, (units, inputs)), draw.integers(-2, 3, units) / 2)
        layers += [layer, kink()]
    return nn.Sequential(*layers[:-1])


def lines(*forms, seed=0):
    """First-layer units a·u + b·v + c, then a generic layer."""
    net = he_normal_b(seed, 2, len(forms), 6)
    put(net[0], [form[:2] for form in forms], [form[2] for form in forms])
    return net


def seeded(seed, example, *layers):
    """Layers with torch's own weights and, where there is batch norm, statistics as if they had been trained."""
    net = nn.Sequential(*layers).double()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net.eval()(example[None])
        for layer in net.modules():
            if hasattr(layer, "reset_parameters"):
                layer.reset_parameters()
            if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                layer.weight.data.uniform_(0.5, 2)
                layer.bias.data.uniform_(-1, 1)
                layer.running_mean.normal_()
                layer.running_var.uniform_(0.2, 2)
    return net


def repeated(layers):
    """Units 0 to 2 again as 3 to 5; twice 0 and half of 1 after them."""
    for part in (layers[0].weight, layers[0].bias):
        part[3:6] = part[:3]
        part[6], part[7] = 2 * part[0], part[1] / 2


def negated(layers):
    for layer in layers[:-1]:
        half = len(layer.weight) // 2
        layer.weight[half:], layer.bias[half:] = -layer.weight[:half], -layer.bias[:half]


def zero_rows(layers):
    for layer in layers[:-1]:
        layer.weight[:3] = 0
        layer.bias[:3] = torch.tensor([0.0, 1.0, -1.0])


def cancelled(layers):
    """Every unit of the last hidden layer twice, with opposite weights behind it: it bends nothing."""
    repeats = len(layers[-2].weight) // 2
    layers[-2].weight[repeats:], layers[-2].bias[repeats:] = layers[-2].weight[:repeats], layers[-2].bias[:repeats]
    layers[-1].weight[:, repeats:] = -layers[-1].weight[:, :repeats]


def dead(layer):
    return lambda layers: layers[layer].bias.sub_(50.0)


def always_on(layers):
    """The first layer never bends; the second sees what it saw."""
    layers[0].bias += 5
    layers[1].bias -= 5 * layers[1].weight.sum(1)


def of_images(seed, *layers, shape=(1, 5, 5), half=1.5):
    """Layers with torch's own weights on a plane through three random images; lazy ones learn their size from it."""
    plane = through(seed, *shape)
    return Case(seeded(seed, plane[0], *layers), plane, square(half))


def of_whole_numbers(seed, *layers, shape=(1, 4, 4), half=2.0):
    """Layers behind a convolution of small whole numbers, on a plane of such: most differences are zero somewhere."""
    draw = np.random.default_rng(seed)
    convolution = nn.Conv2d(1, 2, 2, padding=1)
    put(convolution, draw.integers(-2, 3, convolution.weight.shape), draw.integers(-1, 2, 2))
    plane = tuple(torch.from_numpy(draw.integers(-2, 3, shape)).double() for _ in range(3))
    return Case(nn.Sequential(convolution, *layers, nn.Flatten()).double(), plane, square(half))


def on_square(net, half=1.0, centre=(0.0, 0.0)):
    return Case(net, axes(), square(half, centre))
