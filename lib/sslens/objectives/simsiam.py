"""SimSiam: predict the other view; what is predicted is held still."""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from sslens.objectives.directions import of_ordinary_size
from sslens.objectives.objective import Objective
from sslens.types import Outputs, Scalar, checked_dataclass


@final
@checked_dataclass
class SimSiam(Objective):
    """Symmetrised negative cosine similarity (Chen & He 2021, equations 1-4) on two views.

    Without the stop-gradient or without the predictor the model may collapse: both are switches.

    >>> import torch
    >>> z = torch.eye(4).expand(2, 4, 4)
    >>> SimSiam().loss(Outputs(z, z, z, z)).item()
    -1.0
    """

    stop_gradient: bool = True
    predictor: bool = True
    """Whether the model has a predictor; without one the embedding itself stands for the prediction."""

    @property
    def needs_predictor(self) -> bool:
        """The model is built with a predictor exactly when the switch says so."""
        return self.predictor

    @property
    def lowest(self) -> float:
        """Minus the largest cosine."""
        return -1.0

    def terms(self, outputs: Outputs, state: nn.Module | None = None) -> dict[str, Scalar]:
        """One term, ``similarity``: -1 when every prediction points where its target does."""
        target = outputs.target.detach() if self.stop_gradient else outputs.target
        pairs = similarity(outputs.prediction[0], target[1]) + similarity(outputs.prediction[1], target[0])
        return {"similarity": -pairs / 2}


def similarity(prediction: Float[Tensor, "n k"], target: Float[Tensor, "n k"]) -> Scalar:
    """Mean cosine similarity between predictions and their targets.

    >>> import torch
    >>> similarity(torch.eye(2), -torch.eye(2)).item()
    -1.0
    """
    return cosine_similarity(of_ordinary_size(prediction), of_ordinary_size(target), dim=1).mean()
