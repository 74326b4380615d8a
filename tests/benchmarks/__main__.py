"""``python -m tests.benchmarks [GROUP ...]``: measure, show the tables, keep them as JSON beside the runs.

Without a group everything is measured; the lessons, each four times, take an hour or two of it.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from sslens import fingerprint, runtime
from sslens.store import write_atomic
from tests.benchmarks import (
    augmentation,
    complexity,
    imports,
    lessons,
    memory,
    neighbours,
    notebook,
    one_number,
    partitions,
    snapshots,
    spectra,
    training,
    zoom,
)
from tests.benchmarks.rows import Row

GROUPS: dict[str, tuple[str, Callable[[], Iterator[Row]]]] = {
    "training": ("Training with augmentation, against the same step without", training.rows),
    "snapshots": ("Snapshots", snapshots.rows),
    "memory": ("Memory", memory.rows),
    "augmentation": ("Two views of 256 images, against kornia", augmentation.rows),
    "neighbours": ("Nearest neighbours, 20,000 x 128, 5,000 queries", neighbours.rows),
    "spectra": ("Spectrum measures, against the decomposition each needs", spectra.rows),
    "partitions": ("Exact partitions", partitions.rows),
    "zoom": ("Zooming into a partition", zoom.rows),
    "complexity": ("Local complexity, against a pass of its corners", complexity.rows),
    "imports": ("Imports, on top of torch", imports.rows),
    "notebook": ("From kernel start to first figure, against a bare one", notebook.rows),
    "one_number": ("The whole of notebook 10, from the cached bank", one_number.rows),
    "lessons": ("Lessons: two cores against one, full cache against empty", lessons.rows),
}
REACHED = {True: "yes", False: "NO", None: "-"}


def main() -> None:
    """Measure group by group; the tables come at the end, in one piece."""
    chosen = _chosen()
    console, start, load = Console(), time.monotonic(), os.getloadavg()[0]
    console.width = max(console.width, 104)  # narrower, the last column would lose its words
    runtime.configure_torch("cpu")
    found: dict[str, list[Row]] = {}
    for title, rows in (GROUPS[name] for name in chosen):
        with console.status(f"{title} ({time.monotonic() - start:.0f} s so far)"):
            found[title] = list(rows())
    setting = _setting(load, time.monotonic() - start)
    for title, rows in found.items():
        console.print(_table(title, rows))
    console.print("\n" + _caption(setting))
    name = "-".join(["bench", *chosen]) if len(chosen) < len(GROUPS) else "bench"
    place = runtime.data_root() / "runs" / f"{name}.json"
    kept = [{"group": title} | asdict(row) for title, rows in found.items() for row in rows]
    write_atomic(place, json.dumps({"setting": setting, "rows": kept}, indent=1, allow_nan=False) + "\n")
    console.print(f"kept in {place}", soft_wrap=True)


def _chosen() -> list[str]:
    """The groups named on the command line, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Speed, as ratios.")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"one or more of: {', '.join(GROUPS)}; or all")
    groups = parser.parse_args().groups
    if unknown := [name for name in groups if name not in GROUPS]:
        parser.error(f"GROUP must be one of: {', '.join(GROUPS)}. Got {unknown[0]!r}.")
    return groups or list(GROUPS)


def _setting(load: float, seconds: float) -> dict[str, Any]:
    """Machine, versions, and whether others kept it busy: this benchmark by itself ends with a load of 1."""
    end = os.getloadavg()[0]
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": runtime.threads(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "sslens": fingerprint.of_modules("sslens.train.loop")[:12],
        "load": [load, end],
        "busy": load > 0.5 or end > 1.5,
        "seconds": round(seconds, 1),
    }


def _processor() -> str:
    """Its name as Linux tells it, else what Python knows."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _table(title: str, rows: list[Row]) -> Table:
    table = Table(title=f"\n{title}", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name, width in (("", 23), ("value", 14), ("limit or peer", 18)):
        table.add_column(name, min_width=width, justify="right" if name else "left")
    table.add_column("ratio [range]")
    table.add_column("aim: reached")
    for row in rows:
        sides = f"{_short(row.value)} {row.unit}", f"{row.against} {_short(row.limit)}"
        table.add_row(row.name, *sides, row.ratio, f"{row.aim}: {REACHED[row.reached]}" if row.aim else "")
    return table


def _caption(setting: dict[str, Any]) -> str:
    start, end = setting["load"]
    mood = "BUSY, trust the ratios and not the times" if setting["busy"] else "quiet"
    return (
        f"{setting['date']} · {setting['processor']}, {setting['cores']} cores, threads in use: {setting['threads']}\n"
        f"python {setting['python']} · torch {setting['torch']} · sslens {setting['sslens']}\n"
        f"load {start:.1f} before, {end:.1f} after: {mood} · {setting['seconds']:.0f} s in all"
    )


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main()
