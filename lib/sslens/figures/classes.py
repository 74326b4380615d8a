"""Classes as pictures: bars per class, and the 2-D map."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Int, Num
from torch import Tensor

from sslens.figures import curves, theme
from sslens.types import InputError


def bars(
    values_by_run: Mapping[str, curves.Numbers], *, classes: Sequence[str], quantity: str, unit: str = ""
) -> go.Figure:
    """One bar per class and run, with its interval over seeds; a class without a finite value has no bar.

    Raises:
        InputError: no run, or a run that has not one value per class or no finite one.

    >>> bars({"vicreg": [0.9, 0.8]}, classes=["cat", "dog"], quantity="accuracy").layout.yaxis.title.text
    'accuracy'
    """
    if not values_by_run or not classes:
        raise InputError("values_by_run", values_by_run, "at least one run over at least one class")
    count = len(classes)
    read = {
        name: curves.curve(f"values_by_run[{name!r}]", values, length=count) for name, values in values_by_run.items()
    }
    seeds = " or ".join(str(n) for n in sorted({n for each in read.values() for n in each.seeds}))
    missing = any(np.isnan(each.mean).any() for each in read.values())
    notes = [
        f"whiskers: intervals over {seeds} seeds"
        if seeds not in ("", "1")
        else "one seed, no interval" * (seeds == "1")
    ]
    figure = theme.figure(f"{quantity} per class".capitalize(), notes=[*notes, "no bar: no finite value" * missing])
    for name, style in theme.styles(read).items():
        figure.add_trace(_bar(read[name], classes, style=style).update(name=theme.text(name)))
    figure.update_layout(barmode="group", bargap=0.25, bargroupgap=0.05)
    figure.update_yaxes(title_text=theme.named(quantity, unit))
    figure.update_xaxes(title_text="class", type="category")
    return figure


def _bar(values: curves.Curve, classes: Sequence[str], *, style: theme.Style) -> go.Bar:
    hover = "%{x}: %{y:.4~g}"
    bar = go.Bar(
        x=[theme.text(each) for each in classes], y=curves.rounded(values.mean), marker_color=style.colour, opacity=0.75
    )
    bar.update(
        marker_pattern={"shape": style.pattern, "fillmode": "overlay", "size": 6, "solidity": 0.25, "fgcolor": "#FFF"}
    )
    if np.isfinite(values.high - values.low).any():
        above, below = curves.rounded(values.high - values.mean), curves.rounded(values.mean - values.low)
        bar.error_y = {"array": above, "arrayminus": below, "thickness": 1.5, "width": 3, "color": "#000"}
        hover += " (+%{error_y.array:.2~g} −%{error_y.arrayminus:.2~g})"
    return bar.update(hovertemplate=hover)


def scatter(
    points: Num[np.ndarray, "n 2"] | Num[Tensor, "n 2"],
    labels: Int[np.ndarray, "n"] | Int[Tensor, "n"] | Sequence[int],
    *,
    classes: Sequence[str],
    title: str,
    axes: tuple[str, str] = ("component 1", "component 2"),
) -> go.Figure:
    """A 2-D map: one colour and symbol per class, equal axes, class and index under the pointer; 600 points read well.

    At most 2000 points are drawn, evenly thinned; the title says so, and how many have no finite place.

    Raises:
        InputError: no finite point, as many labels as points missing, or a label without a class.

    >>> import torch
    >>> scatter(torch.eye(2), [0, 1], classes=["cat", "dog"], title="Map").data[1].name
    'dog'
    """
    places, classed = curves.array("points", points, dimensions=2), curves.array("labels", labels).astype(np.int64)
    if len(classed) != len(places):
        raise InputError("labels", f"{len(classed)} labels", f"one for each of the {len(places)} points")
    if classed.min() < 0 or classed.max() >= len(classes):
        raise InputError("labels", int(classed[np.abs(classed).argmax()]), f"an index into the {len(classes)} classes")
    finite = np.isfinite(places).all(1)
    if not finite.any():
        raise InputError("points", points, "at least one finite point")
    index = np.flatnonzero(finite)
    index = index[curves.thin(len(index))]
    lost = int((~finite).sum())
    shown = f"{len(index)} of {len(places)} points" if len(index) < len(places) else f"{len(places)} points"
    figure = theme.figure(title, notes=[shown, f"{lost} without a finite place" * (lost > 0)], height=500, legend=False)
    for place in np.unique(classed[index]):
        mine = index[classed[index] == place]
        figure.add_trace(
            _cloud(places[mine], mine, style=theme.style_at(int(place))).update(name=theme.text(classes[place]))
        )
    figure.update_layout(
        showlegend=True, legend={"orientation": "v", "x": 1.01, "y": 1, "yanchor": "top", "title": {"text": "class"}}
    )
    figure.update_xaxes(title_text=theme.text(axes[0]))
    figure.update_yaxes(title_text=theme.text(axes[1]), scaleanchor="x")
    return figure


def _cloud(places: np.ndarray, index: np.ndarray, *, style: theme.Style) -> go.Scatter:
    look = {"color": style.colour, "symbol": style.symbol, "size": 7, "opacity": 0.8}
    hover = "%{fullData.name}, sample %{customdata}<extra></extra>"
    x, y = (curves.rounded(column) for column in places.T)
    return go.Scatter(x=x, y=y, mode="markers", marker=look, customdata=index.astype(np.int32), hovertemplate=hover)
