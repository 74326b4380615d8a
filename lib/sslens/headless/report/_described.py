"""Figures in words, for who hears a page instead of seeing it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

MARKUP = re.compile(r"<[^>]*>")


def described(figure: Mapping[str, Any]) -> str:
    """What a stored figure is about: its title, its axes, and the names of what it shows.

    >>> axes = {"xaxis": {"title": {"text": "step"}}, "yaxis": {"title": {"text": "RankMe"}}}
    >>> described({"data": [{"name": "simclr"}], "layout": {"title": {"text": "Does it <b>rise</b>?"}} | axes})
    'Figure: Does it rise? Across: step. Up: RankMe. Shown: simclr.'
    """
    layout, data = figure.get("layout"), figure.get("data")
    layout, traces = layout if isinstance(layout, Mapping) else {}, data if isinstance(data, list) else []
    title = _text(layout) or "without a title"
    parts = {
        "Across": _axes(layout, "x"),
        "Up": _axes(layout, "y"),
        "Shown": [_plain(trace.get("name")) for trace in traces if isinstance(trace, Mapping)],
    }
    known = {what: ", ".join(dict.fromkeys(filter(None, names))) for what, names in parts.items()}
    said = " ".join(f"{what}: {names}." for what, names in known.items() if names)
    return f"Figure: {title}{'' if title[-1] in '.?!' else '.'} {said}".strip()


def _axes(layout: Mapping[str, Any], way: str) -> Iterator[str]:
    for name, axis in layout.items():
        if re.fullmatch(rf"{way}axis[0-9]*", name) and isinstance(axis, Mapping):
            yield _text(axis)


def _text(part: Mapping[str, Any]) -> str:
    title = part.get("title")
    return _plain(title.get("text") if isinstance(title, Mapping) else title)


def _plain(text: Any) -> str:
    if not isinstance(text, str):
        return ""
    lines = (" ".join(MARKUP.sub("", line).split()) for line in re.split(r"<br ?/?>", text))
    return "; ".join(filter(None, lines))
