"""The lives of a committed notebook, each in a process of its own: checked by nbval, run headless, frozen again."""

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import nbformat

from sslens.claims import RESULT
from sslens.figures.theme import PLOTLY

ROOT = Path(__file__).parents[2]
OURS = ("SSLENS_", "OMP_", "MKL_", "ATEN_")
"""Beginnings of the variables that decide numbers: what is set around the tests is not to decide them here."""
PATIENCE = 600
CELL = 300
"""Seconds for a process, and for one of its cells: a simulated CPU is slow, and time is not what is asked here."""


def checked(notebook, folder, **variables):
    """Check the notebook with the project's own pytest options; what each cell is told to have wrong, None if nothing.

    Runs are stored in ``folder / "data"`` unless the variables name another place.
    """
    report = folder / "report.xml"
    options = ["--numprocesses=0", f"--nbval-cell-timeout={CELL}", f"--timeout={PATIENCE}", f"--junitxml={report}"]
    options += ["-p", "no:cacheprovider", "--color=no"]
    done = _python("pytest", notebook, *options, folder=folder, variables=variables)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    cases = ElementTree.parse(report).iter("testcase")
    return {int(case.attrib["name"].removeprefix("Cell ")): _trouble(case) for case in cases}


def planted(startup, notebook, folder, **variables):
    """Check the notebook in a kernel that begins by executing ``startup``: with a fault planted in the library."""
    place = folder / "ipython" / "profile_default" / "startup" / "00.py"
    place.parent.mkdir(parents=True)
    place.write_text(startup)
    return checked(notebook, folder, IPYTHONDIR=str(folder / "ipython"), **variables)


def headless(notebook, folder):
    """Run the notebook at the smoke profile as a person would from a terminal; the folder of its results."""
    done = _python("sslens", "run", notebook, "--profile", "smoke", "--out", folder / "out", folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "out"


def frozen(notebook, folder, **variables):
    """Freeze a copy of the notebook; the bytes it then has."""
    folder.mkdir(exist_ok=True)
    copy = Path(shutil.copy(notebook, folder))
    done = _python("sslens", "freeze", copy, folder=folder, variables=variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return copy.read_bytes()


def computed_by(data):
    """Instruction set and threads of the runs that were trained into a data folder."""
    manifests = [json.loads(path.read_text())["provenance"] for path in data.glob("cache/runs/*/run.json")]
    return {(each["processor"], each["threads"]) for each in manifests}


def code(notebook):
    """The code cells in order, without those that papermill puts in; their places are the numbers of nbval's cells."""
    cells = [cell for cell in nbformat.read(notebook, 4).cells if cell.cell_type == "code"]
    return [cell for cell in cells if "injected-parameters" not in cell.metadata.get("tags", [])]


def bundles(notebook, mime):
    """What is displayed under a MIME type: number of the cell -> content."""
    shown = [(number, output.get("data", {})) for number, cell in enumerate(code(notebook)) for output in cell.outputs]
    return {number: data[mime] for number, data in shown if mime in data}


def figures(notebook):
    """The plotly figure of each cell that has one."""
    return bundles(notebook, PLOTLY)


def results(notebook):
    """The recorded numbers of each cell that has some."""
    return bundles(notebook, RESULT)


def panel(figure, quantity):
    """Places of the traces drawn against an axis of this name."""
    titles = {name: axis.get("title", {}).get("text") for name, axis in figure["layout"].items() if "yaxis" in name}
    axes = {name.replace("axis", "") for name, title in titles.items() if title == quantity}
    return {place for place, trace in enumerate(figure["data"]) if trace.get("yaxis", "y") in axes}


def blamed(message):
    """Places of the traces that a message finds at fault."""
    return {int(place) for place in re.findall(r"^figure data\[(\d+)\]", message, re.MULTILINE)}


def _python(module, *arguments, folder, variables=None):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    environment |= {"SSLENS_DATA": str(folder / "data")} | (variables or {})
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE)


def _trouble(case):
    found = [trouble.text for trouble in case if trouble.tag in ("failure", "error", "skipped")]
    return "\n".join(found) or None
