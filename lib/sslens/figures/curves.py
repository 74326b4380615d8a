"""Numbers along an axis as a figure draws them: line, seed band, and a mark for every value that has no place on it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int, Num, Shaped
from torch import Tensor

from sslens.figures import theme
from sslens.types import InputError, Interval

Numbers = Sequence[Interval | float] | Shaped[np.ndarray, "..."] | Shaped[Tensor, "..."]
"""A row of numbers, or of means with their intervals over seeds."""

POINTS = 2000
"""Most points of one trace; longer ones are thinned evenly, so that notebooks stay small."""


def array(field: str, values: Any, *, dimensions: int = 1) -> Num[np.ndarray, "..."]:
    """Numbers of any origin as a float64 array with so many axes.

    Raises:
        InputError: no numbers, none at all, or another number of axes.

    >>> array("steps", [0, 10]).tolist()
    [0.0, 10.0]
    """
    try:
        numbers = np.asarray(values.detach().double().cpu() if isinstance(values, Tensor) else values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(field, values, "numbers") from None
    if numbers.ndim != dimensions or numbers.size == 0:
        raise InputError(field, f"shape {numbers.shape}", f"numbers along {dimensions} axes, none of them empty")
    return numbers


def rounded(values: Iterable[float]) -> Float[np.ndarray, "n"]:
    """Numbers as a figure stores them: five significant digits, in four bytes where they fit.

    >>> float(rounded([1 / 3])[0])
    0.33333...
    """
    short = np.array([float(f"{value:.5g}") for value in values], dtype=np.float64)
    size = np.abs(short[np.isfinite(short) & (short != 0)])
    return short.astype(np.float32) if np.all((size > 1e-37) & (size < 1e38)) else short


def thin(count: int) -> Int[np.ndarray, "m"]:
    """Indices of at most ``POINTS`` of ``count`` points, evenly spread, the first and last among them.

    >>> thin(3).tolist(), len(thin(10_000))
    ([0, 1, 2], 2000)
    """
    return np.linspace(0, count - 1, min(count, POINTS)).round().astype(np.int64)


@final
@dataclass(frozen=True, eq=False)
class Curve:
    """Numbers along an axis with their intervals; NaN where there is none.

    >>> curve("loss", [Interval(1.0, 0.5, 1.5, 3)]).seeds
    (3,)
    """

    mean: Float[np.ndarray, "t"]
    low: Float[np.ndarray, "t"]
    high: Float[np.ndarray, "t"]
    seeds: tuple[int, ...] = ()
    """How many repetitions the intervals stand for; empty for bare numbers."""

    def take(self, index: Int[np.ndarray, "m"]) -> "Curve":
        """The points at ``index``."""
        return replace(self, mean=self.mean[index], low=self.low[index], high=self.high[index])

    def lifted(self, floor: float) -> "Curve":
        """The same curve with nothing below ``floor``."""
        raised = (np.maximum(values, floor) for values in (self.mean, self.low, self.high))
        return Curve(*raised, seeds=self.seeds)


def curve(field: str, values: Numbers, *, length: int | None = None) -> Curve:
    """Read a row of numbers or intervals; what is not finite becomes NaN, a gap.

    Raises:
        InputError: not a row of numbers, empty, of another length, or without a single finite number.

    >>> curve("loss", [1.0, float("inf")]).mean.tolist()
    [1.0, nan]
    """
    seeds = {value.n for value in values if isinstance(value, Interval)} if isinstance(values, Sequence) else set()
    if seeds:
        triples = [(v.mean, v.low, v.high) if isinstance(v, Interval) else (v, np.nan, np.nan) for v in values]
        table = array(field, triples, dimensions=2).copy()
    else:
        table = np.full((len(array(field, values)), 3), np.nan)
        table[:, 0] = array(field, values)
    if length is not None and len(table) != length:
        raise InputError(field, f"{len(table)} values", f"as long as its axis, {length} values")
    table[~np.isfinite(table)] = np.nan
    if np.isnan(table[:, 0]).all():
        raise InputError(field, values, "a row with at least one finite number")
    return Curve(*table.T, seeds=tuple(sorted(seeds)))


def floor_of(curves: Iterable[Curve]) -> float:
    """Where zero is drawn on a logarithmic axis: a decade below the smallest mean above zero.

    >>> floor_of([curve("loss", [0.0, 0.5])])
    0.05
    """
    positive = [each.mean[each.mean > 0].min() for each in curves if (each.mean > 0).any()]
    return float(min(positive, default=1.0)) / 10


def traces(
    x: Num[np.ndarray, "t"], values: Curve, *, name: str, style: theme.Style, floor: float | None = None
) -> list[go.Scatter]:
    """The band, the line and the marks of one curve; ``floor`` is the lowest place of a logarithmic axis."""
    index = thin(len(x))
    x, values = x[index], values.take(index)
    shown = values if floor is None else values.lifted(floor)
    drawn = [_band(x, shown), _line(x, shown, given=values), _gaps(x, shown), _floored(x, shown, given=values)]
    for trace in (found := [each for each in drawn if each is not None]):
        trace.update(name=theme.text(name), legendgroup=name, showlegend=trace.mode in ("lines", "lines+markers"))
        if trace.mode == "none":
            trace.update(fillcolor=f"rgba{(*bytes.fromhex(style.colour[1:]), 0.18)}")
        else:
            trace.update(line_color=style.colour, marker_color=style.colour)
        if trace.showlegend:
            trace.update(line_dash=style.dash, marker_symbol=style.symbol)
    return found


def notes(curves: Iterable[Curve], floor: float | None = None) -> list[str]:
    """What the reader of these curves has to know: whose band it is, which marks stand for missing or zero values."""
    curves = list(curves)
    seeds = sorted({n for each in curves for n in each.seeds})
    counts = " or ".join(str(n) for n in seeds)
    bands = "one seed, no interval" if seeds == [1] else f"bands: intervals over {counts} seeds" if seeds else ""
    gap = "✕ no finite value beyond" if any(np.isnan(each.mean).any() for each in curves) else ""
    low = any((each.mean < floor).any() for each in curves) if floor is not None else False
    return [note for note in (bands, gap, f"▽ below {floor:.2g}, zero included" if low else "") if note]


def _line(x: np.ndarray, shown: Curve, *, given: Curve) -> go.Scatter:
    line = go.Scatter(x=_stored(x), y=rounded(shown.mean), mode="lines+markers" if len(x) <= 40 else "lines")
    hover = "%{fullData.name}: %{y:.4~g}" + " (one seed)" * (given.seeds == (1,))
    if np.isfinite(given.low + given.high).any():
        line.customdata = np.stack([rounded(column) for column in (given.mean, given.low, given.high)], 1)
        hover = "%{fullData.name}: %{customdata[0]:.4~g} [%{customdata[1]:.4~g}, %{customdata[2]:.4~g}]"
    return line.update(marker_size=6, hovertemplate=hover + "<extra></extra>")


def _band(x: np.ndarray, shown: Curve) -> go.Scatter | None:
    inside = np.isfinite(shown.low + shown.high + shown.mean)
    if not inside.any():
        return None
    across, up = [], []
    for run in np.split(np.arange(len(x)), np.flatnonzero(np.diff(inside)) + 1):
        if inside[run[0]]:
            across += [x[run], x[run][::-1], [np.nan]]
            up += [shown.low[run], shown.high[run][::-1], [np.nan]]
    x, y = _stored(np.concatenate(across)), rounded(np.concatenate(up))
    return go.Scatter(x=x, y=y, mode="none", fill="toself", hoverinfo="skip")


def _gaps(x: np.ndarray, shown: Curve) -> go.Scatter | None:
    there = np.isfinite(shown.mean)
    before = np.flatnonzero(there[:-1] & ~there[1:])
    first = np.flatnonzero(there)[0]
    said = [f"no finite value from {x[place + 1]:g} on" for place in before]
    if first > 0:
        before, said = np.append(before, first), [*said, f"no finite value before {x[first]:g}"]
    return _marks(x[before], shown.mean[before], symbol="x-thin-open", size=12, said=said)


def _floored(x: np.ndarray, shown: Curve, *, given: Curve) -> go.Scatter | None:
    places = np.flatnonzero(given.mean < shown.mean)
    said = [f"{value:.4g}, drawn at the floor" for value in given.mean[places]]
    return _marks(x[places], shown.mean[places], symbol="triangle-down-open", size=8, said=said)


def _marks(x: np.ndarray, y: np.ndarray, *, symbol: str, size: int, said: list[str]) -> go.Scatter | None:
    if not said:
        return None
    look = {"symbol": symbol, "size": size, "line": {"width": 1.5}}
    hover = "%{fullData.name}: %{text}<extra></extra>"
    return go.Scatter(x=_stored(x), y=rounded(y), mode="markers", marker=look, text=said, hovertemplate=hover)


def _stored(x: np.ndarray) -> np.ndarray:
    """Whole numbers stay exact: a step is a name as much as a number."""
    whole = np.all(np.isnan(x) | ((x == np.round(x)) & (np.abs(x) < 2**24)))
    return x.astype(np.float32) if whole else rounded(x)
