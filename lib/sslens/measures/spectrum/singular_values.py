"""The two spectra of features: singular values of the data matrix, eigenvalues of the covariance.

Both come from a float64 SVD of the data matrix, never of a Gram matrix, which squares the condition number and loses
the collapsed tail.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sslens.measures.features import deviations, grain, prepared, significant, squared
from sslens.measures.spectrum.spectrum import Spectrum, as_features
from sslens.types import Features


def singular_values(h: Features | Spectrum, *, centre: bool = False) -> Float[Tensor, "k"]:
    """Singular values of the data matrix, descending; k = min(n, d).

    Centred, values that rounding alone can make count as 0 (``features.significant``): constant features have only
    zeros, and adding the same row to every sample changes no rank. Not centred, nothing is rounded away.

    Raises:
        InputError: no (n, d) matrix of finite floating-point numbers, centred and a single row.

    >>> singular_values(torch.tensor([[3.0, 0.0], [0.0, -4.0]]))
    tensor([4., 3.], dtype=torch.float64)
    """
    spectrum, unit = over_unit(h, centre=centre)
    return spectrum * unit


def over_unit(h: Features | Spectrum, *, centre: bool) -> tuple[Float[Tensor, "k"], float]:
    """The singular values over a power of two, and that: 1, but for features whose squares are no numbers.

    >>> over_unit(torch.tensor([[2.0**900]], dtype=torch.float64), centre=False)[1] == 2.0**900
    True
    """
    if isinstance(h, Spectrum):
        return h.counted if centre else h.plain, h.unit
    if not centre:
        given = prepared(h)
        return _values(given.values), given.unit
    deviation, unit, floor, finest = deviations(h)
    return significant(_values(deviation), floor=floor, grain=finest), unit


def _values(h: Features) -> Float[Tensor, "k"]:
    """Of a wide matrix those of its transpose: torch 2.13 takes twice to ten times as long for the matrix itself."""
    return torch.linalg.svdvals(h if len(h) >= h.shape[1] else h.mT)


def eigenvalues(h: Features | Spectrum) -> Float[Tensor, "k"]:
    """The min(n, d) leading eigenvalues of the covariance, descending: λ = σ(h − mean)² / (n − 1).

    The remaining d − min(n, d) are zero and left out. Units: those of the features, squared.

    Raises:
        InputError: no (n, d) matrix of finite floating-point numbers with n >= 2, or of a size (about 1e±150) whose
            square is no floating-point number.

    >>> eigenvalues(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).tolist()
    [2.0000000000000004, 0.0]
    """
    spectrum, unit = over_unit(h := as_features(h), centre=True)
    return squared(spectrum, unit) / (h.shape[0] - 1)


def relative_eigenvalues(spectrum: Float[Tensor, "k"]) -> Float[Tensor, "k"]:
    """Eigenvalues over the first one, from descending singular values; zeros stay zeros.

    Ratios before squares, so no scale under- or overflows.

    >>> relative_eigenvalues(torch.tensor([2e200, 1e200], dtype=torch.float64)).tolist()
    [1.0, 0.25]
    """
    first = float(spectrum[0])
    return (spectrum / first).square() if first else spectrum


def numerical_rank(spectrum: Float[Tensor, "k"], h: Features | Spectrum) -> int:
    """How many of the singular values of ``h``, not centred, are more than rounding can make.

    >>> h = torch.tensor([[3.0, 0.0], [0.0, 1e-9]])
    >>> numerical_rank(singular_values(h), h), numerical_rank(singular_values(h), h.double())
    (1, 2)
    """
    first = float(spectrum[0])
    if not first:
        return 0
    relative = spectrum / first
    floor = torch.finfo(h.dtype).eps * float(relative.norm())  # rounding(h): not centred, ‖σ‖ is ‖h‖_F
    finest = floor
    if h.dtype.itemsize < 4:
        finest = (h.grain if isinstance(h, Spectrum) else grain(h)) / first
    return int((significant(relative, floor=floor, grain=finest) > 0).sum())
