"""The plugin is tried as it is used: pytest in a process of its own, on notebooks with planted changes."""

import base64
import os
import struct
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

ROOT = Path(__file__).parents[2]
PATIENCE = 600
"""Seconds for a session of several kernels on a machine that others use as well."""
pytestmark = pytest.mark.timeout(PATIENCE + 100)
FIGURE, RESULT = "application/vnd.plotly.v1+json", "application/vnd.sslens.result+json"
PRINT = "print('rank 12.91 of 64')"
SHOW = f"""import base64, random, struct
curve = {{"dtype": "f8", "bdata": base64.b64encode(struct.pack("<3d", 1.0, 3.9, 2.0)).decode()}}
figure = {{"data": [{{"type": "scatter", "uid": str(random.random()), "y": curve}}], "layout": {{}}}}
display({{"{FIGURE}": figure, "text/plain": str(random.random())}}, raw=True)"""
CONCLUDE = f"""result = {{"values": {{"rankme": 12.91, "holds": True}}, "tolerance": {{"relative": 1e-3}}}}
display({{"{RESULT}": result, "text/plain": "rankme 12.91"}}, raw=True)"""
ENVIRON = """import os
print(*(os.environ[f"SSLENS_{name}"] for name in ("PROFILE", "LIVE")), os.environ["OMP_NUM_THREADS"])
print(os.listdir(os.environ["SSLENS_DATA"]))"""

ERROR = new_output("error", ename="ZeroDivisionError", evalue="division by zero", traceback=["elsewhere"])
TIMES = "CPU times: user 2 s, sys: 1 s, total: 3 s\nWall time: 4 s\n"
UNSTEADY = [
    ("# NBVAL_RAISES_EXCEPTION\n1 / 0", [ERROR]),
    ("%%time\nx = 1", [new_output("stream", name="stdout", text=TIMES)]),
    ("print(object())", [new_output("stream", name="stdout", text="<object object at 0x…>\n")]),
    ("# NBVAL_IGNORE_OUTPUT\nprint(1)", [new_output("stream", name="stdout", text="2\n")]),
    ("print('\\rstep 1\\rstep 2')", [new_output("stream", name="stdout", text="step 2\n")]),
]
"""What another clock, another process and an expected error show, as it was stored another day."""

DEFINE, UNFOLD = "show_source = print", "show_source('def fit(): ...')"
NAMES = ["right.ipynb", "planted.ipynb", "edited.ipynb", "longer.ipynb"]


def printed(text):
    return [new_output("stream", name="stdout", text=text)]


def shown(peak):
    curve = {"dtype": "f8", "bdata": base64.b64encode(struct.pack("<3d", 1.0, peak, 2.0)).decode()}
    figure = {"data": [{"type": "scatter", "uid": "0", "y": curve}], "layout": {}}
    return [new_output("display_data", data={FIGURE: figure, "text/plain": "0", "image/png": "iVBORw0KGgo="})]


def concluded(rank, text="rankme 12.91"):
    record = {"values": {"rankme": rank, "holds": True}, "tolerance": {"relative": 1e-3}}
    return [new_output("display_data", data={RESULT: record, "text/plain": text})]


def write(path, *cells):
    """Cells are pairs of source and reference outputs; None stands for a cell cleared in the usual way."""
    made = [
        new_code_cell(source, outputs=outputs or [], execution_count=None if outputs is None else count)
        for count, (source, outputs) in enumerate(cells, 1)
    ]
    nbformat.write(new_notebook(cells=made), path)


