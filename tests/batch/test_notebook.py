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

from sslens.batch import notebook as batch
from sslens.batch.notebook import run_notebook
from sslens.types import InputError, UnknownName

PARAMETERS = 'steps: int = 40  # of training\nrate: float = 1e-3\nname: str = "a"\nprofile: str = "lesson"'
VERDICT = {"sentence": "Rank falls.", "source": "Paper 2023", "quantity": "rank", "holds": True}
VERDICT |= {"mean": 0.3, "low": 0.2, "high": 0.4, "n": 3, "line": "✓ holds: Rank falls."}
# what sslens.claims.receipt does, without the seconds that importing torch takes in every kernel
RECEIPT = """import json, os, time
told = json.load(open(os.environ["SSLENS_ATTEMPT"]))
receipt = {"nonce": told["nonce"], "parameters": {name: globals()[name] for name in told["parameters"]}}
json.dump(receipt | {"verdicts": [VERDICT]}, open(told["receipt"], "w"))"""


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
    asked = {"steps": "7", "rate": 0.5, "name": 'quote " slash \\ line \u2028 é'}
    path = written(tmp_path, "import os\nassert os.environ['SSLENS_LIVE'] == '0'\nprint(os.getcwd())")
    record = run_notebook(path, asked, profile="smoke", out=tmp_path / "out {x}")
    sidecar = json.loads((tmp_path / "out {x}" / "run.json").read_text())
    assert (record.status, record.reason) == ("complete", "")
    assert sidecar["parameters"] == {"steps": 7, "rate": 0.5, "name": asked["name"], "profile": "smoke"}
    assert sidecar["verdicts"] == [VERDICT]
    assert sidecar["versions"]["papermill"] == "2.7.0"
    assert len(sidecar["cell_seconds"]) == 4
    for name, digest in sidecar["sha256"].items():
        assert hashlib.sha256((record.folder / name).read_bytes()).hexdigest() == digest
    assert sorted(sidecar["sha256"]) == ["10_tour.html", "10_tour.ipynb"]
    assert not list(record.folder.glob(".staging*"))
    executed = nbformat.read(record.folder / "10_tour.ipynb", 4)
    assert executed.cells[3].outputs[0].text.strip() == str(tmp_path)
    assert "input_path" not in executed.metadata.papermill


def test_the_receipt_of_the_claims_module_is_accepted(tmp_path):
    source = (
        "from sslens.claims import Claim, conclude, judge, receipt\nclaim = Claim('Rank falls.', 'Paper', 'r', below=1)"
    )
    last = "verdicts = conclude(judge(claim, [0.1], 'digits'))\nreceipt(globals())"
    record = run_notebook(written(tmp_path, source, receipt=last), {}, out=tmp_path / "out")
    assert record.reason == ""
    assert record.verdicts[0]["holds"] is None and record.verdicts[0]["low"] is None


LIARS = {
    "kernel killed": (["import os\nos.kill(os.getpid(), 9)"], "the kernel died in cell 3 ('import os')"),
    "killed after the receipt": ([RECEIPT, "import os\nos.kill(os.getpid(), 9)"], "the kernel died in cell 4"),
    "exit": (["import sys\nsys.exit(0)"], "cell 3 ('import sys') left the kernel with exit"),
    "exit after the receipt": ([RECEIPT, "import sys\nsys.exit(0)"], "cell 4 ('import sys') left the kernel with exit"),
    "IPython's own exit": (["exit(0)"], "cell 3 ('exit(0)') left the kernel with exit"),
    "os._exit": (["import os\nos._exit(0)"], "the kernel died in cell 3"),
    "segmentation fault": (["import ctypes\nctypes.string_at(0)"], "the kernel died in cell 3"),
    "hang": (["import time\ntime.sleep(60)"], "cell 3 ('import time') ran longer than 2 s"),
    "overridden parameter": (["steps = 41"], "the notebook ended with steps = 41, not with 7 as asked"),
    "parameter of another type": (["steps = '7'"], "the notebook ended with steps = '7', not with 7 as asked"),
    "exception": (["1 / 0"], "cell 3 ('1 / 0') raised ZeroDivisionError: division by zero"),
}


@pytest.mark.parametrize("lie", LIARS)
def test_a_run_that_did_not_end_as_asked_is_refused(lie, tmp_path):
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
    assert run_notebook(path, {}, out=tmp_path / "out").reason == "cell 3 ('x = 1') was not run"


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
    stale = RECEIPT.replace('{"nonce": told["nonce"]', '{"nonce": "0123456789abcdef"')
    assert run_notebook(written(tmp_path, receipt=stale), {}, out=tmp_path / "out").reason == (
        "the receipt is of another attempt"
    )


@pytest.fixture
def no_kernel(monkeypatch):
    def started(*_):
        raise AssertionError("a kernel was started")

    monkeypatch.setattr(batch, "execute", started)


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
    monkeypatch.setattr(batch.Path, "home", lambda: tmp_path)
    path = written(tmp_path, f"open({str(tmp_path / 'none')!r})")
    record = run_notebook(path, {"name": f"folder:{tmp_path}/images"}, out=tmp_path / "out")
    assert "raised FileNotFoundError" in record.reason
    assert str(tmp_path) not in (record.folder / "run.json").read_text()


def test_a_report_that_cannot_be_made_fails_the_run_but_keeps_the_notebook(tmp_path, monkeypatch):
    def broken(*_):
        raise RuntimeError("no template")

    monkeypatch.setattr(batch, "write_report", broken)
    record = run_notebook(written(tmp_path), {}, out=tmp_path / "out")
    assert record.reason == "no report could be written: RuntimeError: no template"
    assert (record.folder / "10_tour.ipynb").is_file()


def test_progress_counts_the_code_cells(tmp_path):
    class Heard:
        def __init__(self):
            self.told = []

        def begin(self, cells, training):
            self.told.append(cells)

        def cell(self, number):
            self.told.append(number)

    heard = Heard()
    run_notebook(written(tmp_path, "x = 1"), {}, out=tmp_path / "out", progress=heard)
    assert heard.told == [4, 1, 2, 3, 4]


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
