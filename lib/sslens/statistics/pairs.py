"""Pairs: the only ways in which numbers of different runs are combined."""

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
from xarray import DataArray

from sslens.types import InputError

ORIGIN = "origin"
"""The coordinate along sample that says which original each sample was made from."""


def paired(first: DataArray, second: DataArray) -> tuple[DataArray, DataArray]:
    """Both arrays, if every coordinate that they share is the same in both; nothing is aligned, filled or left out.

    xarray's own arithmetic keeps what two arrays have in common and says nothing of the rest (2026.9.0: seeds 0, 1, 2
    minus seeds 1, 2 leaves two).

    Raises:
        InputError: a seed, step or other label that one of them lacks, or that stands in another order; samples of
            other originals.

    >>> three, two = (DataArray(np.zeros(n), {"seed": list(range(n))}) for n in (3, 2))
    >>> paired(three, two)
    Traceback (most recent call last):
        ...
    sslens.types.InputError: seed must be the same in both: [0, 1, 2]. Got [0, 1].
    """
    shared = [dim for dim in first.dims if dim in second.dims]
    for name in (*shared, *(ORIGIN for each in (first, second) if ORIGIN in each.coords and "sample" in shared)):
        ours, theirs = labels(first, name), labels(second, name)
        if ours != theirs:
            raise InputError(str(name), theirs, f"the same in both: {ours}")
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
    """The labels along a dimension, or of a coordinate, as plain Python values; places where it has no labels.

    >>> labels(DataArray([3.0, 2.0], {"seed": [0, 1]}), "seed")
    [0, 1]
    """
    return array[dim].values.tolist() if dim in array.coords else list(range(array.sizes.get(dim, 0)))


def _combined(
    first: DataArray, second: DataArray, combine: Callable[[np.ndarray, np.ndarray], np.ndarray], name: str
) -> DataArray:
    paired(first, second)
    if set(first.dims) != set(second.dims):
        raise InputError("dims", second.dims, f"the same in both: {first.dims}")
    values = combine(first.values, second.transpose(*first.dims).values)
    coords: dict[str, Any] = {str(dim): first[dim].values for dim in first.dims if dim in first.coords}
    if ORIGIN in first.coords and "sample" in first.dims:
        coords[ORIGIN] = ("sample", first[ORIGIN].values)
    shared = {key: value for key, value in first.attrs.items() if second.attrs.get(key) == value}
    return DataArray(values, coords, first.dims, name or None, shared)
