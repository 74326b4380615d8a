"""What every measure demands of features, and the preparations they share: checks, centring, unit rows, rounding.

Measures compute in float64 whatever they are given. Total collapse is a result, not an error: what stands below
the rounding of the input counts as zero, so that constant features have rank 0 and not the rank of their noise.
"""

import math
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple, final

import numpy as np
import torch
from jaxtyping import Float, Float64, Shaped
from torch import Tensor

from sslens.types import Features, InputError, Labels

LARGEST = 1e150
"""Largest size of a number that is squared as it stands: summed over any set that fits a machine it stays finite."""
MATRIX = "a floating-point tensor (n, d), an array or rows of equally many numbers"
"""What features can be."""
INTEGERS = torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64
REMEDIES = {
    1: "Say features[:, None] if there is one dimension, features[None] if there is one sample.",
    3: "Say features.flatten(0, 1) for a row per token, features.mean(1) for a row per sample.",
    4: "Say features.flatten(1), or features.mean((2, 3)) for a row of channels per sample.",
}
"""What to change in features of another number of axes."""


def as_tensor(h: Any, *, name: str = "features") -> Shaped[Tensor, "..."]:
    """What was given as a dense tensor, if it can be meant in one way: arrays, lists and whole numbers are converted.

    Raises:
        InputError: anything else, with what to say instead.

    >>> as_tensor([[1, 2], [3, 4]]).dtype, as_tensor({"hidden": torch.ones(2, 2)}, name="h")
    Traceback (most recent call last):
        ...
    sslens.types.InputError: h must be one tensor. Got 'dict'. Say h['hidden'].
    """
    if isinstance(h, Mapping):
        raise InputError(name, type(h).__name__, "one tensor", f"Say {name}[{next(iter(h), 'name')!r}].")
    if not isinstance(h, Tensor):
        h = converted(h, name)
    hints = {
        "sparse": (h.layout != torch.strided, f"Say {name}.to_dense()."),
        "quantised": (h.is_quantized, f"Say {name}.dequantize()."),
        "of complex numbers": (h.is_complex(), f"Say torch.view_as_real({name}).flatten(1), or {name}.abs()."),
        "of truth values": (h.dtype == torch.bool, f"Say {name}.double()."),
        "without numbers": (h.is_meta, "On the device 'meta' there are only shapes: make it on another."),
    }
    for word, (wrong, hint) in hints.items():
        if wrong:
            raise InputError(name, f"{h.dtype} {tuple(h.shape)}", f"a floating-point tensor, not one {word}", hint)
    return h if h.is_floating_point() else h.double()


def converted(h: Any, name: str, *, allowed: str = MATRIX) -> Shaped[Tensor, "..."]:
    """An array, or numbers in lists, as a tensor of the same type; Python's numbers have 64 bits.

    Raises:
        InputError: anything else.

    >>> converted([[1, 2], [3, 4]], "h").dtype
    torch.int64
    """
    if not (isinstance(h, list | tuple) or hasattr(h, "__array__")):
        attributes = [key for key in ("last_hidden_state", "logits", "features") if hasattr(h, key)]
        hint = f"Say {name}.{attributes[0]}." if attributes else ""
        raise InputError(name, type(h).__name__, allowed, hint)
    try:
        array = np.asarray(h)
        # torch takes no array that runs backwards, and none in the order of another machine's bytes.
        return torch.from_numpy(np.array(array, array.dtype.newbyteorder("="), order="C"))
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(name, type(h).__name__, allowed, str(error).splitlines()[0]) from None


def checked_features(h: Shaped[Tensor, "..."], *, name: str = "features", rows: int = 1) -> Features:
    """The features in float64 and without gradient, if a measure can answer for them.

    Raises:
        InputError: not a floating-point matrix, fewer than ``rows`` rows, no column, or a value that is not finite
            (a diverged run) or too large to be squared, with their count and the place of the first.

    >>> checked_features(torch.tensor([[1.0, 2.0], [float("nan"), 4.0]]))
    Traceback (most recent call last):
        ...
    sslens.types.InputError: features must be finite, below 1e+150 in size. Got nan. This is true of 1 of 4 values,
    first in row 1, column 0.
    """
    return _sized(as_tensor(h, name=name), name, rows, LARGEST)[0]


def finite_features(h: Shaped[Tensor, "..."], *, name: str = "features", rows: int = 1) -> Features:
    """``checked_features`` of any size, for what squares no number as it stands.

    Raises:
        InputError: as for ``checked_features``, but for the size.

    >>> finite_features(torch.tensor([[1e300]], dtype=torch.float64))
    tensor([[1.0000e+300]], dtype=torch.float64)
    """
    return _sized(as_tensor(h, name=name), name, rows, math.inf)[0]


