"""What becomes of each class: averages hide that an augmentation helps one and hurts another."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sslens.measures.features import checked_labels
from sslens.types import InputError


def confusion(predicted: Int[Tensor, "n"], truth: Int[Tensor, "n"], *, classes: int) -> Int[Tensor, "c c"]:
    """How many samples of class i (row) were predicted as j (column).

    Raises:
        InputError: labels that are not whole numbers in [0, classes), none, or of different lengths.

    >>> confusion(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]), classes=2)
    tensor([[1, 1],
            [0, 1]])
    """
    if classes < 1:
        raise InputError("classes", classes, "at least 1")
    truth = checked_labels(truth, name="truth", classes=classes)
    predicted = checked_labels(predicted, name="predicted", count=len(truth), classes=classes)
    return torch.bincount(truth * classes + predicted, minlength=classes**2).view(classes, classes)


def accuracy_by_class(predicted: Int[Tensor, "n"], truth: Int[Tensor, "n"], *, classes: int) -> Float[Tensor, "c"]:
    """Accuracy within each class: the share of its samples that were predicted as it, in [0, 1].

    Raises:
        InputError: as for ``confusion``, or a class without a sample: it has no accuracy, neither 0 nor NaN.

    >>> accuracy_by_class(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]), classes=2)
    tensor([0.5000, 1.0000], dtype=torch.float64)
    """
    counts = confusion(predicted, truth, classes=classes)
    samples = counts.sum(1)
    if not samples.all():
        missing = ", ".join(map(str, (samples == 0).nonzero().flatten().tolist()))
        allowed = f"at least 1 sample of each of the {classes} classes"
        raise InputError("truth", samples.tolist(), allowed, f"None of class {missing}.")
    return counts.diagonal() / samples.double()
