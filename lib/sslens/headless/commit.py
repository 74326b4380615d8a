"""Which commit the library was at, where it lies in a checkout."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[3]
PATIENCE = 10
"""Seconds that git may take to look through the checkout."""


def of_the_checkout(checkout: Path = CHECKOUT) -> dict[str, Any] | None:
    """The commit, and whether tracked files were changed on top of it; None where there is no checkout or no git.

    >>> of_the_checkout(Path("/nowhere")) is None
    True
    """
    if not (checkout / ".git").exists() or shutil.which("git") is None:
        return None
    commit, changes = _said(checkout, "rev-parse", "HEAD"), _said(checkout, "status", "--porcelain", "-uno")
    return None if commit is None or changes is None else {"hash": commit, "changed": bool(changes)}


def _said(checkout: Path, *words: str) -> str | None:
    others = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    quiet = others | {"GIT_OPTIONAL_LOCKS": "0"}  # this checkout and no other, and nothing is written into it
    try:
        done = subprocess.run(
            ["git", "-C", str(checkout), *words], env=quiet, capture_output=True, text=True, timeout=PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
