"""What every measure demands of features, and the preparations they share: checks, centring, unit rows, rounding.

Measures compute in float64 whatever they are given. Total collapse is a result, not an error: what stands below
the rounding of the input counts as zero, so that constant features have rank 0 and not the rank of their noise.
"""

import torch
from jaxtyping import Float, Float64, Shaped
from torch import Tensor

from sslens.types import Features, InputError, Labels

LARGEST = 1e150
"""Largest size of a feature: squares of it, summed over any data set that fits a machine, stay finite."""


def checked_features(h: Shaped[Tensor, "..."], *, name: str = "features", rows: int = 1) -> Features:
    """The features in float64 and without gradient, if a measure can answer for them.

    Raises:
        InputError: not a floating-point matrix, fewer than ``rows`` rows, no column, or a value that is not finite
            (a diverged run), with their count and the place of the first.

    >>> checked_features(torch.tensor([[1.0, 2.0], [float("nan"), 4.0]]))
    Traceback (most recent call last):
        ...
    sslens.types.InputError: features must be finite, below 1e+150 in size. Got nan. This is true of 1 of 4 values,
    first in row 1, column 0.
    """
    return _sized(h, name, rows)[0]


def _sized(h: Shaped[Tensor, "..."], name: str, rows: int) -> tuple[Features, float]:
    """The checked features and their Frobenius norm."""
    if not (isinstance(h, Tensor) and h.is_floating_point() and h.ndim == 2 and h.shape[0] >= rows and h.shape[1]):
        got = f"{h.dtype} {tuple(h.shape)}" if isinstance(h, Tensor) else type(h).__name__
        raise InputError(name, got, f"a floating-point tensor (n, d) of at least {rows} row(s) and 1 column")
    values = h.detach().double()
    size = float(torch.linalg.vector_norm(values))
    # One number shows of nearly all matrices that every value is right; a NaN compares false.
    if not size < LARGEST and (wrong := ~(values.abs() < LARGEST)).any():
        row, column = wrong.nonzero()[0].tolist()
        hint = f"This is true of {int(wrong.sum())} of {h.numel()} values, first in row {row}, column {column}."
        raise InputError(name, values[row, column].item(), f"finite, below {LARGEST:g} in size", hint)
    return values, size


def checked_queries(
    queries: Shaped[Tensor, "..."], width: int, *, name: str = "queries", rows: int = 1
) -> Float64[Tensor, "m d"]:
    """Features to be judged, in float64, if they have as many columns as those they are judged by.

    Raises:
        InputError: as ``checked_features``, or another width.

    >>> checked_queries(torch.ones(2, 3), 4)
    Traceback (most recent call last):
        ...
    sslens.types.InputError: queries must be a matrix of 4 columns, like those they are judged by. Got (2, 3).
    """
    values = checked_features(queries, name=name, rows=rows)
    if values.shape[1] != width:
        allowed = f"a matrix of {width} columns, like those they are judged by"
        raise InputError(name, tuple(values.shape), allowed)
    return values


def checked_labels(
    labels: Shaped[Tensor, "..."], *, name: str = "labels", count: int | None = None, classes: int | None = None
) -> Labels:
    """The labels as int64, if they are one whole number from 0 for each of ``count`` samples (where it is given).

    Raises:
        InputError: not a vector of integers, empty, of another length, negative, or not below ``classes``.

    >>> checked_labels(torch.tensor([0, 3]), classes=3)
    Traceback (most recent call last):
        ...
    sslens.types.InputError: labels must be whole numbers from 0 to 2. Got 3.
    """
    integers = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
    fits = isinstance(labels, Tensor) and labels.dtype in integers and labels.ndim == 1 and len(labels) > 0
    if not fits or len(labels) != (count or len(labels)):
        got = f"{labels.dtype} {tuple(labels.shape)}" if isinstance(labels, Tensor) else type(labels).__name__
        raise InputError(name, got, f"an integer tensor (n,) of {count or 'at least 1'} labels")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or (classes is not None and high >= classes):
        allowed = "whole numbers from 0" + (f" to {classes - 1}" if classes is not None else "")
        raise InputError(name, low if low < 0 else high, allowed)
    return labels.long()


