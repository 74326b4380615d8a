"""Versions of a notebook for a class: nothing to copy from for students, every check passed for who teaches."""

import json
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from sslens.headless.cli import main
from sslens.headless.export import export, for_students, with_solutions
from sslens.headless.run import run_notebook
from sslens.studies import of_notebook
from sslens.types import InputError

TEMPLATE = Path(__file__).parents[2] / "notebooks" / "_template.ipynb"
ANSWERED = """def my_rankme(z):
    # z: one row per image, a column per dimension
    values = z.svd().S
    return values.sum()


exercises["by_hand"].check(my_rankme)"""
EMPTY = """def my_rankme(z):
    # z: one row per image, a column per dimension
    return None  # your code


exercises["by_hand"].check(my_rankme)"""


def sources(notebook):
    return [cell.source for cell in notebook.cells]


def filled():
    """The template as somebody left it who has worked through it."""
    notebook = nbformat.read(TEMPLATE, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = cell.source.replace("answer = None", "answer = 5").replace(EMPTY, ANSWERED)
            cell.update(execution_count=9, outputs=[new_output("stream", text="the answer")])
    calls = (f'exercises["by_hand"].{method}()' for method in ("hint", "solution"))
    notebook.cells += [new_code_cell(call) for call in calls]
    notebook.metadata |= {"sslens": {"profile": "lesson"}, "widgets": {"state": {}}}
    return notebook


def test_students_get_the_notebook_as_it_was_before_anybody_answered():
    made = for_students(filled())
    assert sources(made) == sources(nbformat.read(TEMPLATE, as_version=4))
    assert "the answer" not in json.dumps(made)
    assert {"sslens", "widgets"}.isdisjoint(made.metadata)
    assert made.cells[1].metadata.tags == ["parameters"]
    assert [cell.execution_count for cell in made.cells if cell.cell_type == "code"] == [None] * 11
    assert for_students(made) == made


def test_solutions_hold_the_real_source_and_what_it_needs():
    made = with_solutions(filled(), of_notebook("_template"))
    text = "\n".join(sources(made))
    assert 'answer = exercises["narrowest"].answer  # what this run finds\nexercises["narrowest"].check(answer)' in text
    assert "\nimport torch\n\n\ndef rankme_by_hand(z: Features) -> Scalar:\n" in text
    assert "from sslens.types import Features\nfrom sslens.types import Scalar\n" in text
    assert 'exercises["by_hand"].check(rankme_by_hand)' in text
    assert sources(made).count('exercises["narrowest"].solution()') == 1
    assert "my_rankme" not in text


def test_every_check_passes_when_the_solutions_are_executed(tmp_path):
    solved = export(TEMPLATE, "solutions", to=tmp_path / "solved.ipynb")
    record = run_notebook(str(solved), {}, profile="smoke", out=str(tmp_path / "out"))
    assert (record.status, record.reason) == ("complete", "")
    executed = nbformat.read(record.folder / "solved.ipynb", as_version=4)
    said = [
        output.data["text/plain"]
        for cell in executed.cells
        if ".check(" in cell.source
        for output in cell.outputs
        if "data" in output
    ]
    assert [line.partition(".")[0] for line in said] == ["✓ Right"] * 3


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("answer = 3\n", "answer = None\n"),
        ("values = 3\nanswer = values + 1  # a number\n", "answer = None  # a number\n"),
        (
            'def f(z):\n    """What."""\n    return z\n',
            'def f(z):\n    """What."""\n    return None  # your code\n\n\n',
        ),
        ("def f(z): return z\n", None),
        ("def helper(z):\n    return z\n\n\ndef f(z):\n    return helper(z)\n", None),
    ],
)
def test_what_an_emptied_cell_keeps(before, after):
    check = f'exercises["a"].check({"f" if "def" in before else "answer"})'
    made = for_students(new_notebook(cells=[new_code_cell(before + check)]))
    assert made.cells[0].source == (after or "def f(z):\n    return None  # your code\n\n\n") + check


def test_a_notebook_without_exercises_or_solutions_is_refused():
    with pytest.raises(InputError, match="one with exercises"):
        for_students(new_notebook(cells=[new_markdown_cell("# Why?"), new_code_cell("1")]))
    with pytest.raises(InputError, match=r"exercise must be a Task of the study .* Got 'other'"):
        task = new_code_cell('def f(z):\n    return None\n\n\nexercises["other"].check(f)')
        with_solutions(new_notebook(cells=[task]), of_notebook("_template"))


def test_the_command_names_its_file_and_overwrites_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["export", str(TEMPLATE), "--student"]
    first = CliRunner().invoke(main, arguments)
    assert (first.exit_code, first.stdout) == (0, "_template-student.ipynb is yours; sslens run executes it\n")
    before = Path("_template-student.ipynb").read_bytes()
    nbformat.validate(nbformat.read("_template-student.ipynb", as_version=4))
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 2
    assert again.stderr.startswith("error: file must be one that is not there yet. Got '_template-student.ipynb'.")
    assert Path("_template-student.ipynb").read_bytes() == before
    assert CliRunner().invoke(main, [*arguments, "-o", "mine.ipynb"]).exit_code == 0
    assert Path("mine.ipynb").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([str(TEMPLATE)], "version must be --student or --solutions"),
        (["nowhere.ipynb", "--student"], "notebook must be a readable .ipynb file"),
        ([str(TEMPLATE), "--student", "-o", "/proc/nowhere/a.ipynb"], "in a folder that can be written to"),
    ],
)
def test_a_wrong_call_is_one_line(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["export", *arguments])
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
