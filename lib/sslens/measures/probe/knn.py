"""k nearest neighbours: no fitting, no scale, and a collapse shows at once."""

from typing import Annotated

import torch
from jaxtyping import Bool, Float, Float32, Float64, Int
from torch import Tensor

from sslens.measures.features import checked_labels, checked_queries, finite_features, unit_rows
from sslens.measures.probe.accuracy import accuracy
from sslens.measures.probe.inputs import Known, Positive, Queries
from sslens.types import Features, Labels, Range, checked

NEIGHBOURS = 20
"""Who votes where nobody says how many, or all samples where fewer are known."""
TIE = 1e-12
"""Similarities and votes closer than this are equal: collapsed features answer by their labels, not their rounding."""
CHUNK = 256
"""Queries compared with the known features at a time; more is slower and takes memory."""
CROWD = 128
"""Known samples per candidate from which candidates found in float32 cost less than all similarities in float64."""
SPARE = 12
"""Neighbours found beyond the k-th: the gap to the last of them shows that no other can be among the k nearest."""


def knn(
    known_features: Features,
    known_labels: Labels,
    queries: Float[Tensor, "m d"],
    *,
    k: int | None = None,
    temperature: float = 0.1,
) -> Int[Tensor, "m"]:
    """Labels of the queries by a vote of their k nearest neighbours among the known samples.

    The nearest by cosine similarity; each votes with exp(similarity / temperature). Neighbours as near as the k-th
    (to 1e-12) vote too, so the order of the samples never matters; among equal votes the smaller label wins. A zero
    vector has similarity 0 to everything. Without ``k`` 20 vote, or all where fewer are known. Wu et al. use
    k = 200 and T = 0.07; lightly T = 0.1.

    Raises:
        InputError: features that are not finite (n, d) and (m, d) matrices, labels that do not match, k not in [1, n],
            or a temperature not above 0.

    Reference: Wu, Xiong, Yu, Lin, "Unsupervised feature learning via non-parametric instance discrimination",
    CVPR 2018, arXiv 1805.01978, sec. 3.4.

    >>> h, labels = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.1, 1.0]]), torch.tensor([3, 7, 7])
    >>> knn(h, labels, torch.tensor([[5.0, 1.0], [0.0, 0.2]]), k=1)
    tensor([3, 7])
    """
    known = unit_rows(finite_features(known_features, name="known_features"))
    queries = unit_rows(checked_queries(queries, known.shape[1]))
    classes, inverse = checked_labels(known_labels, count=len(known)).unique(return_inverse=True)
    voters = min(NEIGHBOURS, len(known)) if k is None else checked("k", k, Annotated[int, Range(1, len(known))])
    temperature = checked("temperature", temperature, Positive)
    coarse, predicted = known.float(), []
    for chunk in queries.split(CHUNK):
        nearest, neighbours, certain = _nearest(chunk, known, coarse, k=voters)
        votes = _votes(nearest, inverse[neighbours], k=voters, temperature=temperature, classes=len(classes))
        if not certain.all():
            similarity = chunk[~certain] @ known.T
            everyone = inverse.expand(similarity.shape)
            votes[~certain] = _votes(similarity, everyone, k=voters, temperature=temperature, classes=len(classes))
        predicted.append(classes[_first_largest(votes)])
    return torch.cat(predicted)


def knn_accuracy(known: Known, queries: Queries, *, k: int | None = None, temperature: float = 0.1) -> float:
    """Accuracy on the queries of ``knn`` among all known samples, in [0, 1].

    Raises:
        InputError: as for ``knn``, or not one true label for each query.

    >>> known = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.1, 1.0]]), torch.tensor([3, 7, 7])
    >>> knn_accuracy(known, (torch.tensor([[5.0, 1.0], [0.0, 0.2]]), torch.tensor([3, 3])), k=1)
    0.5
    """
    return accuracy(knn(*known, queries[0], k=k, temperature=temperature), queries[1])


def _nearest(
    queries: Float64[Tensor, "m d"], known: Float64[Tensor, "n d"], coarse: Float32[Tensor, "n d"], *, k: int
) -> tuple[Float64[Tensor, "m p"], Int[Tensor, "m p"], Bool[Tensor, "m"]]:
    """Candidates, their similarities in float64, and whose candidates are sure to hold all k nearest."""
    count = k + SPARE
    if len(known) < CROWD * count:
        everyone = torch.arange(len(known), device=known.device).expand(len(queries), -1)
        return queries @ known.T, everyone, torch.ones_like(queries[:, 0], dtype=torch.bool)
    best = (queries.float() @ coarse.T).topk(count, dim=1)
    # One neighbour of each query at a time: all at once would be a copy of the known features for every few queries.
    exact = torch.stack([(known[column] * queries).sum(1) for column in best.indices.T], 1)
    # Higham's bound of a dot product of unit vectors in any order of summation, with the rounding of both vectors.
    units = (known.shape[1] + 4) * torch.finfo(torch.float32).eps / 2
    error = units / (1 - units)
    # A product coarser than float32 (autocast, TF32) breaks the bound where it can be seen: among the candidates.
    faithful = (exact - best.values).abs().amax(1) <= error
    complete = best.values[:, k - 1] - best.values[:, -1] > 2 * error + TIE
    return exact, best.indices, complete & faithful


def _votes(
    similarity: Float64[Tensor, "m p"], labels: Int[Tensor, "m p"], *, k: int, temperature: float, classes: int
) -> Float64[Tensor, "m c"]:
    nearest = similarity.topk(k, dim=1).values
    # Relative to the nearest, so that a small temperature cannot overflow.
    weights = (similarity - nearest[:, :1]).div_(temperature).exp_()
    weights.masked_fill_(similarity < nearest[:, -1:] - TIE, 0.0)
    return similarity.new_zeros(len(similarity), classes).scatter_add_(1, labels, weights)


def _first_largest(scores: Float64[Tensor, "m c"]) -> Int[Tensor, "m"]:
    """The first column that is not behind the best one by more than rounding."""
    return (scores >= scores.amax(1, keepdim=True) * (1 - 1000 * TIE)).int().argmax(1)
