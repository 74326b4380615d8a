"""VICReg: keep the views close, every dimension alive, and the dimensions uncorrelated."""

from typing import Annotated, final

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import mse_loss, relu

from sslens.objectives.objective import Objective
from sslens.types import Outputs, Range, Scalar, checked_dataclass

Weight = Annotated[float, Range(0, 1e6)]


@final
@checked_dataclass
class VICReg(Objective):
    """Variance-invariance-covariance regularisation (Bardes, Ponce, LeCun 2022, equations 1-6) on two views.

    Variant: the authors' code. The variance term is averaged over the two views (the paper's equation 6 adds them, a
    factor 2), and the invariance term is the mean over dimensions (the paper's equation 5 sums them, a factor k).

    The authors' weights are 25, 25 and 1, at k = 8192 dimensions and n = 2048 images in a batch. The covariance term
    alone changes with both: of n independent rows with white dimensions it is (k - 1) / (n - 1), so 4.0 there and 0.25
    at k = 64 and n = 256, 16 times less, while the other two are means over dimensions. At weight 1 it is drowned by
    them here: the dimensions stay copies of each other, and the network learns little. Hence the default of 16, the
    factor itself, (8191 / 2047) / (63 / 255) = 16.2. ``VICReg(covariance=1.0)`` is the authors' number.

    >>> import torch
    >>> z = torch.zeros(2, 8, 4)
    >>> {name: round(term.item(), 2) for name, term in VICReg().terms(Outputs(z, z, z, z)).items()}
    {'invariance': 0.0, 'variance': 24.75, 'covariance': 0.0}
    """

    invariance: Weight = 25.0
    variance: Weight = 25.0
    covariance: Weight = 16.0

    def terms(self, outputs: Outputs, state: nn.Module | None = None) -> dict[str, Scalar]:
        """The three terms, each times its weight."""
        first, second = outputs.embedding
        return {
            "invariance": self.invariance * mse_loss(first, second),
            "variance": self.variance * (variance(first) + variance(second)) / 2,
            "covariance": self.covariance * (covariance(first) + covariance(second)),
        }


def variance(z: Float[Tensor, "n k"]) -> Scalar:
    """Hinge on the standard deviation of every dimension: mean of max(0, 1 - √(Var + 1e-4)), equation 1-2.

    >>> import torch
    >>> variance(torch.tensor([[3.0], [-3.0]])).item()
    0.0
    """
    return relu(1 - (z.var(0) + 1e-4).sqrt()).mean()


def covariance(z: Float[Tensor, "n k"]) -> Scalar:
    """Sum of the squared off-diagonal covariances over the number of dimensions, equations 3-4.

    >>> import torch
    >>> covariance(torch.tensor([[1.0, 1.0], [-1.0, -1.0]])).item()  # covariance 2, twice, over 2 dimensions
    4.0
    """
    centred = z - z.mean(0)
    matrix = centred.T @ centred / (len(z) - 1)  # (k, k)
    return (matrix.square().sum() - matrix.diagonal().square().sum()) / z.shape[1]
