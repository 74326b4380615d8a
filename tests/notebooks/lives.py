"""The lives of a committed notebook, each in a process of its own: checked by nbval, run headless, frozen again."""

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from sslens.claims import RESULT
from sslens.figures.theme import PLOTLY
from sslens.headless.lesson import reference_of
from sslens.headless.notebook import code_cells, read_notebook
from tests.notebooks.tolerance import SHARED

ROOT = Path(__file__).parents[2]
OURS = ("SSLENS_", "OMP_", "MKL_", "ATEN_")
"""Beginnings of the variables that decide numbers: what is set around the tests is not to decide them here."""
PATIENCE = 1500
CELL = 900
"""Seconds for a process, and for one of its cells: a simulated CPU is slow, and time is not what is tested here."""


def checked(notebook, folder, **variables):
    """Check the notebook with the project's own pytest options: cell number -> what is wrong with it, None if nothing.

    What it trains is shared with the whole session, unless the variables name a data folder of its own.
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
    return folder / "out" / "latest"


def frozen(notebook, folder, **variables):
    """Renew the reference of the notebook in a checkout of its own; the bytes it then has."""
    copy, reference = folder / "notebooks" / notebook.name, folder / "tests" / "notebooks" / "reference" / notebook.name
    for source, target in {notebook: copy, reference_of(notebook): reference}.items():
        target.parent.mkdir(parents=True)
        shutil.copy(source, target)
    done = _python("sslens", "freeze", "--reference", copy, folder=folder, variables=variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return reference.read_bytes()


def computed_by(data):
    """Instruction set and threads of the runs that were trained into a data folder."""
    manifests = [json.loads(path.read_text())["provenance"] for path in data.glob("cache/traces/*/run.json")]
    return {(each["processor"], each["threads"]) for each in manifests}


def shared():
    """The data folder of this session."""
    return Path(os.environ[SHARED])


def code(notebook):
    """The code cells of a notebook's file by their number."""
    return dict(enumerate(code_cells(read_notebook(notebook)), 1))


def bundles(notebook, mime):
    """What is displayed under a MIME type: number of the cell -> content."""
    shown = [(number, output.get("data", {})) for number, cell in code(notebook).items() for output in cell.outputs]
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
    environment |= {SHARED: str(shared()), "SSLENS_DATA": str(shared()), "SSLENS_CORES": "1"} | (variables or {})
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE)


def _trouble(case):
    troubles = [trouble for trouble in case if trouble.tag in ("failure", "error", "skipped")]
    found = [trouble.text or trouble.attrib.get("message", trouble.tag) for trouble in troubles]
    return "\n".join(found) or None
