"""Spectra as power laws: the exponent of a line on logarithmic axes."""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from sslens.measures.features import as_tensor
from sslens.measures.spectrum.spectrum import Spectrum
from sslens.types import InputError


@final
@dataclass(frozen=True)
class PowerLaw:
    """A line through a spectrum on logarithmic axes: ln λ_k ≈ intercept − exponent · ln k.

    >>> power_law(torch.tensor([8.0, 4.0, 2.0]), ranks=(1, 3)).ranks
    (1, 3)
    """

    exponent: float
    """Positive for decay: α of alpha-ReQ, β of collapsed and whitened features."""
    intercept: float
    """ln λ of the line at rank 1."""
    standard_error: float
    """Of the exponent, from the scatter around the line; the eigenvalues of one sample scatter together."""
    r_squared: float
    """Share of the weighted variance of ln λ that the line explains; 1 for a flat spectrum that it meets."""
    ranks: tuple[int, int]
    """First and last rank of the fit: the window given, as far as the spectrum is positive."""


def power_law(values: Float[Tensor, "k"] | Spectrum, *, ranks: tuple[int, int] = (4, 100)) -> PowerLaw:
    """The exponent of a decaying spectrum: weighted least squares of ln λ on ln rank, with weight 1 / rank.

    ``values`` are eigenvalues in descending order, or a ``Spectrum``, which stands for its own; ``ranks`` counts from 1
    and includes both ends. The window ends early where the spectrum does: ``PowerLaw.ranks`` says where. Standard
    error: √(Σ w r² / (m − 2) / Σ w (x − x̄)²), with m ranks, residuals r, x = ln rank and weighted means.

    The exponent depends on the window (a true 1 reads 1.00 on ranks 4-50 and 1.18 on 11-100, n = 300, d = 128) and on
    n (on ranks 4-100 1.25 for n = 130, 1.08 for 300, 1.02 for 1000): compare at equal n, d and window, with n > 2 · d.
    The authors' code fits ranks 4-100, 4-50 or 6-50, reptrix 0.1.0 by default 11-100 (and an array that is given to it
    as the window moves up by one rank at every call); the paper gives no window. Others fit without
    weights (up to 0.2 apart), or a line of ln σ on the index, which is no power law.

    Raises:
        InputError: values that are no descending vector of finite numbers from 0, ranks that are not two whole numbers
            with 1 <= first and first + 2 <= last, or fewer than 3 positive values within them.

    References: Agrawal, Mondal, Ghosh, Richards, "α-ReQ", NeurIPS 2022; the fit is that of Stringer et al.,
    "High-dimensional geometry of population responses in visual cortex", Nature 2019.

    >>> law = power_law(torch.arange(1, 65).double() ** -1.5)
    >>> round(law.exponent, 6), round(law.r_squared, 6), law.ranks
    (1.5, 1.0, (4, 64))
    """
    shift = 0.0
    if isinstance(values, Spectrum):
        shift, values = 2 * math.log(values.unit), values.counted.square() / (values.shape[0] - 1)
    spectrum = _checked_spectrum(values)
    first, last = _window(spectrum, ranks)
    rank = torch.arange(first, last + 1, dtype=spectrum.dtype, device=spectrum.device)
    x, y = rank.log(), spectrum[first - 1 : last].log()
    weight = (1 / rank) / (1 / rank).sum()
    middle, start = weight @ x, y[0].clone()
    x, y = x - middle, y - start  # a flat spectrum is then exactly flat
    height = weight @ y
    y = y - height
    spread, variance = weight @ x.square(), weight @ y.square()
    slope = (weight * x) @ y / spread
    left = weight @ (y - slope * x).square()
    return PowerLaw(
        exponent=-float(slope),
        intercept=float(start + height - slope * middle) + shift,
        standard_error=float((left / (len(rank) - 2) / spread).sqrt()),
        r_squared=float(1 - left / variance) if variance else 1.0,
        ranks=(first, last),
    )


def _checked_spectrum(values: Shaped[Tensor, "..."]) -> Float[Tensor, "k"]:
    allowed = "a floating-point vector of finite eigenvalues from 0, in descending order"
    spectrum = as_tensor(values, name="values").detach().double()
    if spectrum.ndim != 1:
        hint = "Features are no eigenvalues: say eigenvalues(values)." if spectrum.ndim == 2 else ""
        raise InputError("values", tuple(spectrum.shape), allowed, hint)
    if not (spectrum.isfinite().all() and (spectrum >= 0).all() and (spectrum.diff() <= 0).all()):
        raise InputError("values", spectrum.tolist(), allowed)
    return spectrum


def _window(spectrum: Float[Tensor, "k"], ranks: tuple[int, int]) -> tuple[int, int]:
    """The window, up to the last positive value."""
    pair = isinstance(ranks, tuple | list) and [type(rank) for rank in ranks] == [int, int]
    if not (pair and 1 <= ranks[0] <= ranks[1] - 2):
        raise InputError("ranks", ranks, "two whole numbers, 1 <= first and first + 2 <= last")
    last = min(ranks[1], int((spectrum > 0).sum()))
    if last < ranks[0] + 2:
        hint = f"The last positive value has rank {int((spectrum > 0).sum())} of {len(spectrum)}."
        raise InputError("ranks", ranks, "a window with at least 3 positive values", hint)
    return ranks[0], last
