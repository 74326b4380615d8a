"""Draw figures in a process of its own: JSON figures on standard input, base64 PNGs on standard output.

A browser that hangs leaves threads behind that no Python process can end but by ending itself; hence the process.
"""

import asyncio
import base64
import json
import sys
from collections.abc import Sequence
from typing import Any

WIDTH = 760
"""Pixels: the width of a notebook's column on a code host."""


async def draw(figures: Sequence[dict[str, Any]]) -> list[bytes]:
    """Draw plotly figures as PNG, all by one browser.

    >>> asyncio.run(draw([]))
    []
    """
    if not figures:
        return []
    import kaleido  # optional: part of the lab dependencies

    async with kaleido.Kaleido(n=1, mathjax=False) as browser:  # mathjax would be fetched from the network
        still = ({"data": figure.get("data", []), "layout": figure.get("layout", {})} for figure in figures)
        return [await browser.calc_fig(figure, {"format": "png", "width": WIDTH, "scale": 1}) for figure in still]


if __name__ == "__main__":
    json.dump([base64.b64encode(picture).decode() for picture in asyncio.run(draw(json.load(sys.stdin)))], sys.stdout)
