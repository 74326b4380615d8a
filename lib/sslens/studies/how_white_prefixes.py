"""Features cut short: nested prefixes beside networks trained for each length, beside cut columns and beside PCA."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn.functional import cross_entropy
from xarray import DataArray

from sslens.measures import probe, spectrum
from sslens.objectives import CrossEntropy
from sslens.statistics import difference
from sslens.studies.how_white_layers import classify_by_tuned_ridge, origins, sides
from sslens.studies.study import stacked
from sslens.trace import Trace
from sslens.train import Runs
from sslens.types import InputError, Labels, UnknownName

COLUMNS = "columns kept"
WAYS = ("nested", "separate", "plain, cut", "plain, PCA")
"""Ways to few columns: a nested network cut short, a network trained for this length, a plain one cut, its PCA cut."""
CLASSIFIERS: Mapping[str, probe.Classify] = {"kNN": probe.knn, "ridge": classify_by_tuned_ridge}
"""What reads the class from the columns; ``own head`` stands for the classifier that was trained with them."""
OWN = "own head"
Read = Callable[[Trace, Sequence[int]], Float64[Tensor, "l m"]]
"""A run and numbers of columns in, which of the test images are classified out."""
SHORT = (4, 8)
"""Columns at which the rivals that need no other training are judged: fewer than a hundred classes need."""


def matryoshka_loss(
    h: Float[Tensor, "n d"], labels: Labels, *, heads: Mapping[int, torch.nn.Module]
) -> Float[Tensor, ""]:
    """By hand: every prefix of the representation has to classify by a head of its own, and all weigh alike.

    Reference: Kusupati et al., "Matryoshka representation learning", NeurIPS 2022, arXiv 2205.13147, equation 1.

    >>> h, labels = torch.zeros(3, 4), torch.tensor([0, 1, 1])
    >>> heads = {2: torch.nn.Linear(2, 2, bias=False), 4: torch.nn.Linear(4, 2, bias=False)}
    >>> round(matryoshka_loss(h, labels, heads=heads).item(), 4)  # 2 ln 2
    1.3863
    """
    loss = h.new_zeros(())
    for length, head in heads.items():
        logits = head(h[:, :length])
        loss = loss + cross_entropy(logits, labels)
    return loss


def examples(runs: Runs) -> dict[str, Any]:
    """Test images of some classes, a row for each class: what ``figures.images`` draws."""
    trace = runs["nested"][0]
    labels, classes = trace.reference.labels.where(trace.held_out, -1), trace.reference.classes
    shown = range(len(classes) // 10, len(classes), max(1, len(classes) // 4))
    places = [(labels == label).nonzero()[:, 0] for label in shown]
    columns = min(5, *map(len, places))
    pixels = torch.stack([trace.reference.images[place[:columns]] for place in places])
    names = [str(number) for number in range(1, columns + 1)]
    return {"pixels": pixels, "rows": [classes[label] for label in shown], "columns": names}


def lengths(runs: Runs) -> list[int]:
    """Those for which a network of that width was trained, ascending.

    >>> from sslens.train import Config
    >>> config = Config.at("smoke", optimisation={"steps": 2}, snapshots={"count": 2})
    >>> lengths(Runs.of({"nested": config, "width 64": config}))
    [64]
    """
    return sorted(int(name.removeprefix("width ")) for name in runs if name.startswith("width "))


def correct_by_prefix(runs: Runs, *, classifier: str = "kNN") -> DataArray:
    """Which test images are classified from few columns: way x seed x columns kept x sample.

    For each of the ``WAYS`` and ``lengths``. The networks' ``own head`` knows nothing of cut columns and PCA: these two
    are then read by a ridge that is fitted to them.

    Raises:
        UnknownName: no such classifier, or no run called nested.

    >>> from sslens.train import Config
    >>> config = Config.at("smoke", optimisation={"steps": 4}, snapshots={"count": 2})
    >>> correct_by_prefix(Runs.of({"nested": config, "width 64": config})).way.values.tolist()
    ['nested', 'separate', 'plain, cut', 'plain, PCA']
    """
    if classifier not in (*CLASSIFIERS, OWN):
        raise UnknownName("classifier", classifier, (*CLASSIFIERS, OWN))
    kept = lengths(runs)
    plain, separate = f"width {kept[-1]}", {m: runs[f"width {m}"] for m in kept}
    cut = partial(_of_columns, classify=CLASSIFIERS.get(classifier, classify_by_tuned_ridge))
    trained = _of_head if classifier == OWN else cut
    tables = {
        "nested": _table(runs["nested"], kept, trained),
        "separate": np.stack([_table(traces, [m], trained)[:, 0] for m, traces in separate.items()], 1),
        "plain, cut": _table(runs[plain], kept, cut),
        "plain, PCA": _table(runs[plain], kept, partial(cut, pca=True)),
    }
    images, side = runs["nested"][0].reference, runs["nested"][0].held_out.numpy()
    coords = {"seed": list(runs.seeds), COLUMNS: kept, "sample": np.arange(side.sum())}
    dims, origin = ("seed", COLUMNS, "sample"), ("sample", origins(images)[side])
    found = stacked({way: DataArray(tables[way], coords, dims, "accuracy") for way in WAYS}, "way")
    return found.assign_coords(origin=origin).assign_attrs(unit="", setting=runs.setting)


def _table(traces: Sequence[Trace], kept: Sequence[int], read: Read) -> Float64[np.ndarray, "s l m"]:
    """1 where a test image is classified from so many columns, for each seed and length; NaN after divergence."""
    missing = np.full((len(kept), int(traces[0].held_out.sum())), np.nan)
    return np.stack([missing if each.status == "diverged" else read(each, kept).numpy() for each in traces])


def _of_columns(
    trace: Trace, kept: Sequence[int], *, classify: probe.Classify, pca: bool = False
) -> Float64[Tensor, "l m"]:
    """From the first columns of the representation, or of its principal coordinates on the training side."""
    (h, labels), (others, truth) = sides(trace, trace.snapshots[-1].representation.double(), trace.reference.labels)
    if pca:
        h, others = spectrum.principal(h, others)
    rows = [probe.correct((h[:, :m], labels), (others[:, :m], truth), classify=classify) for m in kept]
    return torch.stack(rows)


def _of_head(trace: Trace, kept: Sequence[int]) -> Float64[Tensor, "l m"]:
    """By the classifier that was trained on each prefix: the part of the embedding that holds its logits."""
    logits, truth = trace.snapshots[-1].embedding[trace.held_out], trace.reference.labels[trace.held_out]
    parts = logits.split(len(trace.reference.classes), 1)
    known = CrossEntropy(nested=len(parts) > 1).prefixes(trace.snapshots[-1].representation.shape[1])
    rows = [(parts[known.index(m)].argmax(1) == truth).double() for m in kept]
    return torch.stack(rows)


def won(correct: DataArray, rival: str) -> DataArray:
    """What nested columns win over those of a rival (one of the ``WAYS``), image by image; in units of accuracy."""
    return difference(correct.sel(way="nested", drop=True), correct.sel(way=rival, drop=True))


def won_at_worst(correct: DataArray) -> DataArray:
    """The same against separate networks at the one length where it is least in the mean: seed x sample.

    Where the interval of the worst length obeys a bound, so does that of every other length of equal spread.
    """
    gained = won(correct, "separate")
    means = gained.mean([dim for dim in gained.dims if dim != COLUMNS], skipna=True).fillna(-1)
    return gained.isel({COLUMNS: int(means.argmin(COLUMNS))}, drop=True)


def short(correct: DataArray, rival: str) -> DataArray:
    """What nested columns win over a rival, in the mean of the ``SHORT`` lengths that there are: seed x sample.

    Raises:
        InputError: a network for none of them.
    """
    gained = won(correct, rival)
    kept = [m for m in SHORT if m in gained[COLUMNS].values]
    if not kept:
        raise InputError(COLUMNS, gained[COLUMNS].values.tolist(), f"one of {SHORT}")
    return gained.sel({COLUMNS: kept}).mean(COLUMNS, skipna=False).assign_attrs(correct.attrs)
