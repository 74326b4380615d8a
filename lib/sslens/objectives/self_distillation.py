"""Self-distillation with the best predictor there is: SimSiam, or BYOL beside a momentum branch."""

from typing import Annotated, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import batch_norm, cosine_similarity, normalize

from sslens.objectives.directions import of_ordinary_size
from sslens.objectives.objective import Objective
from sslens.types import Dimensions, Outputs, Range, Scalar, checked_dataclass

NOTHING = 1e-12
"""Beside the eigenvalues of C, which sum to 1 unless the embedding has collapsed."""


@final
@checked_dataclass
class SelfDistillation(Objective):
    """SimSiam's loss (Chen & He 2021, arXiv 2011.10566, equations 1-4) with a predictor that is solved for.

    The target is the other view's embedding, behind a stop-gradient. With a momentum branch it is BYOL (Grill et al.
    2020, arXiv 2006.07733; their squared distance is 2 - 2 · cosine): ``Config(momentum=0.9)``.

    Both methods learn as long as the predictor is close to the best one for the embeddings of the moment. Grill et al.
    say so in their appendix on near-optimal predictors and try this one, a linear regression of the target on the
    embedding; Tian, Chen, Ganguli 2021 (DirectPred, arXiv 2102.06810) set theirs from the embedding's covariance alone.
    Where a run has some hundred steps, the encoder outruns a predictor that is trained along, and throws away
    directions before their use is found. On scattered digits, with a convnet of width 16, batches of 128 and one seed,
    the kNN accuracy (untrained 0.14, SimCLR 0.35 after 300 steps) was 0.16 after 300 and 0.30 after 1500 steps with
    SimSiam's own predictor at ten times the encoder's rate, and 0.34 after 900 with this one. Fitted a step late, by
    averages that the batch at hand is no part of, it gave 0.16 after 300 at width 64, less than the untrained network.

    Embeddings and targets are standardised over the batch in each dimension, as by the batch norm without weights that
    ends the authors' projector. It stands here, in the loss, so that measures of the embedding's size still see a
    collapse. With their rows scaled to unit length, z and t, and moving averages C of zᵀz and M of zᵀt over both pairs
    of views, the prediction is z (C + penalty · tr(C) / k · 1)⁻¹ M; no gradient passes through C and M.

    >>> import torch
    >>> z = torch.randn(1, 8, 4, generator=torch.Generator().manual_seed(0)).expand(2, 8, 4)
    >>> round(SelfDistillation(penalty=1e-6).loss(Outputs(z, z, z, z)).item(), 3)  # equal views can be predicted
    -1.0
    """

    stop_gradient: bool = True
    rate: Annotated[float, Range(0, 1, above=True)] = 0.3
    """Weight of the newest batch in the moving averages."""
    penalty: Annotated[float, Range(0, 1e6, above=True)] = 0.5
    """Of the regression, in units of the mean eigenvalue of C."""

    @property
    def lowest(self) -> float:
        """Minus the largest cosine."""
        return -1.0

    def begin(self, dimensions: Dimensions, generator: torch.Generator) -> nn.Module:
        """The moving averages, of nothing yet."""
        return Moments(dimensions.embedding)

    def terms(self, outputs: Outputs, state: nn.Module | None = None) -> dict[str, Scalar]:
        """One term, ``similarity``: -1 when every prediction points where its target does.

        Without a state the averages are those of the batch alone.
        """
        first, second = map(_standardised, outputs.embedding)
        targets = outputs.target.detach() if self.stop_gradient else outputs.target
        one, other = map(_standardised, targets)
        with torch.no_grad():
            moments = state if isinstance(state, Moments) else Moments(first.shape[1]).to(first)
            covariance, moment = moments.with_batch(outputs, rate=self.rate)
            predictor = _ridge(covariance, moment, penalty=self.penalty)
        pairs = cosine_similarity(first @ predictor, other, dim=1) + cosine_similarity(second @ predictor, one, dim=1)
        return {"similarity": -pairs.mean() / 2}

    def after_step(self, outputs: Outputs, state: nn.Module | None) -> None:
        """Keep the moving averages, this batch among them."""
        if isinstance(state, Moments):
            covariance, moment = state.with_batch(outputs, rate=self.rate)
            state.covariance.copy_(covariance)
            state.moment.copy_(moment)
            state.seen.fill_(1)


@final
class Moments(nn.Module):
    """Moving averages of zᵀz and zᵀt; those of the first batch are the batch's own.

    >>> Moments(3).covariance.shape
    torch.Size([3, 3])
    """

    covariance: Float[Tensor, "k k"]
    moment: Float[Tensor, "k k"]
    seen: Scalar
    """0 before the first step, 1 behind it: a tensor, so that nothing waits for the device."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.register_buffer("covariance", torch.zeros(dimensions, dimensions, device="cpu"))
        self.register_buffer("moment", torch.zeros(dimensions, dimensions, device="cpu"))
        self.register_buffer("seen", torch.zeros((), device="cpu"))

    def with_batch(self, outputs: Outputs, *, rate: float) -> tuple[Float[Tensor, "k k"], Float[Tensor, "k k"]]:
        """What the averages are with one more batch: each view's embedding, and the other one's target."""
        z = torch.cat([_directions(view) for view in outputs.embedding])
        t = torch.cat([_directions(view) for view in outputs.target.flip(0)])
        weight = 1 - self.seen * (1 - rate)
        return self.covariance.lerp(z.T @ z / len(z), weight), self.moment.lerp(z.T @ t / len(z), weight)


def _ridge(covariance: Float[Tensor, "k k"], moment: Float[Tensor, "k k"], *, penalty: float) -> Float[Tensor, "k k"]:
    """The linear map from embeddings to targets."""
    # of embeddings that all coincide nothing is left, and nothing is predicted
    size = penalty * covariance.diagonal().mean() + NOTHING
    ridge = size * torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
    # solve_ex does not wait for a GPU to say whether the matrix is singular, which a ridge prevents
    return torch.linalg.solve_ex(covariance + ridge, moment).result


def _directions(z: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    return normalize(_standardised(z), dim=1)


def _standardised(z: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    """Mean 0 and variance 1 over the batch in each dimension; a constant one becomes 0."""
    return batch_norm(of_ordinary_size(z), None, None, training=True)
