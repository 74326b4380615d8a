"""From the start of a kernel to the first figure of the first notebook, and where the time goes."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple
from unittest.mock import patch

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from traitlets.config import Config

from tests.benchmarks.rows import Row

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "00_first_light.ipynb"
PLOTLY = "application/vnd.plotly.v1+json"
ROUNDS = 3
BARE = ["import torch\nimport plotly.graph_objects as go", "go.Figure()"]
"""What no notebook with a tensor and a figure can do without."""


class Phases(NamedTuple):
    """Seconds until the kernel answers, in the cell that imports, and in the others up to the first figure."""

    kernel: float
    imports: float
    rest: float


def rows() -> Iterator[Row]:
    """The whole way and its three parts, against a notebook that imports torch and plotly and shows an empty figure."""
    bare = new_notebook(cells=[new_code_cell(source) for source in BARE])
    with patch.dict(os.environ, SSLENS_LIVE="0"):
        rounds = [(_phases(nbformat.read(NOTEBOOK, 4)), _phases(bare)) for _ in range(ROUNDS)]
    for name in ("all", *Phases._fields):
        ours, floor = ([_part(phases, name) for phases in column] for column in zip(*rounds, strict=True))
        ratios = tuple(mine / its for mine, its in zip(ours, floor, strict=True))
        yield Row(name, median(ours), "s", median(floor), "bare", ratios)


def _part(phases: Phases, name: str) -> float:
    return sum(phases) if name == "all" else getattr(phases, name)


def _phases(notebook: nbformat.NotebookNode) -> Phases:
    # others on the machine cannot listen in, and ipykernel has nothing to warn of
    encrypted = Config({"KernelManager": {"transport_encryption": "required"}})
    client = NotebookClient(notebook, resources={"metadata": {"path": str(NOTEBOOK.parent)}}, config=encrypted)
    start, spent = time.perf_counter(), {"imports": 0.0, "rest": 0.0}
    with client.setup_kernel():
        kernel = time.perf_counter() - start
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
                continue
            begun = time.perf_counter()
            client.execute_cell(cell, index)
            spent["imports" if "import" in cell.source else "rest"] += time.perf_counter() - begun
            if any(PLOTLY in output.get("data", {}) for output in cell.outputs):
                return Phases(kernel, **spent)
    raise ValueError(f"{NOTEBOOK.name} shows no figure")
