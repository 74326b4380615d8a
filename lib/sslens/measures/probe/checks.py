"""What the probes ask of their input beyond what every measure asks."""

from collections.abc import Sequence
from typing import Annotated

from jaxtyping import Float64, Shaped
from torch import Tensor

from sslens.measures.features import checked_features
from sslens.types import InputError, Range, checked

Positive = Annotated[float, Range(0, 1e12, above=True)]
"""Legal strengths of a penalty, and temperatures."""


def checked_queries(
    queries: Shaped[Tensor, "..."], width: int, *, name: str = "queries", rows: int = 1
) -> Float64[Tensor, "m d"]:
    """Features to be judged, in float64, if they have as many columns as those they are judged by.

    Raises:
        InputError: as ``checked_features``, or another width.

    >>> import torch
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


def checked_values(values: Shaped[Tensor, "..."], *, name: str, count: int) -> Float64[Tensor, "n"]:
    """One real number per sample, in float64.

    Raises:
        InputError: no floating-point vector of ``count`` numbers, or one that is not finite.

    >>> import torch
    >>> checked_values(torch.tensor([0.5, 2.0]), name="values", count=2)
    tensor([0.5000, 2.0000], dtype=torch.float64)
    """
    if not (isinstance(values, Tensor) and values.is_floating_point() and values.shape == (count,)):
        got = f"{values.dtype} {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__
        raise InputError(name, got, f"a floating-point vector of {count} numbers, one per sample")
    return checked_features(values[:, None], name=name)[:, 0]


def checked_strengths(strengths: Sequence[float]) -> list[float]:
    """At least one penalty, all positive.

    Raises:
        InputError: none, or one that is not above 0.

    >>> checked_strengths([1, 0.1])
    [1.0, 0.1]
    """
    if not len(strengths):
        raise InputError("strengths", strengths, "at least one positive number")
    return [checked("strength", strength, Positive) for strength in strengths]
