"""What every figure shares: colours, one small template, titles with their remarks.

The first six colours are those of Okabe and Ito (2008, "Color universal design"); the ten keep apart for normal and
for dichromatic vision. Dash, symbol and pattern change with the colour, so that it is never the only channel.
"""

import hashlib
import html
import json
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

import plotly.graph_objects as go
import plotly.io

PALETTE = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#6B5555", "#000000", "#2A1A9E", "#8C1C13",
)  # fmt: skip
SYMBOLS = (
    "circle", "diamond", "square", "triangle-up", "cross", "x", "triangle-down", "star", "bowtie", "triangle-right",
    "hourglass",
)  # fmt: skip
DASHES = (
    "solid", "8px,3px", "16px,4px", "8px,3px,2px,3px", "3px,2px", "16px,4px,2px,4px", "12px,3px,2px,3px,2px,3px",
)  # fmt: skip
PATTERNS = ("", "/", "x", ".", "\\", "+", "-")
# The lengths have no common divisor with ten, so that no pair of colour and symbol (dash, pattern) comes back soon.
FAVOURITES = {
    "vicreg": 0, "simsiam": 1, "simclr": 2, "byol": 3, "barlow": 4, "dino": 5, "supervised": 7, "crossentropy": 7,
    "untrained": 6, "random": 6, "train": 0, "test": 1,
}  # fmt: skip
"""The place in the palette that well-known kinds of runs have in every figure; others are given one by their name."""
NEUTRAL = "#777"
"""Lines of reference and remarks: no run has this colour."""

CONFIG = {"displaylogo": False, "showSendToCloud": False, "responsive": True}
"""Plotly's behaviour: no logo, no button that uploads the figure, width follows the page."""

PLOTLY = "application/vnd.plotly.v1+json"
"""The type under which JupyterLab and VS Code know a plotly figure."""

TITLE, NOTES = 44, 58
"""Characters to a line of title and of remarks: what a phone shows without cutting."""
LEVEL: dict[str, Any] = {"tickangle": 0}
"""Setting of an axis of numbers; words may turn where they would run into each other."""
PANEL = 18
"""Characters to a line of a panel's name."""
_AXIS = {
    "automargin": True,
    "gridcolor": "#E5E5E5",
    "linecolor": "#999",
    "zeroline": False,
    "title": {"standoff": 8, "font": {"size": 13}},
}
# Both hang on the edges of the figure, not of the plot: however narrow the page, they cannot meet.
_LEGEND = {"orientation": "h", "x": 0.01, "xref": "container", "y": 0, "yref": "container", "yanchor": "bottom"}
_TITLE = {"x": 0, "xref": "container", "y": 1, "yref": "container", "yanchor": "top"}
TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": "Open Sans, Arial, sans-serif", "size": 13, "color": "#222"},
        "title": _TITLE | {"pad": {"l": 12}, "font": {"size": 15}},
        "margin": {"l": 56, "r": 16, "t": 48, "b": 44},
        "paper_bgcolor": "#FFF",
        "plot_bgcolor": "#FFF",
        "colorway": PALETTE,
        "colorscale": {
            "sequential": "Cividis",
            "diverging": [[0, "#0072B2"], [0.5, "#F7F7F7"], [1, "#D55E00"]],
        },
        "hoverlabel": {"align": "left", "namelength": -1},
        "legend": _LEGEND | {"itemwidth": 40, "maxheight": 0.4, "title": {"font": {"size": 13}}},
        "uirevision": "keep",
        "xaxis": _AXIS,
        "yaxis": _AXIS,
    }
)
"""Style of every figure, about one kilobyte, which each carries along; zoom survives updates."""


def show_in_notebooks() -> bool:
    """Inside IPython, show figures by their JSON with our ``CONFIG`` and in our style; elsewhere change nothing.

    Plotly's own way to show a figure imports a JSON schema validator first, which takes longer than torch. The package
    calls this once, when it is imported. Returns whether there is a shell.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        return False
    plotly.io.templates["sslens"] = TEMPLATE
    plotly.io.templates.default = "sslens"
    own = shell.display_formatter.ipython_display_formatter
    own.for_type(go.Figure, lambda shown: shell.display_pub.publish({PLOTLY: stored(shown)}))
    return True


def stored(shown: go.Figure) -> dict[str, Any]:
    """A figure as plain JSON values, with our ``CONFIG``.

    >>> stored(go.Figure())["config"]["showSendToCloud"]
    False
    """
    return json.loads(shown.to_json() or "{}") | {"config": CONFIG}


@final
@dataclass(frozen=True)
class Style:
    """How a run is drawn: colour, dash of its line, symbol of its points, pattern of its bars.

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


