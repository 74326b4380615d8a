"""Bars: a bar for each class and run, the seeds as dots on it."""

import numpy as np
import plotly.graph_objects as go
from xarray import DataArray

from sslens.figures import _traces, theme


def bars(values: DataArray, *, title: str, over: str = "class") -> go.Figure:
    """One bar per label of ``over`` and run; with seeds its height is their mean and each is a dot.

    Where a seed has no finite value there is no bar, only the dots of the others. What else is repeated (``draw``) is
    drawn as seeds are, under its own name.

    Raises:
        InputError: an array without ``over``, or without a finite number.

    >>> labels = {"run": ["vicreg"], "class": ["cat", "dog"]}
    >>> accuracy = DataArray([[0.9, 0.8]], dims=("run", "class"), coords=labels, name="accuracy")
    >>> bars(accuracy, title="Which classes gain?").layout.yaxis.title.text
    'accuracy'
    """
    found = _traces.series(str(values.name), values, over=over)
    count, kind = len(found[0].seeds), found[0].repeated
    repeated = f"one {kind}" if count == 1 else f"dots: {count} {kind}s, bars: their mean" * (count > 1)
    missing = any(np.isnan(each.mean).any() for each in found)
    notes = [repeated, f"no bar: a {kind} without a finite value" * missing]
    figure = theme.figure(title, notes=notes, legend=any(each.name for each in found))
    styles = theme.styles(each.name for each in found)
    for each in found:
        named = {"name": theme.text(each.name), "legendgroup": each.name, "offsetgroup": each.name}
        figure.add_trace(_bar(each, style=styles[each.name]).update(named))
        if len(each.values) > 1:
            figure.add_trace(_dots(each).update(named))
    figure.update_layout(barmode="group", bargap=0.25, bargroupgap=0.05, scattermode="group", scattergap=0.25)
    figure.update_yaxes(title_text=_traces.axis_title(values))
    return figure.update_xaxes(title_text=theme.text(over), type="category")


def _labels(found: _traces.Series) -> list[str]:
    return [theme.text(label) if isinstance(label, str) else theme.number(label) for label in found.places]


def _bar(found: _traces.Series, *, style: theme.Style) -> go.Bar:
    bar = go.Bar(x=_labels(found), y=_traces.rounded(found.mean), marker_color=style.colour, opacity=0.75)
    pattern = {"shape": style.pattern, "fillmode": "overlay", "size": 6, "solidity": 0.25, "fgcolor": "#FFF"}
    return bar.update(marker_pattern=pattern, showlegend=bool(found.name), hovertemplate="%{x}: %{y:.4~g}")


def _dots(found: _traces.Series) -> go.Scatter:
    """Every seed at every bar: dark with a bright rim, to stand out from any colour."""
    labels, count = _labels(found), len(found.values)
    dots = go.Scatter(x=labels * count, y=_traces.rounded(found.values.ravel()), mode="markers", showlegend=False)
    dots.customdata = np.repeat(np.array(found.seeds), len(labels))
    dots.marker = {"color": "#222", "size": 5, "line": {"color": "#FFF", "width": 1}}
    return dots.update(hovertemplate=f"%{{x}}, {found.repeated} %{{customdata}}: %{{y:.4~g}}")
