"""Votes of nearest neighbours, against the bare matrix product that finding them needs, and against scikit-learn."""

from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

import numpy as np
import torch
from sklearn.neighbors import KNeighborsClassifier

from sslens import runtime
from sslens.measures.probe import knn
from tests.benchmarks.rows import Row, alternate

BANK, QUERIES, WIDTH, CLASSES = 20_000, 5_000, 128, 10
ROUNDS = 3


def rows() -> Iterator[Row]:
    """Seconds for 5,000 queries; the ratio says how many products they are worth, or how much longer the peer takes.

    On a bank that has collapsed to one direction no query can be answered without the product in float64.
    """
    generator = runtime.stream(0, "neighbours")
    labels = torch.randint(CLASSES, (BANK,), generator=generator)
    bank, queries = (torch.randn(size, WIDTH, generator=generator) for size in (BANK, QUERIES))
    flat = torch.rand(BANK, 1, generator=generator) * torch.ones(1, WIDTH)
    for name, known, kind in (
        ("float32", bank, torch.float32),
        ("float64", bank, torch.float64),
        ("float64, collapsed", flat, torch.float64),
    ):
        known, wanted = known.to(kind), queries.to(kind)
        ours, bare = _walls(partial(knn, known, labels, wanted), partial(torch.mm, wanted, known.T))
        ratios = tuple(mine / its for mine, its in zip(ours, bare, strict=True))
        yield Row(name, median(ours), "s", median(bare), "product", ratios)
    ours, theirs = _walls(partial(knn, bank, labels, queries), _peer(bank, labels, queries))
    ratios = tuple(its / mine for mine, its in zip(ours, theirs, strict=True))
    yield Row("float32, brute cosine", median(ours), "s", median(theirs), "scikit-learn", ratios)


def _walls(*works: Callable[[], object]) -> list[list[float]]:
    return [[each.wall for each in column] for column in alternate(*works, rounds=ROUNDS)]


def _peer(bank: torch.Tensor, labels: torch.Tensor, queries: torch.Tensor) -> Callable[[], object]:
    model = KNeighborsClassifier(20, metric="cosine", algorithm="brute").set_params(weights=_weights)
    return partial(model.fit(bank.numpy(), labels.numpy()).predict, queries.numpy())


def _weights(distances: np.ndarray) -> np.ndarray:
    return np.exp((1 - distances) / 0.1)