def _sized(h: Shaped[Tensor, "..."], name: str, rows: int, largest: float) -> tuple[Features, float]:
    """The checked features and their Frobenius norm, which is 0 or infinite where squares of them are."""
    if h.ndim != 2 or h.shape[0] < rows or not h.shape[1]:
        allowed = f"a floating-point tensor (n, d) of at least {rows} row(s) and 1 column"
        raise InputError(name, f"{h.dtype} {tuple(h.shape)}", allowed, REMEDIES.get(h.ndim, ""))
    values = h.detach().double()
    size = float(torch.linalg.vector_norm(values))
    # One number shows of nearly all matrices that every value is right; a NaN compares false.
    if not size < LARGEST and (wrong := ~(values.abs() < largest)).any():
        row, column = wrong.nonzero()[0].tolist()
        hint = f"This is true of {int(wrong.sum())} of {h.numel()} values, first in row {row}, column {column}."
        allowed = "finite" if largest == math.inf else f"finite, below {largest:g} in size"
        raise InputError(name, values[row, column].item(), allowed, hint)
    return values, size


def checked_queries(
    queries: Shaped[Tensor, "..."], width: int, *, name: str = "queries", rows: int = 1
) -> Float64[Tensor, "m d"]:
    """Features to be judged, in float64, if they have as many columns as those they are judged by.

    Raises:
        InputError: as ``finite_features``, or another width.

    >>> checked_queries(torch.ones(2, 3), 4)
    Traceback (most recent call last):
        ...
    sslens.types.InputError: queries must be a matrix of 4 columns, like those they are judged by. Got (2, 3).
    """
    values = finite_features(queries, name=name, rows=rows)
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
    if isinstance(labels, np.ndarray | list | tuple):
        labels = converted(labels, name)
    fits = isinstance(labels, Tensor) and labels.dtype in INTEGERS and labels.ndim == 1 and len(labels) > 0
    if not fits or len(labels) != (count or len(labels)):
        got = f"{labels.dtype} {tuple(labels.shape)}" if isinstance(labels, Tensor) else type(labels).__name__
        raise InputError(name, got, f"an integer tensor (n,) of {count or 'at least 1'} labels", _hint(labels, name))
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or (classes is not None and high >= classes):
        allowed = "whole numbers from 0" + (f" to {classes - 1}" if classes is not None else "")
        hint = f"Samples without a label are left out: keep = {name} >= 0." if low < 0 else ""
        raise InputError(name, low if low < 0 else high, allowed, hint)
    return labels.long()


def _hint(labels: Any, name: str) -> str:
    """What to say where labels are numbers, but not one whole number for each sample."""
    if not isinstance(labels, Tensor) or labels.numel() == 0:
        return ""
    if labels.ndim == 2:
        return f"Say {name}.argmax(1) if they have a column for each class, {name}.flatten() if they have one column."
    return f"Say {name}.long()." if labels.ndim == 1 and labels.dtype not in INTEGERS else ""


@final
class Prepared(NamedTuple):
    """Checked features in a unit in which their squares are neither infinite nor 0, and what rounding does to them.

    >>> Prepared(torch.ones(2, 3).double(), unit=2.0**900, floor=0.0, grain=0.0).values.shape
    torch.Size([2, 3])
    """

    values: Float64[Tensor, "n d"]
    """The features, over ``unit``."""
    unit: float
    """A power of two, so that nothing is rounded; 1 for features of ordinary size."""
    floor: float
    """How far rounding can have moved the whole matrix: eps(type given) · ‖h‖_F, over ``unit``."""
    grain: float
    """How long rounding can have made a single direction, over ``unit``; see ``grain``."""


def prepared(h: Features, *, name: str = "features", rows: int = 1) -> Prepared:
    """The features of any size, as measures take them that square: float64, divided by a power of two if need be.

    Raises:
        InputError: as for ``finite_features``.

    >>> values, unit, floor, _ = prepared(torch.full((4, 4), 2.0**900, dtype=torch.float64))
    >>> values[0, 0].item() * unit == 2.0**900, floor * unit == 4 * 2.0**848
    (True, True)
    """
    given = as_tensor(h, name=name)
    values, size = _sized(given, name, rows, math.inf)
    unit = unit_of(values, size)
    if unit != 1:
        values = values / unit
        size = float(torch.linalg.vector_norm(values))
    floor = torch.finfo(given.dtype).eps * size
    return Prepared(values, unit, floor, grain(given) / unit if given.dtype.itemsize < 4 else floor)


def unit_of(values: Float64[Tensor, "..."], size: float | None = None) -> float:
    """The power of two next to the largest of the numbers, or 1 if their squares are safe, as they nearly always are.

    >>> unit_of(torch.ones(2).double()), unit_of(torch.ones(2).double() * 3e-300) == 2.0**-995
    (1.0, True)
    """
    size = float(torch.linalg.vector_norm(values)) if size is None else size
    if 1e-100 < size < 1e100 or not (largest := float(values.abs().max())):
        return 1.0
    return 2.0 ** max(math.frexp(largest)[1] - 1, -1022)


def rounding(h: Float[Tensor, "..."]) -> float:
    """How far rounding can have moved a matrix of this type and size: eps(dtype) · ‖h‖_F.

    >>> rounding(torch.ones(4, 4, dtype=torch.float64)) == 4 * 2.0**-52
    True
    """
    values = h.detach().double()
    unit = unit_of(values)
    return torch.finfo(h.dtype).eps * float(torch.linalg.vector_norm(values / unit if unit != 1 else values)) * unit


