"""What probes take: pairs of features and labels, known ones and those to be predicted; their checks."""

from collections.abc import Callable, Sequence
from typing import Annotated

from jaxtyping import Float, Float64, Int, Shaped
from torch import Tensor
from torch.nn.functional import one_hot

from sslens.measures.features import as_tensor, checked_features, checked_labels, checked_queries, finite_features
from sslens.types import Features, InputError, Labels, Range, checked

Known = tuple[Features, Labels]
"""Features and labels that a probe is fitted on."""
Queries = tuple[Float[Tensor, "m d"], Int[Tensor, "m"]]
"""Features that a probe is judged on, and their true labels."""
Classify = Callable[[Features, Labels, Float[Tensor, "m d"]], Int[Tensor, "m"]]
"""Known features, their labels and the features of the queries in, predicted labels of the queries out."""
Positive = Annotated[float, Range(0, 1e12, above=True)]
"""Legal penalties and temperatures."""


def checked_sides(known: Known, queries: Queries, *, rows: int = 1) -> tuple[Known, Queries]:
    """Both pairs, features in float64 and labels in int64, if they match each other.

    Raises:
        InputError: fewer than ``rows`` known samples, features that are not finite (n, d) and (m, d) matrices, or not
            one label from 0 for each of their rows.

    >>> import torch
    >>> side = torch.ones(2, 3), torch.tensor([0, 1])
    >>> checked_sides(side, side)[1][0].dtype
    torch.float64
    """
    h = finite_features(known[0], name="known", rows=rows)
    others = checked_queries(queries[0], h.shape[1])
    labels, truth = checked_labels(known[1], count=len(h)), checked_labels(queries[1], name="truth", count=len(others))
    return (h, labels), (others, truth)


def checked_values(values: Shaped[Tensor, "..."], *, name: str, count: int) -> Float64[Tensor, "n"]:
    """One real number per sample, in float64.

    Raises:
        InputError: no floating-point vector of ``count`` numbers, or one that is not finite.

    >>> import torch
    >>> checked_values(torch.tensor([0.5, 2.0]), name="values", count=2)
    tensor([0.5000, 2.0000], dtype=torch.float64)
    """
    values = as_tensor(values, name=name)
    if values.shape != (count,):
        got = f"{values.dtype} {tuple(values.shape)}"
        raise InputError(name, got, f"a floating-point vector of {count} numbers, one per sample")
    return checked_features(values[:, None], name=name)[:, 0]


def checked_penalties(penalties: Sequence[float]) -> list[float]:
    """At least one penalty, all positive.

    Raises:
        InputError: none, or one that is not above 0.

    >>> checked_penalties([1, 0.1])
    [1.0, 0.1]
    """
    if not len(penalties):
        raise InputError("penalties", penalties, "at least one positive number")
    return [checked("penalty", penalty, Positive) for penalty in penalties]


def one_hot_labels(labels: Labels, count: int, *, classes: int | None = None) -> Float64[Tensor, "n c"]:
    """1 in the column of each sample's class; as many columns as ``classes``, or as the largest label needs.

    Raises:
        InputError: not one label from 0 for each of ``count`` samples, or one that reaches ``classes``.

    >>> import torch
    >>> one_hot_labels(torch.tensor([0, 2]), 2)
    tensor([[1., 0., 0.],
            [0., 0., 1.]], dtype=torch.float64)
    """
    return one_hot(checked_labels(labels, count=count, classes=classes), classes or -1).double()
