"""Nearest class mean: a linear probe without penalty or choice."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sslens.measures.features import centred, prepared
from sslens.measures.probe.inputs import one_hot_labels
from sslens.measures.probe.linear_probe import LinearProbe
from sslens.types import Features, Labels


def nearest_mean(h: Features, labels: Labels, *, classes: int | None = None) -> LinearProbe:
    """The probe that answers with the class whose mean is nearest, in Euclidean distance.

    Of the distance ‖h − μ_c‖² only what differs between classes counts, and that is linear in h. With m the mean of all
    samples: weight_c = μ_c − m, bias_c = −m·weight_c − ‖weight_c‖² / 2; the scores of two classes differ by half the
    difference of the squared distances. Among equally near means the smaller class wins, so on constant features
    class 0 does. A class without a sample has score −∞. With one label per class it is the nearest neighbour by
    distance. Where squares of the features are no numbers (about 1e±100), scores are over the square of a power of two.

    Raises:
        InputError: no finite (n, d) matrix, or labels that do not match or reach ``classes``.

    Reference: Hastie, Tibshirani, Friedman, "The elements of statistical learning", 2009, sec. 4.3 (with Σ = I and
    equal priors); called prototypes in few-shot learning: Snell, Swersky, Zemel, 2017, arXiv 1703.05175, eq. 1-2, 8.

    >>> h, labels = torch.tensor([[0.0, 0.0], [0.0, 2.0], [4.0, 1.0]]), torch.tensor([0, 0, 1])
    >>> nearest_mean(h, labels).predict(torch.tensor([[1.9, 9.0], [2.1, -9.0]]))
    tensor([0, 1])
    """
    values, unit, floor, _ = prepared(h)
    members = one_hot_labels(labels, len(values), classes=classes)
    samples = members.sum(0)
    weight = centred(values, floor=floor).T @ members / samples.clamp_min(1)
    bias = -(values.mean(0) @ weight) - weight.square().sum(0) / 2
    return LinearProbe(weight / unit, bias.where(samples > 0, -torch.inf))


def classify_by_nearest_mean(
    known_features: Features, known_labels: Labels, queries: Float[Tensor, "m d"]
) -> Int[Tensor, "m"]:
    """Labels of the queries by the ``nearest_mean`` of the known features.

    Raises:
        InputError: as for ``nearest_mean``, or queries of another width.

    >>> h, labels = torch.tensor([[0.0, 0.0], [0.0, 2.0], [4.0, 1.0]]), torch.tensor([0, 0, 1])
    >>> classify_by_nearest_mean(h, labels, torch.tensor([[1.9, 9.0], [2.1, -9.0]]))
    tensor([0, 1])
    """
    return nearest_mean(known_features, known_labels).predict(queries)
