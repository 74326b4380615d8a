"""ResNet-18 for small images."""

from typing import Annotated, final

from jaxtyping import Float
from torch import Tensor, nn

from sslens.encoders.convnet import conv
from sslens.encoders.encoder import Encoder
from sslens.types import Range, checked_dataclass


@final
@checked_dataclass
class ResNet18(Encoder):
    """ResNet-18 (He et al. 2016) with the CIFAR stem: a 3x3 convolution of stride 1 and no max-pooling.

    Its representation has 8 x ``width`` dimensions, or as many as ``features`` says of the last block.

    >>> import torch
    >>> ResNet18(width=8).build((3, 32, 32))(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 64])
    """

    width: Annotated[int, Range(1, 1024)] = 64
    features: Annotated[int, Range(0, 16384)] = 0

    def build(self, shape: tuple[int, ...]) -> nn.Sequential:
        """The network for images of this shape: channels, height, width."""
        self.check_images(shape)
        width = self.width
        layers: list[nn.Module] = [conv(shape[0], width)]
        for inputs, outputs, stride in ((1, 1, 1), (1, 2, 2), (2, 4, 2), (4, 8, 2)):
            layers.append(Residual(inputs * width, outputs * width, stride=stride))
            layers.append(Residual(outputs * width, outputs * width))
        if self.features:
            layers[-1] = Residual(8 * width, self.features)
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


@final
class Residual(nn.Module):
    """The basic block of ResNet-18 (He et al. 2016, figure 2): two convolutions and a shortcut.

    >>> import torch
    >>> Residual(8, 16, stride=2)(torch.zeros(1, 8, 8, 8)).shape
    torch.Size([1, 16, 4, 4])
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.body = nn.Sequential(*conv(inputs, outputs, stride=stride), second, nn.BatchNorm2d(outputs))
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            project = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(project, nn.BatchNorm2d(outputs))
        self.relu = nn.ReLU()

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n o p q"]:
        """Body plus shortcut, then ReLU."""
        return self.relu(self.body(x) + self.shortcut(x))
