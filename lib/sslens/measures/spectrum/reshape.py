"""Features given another spectrum, or taken to their principal axes."""

from typing import Annotated

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from sslens.measures.features import checked_queries
from sslens.measures.spectrum.spectrum import Spectrum
from sslens.types import Features, Range, checked

Beta = Annotated[float, Range(0, 100)]
"""Exponents of a power law that features may be given."""


def spectral_map(h: Features | Spectrum, beta: float) -> Features:
    """The same features with another spectrum: covariance eigenvalues λ_k ∝ k^−beta, their sum kept.

    Mean, principal axes and total variance stay; along axis k the centred features are multiplied by √(λ′_k / λ_k).
    Directions that are rounding alone are dropped first (``features.significant``), so that no noise is blown up: the
    result has the rank of h, and constant features come back as they are. beta = 0 whitens (within that rank), a large
    beta collapses to the first axis. In float64.

    A least-squares probe without penalty cannot tell the result from h, nor one on standardised dimensions much of it:
    use a ridge, class means or neighbours. This is the linear form of the paper's post-hoc manipulation of the power
    law (PMP), reconstructed from its abstract.

    Raises:
        InputError: no (n, d) matrix of finite floating-point numbers with n >= 2, or beta outside [0, 100].

    Reference: He and Ozay, "Exploring the gap between collapsed & whitened features in self-supervised learning",
    ICML 2022.

    >>> h = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> (spectral_map(h, 1.0).T @ spectral_map(h, 1.0)).round(decimals=4)
    tensor([[6.6667, 0.0000],
            [0.0000, 3.3333]], dtype=torch.float64)
    """
    beta = checked("beta", beta, Beta)
    fitted = Spectrum.of(h)
    wanted = _power_law(fitted.counted, beta)
    return torch.addmm(fitted.mean, fitted.basis, (fitted.left * wanted) @ fitted.axes).mul_(fitted.unit)


def principal(
    known_features: Features | Spectrum, queries: Float[Tensor, "m d"]
) -> tuple[Float64[Tensor, "n k"], Float64[Tensor, "m k"]]:
    """Both sets in coordinates along the principal axes of the known one, largest variance first, its mean at 0.

    k = min(n, d); a coordinate along which the known features have only rounding is 0 in both. The first m columns are
    the PCA truncation to m dimensions: the best of all linear ones in mean squared distance. The sign of a column is
    arbitrary.

    Raises:
        InputError: no finite (n, d) and (m, d) matrices with n >= 2.

    Reference: Jolliffe, "Principal component analysis", 2002, ch. 2.

    >>> known = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> [side.abs().round(decimals=6).tolist() for side in principal(known, known[:1] * 3)][1]
    [[6.0, 0.0]]
    """
    fitted, others = _decomposed(known_features, queries)
    return _sides(fitted, others, fitted.counted)


def reshaped(
    known_features: Features | Spectrum, queries: Float[Tensor, "m d"], *, beta: float
) -> tuple[Float64[Tensor, "n k"], Float64[Tensor, "m k"]]:
    """Both sets with another spectrum: ``spectral_map`` fitted to the known features and applied to the queries too.

    The variance of the known features along their k-th principal axis becomes proportional to k^−beta, its total is
    kept. Given in the coordinates of ``principal``, which no ridge, nearest mean or other probe indifferent to rotation
    and mean can tell from the original ones.

    Raises:
        InputError: as for ``principal``, or beta outside [0, 100].

    Reference: He and Ozay, "Exploring the gap between collapsed & whitened features in self-supervised learning",
    ICML 2022 (linear form of its post-hoc manipulation of the power law).

    >>> known = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> reshaped(known, known, beta=0.0)[0].square().sum(0).round(decimals=6)
    tensor([5., 5.], dtype=torch.float64)
    """
    beta = checked("beta", beta, Beta)
    fitted, others = _decomposed(known_features, queries)
    return _sides(fitted, others, _power_law(fitted.counted, beta))


def _decomposed(
    known_features: Features | Spectrum, queries: Float[Tensor, "m d"]
) -> tuple[Spectrum, Float64[Tensor, "m d"]]:
    """The known features taken apart, and the checked queries."""
    fitted = Spectrum.of(known_features, name="known_features")
    return fitted, checked_queries(queries, fitted.shape[1])


def _power_law(spectrum: Float64[Tensor, "k"], beta: float) -> Float64[Tensor, "k"]:
    """Singular values whose squares follow k^−beta, as many as there are and of the same sum of squares."""
    ranks = torch.arange(1, len(spectrum) + 1, dtype=spectrum.dtype, device=spectrum.device)
    wanted = ranks.pow(-beta / 2) * (spectrum > 0)
    return wanted * spectrum.norm() / wanted.norm().clamp_min(torch.finfo(wanted.dtype).tiny)


def _sides(
    fitted: Spectrum, others: Float64[Tensor, "m d"], spectrum: Float64[Tensor, "k"]
) -> tuple[Float64[Tensor, "n k"], Float64[Tensor, "m k"]]:
    """The decomposed features along their axes with these singular values, and other ones stretched as they are."""
    gain = torch.where(fitted.counted > 0, spectrum / fitted.counted, 0.0)
    coordinates = fitted.basis @ (fitted.left * spectrum)
    projected = (others / fitted.unit - fitted.mean) @ fitted.axes.T * gain
    return coordinates * fitted.unit, projected * fitted.unit
