"""Networks without convolutions."""

import math
from itertools import pairwise
from typing import Annotated, final

from torch import nn

from sslens.encoders.encoder import Encoder
from sslens.types import InputError, Range, checked_dataclass


@final
@checked_dataclass
class MLP(Encoder):
    """``depth`` hidden layers of ``width`` units with ReLU, the last of ``features`` units where that is not 0.

    >>> import torch
    >>> MLP(width=100).build((1, 8, 8))(torch.zeros(5, 1, 8, 8)).shape
    torch.Size([5, 100])
    """

    width: Annotated[int, Range(4, 1024)] = 64
    depth: Annotated[int, Range(1, 64)] = 3
    features: Annotated[int, Range(0, 16384)] = 0
    layer_norm: bool = False
    """Whether a layer norm stands before each ReLU."""

    def build(self, shape: tuple[int, ...]) -> nn.Sequential:
        """The network for inputs of this shape, which are flattened."""
        self.check_images(shape)
        sizes = (math.prod(shape), *[self.width] * (self.depth - 1), self.features or self.width)
        last: list[nn.Module] = [nn.LayerNorm(sizes[-1])] if self.layer_norm else []
        return nn.Sequential(*mlp(*sizes, layer_norm=self.layer_norm), *last, nn.ReLU())


def mlp(*sizes: int, layer_norm: bool = False) -> nn.Sequential:
    """Flatten, then linear layers with ReLU between them, layer norm before each ReLU if wanted; none after the last.

    Raises:
        InputError: fewer than two sizes, or one below 1.

    >>> import torch
    >>> mlp(64, 100, 10)(torch.zeros(5, 1, 8, 8)).shape
    torch.Size([5, 10])
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise InputError("mlp sizes", sizes, "at least two positive whole numbers")
    layers: list[nn.Module] = [nn.Flatten(), nn.Linear(sizes[0], sizes[1])]
    for inputs, outputs in pairwise(sizes[1:]):
        if layer_norm:
            layers.append(nn.LayerNorm(inputs))
        layers += [nn.ReLU(), nn.Linear(inputs, outputs)]
    return nn.Sequential(*layers)
