"""What features hold besides the class: the factors an image was made with, the labels of single directions."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn.functional import one_hot

from sslens.measures.features import (
    centred,
    checked_features,
    checked_labels,
    checked_queries,
    converted,
    prepared,
    rounding,
    significant,
)
from sslens.measures.probe.inputs import Positive, checked_values
from sslens.measures.probe.ridge import Ridge
from sslens.types import Features, InputError, Labels, checked


def r_squared(
    known: tuple[Features, Float[Tensor, "n"]],
    queries: tuple[Float[Tensor, "m d"], Float[Tensor, "m"]],
    *,
    penalty: float = 0.3,
) -> float:
    """How well a ridge regression reads a real factor (place, scale, rotation, contrast) from features not fitted on.

    R² = 1 − Σ(y − ŷ)² / Σ(y − ȳ)², ŷ by ``ridge`` on the known (features, factor), y and its mean ȳ of the queries: 1
    is perfect, 0 no better than the queries' mean, negative worse than it. Indifferent to the factor's unit and zero;
    of an angle that goes all the way round take sine and cosine. With the known mean instead of ȳ constant features
    would have exactly 0; here they can lie a little below. Collapsed features have no R² above 0.

    Raises:
        InputError: features that are not finite (n, d) and (m, d) matrices, not one finite real number for each, a
            penalty not above 0, or queries that are one sample or have one and the same number everywhere.

    Reference: Hastie, Tibshirani, Friedman, "The elements of statistical learning", 2009, eq. 3.47.

    >>> h, place = torch.tensor([[0.0], [1.0], [2.0], [3.0]]), torch.tensor([5.0, 7.0, 9.0, 11.0])
    >>> round(r_squared((h, place), (h + 4, place + 8), penalty=1e-9), 6)
    1.0
    """
    return float(explained(known, queries, penalty=penalty).mean())


def explained(
    known: tuple[Features, Float[Tensor, "n"]],
    queries: tuple[Float[Tensor, "m d"], Float[Tensor, "m"]],
    *,
    penalty: float = 0.3,
) -> Float64[Tensor, "m"]:
    """What each query contributes to ``r_squared``: 1 − m (y − ŷ)² / Σ(y − ȳ)²; their mean is R².

    As ``correct`` is for accuracies: with it the R² of several runs are compared query by query.

    Raises:
        InputError: as for ``r_squared``.

    >>> h, place = torch.tensor([[0.0], [1.0], [2.0], [3.0]]), torch.tensor([5.0, 7.0, 9.0, 11.0])
    >>> explained((h, place), (h, place), penalty=1e-9).round(decimals=6)
    tensor([1., 1., 1., 1.], dtype=torch.float64)
    """
    given = prepared(known[0], name="known")
    others = checked_queries(queries[0], given.values.shape[1], rows=2)
    values = checked_values(known[1], name="values", count=len(given.values))
    truth = checked_values(queries[1], name="truth", count=len(others))
    penalty = checked("penalty", penalty, Positive)
    if truth.min() == truth.max():
        raise InputError("truth", truth[0].item(), "numbers that differ", "All of them are the same.")
    predicted = Ridge.of(given, values[:, None]).probe(penalty).scores(others)[:, 0]
    return 1 - len(truth) * (truth - predicted).square() / (truth - truth.mean()).square().sum()


def label_energy(h: Features, targets: Labels | Float[Tensor, "n c"]) -> Float64[Tensor, "k"]:
    """Share of the labels' energy along each left singular vector of the features, k = min(n, d) in descending order.

    ‖u_iᵀ Y‖² / ‖Y‖², with u_i of the centred features and Y the centred one-hot labels, or any real targets: for the
    energy of label noise ``one_hot(noisy) − one_hot(clean)``. Shares lie in [0, 1]; ``cumsum(0)`` is the R² on the
    fitted samples of least squares on the leading directions, and reaches 1 only if the features determine Y.
    Random targets have 1 / (n − 1) in each direction on average. Directions that rounding alone can make have 0.
    Of equal singular values only the sum over their directions is defined. The paper speaks of the vectors of the
    matrix as it is; centred, the first one is not spent on the mean.

    Raises:
        InputError: no (n, d) matrix of finite floating-point numbers with n >= 2, labels or targets that do not match,
            or that are the same for every sample.

    Reference: Xue, Whitecross, Mirzasoleiman, "Investigating why contrastive learning benefits robustness against
    label noise", ICML 2022, arXiv 2201.12498 (alignment of singular vectors and clean labels).

    >>> h = torch.tensor([[2.0, 1.0], [2.0, -1.0], [-2.0, 1.0], [-2.0, -1.0]])
    >>> label_energy(h, torch.tensor([0, 0, 1, 1])).round(decimals=6)
    tensor([1., 0.], dtype=torch.float64)
    """
    values, _, floor, grain = prepared(h, rows=2)
    values = centred(values, floor=floor)
    goals = _goals(targets, len(values))
    if not goals.any():
        raise InputError("targets", "the same for every sample", "at least 2 different labels")
    left, spectrum, _ = torch.linalg.svd(values, full_matrices=False)
    energy = (left.T @ (goals / goals.norm())).square().sum(1)
    return energy.where(significant(spectrum, floor=floor, grain=grain) > 0, 0.0)


def _goals(targets: Labels | Float[Tensor, "n c"], count: int) -> Float64[Tensor, "n c"]:
    targets = targets if isinstance(targets, Tensor) else converted(targets, "targets")
    if not targets.is_floating_point():
        return centred(one_hot(checked_labels(targets, count=count)).double(), floor=0.0)
    goals = checked_features(targets, name="targets")
    if len(goals) != count:
        raise InputError("targets", len(goals), f"one row for each of {count} samples")
    return centred(goals, floor=rounding(targets))
