"""What importing the house costs once torch is there, each in a fresh process."""

import subprocess
import sys
from collections.abc import Iterator
from statistics import median

from tests.benchmarks.rows import Row

ROUNDS = 5
AIM = 0.3
NOTEBOOK = """
from sslens import datasets, figures, runtime, trace, views
from sslens.claims import judge
from sslens.lab import explore
from sslens.measures import classes, collapse, plane, probe, regions, spectrum
from sslens.train import Config, record, restore"""
ASKED = {
    "sslens alone": "import sslens",
    "sslens.train": "import sslens.train",
    "plotly with its renderers, for comparison": "import plotly.graph_objects, plotly.io; plotly.io.renderers",
    "all that a notebook imports": NOTEBOOK,
}
TIMED = """
from time import perf_counter as now
start = now()
import torch
between = now()
{}
print(between - start, now() - between)
"""


def rows() -> Iterator[Row]:
    """Seconds after ``import torch``, held against the seconds of torch itself in the same process."""
    for asked in ASKED.values():
        _seconds(asked)  # the first import writes byte code and fills the file cache
    rounds = [[_seconds(asked) for asked in ASKED.values()] for _ in range(ROUNDS)]
    for name, costs in zip(ASKED, zip(*rounds, strict=True), strict=True):
        torch, ours = zip(*costs, strict=True)
        ratios = tuple(mine / its for mine, its in zip(ours, torch, strict=True))
        row = Row(f"import of {name}", median(ours), "s", "import torch", median(torch), ratios)
        aimed = {"aim": f"below {AIM} s", "reached": median(ours) < AIM} if "comparison" not in name else {}
        yield Row(**(row.__dict__ | aimed))


def _seconds(asked: str) -> tuple[float, float]:
    command = [sys.executable, "-c", TIMED.format(asked)]
    torch, ours = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(torch), float(ours)
