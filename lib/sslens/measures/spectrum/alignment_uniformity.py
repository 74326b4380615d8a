"""Alignment and uniformity: pairs of samples on the unit sphere."""

import math
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from sslens.measures.features import finite_features, unit_rows
from sslens.types import Features, InputError, Range, checked

CHUNK = 1024
"""Samples held against all others at a time."""


def alignment(a: Features, b: Features, *, exponent: float = 2.0) -> float:
    """Mean distance of the two views of a sample, to the power ``exponent``: mean ‖a_i/‖a_i‖ − b_i/‖b_i‖‖^exponent.

    0 where the views agree, about 2 for unrelated ones in many dimensions, 4 for opposite ones (exponent 2). Rows of
    zeros stay zero and count. The authors call the exponent α; 1 is their other value.

    Raises:
        InputError: a or b no (n, d) matrix of finite floating-point numbers, shapes that differ, or an exponent
            outside (0, 10].

    Reference: Wang and Isola, "Understanding contrastive representation learning through alignment and uniformity on
    the hypersphere", ICML 2020, arXiv 2005.10242, sec. 4.1.1.

    >>> alignment(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 5.0]]))
    2.0000000000000004
    """
    exponent = checked("exponent", exponent, Annotated[float, Range(0, 10, above=True)])
    first, second = finite_features(a, name="a"), finite_features(b, name="b")
    if first.shape != second.shape:
        raise InputError("b", tuple(second.shape), f"of the shape of a, {tuple(first.shape)}: another view of each row")
    return float((unit_rows(first) - unit_rows(second)).norm(dim=1).pow(exponent).mean())


def uniformity(h: Features, *, t: float = 2.0) -> float:
    """How evenly the samples lie on the sphere: ln of the mean over pairs i < j of exp(−t ‖u_i − u_j‖²), u = h / ‖h‖.

    0 when all point the same way (collapse); lower is more even: −2t + O(1/d) for uniform samples, and no lower than
    −2t + ln ₀F₁(; d/2; t²) for large n. Any n >= 2 will do. Rows of zeros stay zero and count. t = 2 as in the paper
    and its code; lightly takes t = 1; kernel losses such as SFRIK average over i = j too.

    Raises:
        InputError: no (n, d) matrix of finite floating-point numbers with n >= 2, or t outside (0, 100].

    Reference: Wang and Isola, ICML 2020, arXiv 2005.10242, eq. 2 and sec. 4.1.2.

    >>> uniformity(torch.tensor([[2.0, 0.0], [-1.0, 0.0]])), uniformity(torch.ones(5, 3))
    (-8.0, 0.0)
    """
    t = checked("t", t, Annotated[float, Range(0, 100, above=True)])
    unit = unit_rows(finite_features(h, rows=2))
    length = unit.square().sum(1, keepdim=True).round()  # 1, or 0 for a row of zeros
    one = torch.ones_like(length)
    # −‖u − v‖² = 2 u·v − ‖u‖² − ‖v‖² as one product of rows, so that the n x n numbers are passed over only once more.
    left, right = torch.cat([2 * t * unit, -t * length, -t * one], 1), torch.cat([unit, one, length], 1).T
    total = sum(_beyond(left[i : i + CHUNK] @ right[:, i:]) for i in range(0, len(unit), CHUNK))
    return min(math.log(total / (len(unit) * (len(unit) - 1) / 2)), 0.0)


def _beyond(exponents: Float[Tensor, "m n"]) -> float:
    """Sum of the exponentials right of the diagonal."""
    kernel = exponents.exp_()
    return float(kernel[:, : len(kernel)].triu(1).sum() + kernel[:, len(kernel) :].sum())
