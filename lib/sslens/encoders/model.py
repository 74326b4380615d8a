"""The model that is trained: an encoder, its heads, and where wanted a momentum branch."""

from collections.abc import Sequence
from copy import deepcopy
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sslens.types import Outputs, Views


@final
class Model(nn.Module):
    """Encoder, projector, and where wanted a predictor and a momentum branch.

    Every view passes through the network by itself, so batch norm's statistics are per view, as in the published
    implementations; it is also faster than one pass over both.

    >>> from sslens.encoders import ConvNet, head
    >>> model = Model(ConvNet().build((1, 16, 16)), head(64, 128, 32))
    >>> outputs = model([torch.zeros(2, 5, 1, 16, 16), torch.zeros(3, 5, 1, 8, 8)])
    >>> outputs.representation.shape, outputs.target.shape
    (torch.Size([5, 5, 64]), torch.Size([5, 5, 32]))
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

    def forward(self, groups: Sequence[Views]) -> Outputs:
        """Pass every view of every group through.

        The momentum branch sees the first group alone, the large crops; without one the target is the embedding.
        """
        representations = [self.encoder(view) for views in groups for view in views]
        embeddings = [self.projector(h) for h in representations]
        predictions = [self.predictor(z) for z in embeddings]
        targets = embeddings
        if self.target is not None:
            with torch.no_grad():
                targets = [self.target(view) for view in groups[0]]
        return Outputs(*(torch.stack(rows) for rows in (representations, embeddings, predictions, targets)))

    @torch.no_grad()
    def after_step(self, outputs: Outputs) -> None:
        """What is not learned by gradient: the momentum branch, and a predictor that sets itself from the data.

        target ← m · target + (1 - m) · trained for parameters; buffers, the running statistics of batch norm and its
        count, are copied. Libraries differ there: lightly, solo-learn and byol-pytorch leave the target's own buffers
        alone (its passes move them), stable-pretraining and timm's ModelEmaV3 average them, torch's AveragedModel
        copies.
        """
        if self.target is not None:
            self._follow(self.target)
        if callable(adjust := getattr(self.predictor, "after_step", None)):
            adjust(outputs)

    def _follow(self, target: nn.Module) -> None:
        trained = nn.Sequential(self.encoder, self.projector)
        for slow, fast in zip(target.parameters(), trained.parameters(), strict=True):
            slow.lerp_(fast, 1 - self.momentum)
        for slow, fast in zip(target.buffers(), trained.buffers(), strict=True):
            slow.copy_(fast)


def pooled(features: Float[Tensor, "n *d"]) -> Float[Tensor, "n d"]:
    """One row for each sample: of a text the mean over its characters; images have one row already.

    >>> pooled(torch.ones(2, 64, 48)).shape, pooled(torch.ones(2, 48)).shape
    (torch.Size([2, 48]), torch.Size([2, 48]))
    """
    return features if features.ndim == 2 else features.mean(1)
