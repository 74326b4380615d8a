"""The client of a kernel, which keeps of each cell's output what a page can hold: printing for ever fills no memory.

nbclient appends every message to the notebook; here what is too much is dropped as it comes, and the cell says so.
"""

import json
import logging
from dataclasses import dataclass
from typing import Any, final

from nbformat import NotebookNode
from nbformat.v4 import new_output
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.log import logger

ENGINE = "sslens"
"""What papermill knows it by."""
TEXT, DATA, DISPLAYS = 1_000_000, 50_000_000, 2_000
"""Characters of text, characters of anything else that is displayed, and displays that are kept of a cell."""
PIECE = 20
"""Characters that a piece of a stream counts for at least: each costs memory, however short it is."""
ERROR = 20_000
"""Characters of an error's message, and of its traceback: an error itself is never dropped."""
SHOWN = ("display_data", "execute_result", "update_display_data")


@final
@dataclass
class Kept:
    """What has been kept of the output of one cell.

    >>> kept = Kept()
    >>> kept.text_within("a" * 1_500_000) == "a" * TEXT, kept.text_within("b"), kept.is_cut
    (True, '', True)
    """

    text: int = 0
    data: int = 0
    displays: int = 0
    is_cut: bool = False

    def text_within(self, text: str) -> str:
        """The beginning of the text that there is still room for."""
        rest = max(0, TEXT - self.text)
        self.text += max(len(text), PIECE)
        self.is_cut = self.is_cut or len(text) > rest
        return text[:rest]

    def has_room_for(self, content: Any, *, displays: int = 1) -> bool:
        """Whether there is room for what is displayed, which is counted then."""
        size = len(json.dumps(content, default=repr))
        if self.data + size > DATA or self.displays + displays > DISPLAYS:
            self.is_cut = True
            return False
        self.data, self.displays = self.data + size, self.displays + displays
        return True


@final
class BoundedClient(PapermillNotebookClient):
    """Papermill's client with bounds on what a cell may leave in the notebook."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.kept: dict[int, Kept] = {}
        self.left_out: set[str] = set()

    def process_message(self, msg: dict[str, Any], *place: Any) -> NotebookNode | None:
        """Handle a message of the kernel that belongs to a cell and its index, or what of it there is room for."""
        cell, cell_index = place
        kept = self.kept.setdefault(cell_index, Kept())
        was_cut = kept.is_cut
        output = super().process_message(msg, cell, cell_index) if self._fits(msg, kept) else None
        if kept.is_cut and not was_cut:
            cell.outputs.append(new_output("stream", name="stderr", text=NOTE))
        return output

    def clear_output(self, outs: list[NotebookNode], *of: Any) -> None:
        """Clear a cell's outputs, as a message wants it, and count them anew."""
        msg, cell_index = of
        if not self.output_hook_stack[msg["parent_header"].get("msg_id")]:
            self.kept[cell_index] = Kept()
        super().clear_output(outs, msg, cell_index)

    def _fits(self, msg: dict[str, Any], kept: Kept) -> bool:
        """Whether a message is to be handled; what is too long in it has been cut then."""
        kind, content = msg["msg_type"], msg["content"]
        if kind == "stream":
            content["text"] = kept.text_within(content["text"])
            return bool(content["text"])
        if kind in SHOWN:
            return kept.has_room_for(content.get("data", {}), displays=kind != "update_display_data")
        if kind == "error":
            content["evalue"] = content["evalue"][:ERROR]
            content["traceback"] = "\n".join(content["traceback"])[:ERROR].split("\n")
        if kind == "comm_open" and not kept.has_room_for(content.get("data", {}), displays=0):
            self.left_out.add(content["comm_id"])  # a widget of which nothing more is heard
        return not (kind.startswith("comm_") and content.get("comm_id") in self.left_out)


NOTE = (
    f"sslens: what this cell put out was cut here: {TEXT / 1e6:.0f} MB of text, {DATA / 1e6:.0f} MB of other data and "
    f"{DISPLAYS:,} displays are kept of a cell.\n"
)


@final
class BoundedEngine(NBClientEngine):
    """How papermill comes to use that client."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **named: Any) -> NotebookNode:
        """Execute what papermill has prepared."""
        times = {"timeout": named.pop("execution_timeout"), "startup_timeout": named.pop("start_timeout", 60)}
        for name in ("input_path", "log_output", "stdout_file", "stderr_file"):
            named.pop(name, None)
        return BoundedClient(nb_man, kernel_name=kernel_name, log=logger, **times, **named).execute()


def _is_news(record: logging.LogRecord) -> bool:
    """Whether an event loop reports something else than that it still listened when the kernel was gone."""
    return "NotebookClient._async_poll_output_msg" not in record.getMessage()


papermill_engines.register(ENGINE, BoundedEngine)
# a cell that still puts out when its time is over leaves its listener to fail on a closed channel: a traceback
logging.getLogger("asyncio").addFilter(_is_news)
