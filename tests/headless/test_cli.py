import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook

from sslens.headless import run as running
from sslens.headless.cli import main
from sslens.headless.freeze import Stale
from sslens.headless.record import RunRecord
from sslens.headless.table import BEGIN, END

PARAMETERS = 'steps: int = 40\nrate: float = 1e-3\nname: str = "a"\nflag: bool = True\nprofile: str = "lesson"'
RECEIPT = """import json, os, pathlib
attempt = json.load(open(os.environ["SSLENS_ATTEMPT"]))
pathlib.Path(os.environ["SSLENS_PROGRESS"]).write_text('{"label": "vicreg", "step": 40, "total": 40}')
import time; time.sleep(0.5)
verdict = {"sentence": "Rank falls.", "source": "Paper", "quantity": "rank", "holds": False, "bound": "< 0.5"}
verdict |= {"mean": 0.6123, "low": 0.55, "high": 0.67, "n": 3, "line": "✗ does not hold: Rank falls. (rank 0.612)"}
receipt = {"nonce": attempt["nonce"], "parameters": {name: globals()[name] for name in attempt["parameters"]}}
receipt["execution_count"] = len(In) - 1
json.dump(receipt | {"verdicts": [verdict]}, open(attempt["receipt"], "w"))"""


@pytest.fixture(scope="module")
def tour(tmp_path_factory):
    path = tmp_path_factory.mktemp("notebooks") / "10_tour.ipynb"
    cells = [new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}), new_code_cell(RECEIPT)]
    nbformat.write(new_notebook(cells=cells), path)
    return path


