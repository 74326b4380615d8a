"""Few-shot accuracy: what a few labels of each class are worth."""

from functools import partial
from typing import Annotated

import torch
from jaxtyping import Int
from torch import Tensor

from sslens.measures.features import as_tensor
from sslens.measures.probe.accuracy import accuracy
from sslens.measures.probe.inputs import Classify, Known, Positive, Queries, checked_sides
from sslens.measures.probe.ridge import classify_by_ridge
from sslens.statistics import Interval
from sslens.types import InputError, Labels, Range, checked


def few_shot(
    known: Known,
    queries: Queries,
    *,
    per_class: int = 5,
    draws: int = 10,
    penalty: float = 0.3,
    generator: torch.Generator,
) -> Interval:
    """Accuracy on the queries of a ridge probe that sees ``per_class`` of the known labels of each class.

    The mean over ``draws`` draws of those labels, with its Student-t interval. It says how much the choice of labels
    matters, not how much the training seed does. ``few_labels`` is the same for any other probe.

    Raises:
        InputError: features or labels that do not match, a class of the queries or below the largest label with fewer
            than ``per_class`` known samples, draws or per_class below 1, or a penalty not above 0.

    >>> known = torch.tensor([[0.0], [0.1], [1.0], [1.1]]), torch.tensor([0, 0, 1, 1])
    >>> few_shot(known, known, per_class=1, draws=3, generator=torch.Generator().manual_seed(0))
    Interval(mean=1.0, low=1.0, high=1.0, n=3)
    """
    classify = partial(classify_by_ridge, penalty=checked("penalty", penalty, Positive))
    return few_labels(known, queries, classify=classify, per_class=per_class, draws=draws, generator=generator)


def few_labels(
    known: Known,
    queries: Queries,
    *,
    classify: Classify,
    per_class: int = 5,
    draws: int = 10,
    generator: torch.Generator,
) -> Interval:
    """``few_shot`` with a probe of one's choice: ``classify(known_features, known_labels, queries)`` predicts labels.

    For neighbours ``partial(knn, k=3)``, for the nearest class mean ``classify_by_nearest_mean``. Generators in the
    same state draw the same labels, so two probes or two encoders can be compared draw by draw.

    Raises:
        InputError: as for ``few_shot``, or from ``classify``.

    >>> from sslens.measures.probe import knn
    >>> known = torch.tensor([[0.1, 1.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.1]]), torch.tensor([0, 0, 1, 1])
    >>> generator = torch.Generator().manual_seed(0)
    >>> few_labels(known, known, classify=partial(knn, k=1), per_class=1, draws=3, generator=generator).mean
    1.0
    """
    (h, labels), (_, truth) = checked_sides(known, queries)
    given = as_tensor(known[0], name="known")
    draws = checked("draws", draws, Annotated[int, Range(1, 1_000_000)])
    generator = checked("generator", generator, torch.Generator)
    classes = int(torch.maximum(labels.max(), truth.max())) + 1
    samples = labels.bincount(minlength=classes)
    per_class = checked("per_class", per_class, Annotated[int, Range(1, len(h))])
    if samples.min() < per_class:
        hint = f"Class {int(samples.argmin())} has {int(samples.min())}."
        raise InputError("per_class", per_class, "at most the known samples of the smallest class", hint)

    accuracies = []
    for _ in range(draws):
        chosen = _some_of_each(labels, per_class, generator=generator)
        # In the type given: its rounding decides what counts as collapsed.
        predicted = classify(given[chosen], labels[chosen], queries[0])
        accuracies.append(accuracy(predicted, truth))
    return Interval.of(accuracies)


def _some_of_each(labels: Labels, per_class: int, *, generator: torch.Generator) -> Int[Tensor, "m"]:
    """Indices of ``per_class`` samples of every class, drawn without replacement."""
    order = torch.randperm(len(labels), generator=generator, device=generator.device).to(labels.device)
    order = order[labels[order].argsort(stable=True)]  # by class, at random within one
    samples = labels.bincount()
    first = samples.cumsum(0) - samples
    return order[first[:, None] + torch.arange(per_class, device=first.device)].flatten()
