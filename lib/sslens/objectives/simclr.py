"""SimCLR: agree with the other view of the same image, disagree with everything else in the batch."""

from typing import Annotated, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from sslens.objectives.directions import of_ordinary_size
from sslens.objectives.objective import Objective
from sslens.types import Outputs, Range, Scalar, checked_dataclass


@final
@checked_dataclass
class SimCLR(Objective):
    """NT-Xent (Chen et al. 2020, equation 1) on two views, split into its two summands.

    Variant: negatives are all 2n - 2 other embeddings, those of the same view included, as in the paper; some
    implementations leave the same view out and get another number.

    >>> import torch
    >>> z = torch.eye(4).expand(2, 4, 4)
    >>> loss = SimCLR(temperature=0.5).loss(Outputs(z, z, z, z))
    >>> round(loss.item(), 4) == round(float(torch.log(1 + 6 * torch.exp(torch.tensor(-2.0)))), 4)
    True
    """

    temperature: Annotated[float, Range(0, 1e3, above=True)] = 0.2
    """Softness of the contrastive softmax."""

    def terms(self, outputs: Outputs, state: nn.Module | None = None) -> dict[str, Scalar]:
        """``alignment`` pulls the two views together, ``contrast`` pushes everything apart; their sum is NT-Xent."""
        first, second = (of_ordinary_size(view) for view in outputs.embedding)
        return {
            "alignment": alignment(first, second, temperature=self.temperature),
            "contrast": contrast(first, second, temperature=self.temperature),
        }


def alignment(first: Float[Tensor, "n k"], second: Float[Tensor, "n k"], *, temperature: float) -> Scalar:
    """Minus the mean cosine similarity of positive pairs over the temperature, of rows of ordinary size.

    >>> import torch
    >>> alignment(torch.eye(3), torch.eye(3), temperature=0.5).item()
    -2.0
    """
    return -(normalize(first, dim=1) * normalize(second, dim=1)).sum(1).mean() / temperature


def contrast(first: Float[Tensor, "n k"], second: Float[Tensor, "n k"], *, temperature: float) -> Scalar:
    """Mean over the 2n embeddings of log Σ exp(cosine / temperature) over the 2n - 1 others, of rows of ordinary size.

    >>> import torch
    >>> z = torch.ones(2, 3)
    >>> round(contrast(z, z, temperature=1.0).exp().item(), 3)  # three equal others: 3 e
    8.155
    """
    z = normalize(torch.cat([first, second]), dim=1)  # (2n, k)
    similarity = z @ z.T / temperature
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    return similarity.masked_fill(itself, -torch.inf).logsumexp(1).mean()