def sslens(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_run_shows_its_progress_its_files_and_its_verdicts(tour, tmp_path):
    result = sslens("run", tour, "-p", "steps", "7", "--profile", "smoke", "--out", tmp_path / "out")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0  # a claim that does not hold is a result
    assert lines[:2] == [f"10_tour at smoke: cell {number}/2" for number in (1, 2)]
    assert lines[2].startswith("10_tour at smoke: vicreg 40/40, ")
    folder = (tmp_path / "out" / "latest").resolve()
    assert lines[3:6] == [
        f"notebook  {folder / '10_tour.ipynb'}",
        f"report    {folder / '10_tour.html'}",
        f"record    {folder / 'run.json'}",
    ]
    assert lines[6] == "✗ does not hold: Rank falls. (rank 0.612)"
    assert all(Path(line.split(maxsplit=1)[1]).is_file() for line in lines[3:6])
    again = sslens("run", tour, "-p", "steps", "7", "--profile", "smoke", "--out", tmp_path / "out").stdout.splitlines()
    assert again[:4] == lines[3:7] and re.fullmatch(
        r"this run is there already, of [0-9T:+-]{25}; --again repeats it", again[4]
    )


def test_a_failed_run_exits_with_4_and_one_reason(tmp_path):
    cells = [new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}), new_code_cell("1 / 0")]
    nbformat.write(new_notebook(cells=cells), tmp_path / "a.ipynb")
    result = sslens("run", tmp_path / "a.ipynb", "--out", tmp_path / "out")
    assert result.exit_code == 4
    assert result.stderr.startswith("failed: cell 2 ('1 / 0') raised ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize("status", ["complete", "failed"])
def test_text_from_data_and_exceptions_does_nothing_to_the_terminal(status, monkeypatch):
    wild = "\x1b[2J\u202eturned\x9b\nnext"
    given = {"notebook": "a.ipynb", "profile": "smoke", "parameters": {}, "started": "", "seconds": 1.0, "nonce": ""}
    given |= {"cell_seconds": [], "verdicts": [{"line": wild}], "reason": wild, "note": wild}
    record = RunRecord(status=status, folder=Path("/runs/\x1b[2J"), **given)
    monkeypatch.setattr("sslens.headless.run.run_notebook", lambda *_, **__: record)
    result = sslens("run", "\x1b[2J.ipynb")
    said = result.stdout + result.stderr
    assert said.count("\\x1b[2J\\u202eturned\\x9b\\nnext") == 2  # the note, and the reason or the verdict
    assert not [letter for letter in said.replace("\n", "") if not letter.isprintable()]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [(["--timeout", "0"], "timeout must be an int in [1, 604800]. Got 0."),
     (["-p", "stpes", "7"], "Did you mean 'steps'?"), (["-p", "steps", "7.0"], "written in decimal digits"),
     (["-p", "steps", "1", "-p", "steps", "2"], "given once per name"),
     (["--profile", "smok"], "Did you mean 'smoke'?"), (["-p", "flag", "maybe"], "true or false")],
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
    monkeypatch.setattr(running, "execute", lambda attempt, progress: "not executed in this test")
    monkeypatch.chdir(tmp_path)  # --out takes any word for a folder
    arguments = [word for pair in pairs for word in pair] + words
    result = CliRunner().invoke(main, ["run", *([str(tour)] if known else []), *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in (0, 2, 4)
    assert result.exit_code != 2 or "rror: " in result.stderr


def test_new_copies_the_templates_and_overwrites_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "top folder" in sslens("new", "12_which_rank").stderr
    notebooks, studies = tmp_path / "notebooks", tmp_path / "lib" / "sslens" / "studies"
    notebooks.mkdir()
    studies.mkdir(parents=True)
    (notebooks / "_template.ipynb").write_text("from sslens.studies import _template as study")
    assert "top folder" in sslens("new", "12_which_rank").stderr
    (studies / "_template.py").write_text('NOTEBOOK = "_template"\n')
    said = "notebooks/12_which_rank.ipynb is yours\nlib/sslens/studies/which_rank.py is yours\n"
    assert sslens("new", "12_which_rank").stdout == said
    assert (notebooks / "12_which_rank.ipynb").read_text() == "from sslens.studies import which_rank as study"
    assert (studies / "which_rank.py").read_text() == 'NOTEBOOK = "12_which_rank"\n'
    (notebooks / "12_which_rank.ipynb").write_text("mine")
    assert sslens("new", "12_which_rank").exit_code == 2
    assert (notebooks / "12_which_rank.ipynb").read_text() == "mine"
    assert sslens("new", "13_which_rank").exit_code == 2  # the study is there
    assert not (notebooks / "13_which_rank.ipynb").exists()


@pytest.mark.parametrize(
    "name",
    ["../12_x", "12_X", "1_x", "12_", "12_3d", "12__x", "", "12_x\n", "12_é", "12_x.py",
     "12_class", "13_import", "13_in"],
)  # fmt: skip
def test_new_refuses_other_names(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = sslens("new", name)
    assert result.exit_code == 2 and "12_which_rank" in result.stderr


@pytest.fixture
def freezing(monkeypatch):
    """What freeze is called with; a.ipynb is out of date."""
    calls = []

    def freeze(path, *, lesson, progress):
        calls.append((path, lesson))
        return [path.with_name("reference.ipynb"), path] if path.name == "a.ipynb" else []

    stale = {"a.ipynb": Stale("was frozen from other code", "is missing")}
    monkeypatch.setattr("sslens.headless.freeze.freeze_notebook", freeze)
    monkeypatch.setattr("sslens.headless.freeze.staleness", lambda path: stale.get(path.name, Stale()))
    return calls


def test_freeze_says_which_files_changed(freezing):
    said = sslens("freeze", "x/a.ipynb", "b").stdout
    assert said == "x/reference.ipynb: changed\nx/a.ipynb: changed\nnotebooks/b.ipynb: as it was\n"
    assert freezing == [(Path("x/a.ipynb"), True), (Path("notebooks/b.ipynb"), True)]


def test_freeze_renews_references_alone_on_request(freezing):
    assert sslens("freeze", "--reference", "b").exit_code == 0
    assert freezing == [(Path("notebooks/b.ipynb"), False)]


def test_freeze_check_runs_nothing_and_fails_where_something_is_stale(freezing):
    result = sslens("freeze", "--check", "a", "b")
    assert result.stdout.splitlines() == [
        "notebooks/a.ipynb: the lesson was frozen from other code",
        "notebooks/a.ipynb: the reference is missing",
        "notebooks/b.ipynb: up to date",
    ]
    assert (result.exit_code, sslens("freeze", "--check", "b").exit_code, freezing) == (1, 0, [])


def test_the_table_of_readme_is_made_where_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "top folder" in sslens("table").stderr
    (tmp_path / "README.md").write_text(f"{BEGIN}{END}\n")
    assert sslens("table").stdout == "README.md: changed\n"
    assert sslens("table").stdout == "README.md: as it was\n"


def test_an_error_that_is_not_ours_is_not_hidden(monkeypatch):
    def broken(path, *, lesson, progress):
        raise ValueError("a fault of the library")

    monkeypatch.setattr("sslens.headless.freeze.freeze_notebook", broken)
    assert isinstance(sslens("freeze", "a.ipynb").exception, ValueError)


def test_help_comes_without_torch_and_the_module_is_the_command():
    code = "import sys, runpy\nsys.argv = ['sslens', '--help']\n"
    code += "try:\n    runpy.run_module('sslens', run_name='__main__')\n"
    code += "except SystemExit:\n    print('torch' in sys.modules, 'papermill' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "Usage: sslens" in result.stdout and result.stdout.endswith("False False\n")
