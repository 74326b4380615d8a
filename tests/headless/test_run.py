import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from xarray import DataArray

from sslens import claims
from sslens.headless import run as running
from sslens.headless.run import run_notebook
from sslens.store import load_arrays, save_arrays
from sslens.studies import first_light as study
from sslens.types import InputError, UnknownName

PARAMETERS = 'steps: int = 40  # of training\nrate: float = 1e-3\nname: str = "a"\nprofile: str = "lesson"'
VERDICT = {"sentence": "Rank falls.", "source": "Paper 2023", "quantity": "rank", "holds": True}
VERDICT |= {"mean": 0.3, "low": 0.2, "high": 0.4, "n": 3, "line": "✓ holds: Rank falls."}
# what sslens.claims.receipt does, without the seconds that importing torch takes in every kernel
RECEIPT = """import json, os, time
attempt = json.load(open(os.environ["SSLENS_ATTEMPT"]))
receipt = {"nonce": attempt["nonce"], "parameters": {name: globals()[name] for name in attempt["parameters"]}}
json.dump(receipt | {"verdicts": [VERDICT]}, open(attempt["receipt"], "w"))"""


def written(folder, *sources, tags=(), verdict=VERDICT, receipt=RECEIPT):
    """A notebook with ``sources`` between the parameters and the receipt, the first of them tagged."""
    cells = [new_code_cell(source) for source in sources]
    if tags:
        cells[0].metadata["tags"] = list(tags)
    head = [new_markdown_cell("# Why?"), new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})]
    said = repr(verdict).replace("nan", "float('nan')").replace("inf", "float('inf')")
    tail = [new_code_cell(receipt.replace("VERDICT", said))] if receipt else []
    path = folder / "10_tour.ipynb"
    nbformat.write(new_notebook(cells=[*head, *cells, *tail]), path)
    return path


def test_a_good_run_leaves_notebook_report_and_sidecar_that_belong_together(tmp_path):
    given = {"steps": "7", "rate": 0.5, "name": 'quote " slash \\ line \u2028 é'}
    path = written(tmp_path, "import os\nassert os.environ['SSLENS_LIVE'] == '0'\nprint(os.getcwd())")
    record = run_notebook(path, given, profile="smoke", out=tmp_path / "out {x}")
    sidecar = json.loads((tmp_path / "out {x}" / "run.json").read_text())
    assert (record.status, record.reason) == ("complete", "")
    assert sidecar["parameters"] == {"steps": 7, "rate": 0.5, "name": given["name"], "profile": "smoke"}
    assert sidecar["verdicts"] == [VERDICT]
    assert sidecar["versions"]["papermill"] == "2.7.0"
    assert len(sidecar["cell_seconds"]) == 3
    for name, digest in sidecar["sha256"].items():
        assert hashlib.sha256((record.folder / name).read_bytes()).hexdigest() == digest
    assert sorted(sidecar["sha256"]) == ["10_tour.html", "10_tour.ipynb"]
    assert not list(record.folder.glob(".staging*"))
    executed = nbformat.read(record.folder / "10_tour.ipynb", 4)
    assert executed.cells[3].outputs[0].text.strip() == str(tmp_path)
    assert "input_path" not in executed.metadata.papermill


def test_the_receipt_of_the_claims_module_is_accepted(tmp_path):
    source = (
        "from sslens.claims import Claim, conclude, receipt\nfrom xarray import DataArray\n"
        "from sslens.studies import first_light as study\n"
        "rank = DataArray([12.0, 9.0], dims='step', coords={'step': [0, 10]}, name='rank')"
    )
    last = (
        "claim = Claim('Rank falls.', source='Paper', quantity='r', below=1)\n"
        "verdicts = conclude(claim.judge([0.1], setting='digits'))\nreceipt(globals())"
    )
    record = run_notebook(written(tmp_path, source, receipt=last), {}, out=tmp_path / "out")
    assert record.reason == ""
    assert record.verdicts[0]["holds"] is None and record.verdicts[0]["low"] is None
    assert (
        json.loads((record.folder / "run.json").read_text())["claims"] == record.claims == claims.digest(study.CLAIMS)
    )
    assert load_arrays(record.folder / "results.json")["rank"].sel(step=10) == 9


RESULTS = "import json, os\nopen(json.load(open(os.environ['SSLENS_ATTEMPT']))['results'], 'wb').write(b'arrays')"


def test_labelled_arrays_are_kept_beside_the_record_with_their_checksum(tmp_path):
    record = run_notebook(written(tmp_path, RESULTS), {}, out=tmp_path / "out")
    sidecar = json.loads((record.folder / "run.json").read_text())
    assert (record.folder / "results.json").read_bytes() == b"arrays"
    assert sidecar["sha256"]["results.json"] == hashlib.sha256(b"arrays").hexdigest()


