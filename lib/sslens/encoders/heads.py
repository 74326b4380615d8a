"""What stands behind an encoder: projectors, predictors, classifiers."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sslens.encoders.encoder import Predictor
from sslens.types import Range, checked_dataclass

Width = Annotated[int, Range(2, 16384)]


@final
@checked_dataclass
class Projector:
    """Two linear layers with batch norm and ReLU between them, from the representation to the embedding.

    >>> import torch
    >>> Projector(hidden=128, embedding=32).build(64)(torch.zeros(5, 64)).shape
    torch.Size([5, 32])
    """

    hidden: Width = 128
    embedding: Width = 64

    def build(self, dimensions: int) -> nn.Sequential:
        """The network for representations of so many dimensions."""
        return head(dimensions, self.hidden, self.embedding)


@final
@checked_dataclass
class Bottleneck(Predictor):
    """SimSiam's and BYOL's predictor: two linear layers with batch norm and ReLU between them.

    >>> import torch
    >>> Bottleneck().build(64)(torch.zeros(5, 64)).shape
    torch.Size([5, 64])
    """

    hidden: Width = 64

    def build(self, dimensions: int) -> nn.Sequential:
        """The network from embeddings to predictions of as many dimensions."""
        return head(dimensions, self.hidden, dimensions)


def head(*sizes: int) -> nn.Sequential:
    """Linear layers with batch norm and ReLU between them.

    >>> import torch
    >>> head(64, 128, 32)(torch.zeros(5, 64)).shape
    torch.Size([5, 32])
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes[:-1]):
        layers += [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


def classifier(prefixes: Sequence[int], classes: int, *, bias: bool = True) -> nn.Module:
    """A linear layer on the representation; on several nested prefixes of it, one layer for each.

    >>> classifier([64], 10)
    Linear(in_features=64, out_features=10, bias=True)
    """
    return PrefixHeads(prefixes, classes) if len(prefixes) > 1 else nn.Linear(prefixes[0], classes, bias=bias)


@final
class PrefixHeads(nn.Module):
    """One linear classifier on each prefix of the representation, their logits side by side: n x (prefixes · classes).

    Reference: Kusupati et al. 2022, "Matryoshka representation learning", arXiv 2205.13147, equation 1.

    >>> import torch
    >>> PrefixHeads((2, 4), 10)(torch.zeros(5, 4)).shape
    torch.Size([5, 20])
    """

    def __init__(self, prefixes: Sequence[int], classes: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(prefix, classes) for prefix in prefixes)

    def forward(self, h: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """All logits, the shortest prefix first."""
        return torch.cat([head(h[:, : head.in_features]) for head in self.heads], 1)
