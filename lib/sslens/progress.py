"""How far along a computation is: a bar for a person, a heartbeat for a runner."""

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from sslens.runtime import canonical_json, is_interactive
from sslens.store import write_atomic

HEARTBEAT = "SSLENS_PROGRESS"
"""Environment variable in which a runner names the file it reads the heartbeat from."""
BEAT = 0.2
"""Seconds between heartbeats."""

Item = TypeVar("Item")


def progress(items: Iterable[Item], *, total: int, label: str, done: int = 0) -> Iterator[Item]:
    """Pass items on and say how far along they are: a bar for a person, a heartbeat file for a batch runner.

    An item's ``step`` attribute, where it has one, is its position out of ``total``; otherwise items are counted, on
    from those ``done`` earlier. The heartbeat holds label, step, total, and the seconds left at the pace so far, what
    was done earlier left out of it. Without person or runner nothing is shown.

    >>> sum(progress([1, 2, 3], total=3, label="numbers"))
    6
    """
    file = os.environ.get(HEARTBEAT)
    bar = _bar(total, label) if is_interactive() and not file else None
    start = beat = time.monotonic()
    try:
        for count, item in enumerate(items, done + 1):
            step, now = getattr(item, "step", count), time.monotonic()
            if file and (now - beat > BEAT or step == total or count == done + 1):
                left = (now - start) / (step - done) * (total - step) if step > done else None
                beaten = {"label": label, "step": step, "total": total, "seconds_left": left}
                write_atomic(Path(file), canonical_json(beaten))
                beat = now
            if bar is not None:
                bar.update(step - bar.n)
            yield item
    finally:
        if bar is not None:
            _take_away(bar)


def _bar(total: int, label: str) -> Any:
    from tqdm.auto import tqdm  # a widget in JupyterLab, text elsewhere

    return tqdm(total=total, desc=label, leave=False)


def _take_away(bar: Any) -> None:
    """End a bar: text is wiped away, a widget is hidden; a page that is opened again would miss one that was closed."""
    container = getattr(bar, "container", None)
    bar.leave = container is not None
    bar.close()
    if container is not None and bar.n >= bar.total:  # else it was stopped, and says where
        container.layout.display = "none"
