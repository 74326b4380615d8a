"""Which samples a probe gets right, one by one: what accuracies of several runs are paired by."""

from jaxtyping import Float64
from torch import Tensor

from sslens.measures.features import checked_labels
from sslens.measures.probe.inputs import Classify, Known, Queries
from sslens.measures.probe.knn import knn


def correct(known: Known, queries: Queries, *, classify: Classify = knn) -> Float64[Tensor, "m"]:
    """1 for each query whose predicted label is the true one, 0 for the others; their mean is the accuracy.

    ``classify(known_features, known_labels, queries)`` predicts labels, as in ``few_labels``. ``Runs.probed`` makes of
    it run x seed x step x sample, in which seeds and test samples each count as drawn (``statistics.crossed``).

    Raises:
        InputError: as ``classify``, or not one true label for each query.

    >>> import torch
    >>> known = torch.eye(2).repeat(20, 1), torch.tensor([3, 7]).repeat(20)
    >>> correct(known, (torch.tensor([[5.0, 1.0], [0.0, 0.2], [0.0, 1.0]]), torch.tensor([3, 3, 7])))
    tensor([1., 0., 1.], dtype=torch.float64)
    """
    predicted = classify(*known, queries[0])
    return (predicted == checked_labels(queries[1], name="truth", count=len(predicted))).double()
