"""Small networks whose partitions are known in closed form, and how most tests cut the square with them."""

from itertools import pairwise

import numpy as np
import torch
from torch import nn

from sslens.measures.regions import Plane, partition, square


def relu_stack(seed, *widths):
    """The reference networks without the layer behind: the last hidden layer's ReLU is the output."""
    draw, layers = np.random.default_rng(seed), []
    for inputs, outputs in pairwise(widths):
        layer = nn.Linear(inputs, outputs).double()
        layer.weight.data = torch.from_numpy(draw.standard_normal((outputs, inputs)) * np.sqrt(2 / inputs))
        layer.bias.data = torch.from_numpy(draw.standard_normal(outputs) * 0.5)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers)


def linear(weight, bias):
    layer = nn.Linear(len(weight[0]), len(weight)).double()
    layer.weight.data, layer.bias.data = torch.tensor(weight).double(), torch.tensor(bias).double()
    return layer


def lines(*rows):
    """A layer of units that are zero on the lines a x + b y + c = 0."""
    return nn.Sequential(linear([[a, b] for a, b, _ in rows], [c for *_, c in rows]), nn.ReLU())


def on_plane(net, domain=None, **options):
    """The partition of a domain in the input space of a network of two inputs; by default the square."""
    return partition(net, Plane.identity(), square(1.0) if domain is None else domain, **options)