def rounding(h: Float[Tensor, "..."]) -> float:
    """How far rounding can have moved a matrix of this type and size: eps(dtype) · ‖h‖_F.

    >>> rounding(torch.ones(4, 4, dtype=torch.float64)) == 4 * 2.0**-52
    True
    """
    return torch.finfo(h.dtype).eps * float(torch.linalg.vector_norm(h.detach(), dtype=torch.float64))


def with_rounding(h: Features, *, name: str = "features", rows: int = 1) -> tuple[Features, float]:
    """``checked_features`` and ``rounding(h)`` in one pass over the features.

    Raises:
        InputError: as for ``checked_features``.

    >>> with_rounding(torch.ones(4, 4, dtype=torch.float64))[1] == 4 * 2.0**-52
    True
    """
    values, size = _sized(h, name, rows)
    return values, torch.finfo(h.dtype).eps * size


def centred(values: Float[Tensor, "n d"], *, floor: float) -> Float[Tensor, "n d"]:
    """Rows minus their mean; exactly zero where what remains is not above ``floor`` (in Frobenius norm).

    >>> centred(torch.tensor([[1.0, 5.0], [3.0, 5.0]]), floor=0.0)
    tensor([[-1.,  0.],
            [ 1.,  0.]])
    """
    deviation = values - values.mean(0)
    # The mean of equal numbers is not always that number; a second pass takes out what the first one left.
    deviation -= deviation.mean(0)
    return deviation if float(torch.linalg.vector_norm(deviation)) > floor else deviation.zero_()


def deviations(h: Features, *, name: str = "features") -> tuple[Float[Tensor, "n d"], float]:
    """Checked features minus their mean, in float64, and ``rounding(h)``: where a measure of the covariance begins.

    ``centred`` in the least time and memory, for what is rounded by ``significant`` afterwards: here nothing is made
    zero. The matrix is the caller's to change.

    Raises:
        InputError: as for ``checked_features``, or a single row.

    >>> deviations(torch.tensor([[1.0, 5.0], [3.0, 5.0]]))[0].tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """
    values, floor = with_rounding(h, name=name, rows=2)
    if h.dtype == values.dtype:
        values = values - values.mean(0)  # leaves h alone; what this pass leaves of the mean only float64 can tell
    values -= values.mean(0)
    return values, floor


def significant(spectrum: Float[Tensor, "k"], h: Features, *, floor: float | None = None) -> Float[Tensor, "k"]:
    """Descending singular values of the centred ``h``, with 0 for those that rounding alone can make.

    That is up to eps(dtype of h) · ‖h‖_F, the rounding of the input before centring (``floor``, where that is known
    already), or up to min(n, d) · eps(float64) · σ₁, the rounding of the SVD.

    >>> significant(torch.tensor([1.0, 1e-9]), torch.ones(2, 2))
    tensor([1., 0.])
    """
    noise = min(h.shape) * torch.finfo(torch.float64).eps * float(spectrum[0])
    return torch.nn.functional.threshold(spectrum, max(rounding(h) if floor is None else floor, noise), 0.0)


def unit_rows(values: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Rows divided by their length; a row of zeros stays zero.

    >>> unit_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """
    # First by the largest entry: the square of a very small row would vanish.
    tiny = torch.finfo(values.dtype).tiny
    largest = torch.maximum(values.amax(1, keepdim=True), -values.amin(1, keepdim=True))
    scaled = values / largest.clamp_min(tiny)
    return scaled.div_(torch.linalg.vector_norm(scaled, dim=1, keepdim=True).clamp_min(tiny))
