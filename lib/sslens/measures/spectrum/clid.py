"""CLID: learnability of the features' own clusters, and the dimension of the set they lie on."""

import math
import warnings
from dataclasses import dataclass
from typing import Annotated, final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from sslens.measures.features import deviations
from sslens.types import Features, InputError, Range, checked

CHUNK = 256
"""Samples held against all others at a time."""
KEPT = 0.9
"""Share of the samples in the TwoNN fit; the largest ratios are the noisiest."""


@final
class Copies(UserWarning):
    """Samples that stand several times among those whose neighbours are looked for."""


@final
@dataclass(frozen=True)
class Clid:
    """Learnability and expressiveness of features, as measured by ``clid``.

    >>> Clid(learnability=0.97, dimension=11.8).dimension
    11.8
    """

    learnability: float
    """CL, in [0, 1]: accuracy with which the neighbours in other folds predict a sample's k-means cluster."""
    dimension: float
    """ID, from 0 (one point): TwoNN intrinsic dimension; inf where every sample has equally far neighbours."""


def clid(h: Features, *, clusters: int = 10, neighbours: int = 1, folds: int = 5, generator: torch.Generator) -> Clid:
    """Cluster learnability and intrinsic dimension.

    Learnability: k-means on the features gives every sample a pseudo-label; a vote of the nearest samples outside its
    own fold predicts it (Euclidean, ties to the smaller cluster). Dimension: with μ = second over first neighbour
    distance, sorted, and F(μ_i) = i / N, the slope through the origin of −ln(1 − F) on ln μ over the lowest 90 %. The
    generator draws the folds and the seed of k-means.

    Samples that stand several times count once, and a warning (``Copies``) says so: a copy in another fold would tell
    every label, and at distance 0 there is no dimension. Of no more distinct samples than clusters or folds, or too few
    for the neighbours, as after a collapse to some points, each is a cluster that its copies tell and no set of any
    dimension: (1, 0). Copies that differ by the rounding of their type are counted, and the warning asks to leave them
    out.

    CLID, the predictor of the paper, is the *sum* of both, each standardised over the encoders that are compared (a
    weighted sum there, too): one encoder has none, so it is not formed here. Variants: the first version learned the
    labels one sample after the other; public code takes one split in halves, cosine neighbours or distances to the
    centroids; TwoNN also as maximum likelihood (N − 1) / Σ ln μ, or with F from 0. Both depend on N: compare at equal
    N, clusters and neighbours. TwoNN falls short of many dimensions (16 for 20 normal ones, 36 for 64).

    Raises:
        InputError: no (n, d) matrix of finite floating-point numbers with n >= 3, clusters not in [2, n], folds not in
            [2, n], fewer samples outside a fold than neighbours, or no generator.

    References: Lu et al., "Using representation expressiveness and learnability to evaluate self-supervised learning
    methods", TMLR 2023, arXiv 2206.01251; Facco et al., "Estimating the intrinsic dimension of datasets by a minimal
    neighborhood information", Scientific Reports 2017.

    >>> h = torch.randn(200, 2, generator=torch.Generator().manual_seed(0)) + 9 * torch.eye(2).repeat(100, 1)
    >>> found = clid(h, clusters=2, generator=torch.Generator().manual_seed(0))
    >>> found.learnability, round(found.dimension, 1)
    (1.0, 1.9)
    """
    values, _, floor, _ = deviations(h)
    n = len(values)
    if n < 3:
        raise InputError("features", tuple(values.shape), "of at least 3 rows, for a second neighbour")
    clusters = checked("clusters", clusters, Annotated[int, Range(2, n)])
    folds = checked("folds", folds, Annotated[int, Range(2, n)])
    neighbours = checked("neighbours", neighbours, Annotated[int, Range(1, n - math.ceil(n / folds))])
    generator = checked("generator", generator, torch.Generator)
    largest = float(values.abs().max())
    values = values / largest if float(values.norm()) > floor else torch.zeros_like(values)
    distinct = _distinct(values)
    if len(distinct) < n:
        outside = len(distinct) - math.ceil(len(distinct) / folds)
        if len(distinct) <= max(clusters, folds, 2) or outside < neighbours:
            return Clid(learnability=1.0, dimension=0.0)
        text = f"{n - len(distinct)} of {n} samples are copies of others: every distinct one counts once."
        warnings.warn(text, Copies, stacklevel=2)
    fold = torch.randperm(len(distinct), generator=generator, device=generator.device).to(values.device) % folds
    labels = _clusters(distinct, clusters, generator=generator)
    others, distances = _neighbours(distinct, fold, count=neighbours)
    noise = 4 * floor / math.sqrt(n) / largest  # what rounding can make of a distance
    if near := int((distances[:, 0] <= noise).sum()):
        text = f"{near} of {n} samples are copies but for rounding, and change both numbers: keep one of each."
        warnings.warn(text, Copies, stacklevel=2)
    votes = one_hot(labels[others], clusters).sum(1)
    return Clid(float((votes.argmax(1) == labels).double().mean()), _dimension(distances, noise))


def _distinct(values: Features) -> Float[Tensor, "m d"]:
    """Each row once, in the order in which they come first."""
    _, kinds = values.unique(dim=0, return_inverse=True)
    order = torch.arange(len(values), device=values.device)
    first = order.new_full((int(kinds.max()) + 1,), len(values)).scatter_reduce_(0, kinds, order, "amin")
    return values[first.sort().values]


def _neighbours(
    values: Features, fold: Int[Tensor, "n"], *, count: int
) -> tuple[Int[Tensor, "n k"], Float[Tensor, "n 2"]]:
    """The nearest of each sample in other folds, and its distances to the two nearest of all."""
    outside, nearest = [], []
    for rows in torch.arange(len(values), device=values.device).split(CHUNK):
        apart = torch.cdist(values[rows], values)
        same = fold[rows, None] == fold
        outside.append(apart.masked_fill(same, torch.inf).topk(count, largest=False).indices)
        apart[rows - rows[0], rows] = torch.inf
        two = apart.topk(2, largest=False).indices
        # Distances by products take duplicates for 1e-8 apart, and the dimension rests on small ones.
        nearest.append((values[rows, None] - values[two]).norm(dim=2).sort(1).values)
    return torch.cat(outside), torch.cat(nearest)


def _clusters(values: Features, count: int, *, generator: torch.Generator) -> Int[Tensor, "n"]:
    from sklearn.cluster import KMeans  # a second of import that only this measure takes
    from sklearn.exceptions import ConvergenceWarning

    seed = int(torch.randint(2**32, (), generator=generator, device=generator.device))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct samples than clusters: collapse
        means = KMeans(count, n_init=10, random_state=seed)  # type: ignore[arg-type] - its stubs know no number here
        found = means.fit_predict(values.cpu().numpy())
    return torch.from_numpy(found).long().to(values.device)


def _dimension(nearest: Float[Tensor, "n 2"], noise: float) -> float:
    first, second = nearest[nearest[:, 0] > noise].unbind(1)
    ratio = torch.where(second - first > noise, second / first, 1.0).log().sort().values
    kept = math.floor(KEPT * len(ratio))
    if not kept:
        return 0.0
    share = torch.arange(1, kept + 1, dtype=ratio.dtype, device=ratio.device) / len(ratio)
    x, y = ratio[:kept], -torch.log1p(-share)
    return float(x @ y / x.square().sum()) if x.any() else math.inf
