"""Notebook 10 from its first cell to its last, its runs read from the cache."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from unittest.mock import patch

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from traitlets.config import Config

from sslens.runtime import data_root
from sslens.studies import one_number
from sslens.train import Config as Run
from sslens.train import key
from sslens.train.cache import FOLDER
from tests.benchmarks.notebook import BARE
from tests.benchmarks.rows import Row, alternate

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "10_one_number.ipynb"
ROUNDS = 3
AIM, READ = 20, 1
"""Seconds: of the whole notebook, and of reading its runs."""


def rows() -> Iterator[Row]:
    """At the lesson's runs where they have been trained, else at the smoke profile's, which take a minute to train."""
    lesson = one_number.Setting()
    trained = all(place.is_dir() for place in _places(lesson))
    setting = lesson if trained else one_number.Setting(profile="smoke")
    runs = one_number.runs(setting)
    files = [file for place in _places(setting) for file in sorted(place.iterdir())]
    read, bare = alternate(
        lambda: one_number.runs(setting), lambda: [file.read_bytes() for file in files], rounds=ROUNDS
    )
    name = f"{len(runs) * len(runs.seeds)} runs read"
    yield _row(name, [each.wall for each in read], [each.wall for each in bare], against="bytes", aim=READ)

    empty = new_notebook(cells=[new_code_cell(source) for source in BARE])
    with patch.dict(os.environ, SSLENS_LIVE="0", SSLENS_PROFILE=setting.profile):
        whole = [(_seconds(nbformat.read(NOTEBOOK, 4)), _seconds(empty)) for _ in range(ROUNDS)]
    name = f"all of it, {setting.profile}"
    yield _row(name, *map(list, zip(*whole, strict=True)), against="bare", aim=AIM)


def _places(setting: one_number.Setting) -> list[Path]:
    """Where the cache keeps each run."""
    runs = [
        config.changed(seed=seed) for config in one_number.configs(setting).values() for seed in range(setting.seeds)
    ]
    return sorted(_place(run) for run in runs)


def _place(run: Run) -> Path:
    return data_root() / "cache" / FOLDER / key(run)


def _row(name: str, ours: list[float], floor: list[float], *, against: str, aim: float) -> Row:
    ratios = tuple(mine / its for mine, its in zip(ours, floor, strict=True))
    met = {"aim": f"under {aim} s", "reached": median(ours) < aim}
    return Row(name, median(ours), "s", median(floor), against, ratios, **met)


def _seconds(notebook: nbformat.NotebookNode) -> float:
    # others on the machine cannot listen in, and ipykernel has nothing to warn of
    encrypted = Config({"KernelManager": {"transport_encryption": "required"}})
    start = time.perf_counter()
    NotebookClient(notebook, resources={"metadata": {"path": str(NOTEBOOK.parent)}}, config=encrypted).execute()
    return time.perf_counter() - start
