"""Descent, ascent, second descent: where a quantity turns along training, and by how much it changed until there."""

from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from sslens.measures.features import checked_features
from sslens.types import InputError


@final
@dataclass(frozen=True, eq=False)
class TurningPoints:
    """The two turning points of every run, and its change in each of the three phases between start and end.

    >>> half = torch.tensor([0.5], dtype=torch.float64)
    >>> TurningPoints(torch.tensor([1]), torch.tensor([2]), descent=half, ascent=1 / half, second_descent=half).peak
    tensor([2])
    """

    valley: Int64[Tensor, "s"]
    """Snapshot at which the first descent ends."""
    peak: Int64[Tensor, "s"]
    """Snapshot at which the ascent ends; never before the valley."""
    descent: Float64[Tensor, "s"]
    """Value at the valley over that at the start."""
    ascent: Float64[Tensor, "s"]
    """Value at the peak over that at the valley."""
    second_descent: Float64[Tensor, "s"]
    """Value at the end over that at the peak."""


def turning_points(curves: Float[Tensor, "s t"]) -> TurningPoints:
    """The phases of a quantity along training, one curve per seed; each is measured where the *other* seeds turn.

    The mean of the other seeds' curves rises most from its valley to its peak: the pair i ≤ j with the largest
    m(j) − m(i), the latest of equals, so that a curve that only falls has both at its end. A curve measured at its own
    lowest and highest snapshot falls, rises and falls whatever it does, by its noise alone; at snapshots that others
    chose it need not. A single curve has no others and is measured at its own. 0/0 counts as 1, no change.

    Raises:
        InputError: no curve, an empty one, or numbers that are negative or not finite.

    Reference for the phases of local complexity: Humayun, Balestriero, Baraniuk, "Deep networks always grok and here is
    why", ICML 2024, arXiv 2402.15555, who read them off the curve itself.

    >>> found = turning_points(torch.tensor([[8.0, 2.0, 6.0, 3.0], [8.0, 4.0, 4.0, 4.0]]))
    >>> found.valley, found.peak, found.ascent
    (tensor([3, 1]), tensor([3, 2]), tensor([1., 1.], dtype=torch.float64))
    """
    values = checked_features(curves, name="curves").cpu()
    if values.min() < 0:
        raise InputError("curves", float(values.min()), "numbers from 0 on")
    others = (values.sum(0) - values) / (len(values) - 1) if len(values) > 1 else values
    rises = (others[:, None, :] - others[:, :, None]).triu()  # (s, valley, peak)
    rises = rises.masked_fill(torch.ones_like(rises[0]).tril(-1).bool(), -torch.inf).flatten(1)
    latest = rises.shape[1] - 1 - rises.flip(1).argmax(1)
    valley, peak = latest // values.shape[1], latest % values.shape[1]
    rows = torch.arange(len(values), device=values.device)
    turns = [values[:, 0], values[rows, valley], values[rows, peak], values[:, -1]]
    changes = [torch.where(after == before, 1.0, after / before) for before, after in pairwise(turns)]
    return TurningPoints(valley, peak, *changes)


def reached(curves: Float[Tensor, "s t"], level: float) -> Int64[Tensor, "s"]:
    """The snapshot at which each curve first stands at ``level`` or above; the last one where it never does.

    Raises:
        InputError: no curve, an empty one, or numbers that are not finite.

    >>> reached(torch.tensor([[0.1, 0.99, 0.98], [0.1, 0.5, 0.7]]), 0.99)
    tensor([1, 2])
    """
    there = checked_features(curves, name="curves").cpu() >= torch.tensor(level, dtype=curves.dtype, device="cpu")
    there[:, -1] = True
    return there.int().argmax(1)