def style_at(place: int) -> Style:
    """The style of a place in a list: ten differ in colour and symbol, 70 in the pair of colour and dash.

    >>> style_at(10).colour == style_at(0).colour, style_at(10).symbol == style_at(0).symbol
    (True, False)
    """
    lists = (PALETTE, DASHES, SYMBOLS, PATTERNS)
    return Style(*(each[place % len(each)] for each in lists))


def styles(names: Iterable[str]) -> dict[str, Style]:
    """A style for each name; where two names want the same colour, the later takes the next free one.

    Well-known kinds of runs have their colour in all figures, and any other name has one of its own for ever. Where
    names differ only in a number, as in a sweep, they take the colours in their order.

    >>> [style.colour for style in styles(["vicreg", "vicreg, small batch"]).values()]
    ['#0072B2', '#D55E00']
    """
    names = list(dict.fromkeys(names))
    if len({re.sub(r"[-+]?[\d.,]+(e[-+]?\d+)?", "#", name) for name in names}) == 1:
        return {name: style_at(place) for place, name in enumerate(names)}
    taken: dict[str, int] = {}
    for name in sorted(names, key=lambda name: _known(name) is None):
        known = _known(name)
        own = hashlib.sha256(name.encode()).digest()[0] % len(PALETTE) if known is None else known
        taken[name] = _free(own, taken.values())
    return {name: style_at(taken[name]) for name in names}


def _known(name: str) -> int | None:
    """The place of a well-known kind of run."""
    word = re.sub(r"[-_ ]", "", name.lower())
    return next((place for kind, place in FAVOURITES.items() if word.startswith(kind)), None)


def _free(favourite: int, taken: Iterable[int]) -> int:
    """The first free place from the favourite on; behind the last when all colours are in use."""
    taken = set(taken)
    around = ((favourite + further) % len(PALETTE) for further in range(len(PALETTE)))
    return next((place for place in around if place not in taken), len(taken))


def text(name: object) -> str:
    """A name from data as plain text, whatever mark-up it holds.

    >>> text("<b>cat</b>")
    '&lt;b&gt;cat&lt;/b&gt;'
    """
    return html.escape(str(name), quote=False)


def number(value: float) -> str:
    """A number as it stands at an axis or in a legend.

    >>> number(10_000), number(0.1 + 0.2)
    ('10,000', '0.3')
    """
    return f"{value:,.10g}"


def named(quantity: str, unit: str = "") -> str:
    """An axis title: the quantity, and its unit in brackets where it has one.

    >>> named("step"), named("time", "s")
    ('step', 'time (s)')
    """
    return text(f"{quantity} ({unit})" if unit else quantity)


def panel_name(name: str) -> str:
    """The name of a panel, in lines that do not run into its neighbour's.

    >>> panel_name("SimCLR learning rate")
    'SimCLR learning<br>rate'
    """
    return "<br>".join(map(text, textwrap.wrap(name, PANEL)))


def figure(
    title: str, *, notes: Iterable[str] = (), height: int = 340, legend: bool = True, headroom: int = 0
) -> go.Figure:
    """An empty figure in our style: title and remarks above, the legend below, ``height`` pixels for all between.

    Long titles are broken into lines. ``headroom`` is kept free above the panels, for names of their own.
    """
    heading, remarks = _broken(title, TITLE), _filled(dict.fromkeys(filter(None, notes)))
    words = "<br>".join(heading)
    if remarks:
        words += f'<br><span style="font-size:12px;color:#555">{"<br>".join(remarks)}</span>'
    top = 26 + 20 * len(heading) + 17 * len(remarks) + headroom
    size = {"height": top + height + 30 * legend, "margin": {"t": top}}
    # From the top to the head of a single line, but to the foot of the first of several.
    above = {"text": words, "pad": {"t": 23 if "<br>" in words else 12}}
    return go.Figure(layout={"template": TEMPLATE, "title": above, "showlegend": legend, **size})


def _broken(sentence: str, width: int) -> list[str]:
    """Lines of about equal length, none longer than ``width``, escaped."""
    count = len(textwrap.wrap(sentence, width))
    fits = (lines for narrower in range(1, width + 1) if len(lines := textwrap.wrap(sentence, narrower)) == count)
    return [text(line) for line in next(fits, [])]


def _filled(notes: Iterable[str]) -> list[str]:
    """As many remarks in a line as it holds; one is broken only where it is longer than a line."""
    lines: list[str] = []
    for note in notes:
        if lines and len(lines[-1]) + len(note) + 3 <= NOTES:
            lines[-1] += f" · {note}"
        else:
            lines += textwrap.wrap(note, NOTES)
    return [text(line) for line in lines]
