"""How far a run is, on the terminal: bars for a person, plain lines where the output goes to a file."""

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from sslens.headless.shown import harmless


@final
@dataclass(frozen=True)
class _Step:
    label: str
    step: int
    total: int
    since: float


@final
class Screen:
    r"""Shows the progress of a run while it is entered: the notebook's cells and the training in them.

    >>> import io
    >>> with Screen("tour", Console(file=io.StringIO())) as screen:
    ...     screen.begin(3, Path("progress.json"), profile="smoke")
    ...     screen.cell(1)
    >>> screen.console.file.getvalue()
    'tour at smoke: cell 1/3\n'
    """

    def __init__(self, name: str, console: Console | None = None) -> None:
        self.name, self.title, self.console = harmless(name), harmless(name), console or Console()
        self.cells, self.file, self.last = 0, None, None
        columns = [TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()]
        times = [TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn()]
        self.bars = Progress(*columns, *times, console=self.console, transient=True)
        self.over = threading.Event()
        self.watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Screen":
        if self.console.is_terminal:
            self.bars.start()
        self.watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.watcher.join()
        if self.console.is_terminal:
            self.bars.stop()

    def begin(self, cells: int, training: Path, *, profile: str) -> None:
        """The kernel starts; there are so many cells, and this is where a training loop writes its step."""
        self.title = f"{self.name} at {profile}"
        self.cells, self.file, self.last = cells, training, None
        if self.console.is_terminal:
            for task in self.bars.task_ids:  # of an earlier kernel
                self.bars.remove_task(task)
            self.notebook = self.bars.add_task(f"{self.title} cell", total=cells)
            self.training = self.bars.add_task("training", visible=False)

    def cell(self, number: int) -> None:
        """A cell starts, the first being 1."""
        if self.console.is_terminal:
            self.bars.update(self.notebook, completed=number - 1)
        else:
            self._say(f"{self.title}: cell {number}/{self.cells}")

    def _watch(self) -> None:
        while not self.over.wait(0.1):
            self._read()

    def _read(self) -> None:
        """Read how far the training is; a file not there yet or already gone says nothing."""
        try:
            state = json.loads(self.file.read_text()) if self.file else {}
            label, step, total = harmless(state["label"]), int(state["step"]), int(state["total"])
        except (OSError, ValueError, KeyError, TypeError):
            return
        last = self.last
        if last and (label, step, total) == (last.label, last.step, last.total):
            return
        fresh = last is None or label != last.label or step < last.step
        self.last = _Step(label, step, total, time.monotonic() if fresh or last is None else last.since)
        if self.console.is_terminal:
            if fresh:
                self.bars.reset(self.training, visible=True, description=label)
            self.bars.update(self.training, completed=step, total=total)
        elif step >= total:
            self._say(f"{self.title}: {label} {step}/{total}, {time.monotonic() - self.last.since:.1f} s")

    def _say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)
