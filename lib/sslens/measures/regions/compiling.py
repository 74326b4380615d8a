"""How inner loops are compiled, and the record that they share with those who call them."""

from collections.abc import Callable
from inspect import unwrap
from typing import Any, NamedTuple, final

import numpy as np
from jaxtyping import Float64, Int64
from numba import njit


@final
class Signs(NamedTuple):
    """Up to 64 units at the vertices: values, and which of them are above and below zero by more than rounding.

    >>> signs = Signs(np.array([[0.5, -2.0]]), np.array([0b01]), np.array([0b10]), np.zeros(2), np.arange(2))
    >>> signs.positive | signs.negative
    array([3])
    """

    values: Float64[np.ndarray, "v k"]
    positive: Int64[np.ndarray, "v"]
    negative: Int64[np.ndarray, "v"]
    tolerance: Float64[np.ndarray, "k"]
    labels: Int64[np.ndarray, "k"]
    """What a side is called that one of these units makes."""


def compiled(function: Callable[..., Any]) -> Any:
    """Numba's version of a function, kept on disk between sessions where a folder for it can be written.

    >>> compiled(lambda x: x + 1)(1)
    2
    """
    bare = unwrap(function)  # shape checkers wrap functions in what numba cannot read
    try:
        return njit(cache=True)(bare)
    except RuntimeError:  # neither the package's folder nor the user's can be written
        return njit(bare)
