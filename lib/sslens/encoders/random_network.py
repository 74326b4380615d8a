"""Networks of random weights: the partitions there are before anything is learned."""

from itertools import pairwise
from typing import Annotated, Any

import torch
from torch import nn

from sslens.types import Range, checked

WIDEST, DEEPEST, LARGEST = 4096, 64, 1e6


def random_network(
    width: int, depth: int, *, generator: torch.Generator, inputs: int = 2, bias: float = 0.5
) -> nn.Sequential:
    """A ReLU network of ``depth`` hidden layers of ``width`` units and one output, its weights from the generator.

    Weights are normal with variance 2 / (inputs of the layer), so that the size of what passes through does not
    change with width or depth; biases are normal with standard deviation ``bias``. In float64.

    Raises:
        InputError: a number that is no whole number above 0, too large, or a ``bias`` below 0.

    Reference: He, Zhang, Ren, Sun, "Delving deep into rectifiers", ICCV 2015, arXiv 1502.01852, eq. 10.

    >>> net = random_network(16, 2, generator=torch.Generator().manual_seed(0))
    >>> [layer.out_features for layer in net[::2]], net(torch.zeros(3, 2).double()).shape
    ([16, 16, 1], torch.Size([3, 1]))
    """
    width = checked("width", width, Annotated[int, Range(1, WIDEST)])
    depth = checked("depth", depth, Annotated[int, Range(1, DEEPEST)])
    inputs = checked("inputs", inputs, Annotated[int, Range(1, LARGEST)])
    bias = checked("bias", bias, Annotated[float, Range(0, LARGEST)])
    layers = list[nn.Module]()
    for entering, units in pairwise((inputs, *[width] * depth, 1)):
        layer: Any = nn.utils.skip_init(nn.Linear, entering, units, dtype=torch.float64, device=generator.device)
        nn.init.normal_(layer.weight, std=(2 / entering) ** 0.5, generator=generator)
        nn.init.normal_(layer.bias, std=bias, generator=generator)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])
