"""Labelled numbers as figures draw them: series with their seeds, axes, a mark for every value that has no place."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, final

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int, Num, Shaped
from torch import Tensor
from xarray import DataArray

from sslens.figures import theme
from sslens.types import InputError

POINTS = 2000
"""Most points of one line; longer ones are thinned evenly, so that notebooks stay small."""
MARKED = 40
"""Most points of a line that are marked one by one."""
TICKS = 8
"""Most places of a logarithmic axis that are named one by one."""
APART = 0.09
"""Least distance of two such names, as a share of the axis."""
SEED = "seed"
REPEATED = (SEED, "draw")
"""The dimensions over which a figure takes means: an array has one of them, or none."""


def array(name: str, values: object, *, dimensions: int = 1) -> Num[np.ndarray, "..."]:
    """Numbers of any origin as a float64 array with so many axes.

    Raises:
        InputError: no numbers, none at all, or another number of axes.

    >>> array("scores", [0, 10]).tolist()
    [0.0, 10.0]
    """
    try:
        numbers = np.asarray(values.detach().double().cpu() if isinstance(values, Tensor) else values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(name, values, "numbers") from None
    if numbers.ndim != dimensions or numbers.size == 0:
        raise InputError(name, f"shape {numbers.shape}", f"numbers along {dimensions} axes, none of them empty")
    return numbers


def labelled(name: str, values: object, *needed: str) -> DataArray:
    """The array, if it holds numbers, has these dimensions, each with labels, and somewhere a finite number.

    A dimension without labels counts from 1; steps, runs and seeds must have theirs.

    Raises:
        InputError: it does not.

    >>> labelled("loss", DataArray([4.0, 1.0], dims="rank"), "rank").coords["rank"].values.tolist()
    [1, 2]
    """
    if not isinstance(values, DataArray):
        raise InputError(name, type(values).__name__, "labelled numbers, an xarray.DataArray")
    if missing := [dim for dim in needed if dim not in values.dims]:
        raise InputError(f"dims of {name}", list(values.dims), f"dimensions with {', '.join(missing)} among them")
    if not np.issubdtype(values.dtype, np.number) and values.dtype != bool:
        raise InputError(name, str(values.dtype), "numbers")
    if bare := [dim for dim in ("run", SEED, "step") if dim in values.dims and dim not in values.coords]:
        raise InputError(f"coords of {name}", list(values.coords), f"labels for {', '.join(bare)}")
    if not np.isfinite(values.values).any():
        raise InputError(name, f"shape {values.shape} without a finite number", "numbers, at least one of them finite")
    counted = {dim: np.arange(1, values.sizes[dim] + 1) for dim in values.dims if dim not in values.coords}
    return values.assign_coords(counted)


def axis_title(values: DataArray) -> str:
    """The quantity and its unit, as they stand on an axis.

    >>> axis_title(DataArray(0.5, name="time", attrs={"unit": "s"}))
    'time (s)'
    """
    return theme.named(str(values.name or ""), str(values.attrs.get("unit", "")))


def rounded(values: Iterable[float]) -> Float[np.ndarray, "n"]:
    """Numbers as a figure stores them: five significant digits, in four bytes where they fit.

    >>> float(rounded([1 / 3])[0])
    0.33333...
    """
    numbers = np.asarray(values, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 10.0 ** (4 - np.floor(np.log10(np.abs(numbers))))
        exact = np.where(np.isfinite(scale), np.round(numbers * scale) / scale, numbers)
    reach = np.abs(exact[np.isfinite(exact) & (exact != 0)])
    fits = bool(reach.size == 0 or (reach.max() < 1e38 and reach.min() > 1e-37))
    return exact.astype(np.float32) if fits else exact


def thin(count: int) -> Int[np.ndarray, "m"]:
    """Which of ``count`` points to draw: all, or ``POINTS`` of them at even distances, both ends included.

    >>> thin(3).tolist(), len(thin(10_000))
    ([0, 1, 2], 2000)
    """
    return np.linspace(0, count - 1, min(count, POINTS)).round().astype(np.int64)


@final
@dataclass(frozen=True, eq=False)
class Series:
    """One line, or one row of bars or dots: the values of all its seeds at its places.

    >>> Series("simclr", np.array([0, 10]), np.array([[1.0, 2.0], [3.0, np.nan]]), seeds=(0, 1)).mean.tolist()
    [2.0, nan]
    """

    name: str
    places: Shaped[np.ndarray, "t"]
    """Labels of the axis, numbers or words."""
    values: Float[np.ndarray, "s t"]
    """NaN where there is no finite value."""
    seeds: tuple[object, ...] = ()
    """Labels of the seeds; empty for an array that has none."""
    repeated: str = SEED
    """What they are: seeds, or draws of data."""

    @property
    def mean(self) -> Float[np.ndarray, "t"]:
        """Over all seeds: without a value where one of them has none."""
        return self.values.mean(0)

    @property
    def rows(self) -> Float[np.ndarray, "r t"]:
        """What is drawn: the seeds, then their mean; a single row where there is a single seed."""
        return self.values if len(self.values) == 1 else np.concatenate([self.values, self.mean[None]])

    @property
    def titles(self) -> list[str]:
        """What each of the rows is, for the pointer."""
        seeds = [f"{self.repeated} {seed}" for seed in self.seeds]
        return [*seeds, f"mean of {len(seeds)} {self.repeated}s"] if len(seeds) > 1 else seeds or [""]

    def take(self, index: Int[np.ndarray, "m"]) -> "Series":
        """The points at ``index``."""
        return replace(self, places=self.places[index], values=self.values[:, index])


def series(name: str, values: object, *, over: str) -> list[Series]:
    """The series of an array: one for every combination of labels of the dimensions beside ``over`` and the seeds.

    Raises:
        InputError: as ``labelled``; or labels along ``over`` that are neither different words nor numbers that rise.

    >>> array = DataArray([[2.0, 1.0]], dims=("run", "step"), coords={"run": ["simclr"], "step": [0, 10]})
    >>> [(each.name, each.values.tolist()) for each in series("loss", array, over="step")]
    [('simclr', [[2.0, 1.0]])]
    """
    found = labelled(name, values, over)
    seeded = [dim for dim in REPEATED if dim in found.dims and dim != over][:1]
    others = [str(dim) for dim in found.dims if dim not in (over, *seeded)]
    table = found.transpose(*others, *seeded, over).values.astype(np.float64)
    table = np.where(np.isfinite(table), table, np.nan)
    places = _places(f"{over} of {name}", found.coords[over].values)
    seeds = tuple(found.coords[seeded[0]].values.tolist()) if seeded else ()
    rows = table.reshape(-1, max(len(seeds), 1), len(places))
    kind = seeded[0] if seeded else SEED
    return [Series(each, places, values, seeds, kind) for each, values in zip(_names(found, others), rows, strict=True)]


def _places(name: str, labels: np.ndarray) -> np.ndarray:
    if labels.dtype.kind in "UOST":
        words = np.array([str(label) for label in labels], dtype=object)
        if len(set(words)) != len(words):
            raise InputError(name, words.tolist(), "words that differ")
        return words
    numbers = labels.astype(np.float64)
    if not np.isfinite(numbers).all() or (np.diff(numbers) <= 0).any():
        raise InputError(name, labels.tolist(), "finite numbers that rise")
    return numbers


def _names(values: DataArray, others: Sequence[str]) -> list[str]:
    if not others:
        run = values.coords.get("run")
        return ["" if run is None or run.ndim else str(run.item())]
    labels = [_labels(values, dim) for dim in others]
    return [", ".join(parts) for parts in product(*labels)]


def _labels(values: DataArray, dim: str) -> list[str]:
    """Words as they are, numbers with the name of their dimension."""
    labels = values.coords[dim].values.tolist()
    return [label if isinstance(label, str) else f"{dim} {theme.number(label)}" for label in labels]


@final
@dataclass(frozen=True, eq=False)
class Axis:
    """Where labels lie on a horizontal axis, and its settings in plotly's words.

    >>> Axis(words=("backbone", "embedding")).at(np.array(["embedding"])).tolist()
    [1.0]
    """

    settings: dict[str, Any] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    """In their order, where labels are words."""
    origin: float = 0.0
    """Where zero lies: on a logarithmic axis to the left of all others."""

    def at(self, labels: Shaped[np.ndarray, "t"]) -> Float[np.ndarray, "t"]:
        """Where these labels lie.

        Raises:
            InputError: a word that is not on the axis.
        """
        if strangers := [label for label in labels if self.words and label not in self.words]:
            raise InputError("labels", strangers, f"on this axis: {', '.join(self.words)}")
        if self.words:
            return np.array([self.words.index(label) for label in labels], dtype=np.float64)
        return np.where(labels == 0, self.origin, labels).astype(np.float64)


def axis(name: str, found: Sequence[Series], *, log: bool) -> Axis:
    """The axis that holds the places of all these series.

    Raises:
        InputError: words among numbers, words on a logarithmic axis, or a number below zero on one.

    >>> steps = Series("simclr", np.array([0.0, 3.0, 30.0]), np.ones((1, 3)))
    >>> axis("step", [steps], log=True).at(steps.places).tolist()
    [1.0, 3.0, 30.0]
    """
    labels = list(dict.fromkeys(label for each in found for label in each.places))
    words = [label for label in labels if isinstance(label, str)]
    if words and (log or len(words) < len(labels)):
        raise InputError(f"labels of {name}", labels, "all words, or all numbers" + " on a logarithmic axis" * log)
    if words:
        ticks = {"tickvals": list(range(len(words))), "ticktext": [theme.text(word) for word in words]}
        return Axis(ticks | {"range": [-0.25, len(words) - 0.75]}, words=tuple(words))
    if not log:
        return Axis(dict(theme.LEVEL))
    numbers = np.array(sorted(labels))
    if numbers[0] < 0 or numbers[-1] == 0:
        raise InputError(f"labels of {name}", labels, "from 0 up, one of them above 0, on a logarithmic axis")
    first = float(numbers[numbers > 0][0])
    return Axis({"type": "log"} | theme.LEVEL | _log_ticks(numbers, origin=first / 3), origin=first / 3)


def _log_ticks(numbers: np.ndarray, *, origin: float) -> dict[str, Any]:
    """Names for the places where there are few, else for round numbers, as far as they stand apart."""
    first, last = (origin if number == 0 else number for number in (numbers[0], numbers[-1]))
    ticks = numbers
    if len(numbers) > TICKS:
        powers = 10.0 ** np.arange(np.floor(np.log10(first)), np.floor(np.log10(last)) + 1)
        steps = [1] if last / first > 1000 else [1, 2, 5]
        rounds = np.multiply.outer(powers, steps).ravel()
        ticks = np.append(numbers[numbers == 0], rounds[(numbers[numbers > 0][0] <= rounds) & (rounds <= last)])
    places = np.log10(np.where(ticks == 0, origin, ticks))
    kept: list[int] = []
    for index, place in enumerate(places):
        if not kept or place - places[kept[-1]] >= APART * np.log10(last / first):
            kept.append(index)
    return {"tickvals": (10.0 ** places[kept]).tolist(), "ticktext": [theme.number(tick) for tick in ticks[kept]]}


def floor_of(found: Iterable[Series]) -> float:
    """Where zero is drawn on a logarithmic axis: a decade below the smallest value above zero.

    >>> floor_of([Series("simclr", np.array([0, 10]), np.array([[0.0, 0.5]]))])
    0.05
    """
    positive = [each.values[each.values > 0].min() for each in found if (each.values > 0).any()]
    return float(min(positive, default=1.0)) / 10


def traces(
    drawn: Series, x: Float[np.ndarray, "t"], *, style: theme.Style, floor: float | None = None
) -> list[go.Scatter]:
    """The thin lines of the seeds, their bold mean, and the marks; ``floor`` is the lowest place of a logarithmic axis.

    >>> style = theme.style_at(0)
    >>> seeds = Series("simclr", np.array([0.0, 1.0]), np.array([[1.0, 2.0], [3.0, 4.0]]), seeds=(0, 1))
    >>> [trace.mode for trace in traces(seeds, seeds.places, style=style)]
    ['lines', 'lines+markers']
    """
    index = thin(len(x))
    x, drawn = x[index], drawn.take(index)
    shown = drawn.rows if floor is None else np.maximum(drawn.rows, floor)
    found = [_bold(x, shown[-1], title=drawn.titles[-1])]
    if len(shown) > 1:
        found.insert(0, _thin_lines(x, shown[:-1], drawn))
    found += [marks for marks in (_gaps(x, shown, drawn), _floored(x, shown, drawn)) if marks is not None]
    for trace in found:
        trace.update(name=theme.text(drawn.name), legendgroup=drawn.name, showlegend=False)
        trace.update(line_color=style.colour, marker_color=style.colour)
    bold = found[len(shown) > 1]
    bold.update(line_dash=style.dash, marker_symbol=style.symbol, showlegend=bool(drawn.name))
    return found


def notes(found: Iterable[Series], floor: float | None = None) -> list[str]:
    """What one has to know to read the lines: how many seeds there are, what stands for missing or for zero values."""
    found = list(found)
    counts = sorted({len(each.seeds) for each in found if each.seeds})
    several = " or ".join(str(count) for count in counts)
    kind = found[0].repeated if found else SEED
    seeds = f"one {kind}" if counts == [1] else f"thin lines: {several} {kind}s, bold: their mean" if counts else ""
    gap = "✕ no finite value beyond" if any(np.isnan(each.values).any() for each in found) else ""
    below = any((each.values < floor).any() for each in found) if floor is not None else False
    low = f"▽ below {floor:.2g}, zero included" if below else ""
    absent = [f"{each.name}: no mean, as a {each.repeated} has no value" for each in found if np.isnan(each.mean).all()]
    return [note for note in (seeds, gap, low, *absent) if note]


def stored(x: Float[np.ndarray, "t"]) -> Float[np.ndarray, "t"]:
    """Places as a figure stores them: whole numbers stay exact, for a step is a name as much as a number.

    >>> stored(np.array([0.0, 123_457.0])).tolist()
    [0.0, 123457.0]
    """
    whole = np.all(np.isnan(x) | ((x == np.round(x)) & (np.abs(x) < 2**24)))
    return x.astype(np.float32) if whole else rounded(x)


def _bold(x: np.ndarray, y: np.ndarray, *, title: str) -> go.Scatter:
    hover = "%{fullData.name}" + (f", {title}" if title else "") + ": %{y:.4~g}<extra></extra>"
    mode = "lines+markers" if len(x) <= MARKED else "lines"
    return go.Scatter(x=stored(x), y=rounded(y), mode=mode, line_width=2.5, marker_size=6, hovertemplate=hover)


def _thin_lines(x: np.ndarray, rows: np.ndarray, drawn: Series) -> go.Scatter:
    """All seeds one after the other, with a gap between two."""
    gap = np.full((len(rows), 1), np.nan)
    across = np.concatenate([np.tile(x, (len(rows), 1)), gap], axis=1).ravel()
    up = np.concatenate([rows, gap], axis=1).ravel()
    line = go.Scatter(x=stored(across), y=rounded(up), mode="lines", line_width=1, opacity=0.45)
    line.customdata = np.repeat(np.array(drawn.seeds), len(x) + 1)
    hover = f"%{{fullData.name}}, {drawn.repeated} %{{customdata}}: %{{y:.4~g}}<extra></extra>"
    return line.update(hovertemplate=hover)


def _gaps(x: np.ndarray, shown: np.ndarray, drawn: Series) -> go.Scatter | None:
    at, words = [], []
    for row, title in enumerate(drawn.titles):
        there = np.isfinite(shown[row])
        for place in np.flatnonzero(there[:-1] & ~there[1:]).tolist():
            at.append((row, place))
            words.append(_said(title, f"no finite value from {_place(drawn.places[place + 1])} on"))
        if there.any() and not there[0]:
            at.append((row, int(there.argmax())))
            words.append(_said(title, f"no finite value before {_place(drawn.places[there.argmax()])}"))
    return _marks(x, shown, at, symbol="x-thin-open", words=words)


def _floored(x: np.ndarray, shown: np.ndarray, drawn: Series) -> go.Scatter | None:
    given = drawn.rows
    at = [(int(row), int(place)) for row, place in np.argwhere(given < shown)]
    words = [_said(drawn.titles[row], f"{given[row, place]:.4g}, drawn at the floor") for row, place in at]
    return _marks(x, shown, at, symbol="triangle-down-open", words=words)


def _said(title: str, sentence: str) -> str:
    return f"{title}: {sentence}" if title else sentence


def _place(label: Any) -> str:
    return theme.text(label) if isinstance(label, str) else theme.number(label)


def _marks(
    x: np.ndarray, shown: np.ndarray, at: Sequence[tuple[int, int]], *, symbol: str, words: Sequence[str]
) -> go.Scatter | None:
    """Large marks on the last row, the bold one, small ones on the seeds."""
    if not at:
        return None
    rows, places = np.array(at).T
    sizes = np.where(rows == len(shown) - 1, 11, 7).tolist()
    hover = "%{fullData.name}: %{text}<extra></extra>"
    return go.Scatter(
        x=stored(x[places]), y=rounded(shown[rows, places]), mode="markers", text=list(words), hovertemplate=hover,
        marker={"symbol": symbol, "size": sizes, "line": {"width": 1.5}},
    )  # fmt: skip
