"""Wrong labels that we make ourselves: pseudo-labels for unlabelled data of another distribution."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from xarray import DataArray

from sslens import datasets
from sslens.measures.features import centred, checked_features, checked_labels, rounding
from sslens.runtime import stream
from sslens.studies.study import stacked
from sslens.types import Dataset, Features, InputError, Labels, Range, checked
from sslens.views import Draw, apply

ANGLE = "angle of the pool"
WEIGHTS = (0.05, 20.0)
"""Bounds of a density ratio: a classifier that tells two sets apart without fail would make it infinite."""


@final
@dataclass(frozen=True)
class SelfTraining:
    """Accuracy on the target distribution with and without pseudo-labels, in [0, 1].

    >>> SelfTraining(0.9, 0.8, 0.85, 0.7).self_training
    0.8
    """

    supervised: float
    """From the labels alone."""
    self_training: float
    """One predictor for both: its pseudo-labels become its labels, round after round."""
    bidirectional: float
    """A pseudo-labeller of its own, and a predictor that weighs its pseudo-labels."""
    pseudo_labels: float
    """Accuracy of the pseudo-labels in the last round of self-training."""


def turned_pool(
    data: Dataset, angle: float, *, per_class: int = 5, generator: torch.Generator
) -> tuple[tuple[Features, Labels], tuple[Float[Tensor, "u d"], Int[Tensor, "u"]]]:
    """A few labelled images, and a pool of the others that differs from them in two ways; as rows of pixels.

    ``per_class`` images of each class stay as they are. The others are turned by ``angle`` degrees, counter-clockwise,
    and thinned out class by class: one of class k of K stays with probability 1 - k / K, so the first class is whole
    and the last is rare. Generators in the same state choose the same images for every angle.

    Raises:
        InputError: an angle outside [-180, 180], or per_class below 1 or not below the smallest class.

    >>> from sslens import datasets
    >>> digits, generator = datasets.load("digits")[0], torch.Generator().manual_seed(0)
    >>> (known, labels), (pool, hidden) = turned_pool(digits, 30.0, generator=generator)
    >>> len(known), bool((hidden == 0).sum() > (hidden == 9).sum())
    (50, True)
    """
    angle = checked("angle", angle, Annotated[float, Range(-180, 180)])
    smallest = int(data.labels.bincount(minlength=len(data.classes)).min())
    per_class = checked("per_class", per_class, Annotated[int, Range(1, max(1, smallest - 1))])
    order = torch.randperm(len(data), generator=generator, device=generator.device)
    by_class = [order[data.labels[order] == label] for label in range(len(data.classes))]
    known = torch.cat([members[:per_class] for members in by_class])
    others = torch.cat([members[per_class:] for members in by_class])
    lost = data.labels[others].double() / len(data.classes)
    others = others[torch.rand(len(others), dtype=torch.float64, generator=generator, device=generator.device) >= lost]
    rows = Draw(
        torch.zeros(len(others), dtype=torch.int64, device=data.images.device),
        rotation=torch.full((len(others),), angle, dtype=torch.float32, device=data.images.device),
    )
    turned = apply(data.images[others], rows)
    return (data.images[known].flatten(1), data.labels[known]), (turned.flatten(1), data.labels[others])


def under_shift(
    labelled: tuple[Features, Labels],
    unlabelled: tuple[Float[Tensor, "u d"], Int[Tensor, "u"]],
    *,
    test: tuple[Float[Tensor, "m d"], Int[Tensor, "m"]],
    rounds: int = 3,
    C: float = 10.0,  # noqa: N803 - scikit-learn's name
) -> SelfTraining:
    """Learn from few labels of the target distribution and many images of another one, three times.

    *Supervised* sees the labels only. *Self-training* labels the unlabelled samples by its own predictions and learns
    from all, ``rounds`` times. *Bidirectional adaptation* decouples the two: the pseudo-labeller is fitted to the
    labelled samples weighted by r(h) = p(unlabelled) / p(labelled), so that it suits what it has to label, and the
    target predictor to all samples with the pseudo-labelled ones weighted by 1 / r, so that it suits the target. r
    comes from a logistic regression that tells the two sets apart, and is kept within [1/20, 20]. This is our
    reconstruction from the paper's description, with logistic regression for every predictor, on features in units of
    the labelled samples' rms distance from their mean; ``C`` is its inverse penalty. The true labels of the
    unlabelled samples serve to judge the pseudo-labels alone.

    Raises:
        InputError: features or labels that do not match, a single class, or numbers out of range.

    Reference: Jia, Guo, Zhou, Li, "Bidirectional adaptation for robust semi-supervised learning with inconsistent data
    distributions", ICML 2023.

    >>> import torch
    >>> h, labels = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]]), torch.tensor([0, 0, 1, 1])
    >>> under_shift((h, labels), (h + 0.1, labels), test=(h, labels)).bidirectional
    1.0
    """
    from sklearn.linear_model import LogisticRegression  # a second of import that only this needs

    rounds = checked("rounds", rounds, Annotated[int, Range(1, 1000)])
    inverse_penalty = checked("C", C, Annotated[float, Range(0, 1e12, above=True)])
    (known, labels), (pool, hidden), (queries, truth) = _arrays(labelled=labelled, unlabelled=unlabelled, test=test)

    def fitted(h: np.ndarray, y: np.ndarray, *, weights: np.ndarray | None = None) -> Any:
        return LogisticRegression(C=inverse_penalty, max_iter=2000).fit(h, y, weights)

    supervised = fitted(known, labels)
    model, guesses = supervised, supervised.predict(pool)
    for _ in range(rounds):
        guesses = model.predict(pool)
        model = fitted(np.concatenate([known, pool]), np.concatenate([labels, guesses]))
    ratio = _density_ratio(fitted, known, pool)
    labeller = fitted(known, labels, weights=ratio[: len(known)])
    pseudo = np.concatenate([labels, labeller.predict(pool)])
    weights = np.concatenate([np.ones(len(known)), 1 / ratio[len(known) :]])
    adapted = fitted(np.concatenate([known, pool]), pseudo, weights=weights)
    right = [float((each.predict(queries) == truth).mean()) for each in (supervised, model, adapted)]
    return SelfTraining(*right, pseudo_labels=float((guesses == hidden).mean()))


def self_training(angles: Sequence[float], *, draws: int = 10) -> DataArray:
    """Accuracy of ``under_shift`` on the pixels of digits, their pool turned by each angle: run x draw x angle.

    Runs are named as the fields of ``SelfTraining``, with hyphens. Draw s chooses the same labelled digits and the same
    pool for every angle.

    Raises:
        InputError: no angle, one outside [-180, 180], or no draw.

    >>> self_training([30.0], draws=1).run.values.tolist()
    ['supervised', 'self-training', 'bidirectional', 'pseudo-labels']
    """
    draws = checked("draws", draws, Annotated[int, Range(1, 1_000_000)])
    if not len(angles):
        raise InputError("angles", angles, "at least one")
    data, test = datasets.load("digits")
    found = {angle: _over_draws(data, test, angle=angle, draws=draws) for angle in angles}
    array = stacked(found, ANGLE).transpose("run", "draw", ANGLE).assign_attrs(unit="", setting="digits")
    array[ANGLE].attrs["unit"] = "degrees"
    return array


def _over_draws(data: Dataset, test: Dataset, *, angle: float, draws: int) -> DataArray:
    """One row for each number of a ``SelfTraining``, one column for each draw."""
    columns = []
    for draw in range(draws):
        pool = turned_pool(data, angle, generator=stream(draw, "pool"))
        columns.append(asdict(under_shift(*pool, test=(test.images.flatten(1), test.labels))))
    names = [name.replace("_", "-") for name in columns[0]]
    values = [list(column.values()) for column in columns]
    return DataArray(values, {"draw": range(draws), "run": names}, ("draw", "run"), "accuracy").T


def _density_ratio(fitted: Any, known: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """p(unlabelled) / p(labelled) at every sample of both, the labelled first."""
    both = np.concatenate([known, pool])
    origin = np.repeat([0, 1], [len(known), len(pool)])
    balance = np.where(origin == 1, len(known) / len(pool), 1.0)
    chance = fitted(both, origin, weights=balance).predict_proba(both)[:, 1]
    return np.clip(chance / np.maximum(1 - chance, 1e-12), *WEIGHTS)


def _arrays(**parts: tuple[Any, Any]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Features about the labelled samples' mean, in units of their rms distance from it, and labels."""
    features = [checked_features(h, name=name) for name, (h, _) in parts.items()]
    labels = [checked_labels(y, count=len(h)) for h, (_, y) in zip(features, parts.values(), strict=True)]
    widths = {h.shape[1] for h in features}
    if len(widths) > 1:
        raise InputError("features", sorted(widths), "of the same number of columns in all three sets")
    if len(labels[0].unique()) < 2:
        raise InputError("labels", labels[0].unique().tolist(), "of at least two classes")
    deviation = centred(features[0], floor=rounding(parts["labelled"][0]))
    scale = deviation.square().sum(1).mean().sqrt()
    mean, scale = features[0].mean(0), scale.where(scale > 0, 1.0)
    return [(((h - mean) / scale).numpy(), y.numpy()) for h, y in zip(features, labels, strict=True)]