def test_a_failed_run_keeps_the_arrays_it_came_to_write_unless_they_cannot_be_read(tmp_path):
    save_arrays(tmp_path / "whole.json", {"rank": DataArray([12.0, 9.0], dims="step")})
    whole = (tmp_path / "whole.json").read_bytes()
    for content, kept in ((whole, True), (whole[:-5], False)):
        path = written(tmp_path, RESULTS.replace("b'arrays'", repr(content)), "1 / 0")
        record = run_notebook(path, {}, out=tmp_path / "out")
        assert record.status == "failed" and (record.folder / "results.json").is_file() is kept
        assert not kept or load_arrays(record.folder / "results.json")["rank"].sum() == 21


def test_arrays_of_an_earlier_run_do_not_stay_beside_the_record_of_one_without(tmp_path):
    run_notebook(written(tmp_path, RESULTS), {}, out=tmp_path / "out")
    record = run_notebook(written(tmp_path), {}, out=tmp_path / "out")
    assert not (record.folder / "results.json").exists()
    assert sorted(json.loads((record.folder / "run.json").read_text())["sha256"]) == ["10_tour.html", "10_tour.ipynb"]


def test_an_executed_notebook_is_run_again_with_the_parameters_given_now(tmp_path):
    run_notebook(written(tmp_path, "print(steps)"), {"steps": 3}, out=tmp_path / "first")
    record = run_notebook(tmp_path / "first" / "10_tour.ipynb", {"steps": 7}, out=tmp_path / "second")
    executed = nbformat.read(record.folder / "10_tour.ipynb", 4)
    assert (record.reason, record.parameters["steps"]) == ("", 7)
    assert [cell.outputs[0].text for cell in executed.cells if cell.source == "print(steps)"] == ["7\n"]


def test_a_later_cell_of_given_parameters_proves_nothing(tmp_path):
    path = written(tmp_path, "print(steps)", "steps = 7")
    notebook = nbformat.read(path, 4)
    notebook.cells[3].metadata["tags"] = ["injected-parameters"]
    nbformat.write(notebook, path)
    record = run_notebook(path, {"steps": 7}, out=tmp_path / "out")
    executed = nbformat.read(record.folder / "10_tour.ipynb", 4)
    assert [cell.outputs[0].text for cell in executed.cells if cell.source == "print(steps)"] == ["7\n"]


LIARS = {
    "kernel killed": (["import os\nos.kill(os.getpid(), 9)"], "the kernel died in cell 2 ('import os')"),
    "killed after the receipt": ([RECEIPT, "import os\nos.kill(os.getpid(), 9)"], "the kernel died in cell 3"),
    "exit": (["import sys\nsys.exit(0)"], "cell 2 ('import sys') left the kernel with exit"),
    "exit after the receipt": ([RECEIPT, "import sys\nsys.exit(0)"], "cell 3 ('import sys') left the kernel with exit"),
    "IPython's own exit": (["exit(0)"], "cell 2 ('exit(0)') left the kernel with exit"),
    "os._exit": (["import os\nos._exit(0)"], "the kernel died in cell 2"),
    "segmentation fault": (["import ctypes\nctypes.string_at(0)"], "the kernel died in cell 2"),
    "hang": (["import time\ntime.sleep(60)"], "cell 2 ('import time') ran longer than 2 s"),
    "overridden parameter": (["steps = 41"], "the notebook ended with steps = 41, it was given 7"),
    "parameter of another type": (["steps = '7'"], "the notebook ended with steps = '7', it was given 7"),
    "exception": (["1 / 0"], "cell 2 ('1 / 0') raised ZeroDivisionError: division by zero"),
}


@pytest.mark.parametrize("lie", LIARS)
def test_a_run_that_did_not_end_as_requested_is_refused(lie, tmp_path):
    sources, reason = LIARS[lie]
    sources = [source.replace("VERDICT", repr(VERDICT)) for source in sources]
    record = run_notebook(written(tmp_path, *sources), {"steps": 7}, out=tmp_path / "out", timeout=2)
    assert record.status == "failed"
    assert record.reason.startswith(reason)
    assert json.loads((record.folder / "run.json").read_text())["reason"] == record.reason
    assert sorted(path.name for path in record.folder.iterdir()) == ["10_tour.ipynb", "run.json"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".lock", "failed"]


def test_a_skipped_cell_is_refused(tmp_path):
    path = written(tmp_path, "x = 1", tags=["skip-execution"])
    assert run_notebook(path, {}, out=tmp_path / "out").reason == "cell 2 ('x = 1') was not run"


def test_a_tolerated_error_is_refused(tmp_path):
    path = written(tmp_path, "1 / 0", tags=["raises-exception"])
    assert "raised ZeroDivisionError" in run_notebook(path, {}, out=tmp_path / "out").reason


def test_a_verdict_that_is_not_a_number_is_refused(tmp_path):
    path = written(tmp_path, verdict=VERDICT | {"mean": float("nan")})
    assert run_notebook(path, {}, out=tmp_path / "out").reason == "verdict 1 has a mean that is no finite number: nan"


