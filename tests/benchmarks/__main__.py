"""``python -m tests.benchmarks``: measure everything, show a table, keep it as JSON beside the runs."""

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

from sslens import runtime
from tests.benchmarks import augmentation, imports, notebook, training
from tests.benchmarks.rows import Row

GROUPS: dict[str, Callable[[], Iterator[Row]]] = {
    "training": training.rows,
    "views": augmentation.rows,
    "imports": imports.rows,
    "first figure": notebook.rows,
}
REACHED = {True: "yes", False: "NO", None: "-"}


def main() -> None:
    """Measure group by group; the tables come at the end, in one piece."""
    console, start, load = Console(), time.monotonic(), os.getloadavg()[0]
    runtime.settle("cpu")
    found: list[Row] = []
    for name, rows in GROUPS.items():
        with console.status(f"measuring {name} ({time.monotonic() - start:.0f} s so far)"):
            found += rows()
    setting = _setting(load, time.monotonic() - start)
    console.print(_table(found, setting))
    place = runtime.data_root() / "runs" / "bench.json"
    kept = {"setting": setting, "rows": [asdict(row) for row in found]}
    runtime.write_atomic(place, json.dumps(kept, indent=1, allow_nan=False) + "\n")
    console.print(f"kept in {place}", soft_wrap=True)


def _setting(load: float, seconds: float) -> dict[str, Any]:
    """Machine, versions, and how busy others kept it: this benchmark itself adds 1 to the load it ends with."""
    cores, end = os.cpu_count() or 1, os.getloadavg()[0]
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": cores,
        "threads": runtime.threads(),
        "system": platform.platform(terse=True),
        "versions": {"python": platform.python_version(), "torch": torch.__version__}
        | {"sslens": runtime.library_version()},
        "load": {"start": load, "end": end},
        "busy": load > 0.5 or end > 1.5,
        "seconds": round(seconds, 1),
    }


def _processor() -> str:
    """Its name as Linux tells it, else what Python knows."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _table(found: list[Row], setting: dict[str, Any]) -> Table:
    load, versions = setting["load"], setting["versions"]
    mood = "BUSY: trust the ratios, not the times" if setting["busy"] else "quiet"
    caption = (
        f"{setting['date']} · {setting['processor']}, {setting['cores']} cores, {setting['threads']} thread · "
        f"python {versions['python']}, torch {versions['torch']}, sslens {versions['sslens']} · "
        f"load {load['start']:.2f} at the start, {load['end']:.2f} at the end: {mood} · {setting['seconds']:.0f} s"
    )
    table = Table(title="Speed, against a limit or a peer measured in the same run", caption=caption)
    for name in ("what", "value", "against", "ratio: median [range]", "aim", "reached", "load"):
        table.add_column(name, justify="right" if name in ("value", "load") else "left")
    for row in found:
        limit = f"{_short(row.limit)} {row.unit}, {row.against}" if row.limit is not None else ""
        cells = f"{_short(row.value)} {row.unit}", limit, row.ratio, row.aim, REACHED[row.reached], f"{row.load:.1f}"
        table.add_row(row.name, *cells)
    return table


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main()
