import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook

from sslens.batch import notebook as batch
from sslens.batch.cli import main

PARAMETERS = 'steps: int = 40\nrate: float = 1e-3\nname: str = "a"\nflag: bool = True\nprofile: str = "lesson"'
RECEIPT = """import json, os, pathlib
told = json.load(open(os.environ["SSLENS_ATTEMPT"]))
pathlib.Path(os.environ["SSLENS_PROGRESS"]).write_text('{"label": "vicreg", "step": 40, "total": 40}')
import time; time.sleep(0.5)
verdict = {"sentence": "Rank falls.", "source": "Paper", "quantity": "rank", "holds": False, "bound": "< 0.5"}
verdict |= {"mean": 0.6123, "low": 0.55, "high": 0.67, "n": 3, "line": "✗ does not hold: Rank falls. (rank 0.612)"}
receipt = {"nonce": told["nonce"], "parameters": {name: globals()[name] for name in told["parameters"]}}
json.dump(receipt | {"verdicts": [verdict]}, open(told["receipt"], "w"))"""


@pytest.fixture(scope="module")
def tour(tmp_path_factory):
    path = tmp_path_factory.mktemp("notebooks") / "10_tour.ipynb"
    cells = [new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}), new_code_cell(RECEIPT)]
    nbformat.write(new_notebook(cells=cells), path)
    return path


def sslens(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_run_tells_its_progress_its_files_and_its_verdicts(tour, tmp_path):
    result = sslens("run", tour, "-p", "steps", "7", "--profile", "smoke", "--out", tmp_path / "out")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0  # a claim that does not hold is a result
    assert lines[:3] == [f"10_tour: cell {number}/3" for number in (1, 2, 3)]
    assert lines[3].startswith("10_tour: vicreg 40/40, ")
    assert lines[4:7] == [
        f"notebook  {tmp_path / 'out' / '10_tour.ipynb'}",
        f"report    {tmp_path / 'out' / '10_tour.html'}",
        f"record    {tmp_path / 'out' / 'run.json'}",
    ]
    assert lines[7] == "✗ does not hold: Rank falls. (rank 0.612)"
    assert all(Path(line.split(maxsplit=1)[1]).is_file() for line in lines[4:7])


def test_a_failed_run_exits_with_4_and_one_reason(tmp_path):
    cells = [new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}), new_code_cell("1 / 0")]
    nbformat.write(new_notebook(cells=cells), tmp_path / "a.ipynb")
    result = sslens("run", tmp_path / "a.ipynb", "--out", tmp_path / "out")
    assert result.exit_code == 4
    assert result.stderr.startswith("failed: cell 3 ('1 / 0') raised ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [(["-p", "stpes", "7"], "Did you mean 'steps'?"), (["-p", "steps", "7.0"], "written in decimal digits"),
     (["-p", "steps", "1", "-p", "steps", "2"], "given once per name"),
     (["--profile", "smok"], "Did you mean 'smoke'?"), (["-p", "flag", "maybe"], "true or false"),
     (["-p", "steps", "-3"], "in [0, 1e+06]")],
)  # fmt: skip
def test_a_wrong_input_is_one_line_and_exit_2(arguments, hint, tour):
    result = sslens("run", tour, *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1 and hint in result.stderr
    assert result.stdout == ""


WORDS = st.one_of(
    st.text(max_size=20), st.sampled_from(["steps", "rate", "name", "flag", "profile", "-p", "--profile"])
)
WORDS |= st.sampled_from(
    ["--out", "run", "new", "smoke", "1", "-1", "1e-3", "true", "nan", "", "\ud800", "\udcff", "a\0b", "[red]"]
)
PAIRS = st.tuples(st.just("-p"), st.sampled_from(["steps", "rate", "name", "flag", "stpes", ""]), WORDS)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pairs=st.lists(PAIRS, max_size=3), words=st.lists(WORDS, max_size=3), known=st.booleans())
def test_any_command_line_is_understood_or_refused_without_a_traceback(
    pairs, words, known, tour, monkeypatch, tmp_path
):
    monkeypatch.setattr(batch, "execute", lambda attempt, progress: "not executed in this test")
    monkeypatch.chdir(tmp_path)  # --out takes any word for a folder
    arguments = [word for pair in pairs for word in pair] + words
    result = CliRunner().invoke(main, ["run", *([str(tour)] if known else []), *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in (0, 2, 4)
    assert result.exit_code != 2 or "rror: " in result.stderr


def test_new_copies_the_template_and_overwrites_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "top folder" in sslens("new", "12_which_rank").stderr
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "_template.ipynb").write_text("template")
    assert sslens("new", "12_which_rank").exit_code == 0
    assert (tmp_path / "notebooks" / "12_which_rank.ipynb").read_text() == "template"
    (tmp_path / "notebooks" / "12_which_rank.ipynb").write_text("mine")
    assert sslens("new", "12_which_rank").exit_code == 2
    assert (tmp_path / "notebooks" / "12_which_rank.ipynb").read_text() == "mine"


@pytest.mark.parametrize("name", ["../12_x", "12_X", "1_x", "12_", "", "12_x\n", "12_é", "12_x.ipynb"])
def test_new_refuses_other_names(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = sslens("new", name)
    assert result.exit_code == 2 and "12_which_rank" in result.stderr


def test_freeze_says_which_notebooks_changed(monkeypatch):
    monkeypatch.setattr("sslens.batch.freeze.freeze", lambda path: path.name == "a.ipynb")
    assert sslens("freeze", "a.ipynb", "b.ipynb").stdout == "a.ipynb: changed\nb.ipynb: as it was\n"


def test_an_error_that_is_not_ours_is_not_hidden(monkeypatch):
    def broken(path):
        raise ValueError("a fault of the library")

    monkeypatch.setattr("sslens.batch.freeze.freeze", broken)
    assert isinstance(sslens("freeze", "a.ipynb").exception, ValueError)


def test_help_comes_without_torch_and_the_module_is_the_command():
    code = "import sys, runpy\nsys.argv = ['sslens', '--help']\n"
    code += "try:\n    runpy.run_module('sslens', run_name='__main__')\n"
    code += "except SystemExit:\n    print('torch' in sys.modules, 'papermill' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "Usage: sslens" in result.stdout and result.stdout.endswith("False False\n")
