"""Networks: encoders that turn images into representations, the heads behind them, and the model around both."""

from collections.abc import Sequence
from copy import deepcopy
from itertools import pairwise
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sslens.types import InputError, Outputs, UnknownName, Views


def mlp(*sizes: int, layer_norm: bool = False) -> nn.Sequential:
    """Flatten, then linear layers with ReLU between them, layer norm before each ReLU if asked; none after the last.

    Raises:
        InputError: fewer than two sizes, or one below 1.

    >>> mlp(64, 100, 10)(torch.zeros(5, 1, 8, 8)).shape
    torch.Size([5, 10])
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise InputError("mlp sizes", sizes, "at least two positive whole numbers")
    layers: list[nn.Module] = [nn.Flatten(), nn.Linear(sizes[0], sizes[1])]
    for inputs, outputs in pairwise(sizes[1:]):
        layers += [*[nn.LayerNorm(inputs)] * layer_norm, nn.ReLU(), nn.Linear(inputs, outputs)]
    return nn.Sequential(*layers)


def convnet(channels: int, width: int = 64, *, features: int = 0) -> nn.Sequential:
    """The default encoder: five 3x3 convolutions with batch norm and ReLU, strides 2 1 2 1 1, global mean pooling.

    The stride of the first layer decides the speed on a CPU: large maps are bound by memory. 70 thousand parameters
    at width 64 on one channel. ``features`` widens or narrows the last layer alone, and with it the representation
    (Bordes et al. 2023, "expand or narrow", arXiv 2304.05369); 0 leaves it at ``width``.

    Raises:
        InputError: ``width`` is not a positive multiple of 4.

    >>> net = convnet(1)
    >>> net(torch.zeros(2, 1, 16, 16)).shape, sum(p.numel() for p in net.parameters())
    (torch.Size([2, 64]), 69680)
    """
    if width < 4 or width % 4:
        raise InputError("width", width, "a positive multiple of 4")
    widths = (channels, width // 4, width // 2, width // 2, width, features or width)
    layers = [conv(*pair, stride=stride) for *pair, stride in zip(widths, widths[1:], (2, 1, 2, 1, 1), strict=False)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def conv(inputs: int, outputs: int, *, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution without bias, batch norm, ReLU.

    >>> conv(3, 8, stride=2)(torch.zeros(1, 3, 8, 8)).shape
    torch.Size([1, 8, 4, 4])
    """
    layer = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU())


