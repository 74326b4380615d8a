"""How long each lesson takes: from an empty cache and from a full one, on one core and on two."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.rows import Row

CHECKOUT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((CHECKOUT / "notebooks").glob("[0-9]*.ipynb"))
MINUTES = 60
STATES = ("cold", "warm")
"""Nothing in the cache; everything that the notebook trains."""


def rows() -> Iterator[Row]:
    """Minutes of ``sslens run`` for each notebook as it stands; two cores are held against one, warm against cold."""
    for notebook in NOTEBOOKS:
        one, two = (_minutes(notebook, cores=cores) for cores in (1, 2))
        for state in STATES:
            yield _row(f"{notebook.stem[:2]} {state}", two[state], one[state], against="one core")
        yield _row(f"{notebook.stem[:2]} warm", two["warm"], two["cold"], against="cold")


def _row(name: str, minutes: float, limit: float, *, against: str) -> Row:
    return Row(f"{name}, two cores", minutes, "min", limit, against, (minutes / limit,))


def _minutes(notebook: Path, *, cores: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as data:
        environment = os.environ | {"SSLENS_DATA": data, "SSLENS_CORES": str(cores)}
        return {state: _run(notebook, environment) for state in STATES}


def _run(notebook: Path, environment: dict[str, str]) -> float:
    command = [sys.executable, "-m", "sslens", "run", str(notebook), "--again"]
    start = time.monotonic()
    subprocess.run(command, cwd=CHECKOUT, env=environment, check=True, capture_output=True)
    return (time.monotonic() - start) / MINUTES
