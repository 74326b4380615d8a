"""What a measure of the spectrum room costs, in the float64 SVD or the bare product of matrices that it needs."""

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import NamedTuple

import torch
from torch import Tensor

from sslens.measures import spectrum
from sslens.measures.spectrum.alignment_uniformity import CHUNK
from sslens.runtime import stream
from tests.benchmarks.rows import Row, _cost, alternate

AIM, SHARED_AIM = 1.1, 1.3
SHARED_SIZE = 5_000, 2_048
SIZES = ((2_000, 128, 31), (25_600, 2_048, 1))
"""Samples, dimensions, rounds. The large size is timed once each: its SVD alone takes a quarter of a minute."""
VIEWS, CLASSES = 8, 10
BY_VALUES = (
    "singular_values",
    "rankme",
    "eigenvalues",
    "effective_rank",
    "participation_ratio",
    "stable_rank",
    "condition_number",
)
Work = Callable[[], object]


class Need(NamedTuple):
    """A piece of linear algebra and the measures that rest on it; only an SVD comes with an aim."""

    name: str
    work: Work
    measures: dict[str, Work]
    aim: bool = False


def rows() -> Iterator[Row]:
    """Processor time on normal float32 features; what is needed is timed on a float64 copy, ready made."""
    # As after any training: once a block of this size was freed, malloc keeps small ones instead of asking the system
    # for fresh pages each time, which costs a measure of 2 MB half as much as its SVD.
    torch.ones(30_000_000, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", spectrum.FewSamples)  # 250 samples of LiDAR's views
        for n, d, rounds in SIZES:
            h = torch.randn(n, d, generator=stream(0, "benchmark"))
            for need in (*_decompositions(h, h.double()), *_products(h, h.double()), *_passes(h, rounds)):
                yield from _rows(need, f"{n:,} x {d:,}", rounds)
        yield from _shared(torch.randn(*SHARED_SIZE, generator=stream(0, "benchmark")))


def _shared(h: Tensor) -> Iterator[Row]:
    """All that reads a spectrum, by one decomposition and each by its own, against one SVD with vectors."""
    measures: list[Callable[[Tensor | spectrum.Spectrum], object]] = [getattr(spectrum, name) for name in BY_VALUES]
    measures += [spectrum.coherence, partial(spectrum.spectral_map, beta=1.0), partial(spectrum.rankme, centre=True)]
    measures += [lambda each: spectrum.power_law(spectrum.eigenvalues(each))]

    def by_one() -> None:
        shared = spectrum.Spectrum.of(h)
        for measure in measures:
            measure(shared)

    def each_by_its_own() -> None:
        for measure in measures:
            measure(h)

    values = h.double()
    works = partial(torch.linalg.svd, values, full_matrices=False), by_one, each_by_its_own
    bare, one, sum_of_all = (1e3 * _cost(work).cpu for work in works)
    size = f"{len(measures)} measures, " + " x ".join(f"{side:,}" for side in h.shape)
    ratio = one / bare
    aim = {"aim": f"ratio ≤ {SHARED_AIM}", "reached": ratio <= SHARED_AIM}
    yield Row(f"{size}, one Spectrum", one, "ms", bare, "svd", (ratio,), **aim)
    yield Row(f"{size}, each alone", sum_of_all, "ms", bare, "svd", (sum_of_all / bare,))


def _rows(need: Need, size: str, rounds: int) -> Iterator[Row]:
    works = (need.work, *need.measures.values())
    columns = alternate(*works, rounds=rounds) if rounds > 1 else [[_cost(work)] for work in works]
    bare, *found = ([1e3 * cost.cpu for cost in column] for column in columns)
    for name, mine in zip(need.measures, found, strict=True):
        ratios = tuple(a / b for a, b in zip(mine, bare, strict=True))
        aim = {"aim": f"ratio ≤ {AIM}", "reached": median(ratios) <= AIM} if need.aim else {}
        yield Row(f"{name}, {size}", median(mine), "ms", median(bare), need.name, ratios, **aim)


def _decompositions(h: Tensor, values: Tensor) -> Iterator[Need]:
    svdvals, views = torch.linalg.svdvals, h.reshape(VIEWS, -1, h.shape[1])
    measures = {name: partial(getattr(spectrum, name), h) for name in BY_VALUES}
    yield Need("svdvals", lambda: svdvals(values), measures, aim=True)
    measures = {"coherence": lambda: spectrum.coherence(h), "spectral_map": lambda: spectrum.spectral_map(h, 1.0)}
    yield Need("svd", lambda: torch.linalg.svd(values, full_matrices=False), measures, aim=True)
    measures = {f"lidar of {VIEWS} views": lambda: spectrum.lidar(views)}
    yield Need("2 svdvals", lambda: (svdvals(values), svdvals(values[: views.shape[1]])), measures, aim=True)


def _products(h: Tensor, values: Tensor) -> Iterator[Need]:
    (x, y), (a, b) = h.chunk(2, dim=1), values.chunk(2, dim=1)

    def pairs() -> None:
        for i in range(0, len(values), CHUNK):
            values[i : i + CHUNK] @ values[i:].T

    yield Need("XᵀX", lambda: values.T @ values, {"self_clustering": lambda: spectrum.self_clustering(h)})
    yield Need("XᵀY XᵀX YᵀY", lambda: (a.T @ b, a.T @ a, b.T @ b), {"cka of halves": lambda: spectrum.cka(x, y)})
    yield Need("half of XXᵀ", pairs, {"uniformity": lambda: spectrum.uniformity(h)})


def _passes(h: Tensor, rounds: int) -> Iterator[Need]:
    """Measures that take a few passes over the features; and CLID, of the small size: k-means would take minutes."""
    labels, weight = torch.arange(len(h)) % CLASSES, torch.randn(h.shape[1], CLASSES, generator=stream(0, "weight"))
    measures: dict[str, Work] = {
        "alignment": lambda: spectrum.alignment(h, h),
        "neural_collapse": lambda: spectrum.neural_collapse(h, labels, weight=weight),
    }
    yield Need("float64 copy", h.double, measures)
    if rounds > 1:
        yield Need(
            "XXᵀ", lambda: h.double() @ h.double().T, {"clid": lambda: spectrum.clid(h, generator=stream(0, "clid"))}
        )
