"""Features given another spectrum, or taken to their principal axes."""

from dataclasses import dataclass
from typing import Annotated, final

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from sslens.measures.features import checked_queries, deviations, significant
from sslens.types import Features, Range, checked

Beta = Annotated[float, Range(0, 100)]
"""Exponents of a power law that features may be given."""


def spectral_map(h: Features, beta: float) -> Features:
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
    fitted = _Decomposition.of(h, *deviations(h))
    return torch.addmm(fitted.mean, fitted.basis, (fitted.left * fitted.power_law(beta)) @ fitted.axes)


def principal(
    known_features: Features, queries: Float[Tensor, "m d"]
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
    return fitted.coordinates(fitted.spectrum), fitted.project(others, fitted.spectrum)


def reshaped(
    known_features: Features, queries: Float[Tensor, "m d"], *, beta: float
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
    spectrum = fitted.power_law(beta)
    return fitted.coordinates(spectrum), fitted.project(others, spectrum)


def _decomposed(
    known_features: Features, queries: Float[Tensor, "m d"]
) -> tuple["_Decomposition", Float64[Tensor, "m d"]]:
    """The known features taken apart, and the checked queries."""
    deviation, floor = deviations(known_features, name="known_features")
    others = checked_queries(queries, deviation.shape[1])
    return _Decomposition.of(known_features, deviation, floor), others


@final
@dataclass(frozen=True, eq=False)
class _Decomposition:
    """Features about their mean as basis · left · diag(spectrum) · axes, rounding counted as zero."""

    mean: Float64[Tensor, "d"]
    basis: Float64[Tensor, "n k"]
    left: Float64[Tensor, "k k"]
    spectrum: Float64[Tensor, "k"]
    axes: Float64[Tensor, "k d"]

    @classmethod
    def of(cls, h: Features, deviation: Float64[Tensor, "n d"], floor: float) -> "_Decomposition":
        mean = h[0].detach().double() - deviation[0]
        # The left vectors are only needed inside a product: Q of h = QR is cheaper to multiply than they are to make.
        basis, triangle = torch.linalg.qr(deviation)
        left, spectrum, axes = torch.linalg.svd(triangle, full_matrices=False)
        return cls(mean, basis, left, significant(spectrum, h, floor=floor), axes)

    def power_law(self, beta: float) -> Float64[Tensor, "k"]:
        """Singular values whose squares follow k^−beta, as many as there are and of the same sum of squares."""
        ranks = torch.arange(1, len(self.spectrum) + 1, dtype=self.spectrum.dtype, device=self.spectrum.device)
        wanted = ranks.pow(-beta / 2) * (self.spectrum > 0)
        return wanted * self.spectrum.norm() / wanted.norm().clamp_min(torch.finfo(wanted.dtype).tiny)

    def coordinates(self, spectrum: Float64[Tensor, "k"]) -> Float64[Tensor, "n k"]:
        """The decomposed features along their axes, with these singular values."""
        return self.basis @ (self.left * spectrum)

    def project(self, others: Float64[Tensor, "m d"], spectrum: Float64[Tensor, "k"]) -> Float64[Tensor, "m k"]:
        """Other features along the same axes, stretched as the decomposed ones are by these singular values."""
        gain = torch.where(self.spectrum > 0, spectrum / self.spectrum, 0.0)
        return (others - self.mean) @ self.axes.T * gain
