"""What every figure shares: colours, one small template, titles with their remarks.

Colours are those of Okabe and Ito (2008, "Color universal design"), fixed per objective; dash, symbol and pattern
change with the colour, so that it is never the only channel.
"""

import hashlib
import html
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

import plotly.graph_objects as go
import plotly.io

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#7F7F7F")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x", "triangle-down", "star", "pentagon", "bowtie")
PATTERNS = ("", "/", "x", ".", "\\", "+", "-", "|")
COLOURS = dict(
    zip(("vicreg", "simsiam", "simclr", "byol", "barlow", "dino", "supervised", "random"), PALETTE, strict=True)
)
"""Colour of each objective, the same in every figure."""

CONFIG = {"displaylogo": False, "showSendToCloud": False, "responsive": True}
"""Plotly's behaviour: no logo, no button that uploads the figure, width follows the page."""

PLOTLY = "application/vnd.plotly.v1+json"
"""The type under which JupyterLab and VS Code know a plotly figure."""

_AXIS = {
    "automargin": True,
    "gridcolor": "#E5E5E5",
    "linecolor": "#999",
    "zeroline": False,
    "title": {"standoff": 8, "font": {"size": 13}},
}
_LEGEND = {"orientation": "h", "x": 0, "y": 1.01, "yanchor": "bottom"}
_TITLE = {"x": 0, "xref": "paper", "y": 1, "yref": "paper", "yanchor": "bottom", "font": {"size": 16}}
TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": "Open Sans, Arial, sans-serif", "size": 13, "color": "#222"},
        "title": _TITLE,
        "margin": {"l": 56, "r": 16, "t": 76, "b": 48},
        "paper_bgcolor": "#FFF",
        "plot_bgcolor": "#FFF",
        "colorway": PALETTE,
        "colorscale": {
            "sequential": "Cividis",
            "diverging": [[0, "#0072B2"], [0.5, "#F7F7F7"], [1, "#D55E00"]],
        },
        "hoverlabel": {"align": "left", "namelength": -1},
        "legend": _LEGEND,
        "uirevision": "keep",
        "xaxis": _AXIS,
        "yaxis": _AXIS,
    }
)
"""The look of every figure, about one kilobyte; zoom survives updates."""


def install() -> None:
    """Make the template the default and, in a kernel, show figures by their JSON with our ``CONFIG``.

    Plotly's own way to do so imports a JSON schema validator first, which takes longer than torch.
    """
    plotly.io.templates["sslens"] = TEMPLATE
    plotly.io.templates.default = "sslens"
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        own = shell.display_formatter.ipython_display_formatter
        own.for_type(go.Figure, lambda shown: shell.display_pub.publish({PLOTLY: stored(shown)}))


def stored(shown: go.Figure) -> dict[str, Any]:
    """A figure as plain JSON values, with our ``CONFIG``.

    >>> stored(go.Figure())["config"]["showSendToCloud"]
    False
    """
    return json.loads(shown.to_json() or "{}") | {"config": CONFIG}


@final
@dataclass(frozen=True)
class Style:
    """How one run looks: colour, dash of its line, symbol of its points, pattern of its bars.

    >>> styles(["vicreg"])["vicreg"]
    Style(colour='#0072B2', dash='solid', symbol='circle', pattern='')
    """

    colour: str
    dash: str
    symbol: str
    pattern: str


def about(figure: Mapping[str, Any], place: int) -> str:
    """What a trace of a stored figure shows, in brackets: its run and the quantity on its axis; empty if unnamed.

    >>> about({"data": [{"name": "simclr"}], "layout": {"yaxis": {"title": {"text": "RankMe"}}}}, 0)
    ' (simclr, RankMe)'
    """
    trace, layout = figure["data"][place], figure.get("layout", {})
    axis = layout.get("yaxis" + trace.get("yaxis", "y")[1:], {}).get("title", {}).get("text")
    names = [name for name in (trace.get("name"), axis) if name]
    return f" ({', '.join(names)})" if names else ""


def colour_of(name: str) -> str:
    """The colour of an objective, or of a run whose name starts with one; any other name gets one of its own for ever.

    >>> colour_of("SimSiam without stop-gradient") == COLOURS["simsiam"]
    True
    """
    word = name.lower().replace("-", "").replace("_", "")
    known = next((colour for objective, colour in COLOURS.items() if word.startswith(objective)), None)
    return known or PALETTE[hashlib.sha256(name.encode()).digest()[0] % len(PALETTE)]


def styles(names: Iterable[str]) -> dict[str, Style]:
    """A style for each name, by its colour; where two names want the same colour, the later takes the next free one.

    >>> [style.colour for style in styles(["vicreg", "vicreg, small batch"]).values()]
    ['#0072B2', '#D55E00']
    """
    chosen: dict[str, int] = {}
    for name in names:
        favourite, used = PALETTE.index(colour_of(name)), set(chosen.values())
        free = (place for place in range(favourite, favourite + 100) if place % len(PALETTE) not in used)
        chosen[name] = next(free, favourite + len(chosen)) % len(PALETTE)
    return {name: style_at(place) for name, place in chosen.items()}


def style_at(place: int) -> Style:
    """The style of a place in a list; colour and symbol together repeat after 40 places."""
    lists = (PALETTE, DASHES, SYMBOLS, PATTERNS)
    return Style(*(each[place % len(each)] for each in lists))


def text(name: object) -> str:
    """A name from data as plain text, whatever mark-up it holds.

    >>> text("<b>cat</b>")
    '&lt;b&gt;cat&lt;/b&gt;'
    """
    return html.escape(str(name), quote=False)


def named(quantity: str, unit: str = "") -> str:
    """An axis title: the quantity, and its unit in brackets where it has one.

    >>> named("step"), named("time", "s")
    ('step', 'time (s)')
    """
    return text(f"{quantity} ({unit})" if unit else quantity)


def figure(title: str, *, notes: Iterable[str] = (), height: int = 380, legend: bool = True) -> go.Figure:
    """An empty figure in the house's look, its remarks under the title and room for a legend below them."""
    remarks = " · ".join(note for note in notes if note)
    heading = text(title) + (f'<br><span style="font-size:12px;color:#555">{remarks}</span>' if remarks else "")
    below = 10 + 20 * bool(remarks) + 26 * legend  # plotly counts from the first line's foot
    above = {"text": heading, "pad": {"b": below}}
    layout = {"template": TEMPLATE, "title": above, "height": height, "margin": {"t": 30 + below}}
    return go.Figure(layout={**layout, "showlegend": legend})
