"""``make`` finds an interpreter that fits, or says in one sentence what to install."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.house.reading import ROOT

MAKE = shutil.which("make")
WITH = "#!/bin/sh\nexec {python} -c \"import sys; {first}; exec('''$2''')\"\n"
"""An interpreter that is this one but for what it does first; the Makefile calls it as ``NAME -c PROGRAM``."""
FAKES = {
    "fits": "pass",
    "too old": "sys.version_info = (3, 10, 13)",
    "too new": "sys.version_info = (3, 15, 0)",
    "without venv": "sys.modules['venv'] = None",
    "without pip": "sys.modules['ensurepip'] = None",
}
SHIM = "#!/bin/sh\necho 'command not found' >&2\nexit 127\n"
"""What pyenv puts in place of a version that is not switched on."""

pytestmark = pytest.mark.skipif(MAKE is None, reason="there is no make")


@pytest.fixture
def interpreters(tmp_path):
    """A folder of interpreters, each named and of one of the kinds above or a shim, as the only place to search."""

    def placed(**kinds):
        for name, kind in kinds.items():
            path = tmp_path / name.replace("_", ".")
            path.write_text(SHIM if kind == "shim" else WITH.format(python=sys.executable, first=FAKES[kind]))
            path.chmod(0o755)
        return tmp_path

    return placed


def make(folder, *arguments, venv="nowhere", **environment):
    """The commands that make would carry out to set up and run, with its answer on the error stream."""
    command = [MAKE, "--dry-run", "--no-print-directory", f"VENV={folder / venv}", *arguments]
    variables = {"PATH": f"{folder}:/nowhere", "LC_ALL": "C"} | environment
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)


def chosen(answer):
    """The interpreter that makes the virtual environment."""
    assert answer.returncode == 0, answer.stderr
    return next(line.split()[0] for line in answer.stdout.splitlines() if " -m venv " in line)


@pytest.mark.parametrize(
    ("kinds", "best"),
    [
        ({"python3": "fits", "python3_14": "fits"}, "python3"),
        ({"python3": "too old", "python3_12": "fits", "python3_13": "fits"}, "python3.13"),
        ({"python3": "too new", "python3_14": "shim", "python3_11": "fits"}, "python3.11"),
        ({"python3": "without pip", "python3_12": "fits"}, "python3.12"),
        ({"python3": "without venv", "python3_12": "fits"}, "python3.12"),
    ],
)
def test_the_first_that_runs_and_fits_is_taken(kinds, best, interpreters):
    assert chosen(make(interpreters(**kinds), "run")) == best


def test_the_one_that_is_named_is_taken(interpreters):
    folder = interpreters(python3="fits", python3_12="fits")
    assert chosen(make(folder, "run", "PYTHON=python3.12")) == "python3.12"
    assert chosen(make(folder, "run", PYTHON="python3.12")) == "python3.12"


@pytest.mark.parametrize("kinds", [{}, {"python3": "too old"}, {"python3": "too new"}, {"python3": "shim"}])
def test_where_none_fits_one_sentence_says_what_to_install(kinds, interpreters):
    answer = make(interpreters(**kinds), "run", "CANDIDATES=python3 python3.13")
    assert answer.returncode == 2 and answer.stdout == ""
    assert answer.stderr.count("\n") == 1
    assert "found no Python 3.11 to 3.14 (tried python3 python3.13): install one as README.md says" in answer.stderr


@pytest.mark.parametrize("kind", ["without pip", "without venv"])
def test_where_venv_or_pip_is_missing_one_sentence_says_what_to_install(kind, interpreters):
    answer = make(interpreters(python3="too old", python3_13=kind), "run", "CANDIDATES=python3 python3.13")
    assert answer.returncode == 2 and answer.stdout == ""
    assert answer.stderr.count("\n") == 1
    assert "python3.13 has no venv or no pip: " in answer.stderr and "sudo apt install python3-venv" in answer.stderr


def test_a_named_interpreter_that_does_not_fit_is_not_replaced(interpreters):
    answer = make(interpreters(python3="fits", python3_10="too old"), "run", "PYTHON=python3.10")
    assert answer.returncode == 2 and "(tried python3.10)" in answer.stderr


def test_an_environment_that_is_ready_needs_no_interpreter(interpreters):
    folder = interpreters(python3="shim")
    (folder / "made").mkdir()
    (folder / "made" / "pyvenv.cfg").touch()
    (folder / "made" / "ready").touch()
    answer = make(folder, "run", "CANDIDATES=python3", venv="made")
    assert answer.returncode == 0 and answer.stdout.split() == [
        f"{folder}/made/bin/sslens",
        "run",
        "notebooks/00_first_light.ipynb",
    ]


def test_the_unit_tests_run_once_more_in_every_other_environment(tmp_path):
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for venv in (".venv", ".venv-3.13"):
        (tmp_path / venv).mkdir()
        (tmp_path / venv / "pyvenv.cfg").touch()
        (tmp_path / venv / "ready").touch()
    command = [MAKE, "--dry-run", "--no-print-directory", "test"]
    variables = {"PATH": os.environ["PATH"]}  # nothing of a make that runs these tests
    answer = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=True)
    runs = [line for line in answer.stdout.splitlines() if " -m pytest" in line and not line.startswith("make")]
    assert runs[0] == ".venv/bin/python -m pytest"
    assert runs[-1].startswith(".venv-3.13/bin/python -m pytest tests lib --ignore=tests/notebooks")
