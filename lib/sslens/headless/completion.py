"""When a run counts as complete: only on positive proof, never because no error was seen.

After a killed kernel, a timeout or ``sys.exit(0)`` papermill's own notebook says that every cell completed.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from sslens.headless.notebook import INJECTED, cell_name, is_code, may_raise, tags


def refusal(notebook: NotebookNode, receipt: Path, *, nonce: str, parameters: Mapping[str, Any]) -> str:
    """Why an executed notebook does not count as complete, in one sentence; empty where it does.

    Complete means: the code cells were executed 1, 2, 3, ... without a gap, none has an error output unless it is
    tagged ``raises-exception``, papermill flagged no exception, and the receipt, written by the last cell, echoes this
    attempt's nonce, that cell's number in the kernel and the parameters, with every number of its verdicts finite, or
    none to be had because a repetition diverged.

    >>> import nbformat
    >>> cell = nbformat.v4.new_code_cell("x = 1")
    >>> refusal(nbformat.v4.new_notebook(cells=[cell]), Path("receipt.json"), nonce="a", parameters={})
    "cell 1 ('x = 1') was not run"
    """
    last = [cell.execution_count for cell in notebook.cells if is_code(cell)][-1:]
    return _cells(notebook) or _receipt(receipt, nonce, parameters=parameters, last=last)


def _cells(notebook: NotebookNode) -> str:
    number = 0
    for count, cell in enumerate(filter(is_code, notebook.cells), 1):
        number += INJECTED not in tags(cell)  # a cell is numbered as in its notebook, counted as the kernel does
        if fault := _cell_fault(cell, count):
            return f"{cell_name(number, cell.source)} {fault}"
    return "papermill flagged an exception" if notebook.metadata.get("papermill", {}).get("exception") else ""


def _cell_fault(cell: NotebookNode, count: int) -> str:
    for output in cell.outputs:
        if output.output_type == "error" and output.ename == "SystemExit":
            return "left the kernel with exit"
        if output.output_type == "error" and not may_raise(cell):
            return f"raised {output.ename}: {output.evalue}"
    if cell.execution_count is None:
        return "was not run"
    return "" if cell.execution_count == count else f"was run out of order, as number {cell.execution_count}"


def _receipt(path: Path, nonce: str, *, parameters: Mapping[str, Any], last: list[int]) -> str:
    if not path.exists():
        return "no receipt: the last cell must call sslens.claims.receipt(globals())"
    try:
        receipt = json.loads(path.read_text(encoding="utf-8"))
        found, echoed, verdicts = receipt["nonce"], dict(receipt["parameters"]), list(receipt["verdicts"])
        number = receipt["execution_count"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "the receipt is not what sslens.claims.receipt writes"
    if found != nonce:
        return "the receipt is of another attempt"
    if [number] != last:
        return f"the receipt was written when cell {number} of the kernel ran, not by the last cell, its cell {last[0]}"
    if set(echoed) != set(parameters):
        return f"the receipt speaks of the parameters {sorted(echoed)}, the notebook has {sorted(parameters)}"
    for name, given in parameters.items():
        if echoed[name] != given or isinstance(echoed[name], bool) != isinstance(given, bool):
            return f"the notebook ended with {name} = {echoed[name]!r}, it was given {given!r}"
    return next((f"verdict {number} {fault}" for number, v in enumerate(verdicts, 1) if (fault := _fault(v))), "")


def _fault(verdict: object) -> str:
    """What is wrong with a recorded verdict.

    The bounds of a single seed's interval are null by right, and mean and bounds of one that is not tested because a
    seed diverged.
    """
    if not isinstance(verdict, dict) or not {"sentence", "source", "quantity", "holds", "line"} <= verdict.keys():
        return "is not what sslens.claims.receipt writes"
    if verdict["holds"] not in (True, False, None):
        return f"neither holds, nor fails, nor is open: {verdict['holds']!r}"
    if verdict.get("untested") and verdict["holds"] is not None:
        return f"is not tested here and {'holds' if verdict['holds'] else 'fails'} all the same"
    needed = ["n", "mean"] if verdict.get("n") == 1 else ["n", "mean", "low", "high"]
    if verdict["holds"] is None and all(verdict.get(name, "") is None for name in ("mean", "low", "high")):
        needed = ["n"]
    numbers = {name: verdict.get(name) for name in needed} | {k: v for k, v in verdict.items() if isinstance(v, float)}
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            return f"has a {name} that is no finite number: {number}"
    return ""
