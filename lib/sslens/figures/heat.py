"""A table of accuracies as colours: spectra across, label budgets down."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sslens.figures import curves, theme
from sslens.types import InputError

Table = Sequence[Sequence[float]] | curves.Numbers
LOSS_TO_GAIN = [[0, "#0072B2"], [0.5, "#F7F7F7"], [1, "#D55E00"]]


def gains(
    accuracies: Table,
    trained: curves.Numbers,
    *,
    betas: Sequence[float],
    per_class: Sequence[int],
    own: Mapping[str, float],
    title: str,
) -> go.Figure:
    """Points of accuracy won or lost by a spectrum k^−beta (across), for each number of labels per class (down).

    ``accuracies`` has a row per beta and a column per number of labels (0: all of them), ``trained`` those of the
    spectrum as it was trained: they stand in a column of their own on the left. A square marks the best beta of each
    row, the smallest among equals. ``own`` names exponents of the trained spectrum, marked above the table.

    Raises:
        InputError: no beta or number of labels, betas that do not rise evenly, or not one finite number for each.

    >>> figure = gains([[0.2], [0.5]], [0.4], betas=[0, 1], per_class=[5], own={"ranks 4-64": 0.8}, title="Ridge")
    >>> figure.data[1].z.tolist(), figure.data[2].x
    ([[-20.0, 10.0]], (1,))
    """
    table, before = curves.array("accuracies", accuracies, dimensions=2), curves.array("trained", trained)
    if table.shape != (len(betas), len(per_class)) or before.shape != table.shape[1:]:
        shapes = f"{len(betas)} betas x {len(per_class)} numbers of labels, and one trained accuracy for each of these"
        raise InputError("accuracies, trained", (table.shape, before.shape), shapes)
    if not np.isfinite(table).all() or not np.isfinite(before).all():
        raise InputError("accuracies, trained", "a number that is not finite", "finite numbers")
    steps = np.diff(betas)
    if (steps <= 0).any() or not np.allclose(steps, steps[:1]):
        raise InputError("betas", list(betas), "numbers that rise in even steps")
    names = [str(count) if count else "all" for count in per_class]
    notes = ["points of accuracy over the spectrum as trained", "square: best of the row"]
    figure = theme.figure(title, notes=notes, height=110 + 52 * max(len(names), 4), legend=False)
    figure.set_subplots(1, 2, shared_yaxes=True, column_widths=[0.09, 0.91], horizontal_spacing=0.015)
    figure.add_trace(_before(before, names), row=1, col=1)
    won = 100 * (table - before).T
    figure.add_trace(_won(won, table.T, betas, names), row=1, col=2)
    best = [betas[place] for place in won.argmax(1)]
    square = {"symbol": "square-open", "size": 34, "color": "#000", "line": {"width": 2}}
    figure.add_trace(go.Scatter(x=best, y=names, mode="markers", marker=square, hoverinfo="skip"), row=1, col=2)
    return _with_axes(figure, betas, own)


def _before(before: np.ndarray, names: Sequence[str]) -> go.Heatmap:
    hover = "%{y} labels per class, as trained: %{text}<extra></extra>"
    look: dict[str, Any] = {"colorscale": [[0, "#F7F7F7"], [1, "#F7F7F7"]], "showscale": False}
    z, words = np.zeros((len(before), 1), np.float32), [[f"{value:.3f}"] for value in before]
    look |= {"texttemplate": "%{text}", "textfont": {"size": 12}, "xgap": 1, "ygap": 1, "hovertemplate": hover}
    return go.Heatmap(x=["as trained"], y=list(names), z=z, text=words, **look)


def _won(won: np.ndarray, accuracies: np.ndarray, betas: Sequence[float], names: Sequence[str]) -> go.Heatmap:
    """Signs stand beside the colours: blue is a loss, orange a gain."""
    reach = float(np.abs(won).max()) or 1.0
    look: dict[str, Any] = {"colorscale": LOSS_TO_GAIN, "zmin": -reach, "zmax": reach, "xgap": 1, "ygap": 1}
    look |= {"texttemplate": "%{z:+.1f}", "textfont": {"size": 11}, "colorbar": {"title": "points", "thickness": 12}}
    hover = "beta %{x}, %{y} labels per class: accuracy %{customdata:.3f}, %{z:+.1f} points<extra></extra>"
    short = np.round(accuracies, 4).astype(np.float32)
    shown = won.round(1).astype(np.float32) + np.float32(0)  # no -0.0
    return go.Heatmap(x=list(betas), y=list(names), z=shown, customdata=short, hovertemplate=hover, **look)


def _with_axes(figure: go.Figure, betas: Sequence[float], own: Mapping[str, float]) -> go.Figure:
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    figure.update_yaxes(title_text="labels per class", row=1, col=1)
    figure.update_xaxes(showgrid=False)
    half = (betas[1] - betas[0]) / 2 if len(betas) > 1 else 0.5
    span = [betas[0] - half, betas[-1] + half]
    figure.update_xaxes(title_text="beta, exponent of the spectrum (0: white)", range=span, row=1, col=2)
    marked = sorted((exponent, name) for name, exponent in own.items() if span[0] <= exponent <= span[1])
    for place, (exponent, name) in enumerate(marked):
        side = "left" if place else "right"  # away from each other
        words = theme.text(f"▼ {name}" if place else f"{name} ▼")
        look = {
            "showarrow": False,
            "xanchor": side,
            "xshift": -6 if place else 6,
            "yanchor": "bottom",
            "yref": "y domain",
        }
        figure.add_annotation(text=words, x=exponent, y=1.0, row=1, col=2, **look)
    layout: Any = figure.layout
    return figure.update_layout(margin_t=layout.margin.t + 22, title_pad_b=layout.title.pad.b + 22)
