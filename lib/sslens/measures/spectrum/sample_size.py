"""How many samples a spectrum needs: one rule that warns, and the refusal to compare across n or d."""

import warnings
from typing import final

from jaxtyping import Float
from torch import Tensor

from sslens.measures.features import finite_features
from sslens.types import InputError


@final
class FewSamples(UserWarning):
    """Fewer samples than twice the dimensions: the spectrum is as much that of the draw as that of the features."""


def expect_samples(n: int, d: int) -> None:
    """Warn the caller's caller of a spectrum biased by its sample: n < 2 · d.

    Sample eigenvalues spread around the true ones (Marchenko-Pastur), so the ranks read from them are too low: RankMe
    of 64 white dimensions is 30 for n = 32, 51 for n = 64, 59 for n = 128, 62 for n = 256, 63 for n = 512. Take
    n >= 4 · d where it can be had.

    >>> expect_samples(300, 64)
    """
    if n < 2 * d:
        text = f"{n} samples of {d} dimensions: below 2 x dim, ranks and slopes of a spectrum are biased by the draw."
        warnings.warn(text, FewSamples, stacklevel=3)


def comparable(*features: Float[Tensor, "_ _"]) -> tuple[int, int]:
    """The n and d that all the features share: only then do their ranks, read from a sample, compare.

    Every rank of a spectrum is bounded by min(n, d) and biased by n / d (``FewSamples``), so encoders of different
    width, or one encoder on different numbers of samples, differ in rank even where the features do not.

    Raises:
        InputError: no features, features that are no finite (n, d) matrix, or of another shape than the first.

    >>> import torch
    >>> comparable(torch.ones(6, 2), torch.zeros(6, 2))
    (6, 2)
    """
    if not features:
        raise InputError("features", features, "at least one (n, d) matrix")
    checked = [finite_features(h, name=f"features[{i}]") for i, h in enumerate(features)]
    n, d = checked[0].shape
    for i, h in enumerate(checked):
        if h.shape != (n, d):
            allowed = f"of shape {(n, d)} like the first: ranks compare at equal n and equal d only"
            raise InputError(f"features[{i}]", tuple(h.shape), allowed)
    return n, d