@final
class Residual(nn.Module):
    """The basic block of ResNet-18 (He et al. 2016, figure 2): two convolutions and a shortcut.

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


def resnet18(channels: int, width: int = 64, *, features: int = 0) -> nn.Sequential:
    """ResNet-18 (He et al. 2016) with the CIFAR stem: a 3x3 convolution of stride 1 and no max-pooling.

    Its representation has 8 x ``width`` dimensions, or as many as ``features`` says of the last block.

    >>> resnet18(3, 8)(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 64])
    """
    layers: list[nn.Module] = [conv(channels, width)]
    for inputs, outputs, stride in ((1, 1, 1), (1, 2, 2), (2, 4, 2), (4, 8, 2)):
        layers += [Residual(inputs * width, outputs * width, stride=stride), Residual(outputs * width, outputs * width)]
    if features:
        layers[-1] = Residual(8 * width, features)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def head(*sizes: int) -> nn.Sequential:
    """A projector or predictor: linear layers with batch norm and ReLU between them.

    >>> head(64, 128, 32)(torch.zeros(5, 64)).shape
    torch.Size([5, 32])
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes[:-1]):
        layers += [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


@final
class PrefixHeads(nn.Module):
    """One linear classifier on each prefix of the representation, their logits side by side: n x (prefixes · classes).

    Reference: Kusupati et al. 2022, "Matryoshka representation learning", arXiv 2205.13147, equation 1.

    >>> PrefixHeads((2, 4), 10)(torch.zeros(5, 4)).shape
    torch.Size([5, 20])
    """

    def __init__(self, prefixes: Sequence[int], classes: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(prefix, classes) for prefix in prefixes)

    def forward(self, h: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """All logits, the shortest prefix first."""
        return torch.cat([head(h[:, : head.in_features]) for head in self.heads], 1)


def perceptron(
    inputs: int, width: int, *, depth: int = 3, features: int = 0, layer_norm: bool = False
) -> nn.Sequential:
    """An encoder without convolutions: ``depth`` hidden layers of ``width`` units, the last of ``features`` if given.

    >>> perceptron(64, 100)(torch.zeros(5, 1, 8, 8)).shape
    torch.Size([5, 100])
    """
    sizes = (inputs, *[width] * (depth - 1), features or width)
    return nn.Sequential(*mlp(*sizes, layer_norm=layer_norm), *[nn.LayerNorm(sizes[-1])] * layer_norm, nn.ReLU())


def encoder(name: str, images: tuple[int, int], *, width: int = 64, depth: int = 3, features: int = 0) -> nn.Sequential:
    """An encoder by name for images of so many channels and such a side; ``depth`` is of the MLPs alone.

    Raises:
        UnknownName: none of ``ENCODERS``.

    >>> encoder("mlp", (1, 8), width=100, depth=2)(torch.zeros(5, 1, 8, 8)).shape
    torch.Size([5, 100])
    """
    channels, side = images
    if name not in ENCODERS:
        raise UnknownName("encoder", name, ENCODERS)
    if name in ("mlp", "mlp_layernorm"):
        flat = {"depth": depth, "features": features, "layer_norm": name == "mlp_layernorm"}
        return perceptron(channels * side**2, width, **flat)
    return (convnet if name == "convnet" else resnet18)(channels, width, features=features)


ENCODERS = ("convnet", "resnet18", "mlp", "mlp_layernorm")
"""Names of the encoders that a config may ask for."""


@final
class Model(nn.Module):
    """Encoder, projector, and where asked a predictor and a momentum branch.

    Every view passes through the network by itself, so batch norm's statistics are per view, as in the published
    implementations; it is also faster than one pass over both.

    >>> model = Model(convnet(1), head(64, 128, 32))
    >>> outputs = model(torch.zeros(2, 5, 1, 16, 16))
    >>> outputs.representation.shape, outputs.embedding.shape
    (torch.Size([2, 5, 64]), torch.Size([2, 5, 32]))
    """

    def __init__(
        self, encoder: nn.Module, projector: nn.Module, *, predictor: nn.Module | None = None, momentum: float = 0.0
    ) -> None:
        super().__init__()
        self.encoder, self.projector = encoder, projector
        self.predictor = predictor or nn.Identity()
        self.momentum = momentum
        trained = nn.Sequential(encoder, projector)
        self.target = deepcopy(trained).requires_grad_(requires_grad=False) if momentum else None

    def forward(self, views: Views) -> Outputs:
        """Pass every view through; the target comes from the momentum branch, or is the embedding without one."""
        representations = [self.encoder(view) for view in views]
        embeddings = [self.projector(h) for h in representations]
        predictions = [self.predictor(z) for z in embeddings]
        targets = embeddings
        if self.target is not None:
            with torch.no_grad():
                targets = [self.target(view) for view in views]
        return Outputs(*(torch.stack(rows) for rows in (representations, embeddings, predictions, targets)))

    @torch.no_grad()
    def follow(self) -> None:
        """Move the momentum branch towards the trained one: target ← m · target + (1 - m) · trained."""
        if self.target is None:
            return
        trained = nn.Sequential(self.encoder, self.projector)
        for slow, fast in zip(self.target.parameters(), trained.parameters(), strict=True):
            slow.lerp_(fast, 1 - self.momentum)
        for slow, fast in zip(self.target.buffers(), trained.buffers(), strict=True):
            slow.copy_(fast)
