"""The runs of a notebook are packed on one machine and taken on another, in one command each."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from sslens.headless.cli import main
from sslens.headless.share import configs_of
from sslens.train import archive, key, record_all
from sslens.types import InputError

TEMPLATE = Path(__file__).parents[2] / "notebooks" / "_template.ipynb"


def sslens(*arguments):
    return CliRunner().invoke(main, ["cache", *(str(each) for each in arguments)])


def test_the_runs_of_a_notebook_follow_its_parameters_and_its_profile():
    assert len(configs_of(TEMPLATE, {}, profile="smoke")) == 2
    lesson = configs_of(TEMPLATE, {"objective": "simclr", "seeds": "4"})
    assert [config.seed for config in lesson] == [0, 1, 2, 3]
    assert {type(config.objective).__name__ for config in lesson} == {"SimCLR"}
    with pytest.raises(InputError, match="Did you mean 'seeds'"):
        configs_of(TEMPLATE, {"sedes": "4"})


def test_a_teacher_exports_and_a_student_imports(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLENS_DATA", str(tmp_path / "teacher"))
    arguments = ["export", tmp_path / "runs.zip", TEMPLATE, "--profile", "smoke"]
    assert "finished, at least one of them. Got '0 of 2'. Run the notebook first." in sslens(*arguments).stderr
    record_all(configs_of(TEMPLATE, {}, profile="smoke")[:1])
    exported = sslens(*arguments)
    assert exported.exit_code == 0
    assert exported.stdout.splitlines()[0].startswith(f"{tmp_path / 'runs.zip'}: 1 run, ")
    assert exported.stdout.splitlines()[1].startswith("1 run not packed: not trained here yet")
    assert "error: FILE must be one that is not there yet" in sslens(*arguments).stderr
    assert sslens("export", tmp_path / "all.zip").stdout.startswith(f"{tmp_path / 'all.zip'}: 1 run, ")
    assert (tmp_path / "all.zip").read_bytes() == (tmp_path / "runs.zip").read_bytes()

    monkeypatch.setenv("SSLENS_DATA", str(tmp_path / "student"))
    assert sslens("import", tmp_path / "runs.zip").stdout == "1 run new\n"
    assert sslens("import", tmp_path / "runs.zip").stdout == "1 run there already\n"
    name = key(configs_of(TEMPLATE, {}, profile="smoke")[0])
    assert [path.name for path in (tmp_path / "student" / "cache" / "traces").iterdir()] == [name]

    monkeypatch.setenv("SSLENS_DATA", str(tmp_path / "another"))
    real = archive.provenance
    monkeypatch.setattr(archive, "provenance", lambda *of, **data: real(*of, **data) | {"code": "x"})
    assert sslens("import", tmp_path / "runs.zip").stdout.splitlines() == [
        "1 run left out, which nothing here would read: other code",
        "nothing of it will be used on this machine",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["import", "nowhere.zip"], "FILE must be a file that can be read"),
        (["export", "a.zip", "nowhere.ipynb"], "notebook must be a readable .ipynb file"),
        (["export", "a.zip", TEMPLATE, "--profile", "smok"], "Did you mean 'smoke'?"),
    ],
)
def test_a_wrong_call_is_one_line(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = sslens(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
