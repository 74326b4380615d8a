"""Notebook 10 from its first cell to its last, the bank read from the cache."""

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

from sslens import bank
from sslens.train import memory
from tests.benchmarks.notebook import BARE
from tests.benchmarks.rows import Row, alternate

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "10_one_number.ipynb"
ROUNDS, SEEDS = 3, 3
AIM, READ = 20, 1
"""Seconds: of the whole notebook, and of reading the bank."""


def rows() -> Iterator[Row]:
    """At the lesson's bank where it has been trained, else at the smoke profile's, which takes a minute to train."""
    profile = "lesson" if all(map(Path.is_dir, _places("lesson"))) else "smoke"
    runs = len(bank.recorded(profile, seeds=SEEDS))
    files = [file for place in _places(profile) for file in sorted(place.iterdir())]
    read, bare = alternate(
        lambda: bank.recorded(profile, seeds=SEEDS), lambda: [file.read_bytes() for file in files], rounds=ROUNDS
    )
    yield _row(
        f"{runs} runs read", [each.wall for each in read], [each.wall for each in bare], against="bytes", aim=READ
    )

    empty = new_notebook(cells=[new_code_cell(source) for source in BARE])
    with patch.dict(os.environ, SSLENS_LIVE="0", SSLENS_PROFILE=profile):
        whole = [(_seconds(nbformat.read(NOTEBOOK, 4)), _seconds(empty)) for _ in range(ROUNDS)]
    yield _row(f"all of it, {profile}", *map(list, zip(*whole, strict=True)), against="bare", aim=AIM)


def _places(profile: str) -> list[Path]:
    """Where the cache keeps each run of the bank."""
    wanted = {config for seed in range(SEEDS) for *_, config in bank.configs(profile, seed=seed)}
    material = memory._Material.of(next(iter(wanted)))
    return sorted(material.place(config) for config in wanted)


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
