"""What readers of features pay or gain when the spectrum is reshaped, the labels are few, or the columns are cut."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Annotated

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from sslens.measures.features import checked_features, deviations, significant
from sslens.measures.probe.checks import checked_queries
from sslens.measures.probe.linear import nearest_mean, ridge
from sslens.measures.probe.neighbours import knn
from sslens.measures.probe.shots import Classify, accuracy, few_labels
from sslens.runtime import stream
from sslens.types import Features, InputError, Interval, Labels, OneOf, Range, checked

Beta = Annotated[float, Range(0, 100)]


def _by_ridge(known: Features, labels: Labels, asked: Float[Tensor, "m d"]) -> Int[Tensor, "m"]:
    return ridge(known, labels).predict(asked)


def _by_mean(known: Features, labels: Labels, asked: Float[Tensor, "m d"]) -> Int[Tensor, "m"]:
    return nearest_mean(known, labels).predict(asked)


READERS: Mapping[str, Classify] = {"ridge": _by_ridge, "nearest mean": _by_mean, "kNN": knn}
"""What names a sample by its features; all with the defaults of ``probe``, and none blind to the spectrum."""
DRAWS = 5
"""Of the labels, for each half of the test samples."""
Reader = Annotated[str, OneOf(READERS)]


def principal(bank: Features, test: Float[Tensor, "m d"]) -> tuple[Float64[Tensor, "n k"], Float64[Tensor, "m k"]]:
    """Both sets in coordinates along the principal axes of ``bank``, largest variance first, its mean at the origin.

    k = min(n, d); a coordinate along which ``bank`` has only rounding is 0 in both. The first m columns are the PCA
    truncation to m dimensions: the best of all linear ones in mean squared distance. The sign of a column is arbitrary.

    Raises:
        InputError: no finite (n, d) and (m, d) matrices with n >= 2.

    Reference: Jolliffe, "Principal component analysis", 2002, ch. 2.

    >>> bank = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> [side.abs().round(decimals=6).tolist() for side in principal(bank, bank[:1] * 3)][1]
    [[6.0, 0.0]]
    """
    deviation, floor = deviations(bank, name="bank")
    queries = checked_queries(test, bank.shape[1], name="test")
    mean = bank[0].detach().double() - deviation[0]
    left, spectrum, axes = torch.linalg.svd(deviation, full_matrices=False)
    spectrum = significant(spectrum, bank, floor=floor)
    return left * spectrum, (queries - mean) @ axes.T * (spectrum > 0)


def reshaped(
    bank: Features, test: Float[Tensor, "m d"], *, beta: float
) -> tuple[Float64[Tensor, "n k"], Float64[Tensor, "m k"]]:
    """Both sets with another spectrum: ``spectrum.spectral_map`` fitted to ``bank`` and applied to ``test`` as well.

    The variance of ``bank`` along its k-th principal axis becomes proportional to k^−beta, its total is kept. Given in
    the coordinates of ``principal``, which no ridge, nearest mean or other reader indifferent to rotation and mean can
    tell from the original ones.

    Raises:
        InputError: as for ``principal``, or beta outside [0, 100].

    Reference: He and Ozay, "Exploring the gap between collapsed & whitened features in self-supervised learning",
    ICML 2022 (linear form of its post-hoc manipulation of the power law).

    >>> bank = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> reshaped(bank, bank, beta=0.0)[0].square().sum(0).round(decimals=6)
    tensor([5., 5.], dtype=torch.float64)
    """
    beta = checked("beta", beta, Beta)
    known, asked = principal(bank, test)
    size = torch.linalg.vector_norm(known, dim=0)
    there = size > 0
    wanted = torch.arange(1, len(size) + 1, dtype=size.dtype, device=size.device).pow(-beta / 2) * there
    wanted = wanted * (size.norm() / wanted.norm()).where(there.any(), 0.0)
    gain = torch.where(there, wanted / size, 0.0)
    return known * gain, asked * gain


def label_budgets(
    bank: tuple[Features, Labels],
    test: tuple[Float[Tensor, "m d"], Int[Tensor, "m"]],
    *,
    betas: Sequence[float],
    per_class: Sequence[int],
    reader: str = "ridge",
    seed: int = 0,
) -> Float64[Tensor, "2 b c"]:
    """Accuracy of a reader for every spectrum and number of labels per class, on each half of the test samples.

    The first of the b rows has the features as they are, the others are ``reshaped`` to the ``betas``. 0 labels stand
    for all of ``bank``; a number stands for the mean of five draws (``probe.few_labels``), the same ones in every row.
    The halves (every second sample) have draws of their own (streams ``labels 0`` and ``labels 1`` of the seed), so
    that what is chosen on one can be judged on the other (``gain_of_best``). Least squares without penalty and a probe
    on standardised dimensions would see no difference between the rows; the ``READERS`` do.

    Raises:
        UnknownName: no such reader.
        InputError: as for ``reshaped`` and ``probe.few_labels``, fewer than 2 test samples, or no number of labels.

    >>> side = torch.tensor([[9.0, 0.0], [9.0, 1.0], [-9.0, 0.0], [-9.0, 1.0]]), torch.tensor([0, 0, 1, 1])
    >>> label_budgets(side, side, betas=[2.0], per_class=[1, 0]).tolist()
    [[[1.0, 1.0], [1.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]]]
    """
    if not len(per_class):
        raise InputError("per_class", per_class, "at least one number of labels")
    classify = READERS[checked("reader", reader, Reader)]
    checked_queries(test[0], checked_features(bank[0], name="bank").shape[1], name="test", rows=2)
    counts = [checked("per_class", count, Annotated[int, Range(0, len(bank[0]))]) for count in per_class]
    rows = [(bank[0], test[0]), *(reshaped(bank[0], test[0], beta=beta) for beta in betas)]
    found = []
    for half in (0, 1):
        names, truth = bank[1], test[1][half::2]
        for known, asked in rows:
            sides = (known, names), (asked[half::2], truth)
            found.append([_read(*sides, classify=classify, per_class=count, seed=(seed, half)) for count in counts])
    return torch.tensor(found, dtype=torch.float64).view(2, len(rows), len(counts))


def _read(
    bank: tuple[Features, Labels],
    test: tuple[Float[Tensor, "m d"], Int[Tensor, "m"]],
    *,
    classify: Classify,
    per_class: int,
    seed: tuple[int, int],
) -> float:
    if not per_class:
        return accuracy(classify(*bank, test[0]), test[1])
    generator = stream(seed[0], f"labels {seed[1]}")
    return few_labels(bank, test, classify=classify, per_class=per_class, draws=DRAWS, generator=generator).mean


def gain_of_best(tables: Float[Tensor, "*s 2 b c"]) -> Float64[Tensor, "*s c"]:
    """What the best spectrum wins over the trained one, for each number of labels; in units of accuracy.

    ``tables`` are of ``label_budgets``, one or one per seed. The row that is best on one half (the first among equals,
    the trained one not counted) is judged on the other; the mean of both ways. Choosing and judging on the same numbers
    would find a gain where there is none.

    Raises:
        InputError: no row beside the trained one.

    >>> gain_of_best(torch.tensor([[[0.5], [0.7], [0.6]], [[0.5], [0.4], [0.8]]])).abs() < 1e-6
    tensor([True])
    """
    if tables.shape[-2] < 2:
        raise InputError("tables", tuple(tables.shape), "halves with at least 2 rows")
    gains = tables.double() - tables[..., :1, :].double()
    best = 1 + tables[..., 1:, :].argmax(-2, keepdim=True)
    return gains.flip(-3).gather(-2, best).mean(-3)[..., 0, :]


def best_beta(tables: Float[Tensor, "*s 2 b c"], betas: Sequence[float]) -> Float64[Tensor, "*s c"]:
    """The beta of the best reshaped row over both halves, for each number of labels; the smallest among equals.

    Raises:
        InputError: not one beta for each row of ``label_budgets`` but the first.

    >>> best_beta(torch.tensor([[[0.9], [0.5], [0.6]], [[0.9], [0.7], [0.8]]]), [0.0, 2.0])
    tensor([2.], dtype=torch.float64)
    """
    if not len(betas) or len(betas) != tables.shape[-2] - 1:
        raise InputError("betas", list(betas), f"one for each of the {tables.shape[-2] - 1} rows after the first")
    values = torch.tensor(betas, dtype=torch.float64, device=tables.device)
    return values[tables[..., 1:, :].double().mean(-3).argmax(-2)]


def prefixes(
    bank: tuple[Features, Labels],
    test: tuple[Float[Tensor, "m d"], Int[Tensor, "m"]],
    *,
    lengths: Sequence[int],
    reader: str = "kNN",
    pca: bool = False,
) -> Float64[Tensor, "l"]:
    """Accuracy of a reader that is given the first columns only, for each length.

    Of the features as they are, or with ``pca`` of their ``principal`` coordinates, in order of variance.

    Raises:
        UnknownName: no such reader.
        InputError: features or labels that do not match, no length, or one that is not in [1, d].

    Reference: Kusupati et al., "Matryoshka representation learning", NeurIPS 2022, arXiv 2205.13147, sec. 4.1-4.2.

    >>> side = torch.tensor([[1.0, 1.0], [1.0, -1.0]]), torch.tensor([0, 1])
    >>> prefixes(side, side, lengths=[1, 2], reader="nearest mean")
    tensor([0.5000, 1.0000], dtype=torch.float64)
    """
    checked_queries(test[0], checked_features(bank[0], name="bank").shape[1], name="test")
    if not len(lengths):
        raise InputError("lengths", lengths, "at least one length")
    classify = READERS[checked("reader", reader, Reader)]
    known, asked = principal(bank[0], test[0]) if pca else (bank[0], test[0])
    lengths = [checked("lengths", length, Annotated[int, Range(1, known.shape[1])]) for length in lengths]
    found = [accuracy(classify(known[:, :m], bank[1], asked[:, :m]), test[1]) for m in lengths]
    return torch.tensor(found, dtype=torch.float64)


def intervals(
    places: Iterable[Hashable], values: Iterable[Iterable[float] | Float[Tensor, "s"]]
) -> dict[Hashable, Interval]:
    """A line of a figure: at each place the interval of its values over seeds.

    Raises:
        InputError: a place without a value, or with one that is not finite.
        ValueError: not as many rows of values as places.

    >>> intervals([8, 16], torch.tensor([[0.5, 0.5], [0.25, 0.75]]))[16].mean
    0.5
    """
    return {place: Interval.of([float(value) for value in each]) for place, each in zip(places, values, strict=True)}
