"""Spectra as pictures, and the numbers read from them held against what they should tell."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sslens.figures import curves, theme
from sslens.types import InputError, Interval, UnknownName

KINDS = ("singular values", "eigenvalues")


def scree(
    spectra: Mapping[str, curves.Numbers],
    *,
    kind: str,
    relative: bool = True,
    log_ranks: bool = False,
    floor: float | None = None,
) -> go.Figure:
    """Scree plot: values against their rank on a logarithmic axis, each spectrum over its first value or absolute.

    What lies below ``floor`` (by default a decade under the smallest positive value) is drawn at the floor with an
    open triangle: a dead direction is seen, not dropped. A power law is a straight line where ``log_ranks`` is set.

    Raises:
        InputError: no spectrum, an empty one, one without a finite number, or a floor that is not positive.
        UnknownName: ``kind`` is neither singular values nor eigenvalues.

    >>> len(scree({"vicreg": [4.0, 1.0, 0.0]}, kind="eigenvalues").data)  # the line, and the mark of the zero
    2
    """
    if kind not in KINDS:
        raise UnknownName("kind", kind, KINDS)
    if not spectra:
        raise InputError("spectra", spectra, "at least one spectrum")
    if floor is not None and not 0 < floor < np.inf:
        raise InputError("floor", floor, "a positive number")
    read = {name: curves.curve(f"spectra[{name!r}]", values) for name, values in spectra.items()}
    if relative:
        read = {name: _over_first(each) for name, each in read.items()}
    lowest = curves.floor_of(read.values()) if floor is None else floor
    figure = theme.figure(f"Spectrum: {kind} by rank", notes=curves.notes(read.values(), lowest))
    for name, style in theme.styles(read).items():
        places = np.arange(1.0, len(read[name].mean) + 1)
        figure.add_traces(curves.traces(places, read[name], name=name, style=style, floor=lowest))
    unit = "relative to the first" if relative else ""
    figure.update_yaxes(type="log", exponentformat="e", title_text=theme.named(kind.removesuffix("s"), unit))
    longest = max(len(each.mean) for each in read.values())
    ranks: dict[str, Any] = {"type": "log"} if log_ranks else {"type": "linear", "range": [0.5, 1.01 * longest + 0.5]}
    figure.update_xaxes(title_text="rank", **ranks)
    return figure


def _over_first(values: curves.Curve) -> curves.Curve:
    first = values.mean[0] if values.mean[0] > 0 else 1.0
    return curves.Curve(values.mean / first, values.low / first, values.high / first, values.seeds)


def against(
    x: curves.Numbers,
    quantities: Mapping[str, curves.Numbers],
    *,
    runs: Sequence[tuple[str, str]],
    quantity: str,
    marks: Mapping[str, Collection[tuple[str, str]]] | None = None,
    log: Collection[str] = (),
) -> go.Figure:
    """Several quantities of many runs against one number ``x`` of them, in panels above each other.

    ``runs`` gives the sweep and the setting of each run: a colour and a line per sweep, in the order given, through
    the means of the runs of one setting; every run is a small dot. ``marks`` names groups of settings; those that are
    among the runs are ringed. ``log``: the quantities on a logarithmic axis, where what is not positive has its place
    at the bottom.

    Raises:
        InputError: no run, no quantity, numbers that are not one per run, or a logarithm of a quantity not there.

    >>> figure = against([9, 30], {"kNN": [0.2, 0.4]}, runs=[("lr", "0.1"), ("lr", "1")], quantity="RankMe")
    >>> [trace.mode for trace in figure.data], figure.data[1].y.tolist()
    (['markers', 'lines+markers'], [0.2..., 0.4...])
    """
    if not runs or not quantities:
        raise InputError("runs, quantities", (runs, quantities), "at least one run and one quantity")
    if strangers := [each for each in log if each not in quantities]:
        raise InputError("log", strangers, f"quantities of this figure: {', '.join(quantities)}")
    rings = {name: [each for each in settings if each in runs] for name, settings in (marks or {}).items()}
    across = curves.curve("x", x, length=len(runs)).mean
    notes = ["small dots: runs; lines: means of the runs of one setting"]
    heading = f"{' and '.join(quantities)} against {quantity}"
    figure = theme.figure(heading, notes=notes, height=200 + 250 * len(quantities), legend=False)
    figure.set_subplots(len(quantities), 1, shared_xaxes=True, vertical_spacing=0.05)
    for row, (name, values) in enumerate(quantities.items(), 1):
        read = curves.curve(f"quantities[{name!r}]", values, length=len(runs))
        up = read.lifted(curves.floor_of([read])).mean if name in log else read.mean
        figure.add_traces(_sweeps(across, up, runs=runs, named=row == 1), rows=row, cols=1)
        figure.add_traces(_rings(across, up, runs=runs, rings=rings, named=row == 1), rows=row, cols=1)
        kind: dict[str, Any] = {"type": "log", "exponentformat": "e"} if name in log else {"type": "linear"}
        figure.update_yaxes(title_text=theme.named(name), row=row, col=1, **kind)
    figure.update_xaxes(title_text=theme.named(quantity), row=len(quantities), col=1)
    # Below the panels there is room for as many rows of names as it takes.
    return figure.update_layout(showlegend=True, legend={"y": -60 / (180 * len(quantities)), "yanchor": "top"})


def _sweeps(x: np.ndarray, y: np.ndarray, *, runs: Sequence[tuple[str, str]], named: bool) -> list[go.Scatter]:
    """The dots and the line of each sweep."""
    found = []
    for sweep, style in theme.styles(dict.fromkeys(sweep for sweep, _ in runs)).items():
        mine = [place for place, (name, _) in enumerate(runs) if name == sweep]
        words = [theme.text(" ".join(runs[place])) for place in mine]
        dots = _points(x[mine], y[mine], words, marker={"size": 4, "opacity": 0.5})
        settings = dict.fromkeys(each for each in runs if each[0] == sweep)
        means = np.array([_mean(x, y, of=each, runs=runs) for each in settings])
        line = _points(means[:, 0], means[:, 1], [theme.text(" ".join(each)) + ", mean" for each in settings])
        line.update(mode="lines+markers", marker={"size": 9, "symbol": style.symbol}, line={"dash": style.dash})
        for trace in (dots, line):
            trace.update(name=theme.text(sweep), legendgroup=sweep, showlegend=named and trace is line)
            trace.update(marker_color=style.colour, line_color=style.colour)
        found += [dots, line]
    return found


def _rings(
    x: np.ndarray,
    y: np.ndarray,
    *,
    runs: Sequence[tuple[str, str]],
    rings: Mapping[str, Collection[tuple[str, str]]],
    named: bool,
) -> list[go.Scatter]:
    found = []
    for place, (name, settings) in enumerate(rings.items()):
        if settings:
            means = np.array([_mean(x, y, of=each, runs=runs) for each in settings])
            ring = _points(means[:, 0], means[:, 1], [theme.text(name)] * len(means), marker={"size": 22})
            ring.update(marker_symbol=f"{theme.SYMBOLS[place]}-open", marker_color="#222", marker_line_width=1.5)
            found.append(ring.update(name=theme.text(name), legendgroup=name, showlegend=named))
    return found


def _mean(x: np.ndarray, y: np.ndarray, *, of: tuple[str, str], runs: Sequence[tuple[str, str]]) -> tuple[float, float]:
    mine = [place for place, each in enumerate(runs) if each == of]
    return float(x[mine].mean()), float(y[mine].mean())


def _points(x: np.ndarray, y: np.ndarray, words: Sequence[str], **look: Any) -> go.Scatter:
    points = go.Scatter(x=curves.rounded(x), y=curves.rounded(y), mode="markers", text=words, **look)
    return points.update(hovertemplate="%{text}: %{x:.4~g}, %{y:.4~g}<extra></extra>")


def dots(
    values: Mapping[str, Mapping[str, Interval | float]],
    *,
    quantity: str,
    reference: float = 0.0,
    span: tuple[float, float] | None = None,
    log: bool = False,
) -> go.Figure:
    """A dot and the bar of its interval for every row of every panel, ``values[panel][row]``; panels stand abreast.

    A line marks the ``reference`` in each panel; ``span`` fixes the axis, and bars that leave it are cut. On a
    logarithmic axis what is not positive has its place at the lower end.

    Raises:
        InputError: no panel, panels that have not the same rows, or one without a finite number.

    >>> dots({"sweep": {"RankMe": 0.5, "amplitude": -1.0}}, quantity="correlation").data[0].x.tolist()
    [0.5, -1.0]
    """
    rows = list(next(iter(values.values()), {}))
    if not rows or any(list(panel) != rows for panel in values.values()):
        raise InputError("values", {name: list(panel) for name, panel in values.items()}, "panels of the same rows")
    read = {name: curves.curve(f"values[{name!r}]", list(panel.values())) for name, panel in values.items()}
    counts = sorted({n for each in read.values() for n in each.seeds})
    note = "one seed, no interval" if counts == [1] else f"bars: intervals over {' or '.join(map(str, counts))} seeds"
    heading = quantity[:1].upper() + quantity[1:]
    figure = theme.figure(heading, notes=[note] * bool(counts), height=170 + 26 * len(rows), legend=False)
    layout: Any = figure.layout
    above = {"title_pad_b": layout.title.pad.b + 40, "margin_t": layout.margin.t + 40}  # for the panels' titles
    figure.update_layout(above)
    titles = [theme.text(name).replace(" ", "<br>", 1) for name in values]
    figure.set_subplots(1, len(values), shared_yaxes=True, horizontal_spacing=0.03, subplot_titles=titles)
    floor = curves.floor_of(read.values()) if log else None
    for column, (name, style) in enumerate(theme.styles(read).items(), 1):
        shown = read[name] if floor is None else read[name].lifted(floor)
        cell: dict[str, Any] = {"row": 1, "col": column}
        figure.add_trace(_dots(shown, rows, style=style).update(name=theme.text(name)), **cell)
        figure.add_vline(reference, line={"color": "#777", "width": 1}, layer="below", **cell)
    figure.update_annotations(font_size=12)
    figure.update_yaxes(type="category", autorange="reversed", ticklabelstandoff=6)
    figure.update_xaxes(
        type="log" if log else "linear", matches="x", nticks=4, range=None if span is None else list(span)
    )
    return figure.update_xaxes(title_text=theme.named(quantity), row=1, col=(len(values) + 1) // 2)


def _dots(values: curves.Curve, rows: Sequence[str], *, style: theme.Style) -> go.Scatter:
    found = go.Scatter(x=curves.rounded(values.mean), y=[theme.text(row) for row in rows], mode="markers")
    found.update(marker={"color": style.colour, "symbol": style.symbol, "size": 9})
    hover = "%{y}: %{x:.4~g}"
    if np.isfinite(values.high - values.low).any():
        right, left = curves.rounded(values.high - values.mean), curves.rounded(values.mean - values.low)
        found.error_x = {"array": right, "arrayminus": left, "thickness": 2, "width": 0, "color": style.colour}
        hover += " (+%{error_x.array:.2~g} −%{error_x.arrayminus:.2~g})"
    return found.update(hovertemplate=hover + "<extra>%{fullData.name}</extra>")
