"""LiDAR: the effective rank of what sets samples apart, in units of what augmentation does to them."""

import math
from typing import Annotated

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from sslens.measures.features import LARGEST, as_tensor, centred, finite_features, unit_of
from sslens.measures.spectrum.effective_rank import Epsilon, entropy_rank
from sslens.measures.spectrum.sample_size import expect_samples
from sslens.measures.spectrum.singular_values import relative_eigenvalues
from sslens.types import InputError, Range, checked

Delta = Annotated[float, Range(0, 1e12, above=True)]
"""What may be added to the scatter within a sample."""


def lidar(views: Float[Tensor, "v n d"], *, delta: float = 1e-4, eps: float = 0.0) -> float:
    """LiDAR: effective rank of what tells samples apart, in units of what augmentation does to them.

    exp(−Σ p ln p), p_k = λ_k / Σλ + eps, λ the eigenvalues of Σ_w^−½ Σ_b Σ_w^−½. Each of the n samples is a class and
    its v views are the members: Σ_b is the covariance of the class means (/ (n − 1)), Σ_w that of the views around
    them (/ n(v − 1)), plus delta · I. Any root of Σ_w gives the same λ; here they are squared singular values, by QR
    of the views and never by a Gram matrix. 0 where no sample differs from another.

    ``views[:, i]`` are the v views of sample i. More views than samples are refused: most likely the two axes are the
    wrong way round, and if not, the rank of Σ_b, n − 1, would say more of n than of the features. Rows that stand in
    another order in some view cannot be noticed.

    delta is absolute: where augmentation moves features by less than √delta, the scale of the features matters. The
    paper gives no value for delta nor for the eps it adds. Public versions: stable-pretraining 1e-4, with 1e-8 added
    to λ before normalising; reptrix 1e-6, eps 1e-7 and no denominators, and in place of the eigenvalues of the d x d
    matrix those of the covariance of its rows. The paper takes n = 1000 and v = 50, and 10 views come close. Needs
    n > d, as Σ_b has rank n − 1 at most; compare at equal v, n and d.

    Raises:
        InputError: no (v, n, d) tensor of finite floating-point numbers with 2 <= v <= n, delta outside (0, 1e12] or
            eps outside [0, 1].

    Reference: Thilak et al., "LiDAR: Sensing linear probing performance in joint embedding SSL architectures",
    ICLR 2024, arXiv 2312.04000, eq. 1-2 (1-4 in its first version).

    >>> samples = torch.cat([torch.eye(3), -torch.eye(3)])
    >>> round(lidar(torch.stack([0.9 * samples, 1.1 * samples])), 4)
    3.0
    """
    delta, eps = checked("delta", delta, Delta), checked("eps", eps, Epsilon)
    values, unit, floor = _checked_views(views)
    v, n, d = values.shape
    means = values.mean(0)
    between = centred(means, floor=floor / math.sqrt(v)) / math.sqrt(n - 1)
    moved = _moved(values, means)
    within = torch.linalg.qr(moved.flatten(0, 1), mode="r").R / math.sqrt(n * (v - 1))
    # Beyond these bounds a root of delta is the same as one at them: all there is, or nothing, beside values of size 1.
    ridge = min(max(math.sqrt(delta) / unit, 1e-150), 1e150) * torch.eye(d, dtype=values.dtype, device=values.device)
    root = torch.linalg.qr(torch.cat([within, ridge]), mode="r").R  # rootᵀ root = Σ_w
    ratio = torch.linalg.solve_triangular(root, between, upper=True, left=False)
    expect_samples(n, d)
    return entropy_rank(relative_eigenvalues(torch.linalg.svdvals(ratio)), eps=eps)


def _moved(values: Float[Tensor, "v n d"], means: Float[Tensor, "n d"]) -> Float[Tensor, "v n d"]:
    """The views minus their means, in place; exactly zero where they differ by no more than the rounding of that."""
    floor = torch.finfo(values.dtype).eps * float(torch.linalg.vector_norm(values))
    values -= means
    values -= values.mean(0)
    return values if float(torch.linalg.vector_norm(values)) > floor else values.zero_()


def _checked_views(views: Shaped[Tensor, "..."]) -> tuple[Float[Tensor, "v n d"], float, float]:
    """The views as a float64 copy over a unit (``features.Prepared``), the unit, and their rounding over it."""
    given = as_tensor(views, name="views")
    if given.ndim != 3 or len(given) < 2:
        got = f"{given.dtype} {tuple(given.shape)}"
        raise InputError("views", got, "a floating-point tensor (v, n, d) of at least 2 views of each sample")
    if len(given) > given.shape[1] > 1:
        allowed = "(v, n, d) with no more views of a sample than samples"
        raise InputError("views", tuple(given.shape), allowed, "If samples come first: views.transpose(0, 1).")
    values = given.detach().to(torch.float64, copy=True)
    size = float(torch.linalg.vector_norm(values))
    # The first shows a wrong shape, the others the place of a wrong value.
    for i in range(1 if size < LARGEST else len(values)):
        finite_features(values[i], name=f"views[{i}]", rows=2)
    unit = unit_of(values, size)
    if unit != 1:
        size = float(torch.linalg.vector_norm(values.div_(unit)))
    return values, unit, torch.finfo(given.dtype).eps * size
