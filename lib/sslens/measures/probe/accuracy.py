"""Accuracy: the share of predictions that are right."""

from jaxtyping import Int
from torch import Tensor

from sslens.measures.features import checked_labels


def accuracy(predicted: Int[Tensor, "n"], truth: Int[Tensor, "n"]) -> float:
    """Share of the samples whose predicted label is the true one, in [0, 1].

    Raises:
        InputError: no labels, not whole numbers from 0, or of different lengths.

    >>> import torch
    >>> accuracy(torch.tensor([0, 1, 1, 2]), torch.tensor([0, 1, 2, 2]))
    0.75
    """
    truth = checked_labels(truth, name="truth")
    predicted = checked_labels(predicted, name="predicted", count=len(truth))
    return float((predicted == truth).double().mean())
