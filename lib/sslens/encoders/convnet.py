"""The default encoder: a small convolutional network."""

from itertools import pairwise
from typing import Annotated, final

from torch import nn

from sslens.encoders.encoder import Encoder
from sslens.types import InputError, Range, checked_dataclass

STRIDES = (2, 1, 2, 1, 1)


@final
@checked_dataclass
class ConvNet(Encoder):
    """Five 3x3 convolutions with batch norm and ReLU, strides 2 1 2 1 1, global mean pooling.

    The stride of the first layer decides the speed on a CPU: large maps are bound by memory. 70 thousand parameters
    at width 64 on one channel. ``features`` widens or narrows the last layer alone, and with it the representation
    (Bordes et al. 2023, "expand or narrow", arXiv 2304.05369); 0 leaves it at ``width``.

    >>> import torch
    >>> net = ConvNet().build((1, 16, 16))
    >>> net(torch.zeros(2, 1, 16, 16)).shape, sum(p.numel() for p in net.parameters())
    (torch.Size([2, 64]), 69680)
    """

    width: Annotated[int, Range(4, 1024)] = 64
    features: Annotated[int, Range(0, 16384)] = 0

    def __post_init__(self) -> None:
        if self.width % 4:
            raise InputError("ConvNet.width", self.width, "a multiple of 4")

    def build(self, shape: tuple[int, ...]) -> nn.Sequential:
        """The network for images of this shape: channels, height, width."""
        self.check_images(shape)
        widths = (shape[0], self.width // 4, self.width // 2, self.width // 2, self.width, self.features or self.width)
        layers = [conv(*pair, stride=stride) for pair, stride in zip(pairwise(widths), STRIDES, strict=True)]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def conv(inputs: int, outputs: int, *, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution without bias, batch norm, ReLU.

    >>> import torch
    >>> conv(3, 8, stride=2)(torch.zeros(1, 3, 8, 8)).shape
    torch.Size([1, 8, 4, 4])
    """
    layer = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU())
