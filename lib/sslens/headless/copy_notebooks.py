"""The notebooks for whoever has sslens without a checkout: the installed package carries them, this lays them out."""

import importlib.metadata
from pathlib import Path

from sslens.types import InputError

PATTERN = "[0-9][0-9]_*.ipynb"
"""The names of notebooks that ask a question; the template, which only a checkout can grow, is none of them."""


def copy_notebooks(to: Path) -> list[Path]:
    """Copy every notebook into a folder, which is made where it is missing; the paths of the copies come back.

    They come from the checkout where sslens runs in one, with a reader's edits, else from the installed package.

    Raises:
        InputError: there are no notebooks, one of them is in the folder already, or nothing can be written there;
            no existing file is ever changed.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     print(copy_notebooks(Path(folder) / "mine")[0].name)
    00_first_light.ipynb
    """
    sources = _checkout() or _installed()
    if not sources:
        raise InputError("notebooks", "none found", "part of the installed package", "Install sslens anew.")
    targets = [to / source.name for source in sources]
    try:
        there = [target.name for target in targets if target.exists() or target.is_symlink()]
        if there:
            hint = f"It has {', '.join(there)}; nothing was copied."
            raise InputError("--to", str(to), "a folder without these notebooks", hint)
        to.mkdir(parents=True, exist_ok=True)
        for source, target in zip(sources, targets, strict=True):
            with target.open("xb") as file:
                file.write(source.read_bytes())
    except OSError as error:
        raise InputError("--to", str(to), "a folder that can be written to", f"({error.strerror})") from None
    return targets


def _checkout() -> list[Path]:
    top = Path(__file__).resolve().parents[3]
    return sorted((top / "notebooks").glob(PATTERN)) if (top / "pyproject.toml").is_file() else []


def _installed() -> list[Path]:
    files = importlib.metadata.files("sslens") or []
    return sorted(Path(str(file.locate())) for file in files if file.match(f"sslens/notebooks/{PATTERN}"))
