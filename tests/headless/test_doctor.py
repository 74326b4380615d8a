import importlib.metadata

import psutil
import pytest
import torch
from click.testing import CliRunner

from sslens import runtime
from sslens.headless import doctor
from sslens.headless.cli import main
from sslens.headless.doctor import checkup


def row(what):
    return next(row for row in checkup() if row.what == what)


def test_what_is_not_in_order_says_how_to_mend_it():
    rows = checkup()
    assert {"python", "packages", "torch device", "JupyterLab", "ipykernel", "cores and threads"} <= {
        r.what for r in rows
    }
    assert all(bool(row.mend) == (row.state != "ok") for row in rows)


@pytest.mark.parametrize(
    ("version", "state"), [("3.10.16", "wrong"), ("3.11.0", "ok"), ("3.14.2", "ok"), ("3.15.0", "wrong")]
)
def test_an_interpreter_out_of_range_is_named(version, state, monkeypatch):
    monkeypatch.setattr(importlib.metadata, "metadata", lambda _: {"Requires-Python": ">=3.11,<3.15"})
    monkeypatch.setattr(doctor.platform, "python_version", lambda: version)
    assert (row("python").state, row("python").found) == (state, version)


def test_a_package_off_its_pin_is_named(monkeypatch):
    version = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.0.1" if name == "click" else version(name))
    found = row("packages")
    assert found.state == "wrong" and "click is 0.0.1, not ==" in found.found and "pip install" in found.mend


@pytest.mark.parametrize(("version", "state"), [("3.10.9", "wrong"), ("3.11.2", "ok"), ("4.0.0", "wrong")])
def test_the_python_that_the_package_asks_for_is_held_against_this_one(version, state, monkeypatch):
    monkeypatch.setattr(doctor.platform, "python_version", lambda: version)
    found = row("python")
    assert (found.state, found.found) == (state, version)
    assert ("3.11" in found.mend) == (state == "wrong")


def test_a_missing_package_of_the_tests_hinders_no_run(monkeypatch):
    version = importlib.metadata.version

    def without(name):
        if name == "kornia":
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", without)
    found = row("packages: test")
    assert found.state == "wrong" and "kornia is missing" in found.found and not found.needed
    assert "kornia" not in row("packages").found


def test_missing_extensions_and_browsers_are_named(monkeypatch):
    monkeypatch.setattr(doctor, "jupyter_path", lambda *_: [])
    monkeypatch.setattr(doctor.shutil, "which", lambda _: None)
    assert row("its widget and plotly extensions").state == "missing"
    assert "jupyterlab-plotly" in row("its widget and plotly extensions").found
    assert row("browser for PNG export").state == "missing"


@pytest.mark.parametrize(("version", "state"), [("7.3.1", "ok"), ("7.4.0", "wrong"), ("6.31.0", "wrong")])
def test_only_one_line_of_ipykernel_keeps_live_controls_alive(version, state, monkeypatch):
    monkeypatch.setattr(doctor.importlib.metadata, "version", lambda _: version)
    assert doctor._kernel().state == state


def test_a_folder_that_cannot_be_written_fails_the_checkup(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(runtime, "data_root", lambda: tmp_path / "file")
    found = row("folder of runs and caches")
    assert found.state == "wrong" and found.needed
    assert CliRunner().invoke(main, ["doctor"]).exit_code == 1


def test_the_device_threads_and_memory_are_shown(monkeypatch):
    monkeypatch.setenv("SSLENS_THREADS", "two")
    assert row("cores and threads").state == "wrong"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "H200")
    assert row("torch device").found == "CUDA: H200"
    memory = psutil.virtual_memory()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory._replace(available=2**20))
    assert row("memory").state == "wrong"


def test_the_table_shows_brackets_as_they_are(monkeypatch):
    monkeypatch.setattr(doctor, "checkup", lambda: [doctor.Row("packages", "none", "missing", doctor.INSTALL)])
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 1 and "[lab,test]" in result.stdout
