"""Self-clustering: whether samples gather along few directions."""

from sslens.measures.features import finite_features, unit_rows
from sslens.types import Features


def self_clustering(h: Features) -> float:
    """Excess of the squared cosines between samples over those of random directions: 0 random, 1 one cluster.

    (Q − n − n(n − 1)/d) / (n² − n − n(n − 1)/d), Q = Σ_ij cos²_ij = ‖UUᵀ‖_F² over all pairs, of rows u = h / ‖h‖. It
    is below 0 for samples more evenly spread than random ones (−1/(n − 1) at the least, for n a multiple of d). Rows
    of zeros lie together in a place of their own; in one dimension all samples do (1). The paper prints the norm
    without its square; only the square has the limits it states, and the authors' code takes it.

    Raises:
        InputError: no (n, d) matrix of finite floating-point numbers with n >= 2.

    Reference: Tsitsulin, Munkhoeva, Perozzi, "Unsupervised embedding quality evaluation", 2023, arXiv 2305.16562,
    def. 3.5.

    >>> import torch
    >>> round(self_clustering(torch.ones(5, 3)), 9), round(self_clustering(torch.eye(4).repeat(2, 1)), 4)
    (1.0, -0.1429)
    """
    unit = unit_rows(finite_features(h, rows=2))
    n, d = unit.shape
    if d == 1:
        return 1.0
    narrow = unit.T @ unit if d < n else unit @ unit.T
    zeros = n - round(float(narrow.trace()))
    squares = float(narrow.square().sum()) + zeros**2
    random = n + n * (n - 1) / d
    return (squares - random) / (n * n - random)
