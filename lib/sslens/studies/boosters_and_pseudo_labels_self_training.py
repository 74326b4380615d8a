"""Wrong labels of one's own making: pseudo-labels for a pool of images that differ from those of the target.

Every predictor is a set of class means on frozen features, so that weights of samples are all that differs.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from xarray import DataArray

from sslens.runtime import stream
from sslens.statistics import difference
from sslens.trace import Trace
from sslens.train import Config, Runs, learned, restore
from sslens.types import Features, Images, InputError, Labels, Range, checked
from sslens.views import Draw, apply

ANGLE, SKEW = "angle of the pool", "skew of the pool"
SUPERVISED, SELF, PAIR = "supervised", "self-training", "bidirectional"
CAPPED, KNOWN = "bidirectional, weights up to 1", "bidirectional, shift from held-out images"
METHODS = (SUPERVISED, SELF, PAIR, CAPPED, KNOWN)
ROUNDS = 5
"""Of pseudo-labelling."""
HELD_OUT = 0.25
"""Share of the unlabelled training images kept out of the pool; one method alone sees them, without labels."""
LARGEST_RATIO = 1000.0
"""A classifier that tells two sets apart without fail would make a density ratio infinite."""
PENALTIES = (1.0, 10.0, 100.0)
"""Inverse ones of the classifier behind the density ratio; the likelihood of left-out samples chooses."""


def class_means(h: Features, labels: Labels, *, weights: Float[Tensor, "n"], classes: int) -> Float[Tensor, "c d"]:
    """The mean of each class, its samples weighted: m_c = Σ_i w_i [y_i = c] h_i / Σ_i w_i [y_i = c].

    A class without a sample has its mean at 0.

    >>> h = torch.tensor([[0.0], [1.0], [5.0]])
    >>> class_means(h, torch.tensor([0, 0, 1]), weights=torch.tensor([1.0, 3.0, 1.0]), classes=2)
    tensor([[0.7500],
            [5.0000]])
    """
    members = torch.nn.functional.one_hot(labels, classes).to(h) * weights[:, None].to(h)
    return members.T @ h / members.sum(0).clamp(min=1e-12)[:, None]


def nearest(means: Float[Tensor, "c d"], h: Features) -> Int[Tensor, "n"]:
    """The class whose mean is nearest to each sample.

    >>> nearest(torch.tensor([[0.0], [4.0]]), torch.tensor([[1.0], [3.0]]))
    tensor([0, 1])
    """
    return torch.cdist(h, means).argmin(1)


def pseudo_labels(
    h: Features,
    labels: Labels,
    *,
    pool: Float[Tensor, "u d"],
    weights: Float[Tensor, "n"] | None = None,
    classes: int,
    rounds: int = ROUNDS,
) -> Int[Tensor, "u"]:
    """Labels for a pool: class means of the labelled samples name it, then means of both name it again, and so on.

    ``weights`` are those of the labelled samples, 1 without; each sample of the pool counts 1.

    >>> h, pool = torch.tensor([[0.0], [4.0]]), torch.tensor([[1.0], [2.1], [2.2]])
    >>> pseudo_labels(h, torch.tensor([0, 1]), pool=pool, classes=2, rounds=1)
    tensor([0, 1, 1])
    """
    weights = h.new_ones(len(h)) if weights is None else weights
    found = nearest(class_means(h, labels, weights=weights, classes=classes), pool)
    both, all_weights = torch.cat([h, pool]), torch.cat([weights.to(h), h.new_ones(len(pool))])
    for _ in range(rounds - 1):
        found = nearest(class_means(both, torch.cat([labels, found]), weights=all_weights, classes=classes), pool)
    return found


def density_ratio(
    target: Float[Tensor, "n d"], pool: Float[Tensor, "u d"]
) -> tuple[Float[Tensor, "n"], Float[Tensor, "u"]]:
    """r(h) = p(h in the pool) / p(h in the target), at every sample of both, within [1/1000, 1000].

    A logistic regression tells the two sets apart with probability q, each set counting as much as the other, and r =
    q / (1 - q). The ratio of a sample comes from a classifier that has not seen it (five folds), and the penalty is the
    one of ``PENALTIES`` under which such left-out samples are most likely.

    Raises:
        InputError: fewer than two samples of either.

    Reference: Sugiyama, Suzuki, Kanamori, "Density ratio estimation in machine learning", 2012, ch. 4.

    >>> generator = torch.Generator().manual_seed(0)
    >>> rows = torch.randn(400, 1, generator=generator, dtype=torch.float64)
    >>> at_target, at_pool = density_ratio(rows[:200], rows[200:] + 2)
    >>> bool(at_target.median() < 0.5 and at_pool.median() > 2)
    True
    """
    from sklearn.linear_model import LogisticRegression  # a second of import that only this needs
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    if min(len(target), len(pool)) < 2:
        raise InputError("target, pool", (len(target), len(pool)), "two samples or more of each")
    both, member = torch.cat([target, pool]).numpy(), np.repeat([0, 1], [len(target), len(pool)])
    counts = np.where(member == 1, len(target) / len(pool), 1.0)
    folds = StratifiedKFold(min(5, len(target), len(pool)), shuffle=True, random_state=0)
    best, chosen = -np.inf, counts
    for penalty in PENALTIES:
        model, given = LogisticRegression(C=penalty, max_iter=1000), {"sample_weight": counts}
        both_chances: Any = cross_val_predict(model, both, member, cv=folds, params=given, method="predict_proba")
        chance = both_chances[:, 1]
        chance = chance.clip(1 / (1 + LARGEST_RATIO), LARGEST_RATIO / (1 + LARGEST_RATIO))
        likelihood = float(counts @ np.log(np.where(member == 1, chance, 1 - chance)))
        if likelihood > best:
            best, chosen = likelihood, chance
    ratio = torch.from_numpy(chosen / (1 - chosen))
    return ratio[: len(target)], ratio[len(target) :]


def bidirectional(
    h: Features,
    labels: Labels,
    *,
    pool: Float[Tensor, "u d"],
    ratios: tuple[Float[Tensor, "n"], Float[Tensor, "u"]],
    classes: int,
    largest_weight: float = float("inf"),
) -> tuple[Float[Tensor, "c d"], Int[Tensor, "u"]]:
    """Class means for the target and the pseudo-labels behind them, from two predictors that share nothing else.

    The *pseudo-labeller* suits the pool: the labelled samples weigh r(h). The *target predictor* suits the target: it
    learns from the labelled samples, which weigh 1, and from the pool's pseudo-labels, which weigh 1 / r(h). With all
    weights 1 both are self-training's one predictor. ``largest_weight`` cuts them.

    >>> h, pool = torch.tensor([[0.0], [4.0]]), torch.tensor([[1.0], [3.0]])
    >>> bidirectional(h, torch.tensor([0, 1]), pool=pool, ratios=(torch.ones(2), torch.ones(2)), classes=2)
    (tensor([[0.5000],
            [3.5000]]), tensor([0, 1]))
    """
    at_labelled, at_pool = ratios
    found = pseudo_labels(h, labels, pool=pool, weights=at_labelled.clamp(max=largest_weight), classes=classes)
    weights = torch.cat([h.new_ones(len(h)), (1 / at_pool).clamp(max=largest_weight).to(h)])
    return class_means(torch.cat([h, pool]), torch.cat([labels, found]), weights=weights, classes=classes), found


def under_shift(
    labelled: tuple[Features, Labels],
    pool: Float[Tensor, "u d"],
    *,
    held_out: Float[Tensor, "o d"],
    queries: Float[Tensor, "m d"],
    classes: int,
) -> dict[str, tuple[Int[Tensor, "m"], Int[Tensor, "u"]]]:
    """By method the labels given to the queries and to the pool, from few labelled samples and an unlabelled pool.

    *Supervised* uses the labelled samples alone. *Self-training* adds the pool with its ``pseudo_labels``. For
    *bidirectional* adaptation (our reconstruction from the paper's abstract, with class means as predictors and a
    logistic regression for the shift) see ``bidirectional``: as it is, with weights up to 1, and with a shift that is
    estimated on many unlabelled held-out samples of the target as well.

    Raises:
        InputError: as ``density_ratio``.

    Reference: Jia, Guo, Zhou, Shao, Xiang, Li, "Bidirectional adaptation for robust semi-supervised learning with
    inconsistent data distributions", ICML 2023.
    """
    h, labels = labelled
    ones = h.new_ones(len(h)), h.new_ones(len(pool))
    means = class_means(h, labels, weights=ones[0], classes=classes)
    found = {SUPERVISED: (means, nearest(means, pool))}
    ratios, (at_both, at_pool) = density_ratio(h, pool), density_ratio(torch.cat([h, held_out]), pool)
    known = at_both[: len(h)], at_pool
    for name, each, largest in ((SELF, ones, 1), (PAIR, ratios, np.inf), (CAPPED, ratios, 1), (KNOWN, known, np.inf)):
        found[name] = bidirectional(h, labels, pool=pool, ratios=each, classes=classes, largest_weight=float(largest))
    return {name: (nearest(means, queries), guesses) for name, (means, guesses) in found.items()}


def parts_of(
    labels: Labels, *, per_class: int, classes: int, generator: torch.Generator
) -> tuple[Int[Tensor, "k"], Int[Tensor, "u"], Int[Tensor, "o"]]:
    """Places of the labelled images, ``per_class`` of each class, of the pool before it is thinned out, of held-outs.

    Raises:
        InputError: a class with too few images.

    >>> labels = torch.arange(3).repeat(8)
    >>> [len(part) for part in parts_of(labels, per_class=2, classes=3, generator=torch.Generator().manual_seed(0))]
    [6, 14, 4]
    """
    smallest = int(labels.bincount(minlength=classes).min())
    per_class = checked("labels_per_class", per_class, Annotated[int, Range(1, max(1, smallest - 2))])
    order = torch.randperm(len(labels), generator=generator, device=generator.device).to(labels.device)
    known = torch.cat([order[labels[order] == label][:per_class] for label in range(classes)])
    others = order[~torch.isin(order, known)]
    held_out = int(HELD_OUT * len(others))
    return known, others[held_out:], others[:held_out]


def thinned(labels: Labels, skew: float, *, classes: int, generator: torch.Generator) -> Bool[Tensor, "n"]:
    """Which samples stay where classes become rare: one of class k of K with probability 1 - skew · k / (K - 1).

    The first class is whole, the last keeps a share of 1 - skew. A larger skew takes further samples, and no others.

    Raises:
        InputError: a skew outside [0, 1].

    >>> thinned(torch.tensor([0, 1, 1]), 1.0, classes=2, generator=torch.Generator().manual_seed(0))
    tensor([ True, False, False])
    """
    skew = checked("skew", skew, Annotated[float, Range(0, 1)])
    chance = torch.rand(len(labels), dtype=torch.float64, generator=generator, device=generator.device)
    return chance.to(labels.device) >= skew * labels.double() / max(1, classes - 1)


def turned(images: Images, angle: float) -> Images:
    """The images turned counter-clockwise about their centre, by degrees.

    Raises:
        InputError: an angle outside [-180, 180].

    >>> turned(torch.zeros(2, 1, 8, 8), 90.0).shape
    torch.Size([2, 1, 8, 8])
    """
    angle = checked("angle", angle, Annotated[float, Range(-180, 180)])
    rows = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    return apply(images, Draw(rows, rotation=torch.full((len(images),), angle, device=images.device)))


def under_shifts(
    runs: Runs, shifts: Sequence[float], *, kind: str, labels_per_class: int = 1
) -> tuple[DataArray, DataArray]:
    """Every method on the representation of the one run, its pool under shifts of a kind: ``ANGLE`` or ``SKEW``.

    First whether each is right about each test image, method x seed x shift x sample; then the accuracy of its
    pseudo-labels, method x seed x shift. Seed s draws the network, the labelled images and the pool, the same ones for
    every shift. NaN where a run had diverged.

    Raises:
        InputError: several runs, no shift, or as ``parts_of``, ``turned`` and ``thinned``.
    """
    if len(runs) != 1 or not len(shifts) or kind not in (ANGLE, SKEW):
        raise InputError("runs, shifts, kind", (runs.names, list(shifts), kind), "one run, a shift, a known kind")
    reference = runs[runs.names[0]][0].reference
    test = runs[runs.names[0]][0].held_out
    correct = np.full((len(METHODS), len(runs.seeds), len(shifts), int(test.sum())), np.nan)
    accuracy = np.full(correct.shape[:-1], np.nan)
    for place, (seed, trace) in enumerate(zip(runs.seeds, runs[runs.names[0]], strict=True)):
        if trace.status == "diverged":
            continue
        for at, shift in enumerate(shifts):
            found = _of_one(trace, {kind: shift}, per_class=labels_per_class, seed=seed)
            for method, (right, guessed) in enumerate(found):
                correct[method, place, at], accuracy[method, place, at] = right.numpy(), guessed
    coords = {"run": list(METHODS), "seed": list(runs.seeds), kind: (kind, list(shifts), _unit(kind))}
    origin = {} if reference.origin is None else {"origin": ("sample", reference.origin[test].numpy())}
    samples = {"sample": test.nonzero().flatten().numpy(), **origin}
    labels = f"{labels_per_class} label{'s' * (labels_per_class > 1)} per class"
    attrs = {"unit": "", "setting": f"{runs.setting}, {labels}"}
    first = DataArray(correct, coords | samples, ("run", "seed", kind, "sample"), "accuracy", attrs)
    return first, DataArray(accuracy, coords, ("run", "seed", kind), "accuracy of the pseudo-labels", attrs)


def _unit(kind: str) -> dict[str, str]:
    return {"unit": "degrees"} if kind == ANGLE else {}


def _of_one(
    trace: Trace, shift: Mapping[str, float], *, per_class: int, seed: int
) -> list[tuple[Bool[Tensor, "m"], float]]:
    """Of each method: whether it is right about each test image, and the accuracy of its pseudo-labels."""
    data, queries = learned(Config.of_json(trace.config)), trace.reference.labels[trace.held_out]
    classes = len(data.classes)
    known, pool, held_out = parts_of(data.labels, per_class=per_class, classes=classes, generator=stream(seed, "parts"))
    skew = shift.get(SKEW, 0.0)
    pool = pool[thinned(data.labels[pool], skew, classes=classes, generator=stream(seed, "thinned"))]
    parts = {"labelled": data.images[known], "pool": turned(data.images[pool], shift.get(ANGLE, 0.0))}
    parts |= {"held out": data.images[held_out], "test": trace.reference.images[trace.held_out]}
    h = _represented(trace, parts)
    labelled = h["labelled"], data.labels[known]
    found = under_shift(labelled, h["pool"], held_out=h["held out"], queries=h["test"], classes=classes)
    return [
        (named == queries, float((guessed == data.labels[pool]).double().mean())) for named, guessed in found.values()
    ]


@torch.no_grad()
def _represented(trace: Trace, parts: Mapping[str, Images]) -> dict[str, Features]:
    """Representations at the end of the run, about the held-out images' mean and in units of their rms deviation."""
    encoder = restore(trace).double()
    found = {name: torch.cat([encoder(part.double()) for part in images.split(512)]) for name, images in parts.items()}
    mean = found["held out"].mean(0)
    unit = (found["held out"] - mean).square().mean().sqrt().clamp(min=1e-12)
    return {name: (h - mean) / unit for name, h in found.items()}


def ahead_of_the_better(correct: DataArray, *, run: str) -> DataArray:
    """How far a method is ahead of the better of supervised and self-training, mean over shifts: seed x sample.

    At each shift the better one is chosen on one half of the originals and the method is judged on the other half, both
    ways round: chosen and judged on the same images, the best of two is too good.
    """
    kind = next(dim for dim in (ANGLE, SKEW) if dim in correct.dims)
    first, second = (correct.sel(run=name, drop=True) for name in (SUPERVISED, SELF))
    origins = correct["origin"].values if "origin" in correct.coords else np.arange(correct.sizes["sample"])
    side = np.unique(origins, return_inverse=True)[1] % 2
    rival = first.copy()
    for shift in range(correct.sizes[kind]):
        for judged in (0, 1):
            here = {kind: shift, "sample": np.flatnonzero(side == judged)}
            other = {kind: shift, "sample": np.flatnonzero(side != judged)}
            if second[other].mean(skipna=False) > first[other].mean(skipna=False):
                rival[here] = second[here]
    return difference(correct.sel(run=run, drop=True), rival).mean(kind, skipna=False)