def test_a_missing_receipt_is_refused(tmp_path):
    reason = run_notebook(written(tmp_path, receipt=""), {}, out=tmp_path / "out").reason
    assert reason == "no receipt: the last cell must call sslens.claims.receipt(globals())"


def test_a_stale_receipt_is_refused(tmp_path):
    stale = RECEIPT.replace('{"nonce": attempt["nonce"]', '{"nonce": "0123456789abcdef"')
    assert run_notebook(written(tmp_path, receipt=stale), {}, out=tmp_path / "out").reason == (
        "the receipt is of another attempt"
    )


@pytest.fixture
def no_kernel(monkeypatch):
    def started(*_):
        raise AssertionError("a kernel was started")

    monkeypatch.setattr(running, "execute", started)


def test_a_misspelt_parameter_is_refused_before_a_kernel_starts(tmp_path, no_kernel):
    with pytest.raises(UnknownName, match=r"Got 'stpes'\. Did you mean 'steps'\?"):
        run_notebook(written(tmp_path), {"stpes": 7}, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"nbformat": 4}', '{"nbformat": "x", "cells": 3}', "\ud800"])
def test_a_file_that_is_no_notebook_is_refused(content, tmp_path, no_kernel):
    (tmp_path / "a.ipynb").write_text(content, errors="surrogatepass")
    with pytest.raises(InputError, match="notebook"):
        run_notebook(tmp_path / "a.ipynb", {}, out=tmp_path / "out")


def test_a_folder_and_a_missing_file_are_no_notebooks(tmp_path, no_kernel):
    for path in (tmp_path, tmp_path / "none.ipynb", Path("x" * 5000), Path("a\0b")):
        with pytest.raises(InputError, match="notebook must be a readable"):
            run_notebook(path, {}, out=tmp_path / "out")


def test_an_output_folder_that_cannot_be_written_is_refused(tmp_path, no_kernel):
    path = written(tmp_path)
    for out in (path, path / "below", "/proc/nowhere", "a\0b"):
        with pytest.raises(InputError, match="can be written"):
            run_notebook(path, {}, out=out)


def test_results_never_take_the_place_of_their_source(tmp_path, no_kernel):
    path = written(tmp_path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="another folder than the notebook's own"):
        run_notebook(path, {}, out=tmp_path)
    assert path.read_bytes() == before


def test_a_folder_another_run_writes_to_is_refused(tmp_path, no_kernel):
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".lock"), pytest.raises(InputError, match="no other run"):
        run_notebook(written(tmp_path), {}, out=tmp_path / "out")


def test_a_failing_run_leaves_the_earlier_result_as_it_was_and_the_environment_too(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLENS_PROFILE", "smoke")
    out, source = tmp_path / "out", "import os\nassert 'SSLENS_PROFILE' not in os.environ"
    run_notebook(written(tmp_path, source), {}, out=out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert run_notebook(written(tmp_path, "1 / 0"), {}, out=out).status == "failed"
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before
    assert os.environ["SSLENS_PROFILE"] == "smoke" and "SSLENS_ATTEMPT" not in os.environ


def test_the_sidecar_names_no_path_of_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(running.Path, "home", lambda: tmp_path)
    path = written(tmp_path, f"open({str(tmp_path / 'none')!r})")
    record = run_notebook(path, {"name": f"folder:{tmp_path}/images"}, out=tmp_path / "out")
    assert "raised FileNotFoundError" in record.reason
    assert str(tmp_path) not in (record.folder / "run.json").read_text()


def test_a_report_that_cannot_be_made_fails_the_run_but_keeps_the_notebook(tmp_path, monkeypatch):
    def broken(*_):
        raise RuntimeError("no template")

    monkeypatch.setattr(running, "write_report", broken)
    record = run_notebook(written(tmp_path), {}, out=tmp_path / "out")
    assert record.reason == "no report could be written: RuntimeError: no template"
    assert (record.folder / "10_tour.ipynb").is_file()


def test_progress_counts_the_code_cells(tmp_path):
    class Heard:
        def __init__(self):
            self.events = []

        def begin(self, cells, training, *, profile):
            self.events.append(cells)

        def cell(self, number):
            self.events.append(number)

    heard = Heard()
    run_notebook(written(tmp_path, "x = 1"), {}, out=tmp_path / "out", progress=heard)
    assert heard.events == [3, 1, 2, 3]


def listen():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_stops_the_kernel_and_leaves_nothing_half_written(tmp_path):
    path = written(
        tmp_path, f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"
    )
    command = [sys.executable, "-m", "sslens", "run", str(path), "--out", str(tmp_path / "out")]
    # a group of its own: what a terminal does, and a SIGINT heard, which it is not in a shell's background job
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, start_new_session=True, text=True, preexec_fn=listen
    ) as process:
        deadline = time.monotonic() + 60
        while not ((tmp_path / "pid").is_file() and (tmp_path / "pid").read_text()) and time.monotonic() < deadline:
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert error == "stopped; nothing half-written is left\n"
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".lock"]
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
