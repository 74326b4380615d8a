"""Memory of a recorded run on a large set, against the set itself; each in a fresh process."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from tests.benchmarks.rows import Row

SMALL, LARGE, AIM = 2_000, 60_000, 1.3
BYTES = 4 * 3 * 32 * 32
"""Of an image."""
# VmHWM and not getrusage: a process begins with the ru_maxrss of the one that started it
MEASURED = """
import re, torch
from pathlib import Path
from sslens import datasets
from sslens.types import Dataset

def load():
    images = torch.rand({count}, 3, 32, 32)
    whole = Dataset(images, torch.arange({count}) % 10, tuple("0123456789"))
    return whole, whole.take(torch.arange(1000))

load.__module__ = "sslens.datasets.digits"
datasets.LOADERS |= {{"large": load}}
from sslens.train import Config, record
record(Config(data={{"name": "large"}}, optimisation={{"steps": 3}}, snapshots={{"count": 2}}))
print(1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]))
"""


def rows() -> Iterator[Row]:
    """How much higher the peak of the resident memory lies for a large set than for a small one."""
    grown, bare = _peak(LARGE) - _peak(SMALL), (LARGE - SMALL) * BYTES
    ratio = grown / bare
    aim = {"aim": f"ratio at most {AIM}", "reached": ratio <= AIM}
    yield Row("record, 60,000 x 3 x 32 x 32", grown / 1e6, "MB", bare / 1e6, "the set", (ratio,), **aim)


def _peak(count: int) -> float:
    with tempfile.TemporaryDirectory() as data:
        environment = os.environ | {"SSLENS_DATA": data}
        command = [sys.executable, "-c", MEASURED.format(count=count)]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])
