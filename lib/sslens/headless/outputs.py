"""Outputs of cells as they are in every run: without what the clock, the process or the memory happened to be."""

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

import nbformat

from sslens.headless.frames import last_frame

WIDGET = "application/vnd.jupyter.widget-view+json"
STREAMS = {"stdout": 0, "stderr": 1}
KERNEL_FILE = re.compile(r"(?<![^\s\"'(<=])[^\s\"'()<>:=]*/ipykernel_[0-9]+/[0-9]+\.py")
"""Where the kernel says a warning came from: its process number is another one in every run."""
ADDRESS = re.compile(r"(?<= at )0x[0-9a-fA-F]+\b")
"""Where an object without a name of its own lies."""
TIMINGS = re.compile(
    r"^(?:CPU times: user|Wall time: |Compiler *: |Parser *: |The slowest run took ).*(?:\n|\Z)"  # %time and its kin
    r"|^[0-9.]+ [num\u00b5\u03bc]?s(?: [0-9.]+ [num\u00b5\u03bc]?s)* \u00b1 .* per loop \(mean .*\)(?:\n|\Z)"
    r"|\[[0-9:]+<[0-9:?]+, *[0-9.?]+ *\w*(?:/s|s/\w+)[^\]\n]*\]",  # a bar of tqdm
    re.MULTILINE,
)
RANDOM_ID = re.compile(r"""((?:id|for)=['"][a-z-]{0,40})([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})""")
"""How the parts of an array's table refer to each other: by other names each time it is shown."""


def lasting_outputs(outputs: Sequence[Any]) -> list[Any]:
    """Outputs as they are in every run: no widget views, and streams in one piece each between two displays.

    A kernel cuts its streams by the clock and sends the two of them in any order: here stdout comes before stderr.
    Of a progress bar the last frame stays; kernel files lose the number of their process, objects their address.
    The arguments stay as they are.

    >>> pieces = [nbformat.v4.new_output("stream", name="stdout", text=text) for text in ("rank ", "12.91")]
    >>> [output.text for output in lasting_outputs(pieces)]
    ['rank 12.91']
    """
    lasting: list[Any] = []
    streams: dict[str, str] = {}
    for output in outputs:
        if output["output_type"] == "stream":
            streams[output["name"]] = streams.get(output["name"], "") + output["text"]
        elif WIDGET not in output.get("data", {}):
            lasting += [*_in_one_piece(streams), _steady(output)]
            streams = {}
    return lasting + _in_one_piece(streams)


def without_timings(text: str) -> str:
    r"""A text without what ``%time``, ``%timeit`` and progress bars say of the clock.

    >>> without_timings("CPU times: user 2 µs, sys: 0 ns, total: 2 µs\nWall time: 4.05 µs\nrank 12.91")
    'rank 12.91'
    """
    return TIMINGS.sub("", text)


def with_ids_in_order(outputs: Sequence[Any], place: int = 0) -> list[Any]:
    """Outputs whose tables of arrays have names that count within the cell at ``place``, instead of random ones.

    They are of the same form, and no two of a notebook are alike. The arguments stay as they are.

    >>> html = "<input id='attrs-bceacf9a-8d07-4c4f-9f0f-0a5b7d2c1e3f'>"
    >>> data = {"text/plain": "<xarray.DataArray ()>", "text/html": html}
    >>> with_ids_in_order([nbformat.v4.new_output("display_data", data)], place=3)[0].data["text/html"]
    "<input id='attrs-00000003-0000-0000-0000-000000000000'>"
    """
    numbers: dict[str, int] = {}

    def counted(found: re.Match[str]) -> str:
        return f"{found[1]}{place:08x}-0000-0000-0000-{numbers.setdefault(found[2], len(numbers)):012x}"

    named = [copy.deepcopy(output) if _is_table(output) else output for output in outputs]
    for output in filter(_is_table, named):
        output["data"]["text/html"] = RANDOM_ID.sub(counted, output["data"]["text/html"])
    return named


def _is_table(output: Mapping[str, Any]) -> bool:
    """Whether an output is an array as xarray shows it."""
    data = output.get("data", {})
    return "text/html" in data and data.get("text/plain", "").startswith("<xarray.")


def _in_one_piece(streams: dict[str, str]) -> list[Any]:
    return [
        nbformat.v4.new_output("stream", name=name, text=_steady_text(last_frame(streams[name])))
        for name in sorted(streams, key=lambda name: STREAMS.get(name, 2))
    ]


def _steady(output: Any) -> Any:
    """An output whose texts say nothing of process and memory; the same object where they do not."""
    if output["output_type"] == "error":
        said = {"evalue": _steady_text(output["evalue"]), "traceback": [*map(_steady_text, output["traceback"])]}
        return output if said.items() <= dict(output).items() else nbformat.from_dict(dict(output) | said)
    texts = {mime: text for mime, text in output["data"].items() if mime.startswith("text/") and isinstance(text, str)}
    steady = {mime: _steady_text(text) for mime, text in texts.items()}
    if steady == texts:
        return output
    return nbformat.from_dict(dict(output) | {"data": dict(output["data"]) | steady})


def _steady_text(text: str) -> str:
    return ADDRESS.sub("0x…", KERNEL_FILE.sub("ipykernel/cell.py", text))
