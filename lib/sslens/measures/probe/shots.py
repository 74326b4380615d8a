"""How good a probe is: the share of right names, with all labels or with a few of each class."""

from collections.abc import Callable
from functools import partial
from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sslens.measures.features import checked_features, checked_labels
from sslens.measures.probe.checks import Positive, checked_queries
from sslens.measures.probe.linear import ridge
from sslens.types import Features, InputError, Interval, Labels, Range, checked

Classify = Callable[[Features, Labels, Float[Tensor, "m d"]], Int[Tensor, "m"]]
"""Known features, their labels and the queries in, the labels of the queries out."""


def few_shot(
    bank: tuple[Features, Labels],
    test: tuple[Float[Tensor, "m d"], Int[Tensor, "m"]],
    *,
    per_class: int = 5,
    draws: int = 10,
    strength: float = 0.3,
    generator: torch.Generator,
) -> Interval:
    """Accuracy on ``test`` of a ridge probe that sees ``per_class`` labels of each class of ``bank``.

    The mean over ``draws`` draws of those labels, with its Student-t interval. It tells how much the choice of labels
    matters, not how much the training seed does. ``few_labels`` is the same for any other probe.

    Raises:
        InputError: features or labels that do not match, a class of ``test`` or below the largest label with fewer
            than ``per_class`` samples in the bank, draws or per_class below 1, or a strength not above 0.

    >>> bank = torch.tensor([[0.0], [0.1], [1.0], [1.1]]), torch.tensor([0, 0, 1, 1])
    >>> few_shot(bank, bank, per_class=1, draws=3, generator=torch.Generator().manual_seed(0))
    Interval(mean=1.0, low=1.0, high=1.0, n=3)
    """
    classify = partial(_by_ridge, strength=checked("strength", strength, Positive))
    return few_labels(bank, test, classify=classify, per_class=per_class, draws=draws, generator=generator)


def _by_ridge(h: Features, labels: Labels, queries: Float[Tensor, "m d"], *, strength: float) -> Int[Tensor, "m"]:
    return ridge(h, labels, strength=strength).predict(queries)


def few_labels(
    bank: tuple[Features, Labels],
    test: tuple[Float[Tensor, "m d"], Int[Tensor, "m"]],
    *,
    classify: Classify,
    per_class: int = 5,
    draws: int = 10,
    generator: torch.Generator,
) -> Interval:
    """``few_shot`` with a probe of one's choice: ``classify(known, labels, queries)`` names the queries.

    For neighbours ``partial(knn, k=3)``; for the nearest class mean
    ``lambda known, labels, queries: nearest_mean(known, labels).predict(queries)``. Generators in the same state
    draw the same labels, so two probes or two encoders can be compared draw by draw.

    Raises:
        InputError: as for ``few_shot``, or from ``classify``.

    >>> from sslens.measures.probe import knn
    >>> bank = torch.tensor([[0.1, 1.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.1]]), torch.tensor([0, 0, 1, 1])
    >>> generator = torch.Generator().manual_seed(0)
    >>> few_labels(bank, bank, classify=partial(knn, k=1), per_class=1, draws=3, generator=generator).mean
    1.0
    """
    h = checked_features(bank[0], name="bank")
    queries = checked_queries(test[0], h.shape[1], name="test")
    labels, truth = checked_labels(bank[1], count=len(h)), checked_labels(test[1], name="truth", count=len(queries))
    draws = checked("draws", draws, Annotated[int, Range(1, 1_000_000)])
    classes = int(torch.maximum(labels.max(), truth.max())) + 1
    samples = labels.bincount(minlength=classes)
    per_class = checked("per_class", per_class, Annotated[int, Range(1, len(h))])
    if samples.min() < per_class:
        hint = f"Class {int(samples.argmin())} has {int(samples.min())}."
        raise InputError("per_class", per_class, "at most the samples of the smallest class in the bank", hint)

    accuracies = []
    for _ in range(draws):
        chosen = _some_of_each(labels, per_class, generator=generator)
        # In the type given: its rounding decides what counts as collapsed.
        accuracies.append(accuracy(classify(bank[0][chosen], labels[chosen], test[0]), truth))
    return Interval.of(accuracies)


def _some_of_each(labels: Labels, per_class: int, *, generator: torch.Generator) -> Int[Tensor, "m"]:
    """Places of ``per_class`` samples of every class, drawn without replacement."""
    order = torch.randperm(len(labels), generator=generator, device=generator.device).to(labels.device)
    order = order[labels[order].argsort(stable=True)]  # by class, at random within one
    samples = labels.bincount()
    first = samples.cumsum(0) - samples
    return order[first[:, None] + torch.arange(per_class, device=first.device)].flatten()


def accuracy(predicted: Int[Tensor, "n"], truth: Int[Tensor, "n"]) -> float:
    """Share of the samples called by their name, in [0, 1].

    Raises:
        InputError: no labels, not whole numbers from 0, or of different lengths.

    >>> accuracy(torch.tensor([0, 1, 1, 2]), torch.tensor([0, 1, 2, 2]))
    0.75
    """
    truth = checked_labels(truth, name="truth")
    predicted = checked_labels(predicted, name="predicted", count=len(truth))
    return float((predicted == truth).double().mean())
