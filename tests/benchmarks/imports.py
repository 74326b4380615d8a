"""What importing the house costs once torch is there, each time in a fresh process."""

import subprocess
import sys
from collections.abc import Iterator
from statistics import median

from tests.benchmarks.rows import Row

ROUNDS, AIM = 5, 0.8
NOTEBOOK = """
from sslens import figures
from sslens.claims import conclude, receipt
from sslens.interactive import explore
from sslens.measures import collapse, probe, spectrum
from sslens.studies import first_light"""
OURS = {
    "sslens": "import sslens",
    "sslens.train": "import sslens.train",
    "all of notebook 00": NOTEBOOK,
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
    timed = OURS | PEERS
    for code in timed.values():
        _seconds(code)  # the first import writes byte code and fills the file cache
    rounds = [[_seconds(code) for code in timed.values()] for _ in range(ROUNDS)]
    for name, costs in zip(timed, zip(*rounds, strict=True), strict=True):
        torch, rest = zip(*costs, strict=True)
        ratios = tuple(mine / its for mine, its in zip(rest, torch, strict=True))
        aim = {"aim": f"value < {AIM} s", "reached": median(rest) < AIM} if name in OURS else {}
        yield Row(name, median(rest), "s", median(torch), "torch", ratios, **aim)


def _seconds(code: str) -> tuple[float, float]:
    command = [sys.executable, "-c", TIMED.format(code)]
    torch, rest = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(torch), float(rest)