def grain(h: Float[Tensor, "n d"]) -> float:
    """How long the rounding of a matrix of 16 bits or fewer can make one direction.

    The largest norm of a row and that of a column together, of half a unit in the last place of each number. No
    rounding, whatever its pattern, is above eps · ‖h‖_F, and finer types are held to that; but of bfloat16 it would
    swallow directions that are there. Independent errors of at most e_ij make a matrix whose norm is hardly above the
    root mean squares of its largest row and column together (e / √3): e itself leaves room. Errors that repeat
    themselves, as those of copied samples do, can be longer.

    Reference: Bandeira, van Handel, "Sharp nonasymptotic bounds on the norm of random matrices with independent
    entries", Annals of Probability 2016, thm. 1.1.

    >>> grain(torch.ones(4, 4, dtype=torch.bfloat16)) == (2 + 2) * 2.0**-8
    True
    """
    kind, values = torch.finfo(h.dtype), h.detach().double()
    exponent = torch.frexp(values.abs().clamp_min(kind.tiny)).exponent - 1
    half = torch.ldexp(torch.full_like(values, kind.eps / 2), exponent)
    return float(half.norm(dim=1).max() + half.norm(dim=0).max())


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


def deviations(h: Features, *, name: str = "features") -> Prepared:
    """The ``prepared`` features minus their mean: where a measure of the covariance begins.

    ``centred`` in the least time and memory, for what is rounded by ``significant`` afterwards: here nothing is made
    zero. The matrix is the caller's to change.

    Raises:
        InputError: as for ``finite_features``, or a single row.

    >>> deviations(torch.tensor([[1.0, 5.0], [3.0, 5.0]])).values.tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """
    found = prepared(h, name=name, rows=2)
    values = found.values
    if isinstance(h, Tensor) and h.dtype == values.dtype and found.unit == 1:
        values = values - values.mean(0)  # leaves h alone; what this pass leaves of the mean only float64 can tell
    values -= values.mean(0)
    return found._replace(values=values)


def squared(sizes: Float64[Tensor, "..."], unit: float, *, name: str = "features") -> Float64[Tensor, "..."]:
    """Squares of sizes that are over ``unit``, in the unit of the features.

    Raises:
        InputError: the largest of them is above or below what a floating-point number can be.

    >>> squared(torch.tensor([2.0]).double(), 2.0**-900)
    Traceback (most recent call last):
        ...
    sslens.types.InputError: features must be of a size whose square is a floating-point number, 1e-150 to 1e150. Got
    1.183e-271. Say features / 1.183e-271: what is squared comes out by that unit.
    """
    squares = sizes.square() * unit * unit
    if unit != 1 and sizes.any() and not torch.finfo(squares.dtype).tiny <= float(squares.max()) < math.inf:
        allowed = "of a size whose square is a floating-point number, 1e-150 to 1e150"
        hint = f"Say {name} / {unit:.4g}: what is squared comes out by that unit."
        raise InputError(name, float(f"{unit:.4g}"), allowed, hint)
    return squares


@final
class Coarse(UserWarning):
    """Directions of features that their type of few bits cannot tell from its own rounding."""


def significant(spectrum: Float[Tensor, "k"], *, floor: float, grain: float | None = None) -> Float[Tensor, "k"]:
    """Descending singular values of features, with 0 for those that rounding alone can make.

    That is up to the ``grain`` of the input (its ``floor`` where there is no other), all of them if together they are
    within the floor; or up to k · eps(float64) · σ₁, the rounding of the SVD. Where a type of 16 bits or fewer hides
    directions, a warning (``Coarse``) says so.

    >>> significant(torch.tensor([1.0, 1e-9]), floor=1e-7)
    tensor([1., 0.])
    """
    level = negligible(spectrum, floor=floor, grain=grain)
    if grain not in (None, floor):
        hidden = int(((spectrum > negligible(spectrum, floor=0.0)) & (spectrum <= level)).sum())
        if hidden:
            text = (
                f"{hidden} of {len(spectrum)} directions are as small as what the type of these features rounds away. "
                "Centred spectra count them as none: a number of directions is 'at least' this. RankMe as published "
                "counts them. Give features of 32 bits that were never rounded to fewer."
            )
            warnings.warn(text, Coarse, stacklevel=4)
    return torch.nn.functional.threshold(spectrum, level, 0.0)


def negligible(spectrum: Float[Tensor, "k"], *, floor: float, grain: float | None = None) -> float:
    """The level up to which ``significant`` takes singular values for rounding.

    >>> negligible(torch.tensor([1.0, 1e-9]), floor=1e-7), negligible(torch.tensor([1e-8, 0.0]), floor=1.0, grain=1e-9)
    (1e-07, inf)
    """
    noise = len(spectrum) * torch.finfo(torch.float64).eps * float(spectrum[0])
    if grain is None or grain == floor:
        return max(floor, noise)
    collapsed = float(torch.linalg.vector_norm(spectrum)) <= floor
    return math.inf if collapsed else max(grain, noise)


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
