"""Repetitions: intervals over seeds, and the only way in which numbers of different runs are combined."""

import math
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import final

import numpy as np
from xarray import DataArray

from sslens.types import InputError


@final
@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval over ``n`` repetitions."""

    mean: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Iterable[float], confidence: float = 0.95) -> "Interval":
        """Student-t interval of the mean: mean ± t₍ₙ₋₁₎ · s / √n, unbounded for a single value.

        Raises:
            InputError: no value, or one that is not finite.

        >>> Interval.of([1.0, 2.0, 3.0])
        Interval(mean=2.0, low=-0.484..., high=4.484..., n=3)
        """
        from scipy.special import stdtrit  # 0.3 s of import that only intervals need

        values = [float(value) for value in values]
        if not values or not all(math.isfinite(value) for value in values):
            raise InputError("values", values, "at least one finite number")
        n, mean = len(values), math.fsum(values) / len(values)
        if n == 1:
            return cls(mean, -math.inf, math.inf, 1)
        error = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1) / n)
        half = float(stdtrit(n - 1, 0.5 + confidence / 2)) * error
        return cls(mean, mean - half, mean + half, n)


def interval(values: DataArray, *, over: str = "seed", confidence: float = 0.95) -> Interval:
    """The Student-t interval of a vector of repetitions; a run that diverged makes it NaN, and still counts in n.

    Raises:
        InputError: not a vector along ``over``.

    >>> interval(DataArray([1.0, 2.0, 3.0], {"seed": [0, 1, 2]}))
    Interval(mean=2.0, low=-0.484..., high=4.484..., n=3)
    >>> interval(DataArray([1.0, np.nan, 3.0], {"seed": [0, 1, 2]}))
    Interval(mean=nan, low=nan, high=nan, n=3)
    """
    if values.dims != (over,):
        raise InputError("values", values.dims, f"numbers along {over} alone")
    if not np.isfinite(values.values).all():
        return Interval(math.nan, math.nan, math.nan, values.sizes[over])
    return Interval.of(values.values.tolist(), confidence)


def paired(first: DataArray, second: DataArray) -> tuple[DataArray, DataArray]:
    """Both arrays, if every coordinate that they share is the same in both; nothing is aligned, filled or left out.

    xarray's own arithmetic keeps what two arrays have in common and says nothing of the rest (2026.9.0: seeds 0, 1, 2
    minus seeds 1, 2 leaves two).

    Raises:
        InputError: a seed, step or other label that one of them lacks, or that stands in another order.

    >>> three, two = (DataArray(np.zeros(n), {"seed": list(range(n))}) for n in (3, 2))
    >>> paired(three, two)
    Traceback (most recent call last):
        ...
    sslens.types.InputError: seed must be the same in both: [0, 1, 2]. Got [0, 1].
    """
    for dim in (dim for dim in first.dims if dim in second.dims):
        ours, theirs = labels(first, dim), labels(second, dim)
        if ours != theirs:
            raise InputError(str(dim), theirs, f"the same in both: {ours}")
    return first, second


def difference(first: DataArray, second: DataArray, *, name: str = "") -> DataArray:
    """``first`` minus ``second``, pair by pair; NaN where either run had diverged.

    Raises:
        InputError: as ``paired``.

    >>> difference(DataArray([3.0, 2.0], {"seed": [0, 1]}), DataArray([1.0, 1.0], {"seed": [0, 1]})).values
    array([2., 1.])
    """
    return _combined(first, second, np.subtract, name)


def ratio(first: DataArray, second: DataArray, *, name: str = "") -> DataArray:
    """``first`` over ``second``, pair by pair; NaN where either run had diverged. 0/0 counts as 1, no change.

    Raises:
        InputError: as ``paired``.

    >>> ratio(DataArray([3.0, 0.0], {"seed": [0, 1]}), DataArray([2.0, 0.0], {"seed": [0, 1]})).values
    array([1.5, 1. ])
    """

    def divided(above: np.ndarray, below: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where((above == 0) & (below == 0), 1.0, above / below)

    return _combined(first, second, divided, name)


def labels(array: DataArray, dim: Hashable) -> list[object]:
    """The labels along a dimension as plain Python values; places where it has no labels.

    >>> labels(DataArray([3.0, 2.0], {"seed": [0, 1]}), "seed")
    [0, 1]
    """
    return array[dim].values.tolist() if dim in array.coords else list(range(array.sizes[dim]))


def _combined(
    first: DataArray, second: DataArray, combine: Callable[[np.ndarray, np.ndarray], np.ndarray], name: str
) -> DataArray:
    paired(first, second)
    if set(first.dims) != set(second.dims):
        raise InputError("dims", second.dims, f"the same in both: {first.dims}")
    values = combine(first.values, second.transpose(*first.dims).values)
    coords = {dim: first[dim] for dim in first.dims if dim in first.coords}
    shared = {key: value for key, value in first.attrs.items() if second.attrs.get(key) == value}
    return DataArray(values, {str(dim): each.values for dim, each in coords.items()}, first.dims, name or None, shared)
