"""AdaBoost with trees in place of lines: on Long and Servedio's points, and on their 21 bits, which are drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from xarray import DataArray

from sslens.runtime import stream
from sslens.studies.boosters_and_pseudo_labels_boosting import (
    Noise,
    critical_margin,
    linear_accuracy,
    linear_booster,
    long_servedio,
)
from sslens.types import InputError, Range, checked

DEPTH = "depth of the trees"
HALVES = (11, 10)
"""Of the 21 bits: a puller gives the label on the first 11 alone."""
Depth = Annotated[int, Range(1, 100)]


@final
@dataclass(frozen=True)
class Ensemble:
    """What boosting ends with: trees and their votes."""

    trees: tuple[Any, ...]
    votes: tuple[float, ...]

    def margins(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n"]:
        """F(x) = Σ_t α_t h_t(x), for each row; its sign is the predicted class."""
        return sum(vote * tree.predict(x) for tree, vote in zip(self.trees, self.votes, strict=True)) + np.zeros(len(x))


def exponential_weights(margins: Float[Tensor, "n"], counts: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    """How much each example weighs in the next round: w_i = c_i e^(-m_i) / Σ_j c_j e^(-m_j), with m_i = y_i F(x_i).

    ``counts`` is what each example counted at the start.

    >>> exponential_weights(torch.tensor([0.0, torch.log(torch.tensor(3.0))]), torch.ones(2))
    tensor([0.7500, 0.2500])
    """
    pull = counts * (-margins).exp()
    return pull / pull.sum()


def adaboost(
    x: Float[np.ndarray, "n d"],
    y: Int[np.ndarray, "n"],
    *,
    counts: Float[np.ndarray, "n"],
    depth: int,
    rounds: int = 100,
) -> Ensemble:
    """Minimise Σ_i c_i e^(-y_i F(x_i)) by adding a tree a round, fitted to weighted examples, with its best vote.

    With ε the weighted error of the new tree its vote is α = ½ ln((1 - ε) / ε). It ends where a tree is no better than
    a guess, or makes no error.

    Reference: Freund and Schapire, "A decision-theoretic generalization of on-line learning and an application to
    boosting", Journal of Computer and System Sciences 55, 1997; as coordinate descent on the exponential loss Friedman,
    Hastie, Tibshirani 2000.
    """
    from sklearn.tree import DecisionTreeClassifier  # a second of import that only this needs

    trees, votes, margins = [], [], torch.zeros(len(y), dtype=torch.float64, device="cpu")
    for _ in range(rounds):
        weights = exponential_weights(margins, torch.from_numpy(counts)).numpy()
        tree = DecisionTreeClassifier(max_depth=depth, random_state=0).fit(x, y, sample_weight=weights)
        right = tree.predict(x) == y
        error = float(weights[~right].sum())
        if error >= 0.5 - 1e-9:
            break
        trees.append(tree)
        votes.append(0.5 * np.log((1 - error) / error) if error > 0 else 1.0)
        if error == 0:
            break
        margins = margins + votes[-1] * torch.from_numpy(np.where(right, 1.0, -1.0))
    return Ensemble(tuple(trees), tuple(votes))


def tree_accuracy(noise: float, *, gap: float, depth: int = 2) -> float:
    """The accuracy of boosted trees on the four points, which they see with their mirror images of class -1.

    A noisy label is two weighted examples, as for the lines.

    Raises:
        InputError: noise outside [0, 0.5), where a majority is left to be learned, a depth below 1, or a gap that
            ``long_servedio`` refuses.

    >>> tree_accuracy(0.3, gap=0.05)
    1.0
    """
    noise, depth = checked("noise", noise, Noise), checked("depth", depth, Depth)
    if noise == 0.5:
        raise InputError("noise", noise, "below 0.5 for trees")
    points = long_servedio(gap).numpy()
    mirrored, classes = np.concatenate([points, -points]), np.repeat([1, -1], len(points))
    counts = np.repeat([1 - noise, noise], len(mirrored))
    examples, labels, seen = np.concatenate([mirrored] * 2), np.concatenate([classes, -classes]), counts > 0
    found = adaboost(examples[seen], labels[seen], counts=counts[seen], depth=depth)
    return float((found.margins(points) > 0).mean())


def points_kept_below(shares: Sequence[float], *, part: float = 0.5) -> DataArray:
    """Accuracy on the four points at a part of each share's critical margin, where lines fail: run x noise rate.

    The exponential loss on both sides: its exact minimiser among lines, and AdaBoost with trees.

    Raises:
        InputError: no share, or one that is not between 0 and 0.5.

    >>> points_kept_below([0.1]).to_series().to_dict()
    {('lines', 0.1): 0.5, ('trees', 0.1): 1.0}
    """
    if not len(shares) or not all(0 < share < 0.5 for share in shares):
        raise InputError("shares", shares, "at least one, between 0 and 0.5")
    gaps = [part * critical_margin(share, loss="exponential") for share in shares]
    pairs = list(zip(shares, gaps, strict=True))
    lines = [linear_accuracy(linear_booster(share, loss="exponential", gap=gap), gap=gap) for share, gap in pairs]
    trees = [tree_accuracy(share, gap=gap) for share, gap in pairs]
    coords = {"run": ["lines", "trees"], "noise rate": list(shares)}
    return DataArray([lines, trees], coords, tuple(coords), "accuracy on the four points", {"setting": "four points"})


def drawn_bits(count: int, generator: torch.Generator) -> tuple[Float[Tensor, "m 21"], Int[Tensor, "m"]]:
    """Long and Servedio's distribution on 21 bits of -1 and 1, and the labels, -1 or 1; the sign of their sum is right.

    With probability 1/4 all bits are the label (large margin); with 1/4 the first 11 are, the others its opposite (a
    puller); with 1/2 five of the first 11 and six of the last 10 are, at random places (a penaliser).

    Raises:
        InputError: fewer than one.

    Reference: Long and Servedio, "Random classification noise defeats all convex potential boosters", Machine Learning
    78, 2010, the experiments.

    >>> bits, labels = drawn_bits(100, torch.Generator().manual_seed(0))
    >>> bool((bits.sum(1).sign() == labels).all())
    True
    """
    count = checked("count", count, Annotated[int, Range(1, 10**7)])
    made = {"generator": generator, "device": generator.device}
    kind = torch.rand(count, **made)
    ranks = [torch.rand(count, width, **made).argsort(1).argsort(1) for width in HALVES]
    penaliser = torch.cat([ranks[0] < 5, ranks[1] < 6], 1)
    puller = (torch.arange(sum(HALVES), device=generator.device) < HALVES[0]).expand_as(penaliser)
    right = torch.where(kind[:, None] < 0.5, penaliser, puller | (kind[:, None] < 0.75))
    labels = torch.randint(2, (count,), **made) * 2 - 1
    return torch.where(right, 1.0, -1.0) * labels[:, None], labels


def correct_on_bits(
    depths: Sequence[int], *, noise: float, seeds: int, examples: int = 1000, rounds: int = 100
) -> DataArray:
    """Whether boosted trees of each depth are right about clean test samples: run x seed x depth x sample.

    Runs: no noise, and labels of which a share was flipped. A seed draws the training examples and the flips; all seeds
    are tested on the same ``examples`` fresh ones. Trees of depth one on bits are lines.

    Raises:
        InputError: no depth or one below 1, noise that is not between 0 and 0.5, or numbers below 1.

    >>> found = correct_on_bits([1], noise=0.1, seeds=1, examples=50, rounds=3)
    >>> found.dims, found.run.values.tolist()
    (('run', 'seed', 'depth of the trees', 'sample'), ['no noise', '10% flipped'])
    """
    noise = checked("noise", noise, Annotated[float, Range(0, 0.49, above=True)])
    seeds = checked("seeds", seeds, Annotated[int, Range(1, 1000)])
    depths = [checked("depths", depth, Depth) for depth in depths]
    if not depths:
        raise InputError("depths", depths, "at least one")
    test, truth = _arrays(drawn_bits(examples, stream(0, "bits, test")))
    found = np.empty((2, seeds, len(depths), examples))
    for seed in range(seeds):
        bits, labels = _arrays(drawn_bits(examples, stream(seed, "bits")))
        flipped = torch.rand(examples, generator=stream(seed, "bits, flipped"), device="cpu").numpy() < noise
        for place, given in enumerate((labels, np.where(flipped, -labels, labels))):
            for at, depth in enumerate(depths):
                trees = adaboost(bits, given, counts=np.ones(examples), depth=depth, rounds=rounds)
                found[place, seed, at] = trees.margins(test) * truth > 0
    names = ["no noise", f"{noise:.0%} flipped"]
    coords = {"run": names, "seed": range(seeds), DEPTH: depths, "sample": range(examples)}
    attrs = {"unit": "", "setting": f"21 bits, {examples} examples, {rounds} rounds"}
    return DataArray(found, coords, tuple(coords), "accuracy", attrs)


def _arrays(drawn: tuple[Tensor, Tensor]) -> tuple[np.ndarray, np.ndarray]:
    bits, labels = drawn
    return bits.double().numpy(), labels.numpy()
