"""Probes: what a simple classifier reads from frozen features.

A linear probe on all labels hardly sees a collapse; nearest neighbours and a few labels per class do. No probe here
is fooled by the scale of the features: neighbours are compared by angle, and the ridge divides by one number first.
"""

from dataclasses import dataclass
from typing import Annotated, final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from sslens.measures.features import centred, checked_features, checked_labels, rounding, unit_rows
from sslens.types import Features, InputError, Interval, Labels, Range, checked

TIE = 1e-12
"""Similarities and votes closer than this are equal: a collapsed bank answers by its labels, not by its rounding."""
CHUNK = 256
"""Queries compared with the bank at a time; more is slower and takes memory."""
Positive = Annotated[float, Range(0, 1e12, above=True)]


def knn(
    bank: Features,
    labels: Labels,
    queries: Float[Tensor, "m d"],
    *,
    k: int = 20,
    temperature: float = 0.1,
) -> Int[Tensor, "m"]:
    """Labels of the queries by a vote of their k nearest neighbours in the bank.

    The nearest by cosine similarity; each votes with exp(similarity / temperature). Neighbours as near as the k-th
    (to 1e-12) vote too, so the order of the bank never matters; among equal votes the smaller label wins. A zero vector
    has similarity 0 to everything. Wu et al. use k = 200 and T = 0.07; lightly T = 0.1.

    Raises:
        InputError: features that are not finite (n, d) and (m, d) matrices, labels that do not match, k not in [1, n],
            or a temperature not above 0.

    Reference: Wu, Xiong, Yu, Lin, "Unsupervised feature learning via non-parametric instance discrimination",
    CVPR 2018, arXiv 1805.01978, sec. 3.4.

    >>> bank, labels = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.1, 1.0]]), torch.tensor([3, 7, 7])
    >>> knn(bank, labels, torch.tensor([[5.0, 1.0], [0.0, 0.2]]), k=1)
    tensor([3, 7])
    """
    known, asked = checked_features(bank, name="bank"), checked_features(queries, name="queries")
    _same_width(known.shape[1], asked)
    names, inverse = checked_labels(labels, count=len(known)).unique(return_inverse=True)
    k = checked("k", k, Annotated[int, Range(1, len(known))])
    temperature = checked("temperature", temperature, Positive)
    known = unit_rows(known).T
    votes = [_votes(chunk @ known, inverse, k=k, temperature=temperature) for chunk in unit_rows(asked).split(CHUNK)]
    return torch.cat([names[_first_largest(vote)] for vote in votes])


def _votes(
    similarity: Float[Tensor, "m n"], labels: Int[Tensor, "n"], *, k: int, temperature: float
) -> Float[Tensor, "m c"]:
    nearest = similarity.topk(k, dim=1).values
    queries, neighbours = (similarity >= nearest[:, -1:] - TIE).nonzero(as_tuple=True)
    # Relative to the nearest, so that a small temperature cannot overflow.
    weights = ((similarity[queries, neighbours] - nearest[queries, 0]) / temperature).exp()
    votes = similarity.new_zeros(len(similarity), int(labels.max()) + 1)
    return votes.index_put_((queries, labels[neighbours]), weights, accumulate=True)


def _first_largest(scores: Float[Tensor, "m c"]) -> Int[Tensor, "m"]:
    """The first column that is not behind the best one by more than rounding."""
    return (scores >= scores.amax(1, keepdim=True) * (1 - 1000 * TIE)).int().argmax(1)


@final
@dataclass(frozen=True, eq=False)
class Probe:
    """A linear classifier on features: scores = h · weight + bias.

    >>> Probe(torch.eye(2).double(), torch.zeros(2).double()).predict(torch.tensor([[1.0, 3.0]]))
    tensor([1])
    """

    weight: Float[Tensor, "d c"]
    bias: Float[Tensor, "c"]

    def scores(self, h: Features) -> Float[Tensor, "n c"]:
        """One score per sample and class; the targets were 1 for the class and 0 for the others.

        Raises:
            InputError: no finite (n, d) matrix, or another d than the probe was fitted on.
        """
        values = checked_features(h)
        _same_width(len(self.weight), values)
        return values @ self.weight + self.bias

    def predict(self, h: Features) -> Int[Tensor, "n"]:
        """The class of the largest score; among equal ones the smallest.

        Raises:
            InputError: as for ``scores``.
        """
        return self.scores(h).argmax(1)


def ridge(h: Features, labels: Labels, *, strength: float = 0.3, classes: int | None = None) -> Probe:
    """The linear probe in closed form: least squares on one-hot targets with a penalty on the weights.

    Minimises ‖Y − X W − 1 bᵀ‖² + strength · ‖W‖² (sums, not means), where X = h / s and s² is the mean squared distance
    of a sample from the mean. Dividing by the one number s makes the probe indifferent to amplitude, rotation and
    unused dimensions and keeps the shape of the spectrum. The intercept is not penalised. The probe returned takes h.
    Constant features give weight 0: it answers with the most frequent class. The default is within two points of the
    best strength from 1 to 130 labels per class on digits (pixels, random and trained encoders); a thirtieth of it
    costs pixels with 5 labels per class 14 points.

    Raises:
        InputError: no finite (n, d) matrix, labels that do not match or reach ``classes``, or a strength not above 0.

    Reference: Hastie, Tibshirani, Friedman, "The elements of statistical learning", 2009, eq. 3.47.

    >>> probe = ridge(torch.tensor([[0.0], [1.0], [2.0], [3.0]]), torch.tensor([0, 0, 1, 1]))
    >>> probe.predict(torch.tensor([[-1.0], [4.0]]))
    tensor([0, 1])
    """
    values = checked_features(h)
    strength = checked("strength", strength, Positive)
    targets = one_hot(checked_labels(labels, count=len(values), classes=classes), classes or -1).double()
    deviation = centred(values, floor=rounding(h))
    scale = deviation.square().sum(1).mean().sqrt()
    scale = scale.where(scale > 0, 1.0)
    left, spectrum, axes = torch.linalg.svd(deviation / scale, full_matrices=False)
    gain = spectrum / (spectrum.square() + strength)
    weight = axes.T @ (gain[:, None] * (left.T @ (targets - targets.mean(0)))) / scale
    return Probe(weight, targets.mean(0) - values.mean(0) @ weight)


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
    matters, not how much the training seed does.

    Raises:
        InputError: features or labels that do not match, a class of ``test`` or below the largest label with fewer
            than ``per_class`` samples in the bank, or draws or per_class below 1.

    >>> bank = torch.tensor([[0.0], [0.1], [1.0], [1.1]]), torch.tensor([0, 0, 1, 1])
    >>> few_shot(bank, bank, per_class=1, draws=3, generator=torch.Generator().manual_seed(0))
    Interval(mean=1.0, low=1.0, high=1.0, n=3)
    """
    h, queries = checked_features(bank[0], name="bank"), checked_features(test[0], name="test")
    _same_width(h.shape[1], queries)
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
        probe = ridge(bank[0][chosen], labels[chosen], strength=strength, classes=classes)
        accuracies.append(accuracy(probe.predict(queries), truth))
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


def _same_width(width: int, values: Features) -> None:
    if values.shape[1] != width:
        raise InputError("features", tuple(values.shape), f"a matrix of {width} columns, like those they are judged by")
