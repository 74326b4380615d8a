"""A picture beside every figure, for code hosts and pages that show no interactive plots."""

import base64
import copy
import io
import json
import logging
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import psutil
from nbformat import NotebookNode
from PIL import Image

from sslens.figures.theme import PLOTLY

PNG = "image/png"
COLOURS = 64
"""Palette size. Figures have few colours; with 64 no channel is off by more than 7 of 255, at a quarter of the size."""
DRAW = (sys.executable, "-m", "sslens.batch.draw")
FIRST, EACH = 30.0, 15.0
"""Seconds granted to start the browser, and to draw a figure."""
log = logging.getLogger(__name__)


def add_pictures(notebook: NotebookNode) -> NotebookNode:
    """Return the notebook with an ``image/png`` beside each plotly figure that has none yet.

    One browser draws all of them. Without kaleido or a browser, or when drawing fails or hangs, the notebook comes
    back unchanged and the reason is logged: a picture is a courtesy, never a condition.

    >>> import nbformat
    >>> add_pictures(nbformat.v4.new_notebook())["cells"]
    []
    """
    pictured = copy.deepcopy(notebook)
    bundles = [output.get("data", {}) for cell in pictured["cells"] for output in cell.get("outputs", [])]
    bare = [bundle for bundle in bundles if PLOTLY in bundle and PNG not in bundle]
    if not bare:
        return notebook
    try:
        for bundle, picture in zip(bare, _drawn([bundle[PLOTLY] for bundle in bare]), strict=True):
            bundle[PNG] = base64.b64encode(_small(picture)).decode()
    except (OSError, ValueError, subprocess.SubprocessError) as cause:
        log.warning("no pictures beside the figures: %s", cause)
        return notebook
    return pictured


def _drawn(figures: Sequence[dict[str, Any]]) -> list[bytes]:
    pipe = subprocess.PIPE
    with subprocess.Popen(DRAW, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            drawn, trouble = process.communicate(json.dumps(figures), FIRST + EACH * len(figures))
        finally:
            if process.returncode is None:
                for child in [*psutil.Process(process.pid).children(recursive=True), process]:
                    child.kill()  # the browser first: nobody else would end it
    if process.returncode:
        raise ValueError(trouble.strip().splitlines()[-1] if trouble.strip() else f"exit code {process.returncode}")
    return [base64.b64decode(picture) for picture in json.loads(drawn)]


def _small(picture: bytes) -> bytes:
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image = image.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    small = io.BytesIO()
    image.save(small, "PNG", optimize=True)
    return small.getvalue()
