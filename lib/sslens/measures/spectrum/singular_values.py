"""The two spectra of features: singular values of the data matrix, eigenvalues of the covariance.

Both come from a float64 SVD of the data matrix, never of a Gram matrix, which squares the condition number and loses
the collapsed tail.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sslens.measures.features import checked_features, deviations, significant
from sslens.types import Features


def singular_values(h: Features, *, centre: bool = False) -> Float[Tensor, "k"]:
    """Singular values of the data matrix, descending; k = min(n, d).

    Centred, values that rounding alone can make count as 0 (``features.significant``): constant features have only
    zeros, and adding the same row to every sample changes no rank. Not centred, nothing is rounded away.

    Raises:
        InputError: no (n, d) matrix of finite floating-point numbers, or centred and a single row.

    >>> singular_values(torch.tensor([[3.0, 0.0], [0.0, -4.0]]))
    tensor([4., 3.], dtype=torch.float64)
    """
    if not centre:
        return _values(checked_features(h))
    deviation, floor = deviations(h)
    return significant(_values(deviation), h, floor=floor)


def _values(h: Features) -> Float[Tensor, "k"]:
    """Of a wide matrix those of its transpose: torch 2.13 takes twice to ten times as long for the matrix itself."""
    return torch.linalg.svdvals(h if len(h) >= h.shape[1] else h.mT)


def eigenvalues(h: Features) -> Float[Tensor, "k"]:
    """The min(n, d) leading eigenvalues of the covariance, descending: λ = σ(h − mean)² / (n − 1).

    The remaining d − min(n, d) are zero and left out. Units: those of the features, squared.

    Raises:
        InputError: no (n, d) matrix of finite floating-point numbers with n >= 2.

    >>> eigenvalues(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).tolist()
    [2.0000000000000004, 0.0]
    """
    return singular_values(h, centre=True).square() / max(len(h) - 1, 1)


def relative_eigenvalues(spectrum: Float[Tensor, "k"]) -> Float[Tensor, "k"]:
    """Eigenvalues over the first one, from descending singular values; zeros stay zeros.

    Ratios before squares, so no scale under- or overflows.

    >>> relative_eigenvalues(torch.tensor([2e200, 1e200], dtype=torch.float64)).tolist()
    [1.0, 0.25]
    """
    first = float(spectrum[0])
    return (spectrum / first).square() if first else spectrum


def numerical_rank(spectrum: Float[Tensor, "k"], h: Features) -> int:
    """How many of the singular values of ``h``, not centred, are more than rounding can make.

    >>> h = torch.tensor([[3.0, 0.0], [0.0, 1e-9]])
    >>> numerical_rank(singular_values(h), h), numerical_rank(singular_values(h), h.double())
    (1, 2)
    """
    floor = torch.finfo(h.dtype).eps * float(spectrum.norm())  # rounding(h): not centred, ‖σ‖ is ‖h‖_F
    return int((significant(spectrum, h, floor=floor) > 0).sum())
