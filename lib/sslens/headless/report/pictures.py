"""Pictures that lie beside a notebook, put into it, so that it can leave its folder."""

import base64
import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import final
from urllib.parse import unquote

from nbformat import NotebookNode

from sslens.headless.notebook import outputs_of

TYPES = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"}
TYPES |= {"svg": "image/svg+xml", "bmp": "image/bmp", "avif": "image/avif"}
LARGEST, IN_ALL = 5_000_000, 20_000_000
"""Bytes of a picture that is put in, and of all of them."""
PLACED = re.compile(
    r"""!\[[^\]]{0,999}\]\(\s*<?([^)>"'\s]+)|<img\b[^>]{0,999}?\bsrc\s{0,9}=\s{0,9}["']?([^"'\s>]+)""", re.IGNORECASE
)
SOURCE = re.compile(r"""(<img\b[^>]{0,999}?\bsrc\s{0,9}=\s{0,9})(["'])([^"']{1,999})\2""", re.IGNORECASE)


def with_pictures(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """The notebook with each picture it places from its own folder: as an attachment of the cell, in an output as data.

    What lies outside the folder, is too large or is missing stays a name. The argument stays as it is.

    >>> import nbformat
    >>> with_pictures(nbformat.v4.new_notebook(), Path())["cells"]
    []
    """
    notebook, files = copy.deepcopy(notebook), _Files(folder)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            found = {name: files.read(name) for name in _placed(cell.source)}
            attached = {name: dict([picture]) for name, picture in found.items() if picture}
            if attached:
                cell["attachments"] = NotebookNode(attached | dict(cell.get("attachments", {})))
        for output in outputs_of(cell):
            for mime in {"text/html", "text/markdown"} & output.get("data", {}).keys():
                output.data[mime] = SOURCE.sub(files.as_data, output.data[mime])
    return notebook


def _placed(source: str) -> Iterator[str]:
    for found in PLACED.finditer(source):
        yield found[1] or found[2]


@final
class _Files:
    """The pictures of a folder, until there are too many bytes of them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.left = folder.resolve(), IN_ALL

    def read(self, name: str) -> tuple[str, str] | None:
        """MIME type and base64 of a picture; None where it is not to be put in."""
        mime = TYPES.get(name.rpartition(".")[2].lower())
        if mime is None or ":" in name or name.startswith("/"):
            return None
        try:
            path = (self.folder / unquote(name)).resolve()
            if not path.is_relative_to(self.folder) or not path.is_file():
                return None
            if path.stat().st_size > min(LARGEST, self.left):
                return None
            content = path.read_bytes()
        except (OSError, ValueError):
            return None
        self.left -= len(content)
        return mime, base64.b64encode(content).decode()

    def as_data(self, found: re.Match[str]) -> str:
        picture = self.read(found[3])
        return f"{found[1]}{found[2]}data:{picture[0]};base64,{picture[1]}{found[2]}" if picture else found[0]
