"""A PNG beside every figure, for code hosts and pages that show no interactive plots."""

import base64
import copy
import io
import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import psutil
from nbformat import NotebookNode
from PIL import Image

from sslens.figures.theme import PLOTLY
from sslens.headless.notebook import shown_as
from sslens.types import InputError

PNG = "image/png"
COLOURS = 256
"""Palette size: what one byte a pixel holds. Figures have few colours, their soft edges make many."""
WORKER = (sys.executable, "-m", "sslens.headless.render_worker")
FIRST, EACH = 30.0, 15.0
"""Seconds granted to start the browser, and to draw a figure."""


def add_pictures(notebook: NotebookNode) -> NotebookNode:
    """Return the notebook with an ``image/png`` beside each plotly figure that has none yet; one browser draws all.

    Raises:
        InputError: there is no kaleido, no browser, or drawing fails or hangs.

    >>> import nbformat
    >>> add_pictures(nbformat.v4.new_notebook())["cells"]
    []
    """
    notebook = copy.deepcopy(notebook)
    bare = [bundle for bundle in shown_as(notebook, PLOTLY) if PNG not in bundle]
    if bare:
        for bundle, picture in zip(bare, _drawn([bundle[PLOTLY] for bundle in bare]), strict=True):
            bundle[PNG] = base64.b64encode(_small(picture)).decode()
    return notebook


def require_browser() -> None:
    """Draw an empty figure, so that nobody computes for an hour what cannot be drawn in the end.

    Raises:
        InputError: it cannot be drawn.
    """
    _drawn([{}])


def _drawn(figures: Sequence[dict[str, Any]]) -> list[bytes]:
    try:
        return [base64.b64decode(picture) for picture in json.loads(_by_the_worker(figures))]
    except (OSError, ValueError, subprocess.SubprocessError) as cause:
        needed = "Chromium or Chrome with kaleido, which draw figures (sslens doctor says more)"
        raise InputError("browser", str(cause).strip(), needed) from None


def _by_the_worker(figures: Sequence[dict[str, Any]]) -> str:
    pipe = subprocess.PIPE
    with subprocess.Popen(WORKER, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            drawn, trouble = process.communicate(json.dumps(figures), FIRST + EACH * len(figures))
        finally:
            if process.returncode is None:
                for child in [*psutil.Process(process.pid).children(recursive=True), process]:
                    child.kill()  # the browser first: nobody else would end it
    if process.returncode:
        raise ValueError(trouble.strip().splitlines()[-1] if trouble.strip() else f"exit code {process.returncode}")
    return drawn


def _small(picture: bytes) -> bytes:
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image = image.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    small = io.BytesIO()
    image.save(small, "PNG", optimize=True)
    return small.getvalue()
