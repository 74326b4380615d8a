"""What importing the house costs once torch is there, each time in a fresh process."""

import subprocess
import sys
from collections.abc import Iterator
from statistics import median

from tests.benchmarks.rows import Row

ROUNDS, AIM = 5, 0.3
NOTEBOOK = """
from sslens import datasets, figures, runtime, trace, views
from sslens.claims import judge
from sslens.lab import explore
from sslens.measures import classes, collapse, plane, probe, regions, spectrum
from sslens.train import Config, record, restore"""
OURS = {
    "sslens": "import sslens",
    "sslens.train": "import sslens.train",
    "all a notebook asks for": NOTEBOOK,
}
PEERS = {"plotly, able to show": "import plotly.graph_objects, plotly.io\nplotly.io.renderers"}
TIMED = """
from time import perf_counter as now
start = now()
import torch
between = now()
{}
print(between - start, now() - between)
"""


def rows() -> Iterator[Row]:
    """Seconds after ``import torch``, against the seconds of torch itself in the same process."""
    asked = OURS | PEERS
    for code in asked.values():
        _seconds(code)  # the first import writes byte code and fills the file cache
    rounds = [[_seconds(code) for code in asked.values()] for _ in range(ROUNDS)]
    for name, costs in zip(asked, zip(*rounds, strict=True), strict=True):
        torch, rest = zip(*costs, strict=True)
        ratios = tuple(mine / its for mine, its in zip(rest, torch, strict=True))
        aim = {"aim": f"value < {AIM} s", "reached": median(rest) < AIM} if name in OURS else {}
        yield Row(name, median(rest), "s", median(torch), "torch", ratios, **aim)


def _seconds(code: str) -> tuple[float, float]:
    command = [sys.executable, "-c", TIMED.format(code)]
    torch, rest = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(torch), float(rest)
