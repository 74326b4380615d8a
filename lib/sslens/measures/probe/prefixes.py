"""Prefixes: what the first columns of features are worth, as in Matryoshka representations."""

from collections.abc import Sequence
from typing import Annotated

import torch
from jaxtyping import Float64
from torch import Tensor

from sslens.measures.features import as_tensor, checked_queries, finite_features
from sslens.measures.probe.accuracy import accuracy
from sslens.measures.probe.inputs import Classify, Known, Queries
from sslens.measures.probe.knn import knn
from sslens.measures.spectrum.reshape import principal
from sslens.types import InputError, Range, checked


def prefixes(
    known: Known, queries: Queries, *, lengths: Sequence[int], classify: Classify = knn, pca: bool = False
) -> Float64[Tensor, "l"]:
    """Accuracy of a probe that sees the first columns only, for each length.

    Of the features as they are, or with ``pca`` of their ``spectrum.principal`` coordinates, in order of variance.
    ``classify(known_features, known_labels, queries)`` predicts labels, as in ``few_labels``.

    Raises:
        InputError: features or labels that do not match, no length, or one that is not in [1, d].

    Reference: Kusupati et al., "Matryoshka representation learning", NeurIPS 2022, arXiv 2205.13147, sec. 4.1-4.2.

    >>> from sslens.measures.probe import classify_by_nearest_mean
    >>> side = torch.tensor([[1.0, 1.0], [1.0, -1.0]]), torch.tensor([0, 1])
    >>> prefixes(side, side, lengths=[1, 2], classify=classify_by_nearest_mean)
    tensor([0.5000, 1.0000], dtype=torch.float64)
    """
    checked_queries(queries[0], finite_features(known[0], name="known").shape[1])
    if not len(lengths):
        raise InputError("lengths", lengths, "at least one length")
    h, others = principal(known[0], queries[0]) if pca else map(as_tensor, (known[0], queries[0]))
    found = []
    for length in lengths:
        columns = checked("lengths", length, Annotated[int, Range(1, h.shape[1])])
        found.append(accuracy(classify(h[:, :columns], known[1], others[:, :columns]), queries[1]))
    return torch.tensor(found, dtype=torch.float64, device="cpu")