def checked(folder):
    """Outcome of every cell of every notebook in a folder: (notebook, cell) -> (message or None, seconds)."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SSLENS_", "OMP_"))}
    command = [sys.executable, "-m", "pytest", str(folder), "-c", "pyproject.toml", f"--rootdir={folder}"]
    command += ["-o", "addopts=", "-p", "tests.notebooks.tolerance", "-p", "no:cacheprovider", "--color=no"]
    command += ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=5", f"--junitxml={folder / 'report.xml'}"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1, done.stdout + done.stderr
    cases = list(ElementTree.parse(folder / "report.xml").iter("testcase"))
    outcomes = {
        (
            case.get("classname").removesuffix(".ipynb").rpartition(".")[2],
            int(case.get("name").removeprefix("Cell ")),
        ): (
            "\n".join(trouble.text for trouble in case if trouble.tag in ("failure", "error")) or None,
            float(case.get("time")),
        )
        for case in cases
    }
    assert len(outcomes) == len(cases)  # nothing but the notebooks was run: no reference of theirs
    return outcomes


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """What is found in notebooks that hold their reference themselves."""
    folder = tmp_path_factory.mktemp("alone")
    same = (PRINT, printed("rank 12.91 of 64\n")), (SHOW, shown(3.9)), (CONCLUDE, concluded(12.91))
    write(folder / "same.ipynb", *same, (ENVIRON, printed("smoke 0 1\n[]\n")))
    nudged = printed("rank 12.9100001 of 64\n"), shown(3.9 * (1 + 1e-7)), concluded(12.91 * (1 + 1e-7))
    write(folder / "nudged.ipynb", *zip((PRINT, SHOW, CONCLUDE), nudged, strict=True))
    planted = printed("rank 13.04 of 64\n"), shown(3.9 * 1.01), concluded(12.91 * 1.01, "rankme 12.91")
    write(folder / "planted.ipynb", *zip((PRINT, SHOW, CONCLUDE), planted, strict=True))
    write(folder / "cleared.ipynb", same[0], (SHOW, None), (CONCLUDE, []))
    write(folder / "empty.ipynb", (PRINT, None), ("1;", None))
    write(folder / "died.ipynb", same[0], ("import os; os._exit(1)", []), same[0])
    write(folder / "asleep.ipynb", same[0], ("import time\nwhile True: time.sleep(1)", []))
    write(folder / "raised.ipynb", same[0], ("1 / 0", []))
    write(folder / "unsteady.ipynb", *UNSTEADY)
    return checked(folder)


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """What is found in notebooks of a checkout, whose lesson differs from what a reference beside the tests holds."""
    root = tmp_path_factory.mktemp("checkout")
    notebooks, references = root / "notebooks", root / "tests" / "notebooks" / "reference"
    notebooks.mkdir()
    references.mkdir(parents=True)
    (notebooks / "near.txt").write_text("a file in the notebook's own folder")
    near = "import os\nprint(sorted(os.listdir()))", printed(str(sorted(["alone.ipynb", "near.txt", *NAMES])) + "\n")
    lesson = (PRINT, printed("rank 60.0 of 64\n")), (SHOW, shown(60.0)), (CONCLUDE, concluded(60.0))
    smoke = (PRINT, printed("rank 12.91 of 64\n")), (SHOW, shown(3.9)), (CONCLUDE, concluded(12.91))
    unfolded = [(DEFINE, []), (UNFOLD, [])]
    for name, (cells, reference) in {
        "right.ipynb": ([*lesson, ("", None), near, *unfolded], [*smoke, near, *unfolded]),
        "planted.ipynb": (lesson, [smoke[0], (SHOW, shown(3.9 * 1.01)), smoke[2]]),
        "edited.ipynb": ([*lesson[:2], ("1 + 1", None)], smoke),
        "longer.ipynb": ([*lesson, ("1 + 1", None)], smoke),
    }.items():
        write(notebooks / name, *cells)
        write(references / name, *reference)
    write(notebooks / "alone.ipynb", *lesson)
    return checked(root)


@pytest.mark.parametrize("cell", range(1, 5))
def test_unchanged_outputs_pass_in_a_headless_kernel_at_the_smoke_profile(report, cell):
    assert report["same", cell][0] is None


@pytest.mark.parametrize("cell", range(1, 6))
def test_what_clock_and_process_decide_and_expected_errors_pass(report, cell):
    assert report["unsteady", cell][0] is None


@pytest.mark.parametrize("cell", range(1, 4))
def test_a_change_of_1e_7_passes(report, cell):
    assert report["nudged", cell][0] is None


@pytest.mark.parametrize(
    ("cell", "quantity"),
    [
        (1, "stdout reads 'rank 12.91 of 64', reference 'rank 13.04 of 64'"),
        (2, "figure data[0].y differs by 0.039 at most"),
        (3, "rankme 12.91, reference 13.0391"),
    ],
)
def test_a_change_of_one_percent_fails_naming_notebook_cell_and_quantity(report, cell, quantity):
    message = report["planted", cell][0]
    assert message.startswith(f"planted.ipynb, cell {cell} (")
    assert quantity in message


@pytest.mark.parametrize(("cell", "kind"), [(2, "figure"), (3, "result 'rankme 12.91'")])
def test_cleared_outputs_fail_whether_the_count_was_cleared_or_not(report, cell, kind):
    assert report["cleared", 1][0] is None
    assert report["cleared", cell][0].endswith(f"output 1 is new: {kind}")


@pytest.mark.parametrize("cell", range(1, 3))
def test_a_notebook_without_any_output_fails_in_every_cell(report, cell):
    assert "empty.ipynb holds no outputs at all" in report["empty", cell][0]


def test_a_dead_kernel_is_noticed_before_the_cell_times_out(report):
    message, _ = report["died", 2]  # had the time run out, the message would say so
    assert message.startswith("died.ipynb, cell 2 ('import os; os._exit(1)'): the kernel died")
    assert report["died", 3][0] is not None


def test_an_endless_cell_fails_once_its_time_is_over(report):
    message, seconds = report["asleep", 2]
    assert message.startswith("asleep.ipynb, cell 2 ('import time'): Timeout of 5 seconds")
    assert 5 <= seconds < 20


def test_an_exception_fails_with_its_traceback(report):
    assert report["raised", 2][0].startswith("raised.ipynb, cell 2 ('1 / 0'): ")
    assert "ZeroDivisionError" in report["raised", 2][0]


@pytest.mark.parametrize("cell", range(1, 7))
def test_a_notebook_of_a_checkout_is_compared_with_its_reference_in_its_own_folder(committed, cell):
    assert committed["right", cell][0] is None


def test_empty_cells_are_no_tests(committed):
    assert {cell for name, cell in committed if name == "right"} == set(range(1, 7))


def test_a_difference_from_the_reference_fails_in_its_cell_alone(committed):
    message = committed["planted", 2][0]
    assert message.startswith("planted.ipynb, cell 2 ('import base64, random, struct'): ")
    assert "figure data[0].y differs by 0.039 at most" in message
    assert committed["planted", 1][0] is None and committed["planted", 3][0] is None


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("edited", "was made from other sources, from cell 3 ('1 + 1') on"),
        ("longer", "was made from other sources, from cell 4 ('1 + 1') on"),
        ("alone", "is missing"),
    ],
)
def test_without_its_reference_a_notebook_fails_with_one_clear_sentence(committed, name, sentence):
    messages = {message for (notebook, _), (message, _) in committed.items() if notebook == name}
    (message,) = messages
    assert message == f"the reference of {name}.ipynb {sentence}: sslens freeze --reference {name}"
