import copy
import hashlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from click.testing import CliRunner
from filelock import FileLock
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from xarray import DataArray

from sslens import claims
from sslens.headless import run as running
from sslens.headless.attempt import Request
from sslens.headless.bounded import DATA, DISPLAYS, NOTE, PIECE, TEXT, Kept
from sslens.headless.cli import main
from sslens.headless.identity import Identity, readable_name
from sslens.headless.litter import found_litter
from sslens.headless.notebook import code_cells
from sslens.headless.record import stored_run
from sslens.headless.run import run_notebook
from sslens.headless.shown import hidden
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
receipt["execution_count"] = len(In) - 1
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


def sidecar_of(record):
    return json.loads((record.folder / "run.json").read_text())


def test_a_good_run_is_a_folder_of_notebook_report_and_sidecar_that_belong_together(tmp_path):
    given = {"steps": "7", "rate": 0.5, "name": 'quote " slash \\ line \u2028 é'}
    path = written(tmp_path, "import os\nassert os.environ['SSLENS_LIVE'] == '0'\nprint(os.getcwd())")
    record = run_notebook(path, given, profile="smoke", out=tmp_path / "out {x}")
    sidecar = sidecar_of(record)
    assert (record.status, record.reason) == ("complete", "")
    assert record.folder.parent == tmp_path / "out {x}"
    assert record.folder.name.startswith("10_tour-smoke-steps=7-rate=0.5-name=quote_slash_line_")
    assert record.folder.name.endswith(f"-{sidecar['identity']['key'][:8]}")
    assert sidecar["parameters"] == {"steps": 7, "rate": 0.5, "name": given["name"], "profile": "smoke"}
    assert sidecar["verdicts"] == [VERDICT]
    assert sidecar["versions"]["papermill"] == "2.7.0" and sidecar["numerics"]["threads"] == 1
    assert len(sidecar["cell_seconds"]) == 3
    assert sidecar["sha256"].keys() == {path.name for path in record.folder.iterdir()} - {"run.json"}
    for name, digest in sidecar["sha256"].items():
        assert hashlib.sha256((record.folder / name).read_bytes()).hexdigest() == digest
    assert {"10_tour.html", "10_tour.ipynb"} <= set(sidecar["sha256"])
    assert sorted(each.name for each in (tmp_path / "out {x}").iterdir()) == [record.folder.name, "latest"]
    assert (tmp_path / "out {x}" / "latest").resolve() == record.folder.resolve()
    executed = nbformat.read(record.folder / "10_tour.ipynb", 4)
    assert executed.cells[3].outputs[0].text.strip() == hidden(str(tmp_path))
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
    sidecar = sidecar_of(record)
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


def test_an_executed_notebook_is_run_again_with_the_parameters_given_now(tmp_path):
    first = run_notebook(written(tmp_path, "print(steps)"), {"steps": 3}, out=tmp_path / "out")
    record = run_notebook(first.folder / "10_tour.ipynb", {"steps": 7}, out=tmp_path / "out")
    executed = nbformat.read(record.folder / "10_tour.ipynb", 4)
    assert (record.reason, record.parameters["steps"]) == ("", 7)
    assert [cell.outputs[0].text for cell in executed.cells if cell.source == "print(steps)"] == ["7\n"]
    assert record.identity["source"] == first.identity["source"]
    assert run_notebook(record.folder / "10_tour.ipynb", {"steps": 3}, out=tmp_path / "out").there_already


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
    assert sidecar_of(record)["reason"] == record.reason
    assert sorted(path.name for path in record.folder.iterdir()) == ["10_tour.ipynb", "run.json"]
    assert record.folder.parent == tmp_path / "out" / "failed"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["failed"]


def test_a_skipped_cell_is_refused(tmp_path):
    path = written(tmp_path, "x = 1", tags=["skip-execution"])
    assert run_notebook(path, {}, out=tmp_path / "out").reason == "cell 2 ('x = 1') was not run"


def test_an_expected_error_is_kept_and_the_run_goes_on(tmp_path):
    path = written(tmp_path, "# NBVAL_RAISES_EXCEPTION\n1 / 0", "print('after')", "int('a')")
    notebook = nbformat.read(path, 4)
    notebook.cells[4].metadata["tags"] = ["raises-exception"]
    nbformat.write(notebook, path)
    record = run_notebook(path, {}, out=tmp_path / "out")
    executed = nbformat.read(record.folder / "10_tour.ipynb", 4)
    assert (record.status, record.reason) == ("complete", "")
    said = [output.get("text", output.get("ename")) for cell in executed.cells for output in cell.get("outputs", [])]
    assert said == ["ZeroDivisionError", "after\n", "ValueError"]
    assert not [cell for cell in executed.cells if "papermill" in cell.source]  # nothing cries that it failed
    assert "1 / 0" in executed.cells[3].source and "tags" not in nbformat.read(path, 4).cells[2].metadata


def test_an_error_after_an_expected_one_is_the_reason(tmp_path):
    record = run_notebook(written(tmp_path, "1 / 0", "[][1]", tags=["raises-exception"]), {}, out=tmp_path / "out")
    assert record.reason == "cell 3 ('[][1]') raised IndexError: list index out of range"


def test_leaving_is_never_expected(tmp_path):
    record = run_notebook(
        written(tmp_path, "import sys; sys.exit(3)", tags=["raises-exception"]), {}, out=tmp_path / "out"
    )
    assert record.status == "failed" and "left the kernel with exit" in record.reason


def test_a_magic_that_fails_says_why(tmp_path):
    record = run_notebook(written(tmp_path, "%nonexistent_magic"), {}, out=tmp_path / "out")
    cause = "raised UsageError: Line magic function `%nonexistent_magic` not found."
    assert record.reason == f"cell 2 ('%nonexistent_magic') {cause}"


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


EARLY = "from sslens.claims import receipt\nreceipt(globals())"
LATE = {
    "a receipt written early, and the last cell left to another program": (
        [EARLY, "%%script cat\nfrom sslens.claims import receipt\nreceipt(globals())"],
        "the receipt was written when cell 3 of the kernel ran, not by the last cell, its cell 4",
    ),
    "parameters changed by a cell after the receipt": ([EARLY, "steps = 41"], "the receipt was written when cell 3"),
    "parameters changed after the receipt in its own cell": (
        [f"{EARLY}\nsteps = 41"],
        "the notebook ended with steps = 41, it was given 7",
    ),
    "an error after the receipt in its own cell": ([f"{EARLY}\n1 / 0"], "cell 2 ('from sslens.claims import rec"),
    "an error in a cell whose output is captured": (["%%capture\n1 / 0", EARLY], "raised ZeroDivisionError"),
    "the last cell written to a file": (
        [EARLY, "%%writefile /dev/null\nreceipt(globals())"],
        "the receipt was written",
    ),
}


@pytest.mark.parametrize("lie", LATE)
def test_a_receipt_speaks_of_the_end_of_the_last_cell(lie, tmp_path):
    sources, reason = LATE[lie]
    record = run_notebook(written(tmp_path, *sources, receipt=""), {"steps": 7}, out=tmp_path / "out")
    assert record.status == "failed" and reason in record.reason, record.reason


@pytest.mark.parametrize("sources", [[f"%%capture\n{EARLY}"], [EARLY, EARLY]], ids=["captured", "twice"])
def test_a_receipt_counts_under_a_magic_that_runs_the_cell_and_when_an_earlier_one_was_written(sources, tmp_path):
    assert run_notebook(written(tmp_path, *sources, receipt=""), {"steps": 7}, out=tmp_path / "out").reason == ""


@pytest.fixture
def quick(monkeypatch):
    """No kernel is started: what it would have left is there at once, and ``1 / 0`` fails."""

    def execute(attempt, _):
        notebook = copy.deepcopy(attempt.request.notebook)
        cells = code_cells(notebook)
        for number, cell in enumerate(cells, 1):
            cell.execution_count = number
        attempt.work.mkdir()
        nbformat.write(notebook, attempt.executed)
        attempt.receipt.write_text(json.dumps({"verdicts": [VERDICT]}))
        failing = [number for number, cell in enumerate(cells, 1) if cell.source == "1 / 0"]
        return f"cell {failing[0]} ('1 / 0') raised ZeroDivisionError" if failing else ""

    monkeypatch.setattr(running, "execute", execute)


@pytest.fixture
def no_kernel(monkeypatch):
    def started(*_):
        raise AssertionError("a kernel was started")

    monkeypatch.setattr(running, "execute", started)


@pytest.mark.parametrize("timeout", [0, -1, 1.5, True, 10**9, "60"])
def test_a_time_that_is_none_is_refused(timeout, tmp_path, no_kernel, unchecked):
    with pytest.raises(InputError, match=r"timeout must be an int in \[1, 604800\]"):
        run_notebook(written(tmp_path), {}, out=tmp_path / "out", timeout=timeout)


def test_a_misspelt_parameter_is_refused_before_a_kernel_starts(tmp_path, no_kernel):
    with pytest.raises(UnknownName, match=r"Got 'stpes'\. Did you mean 'steps'\?"):
        run_notebook(written(tmp_path), {"stpes": 7}, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"nbformat": 4}',
        '{"nbformat": "x", "cells": 3}',
        "\ud800",
    ],
)
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


@pytest.mark.parametrize("name", ["asked.ipynb", "plotly.min.ipynb", "run.json", "work", "latest.ipynb"])
def test_a_source_stays_as_it_is_whatever_its_name_and_wherever_results_go(name, tmp_path, quick):
    path = written(tmp_path, "print(steps)").rename(tmp_path / name)
    before = path.read_bytes()
    records = [run_notebook(path, {"steps": steps}, out=tmp_path) for steps in (1, 2)]
    failed = run_notebook(written(tmp_path, "1 / 0").rename(path), {}, out=tmp_path)
    assert [record.reason for record in records] == ["", ""] and failed.status == "failed"
    for record in (*records, failed):
        assert (record.folder / f"{path.stem}.ipynb").is_file() and sidecar_of(record)["notebook"] == name
        assert stored_run(record.folder).status == record.status
    path.write_bytes(before)
    assert run_notebook(path, {"steps": 1}, out=tmp_path).there_already and path.read_bytes() == before


# The same run


def executions(monkeypatch):
    """Notebooks executed from here on."""
    calls, real = [], running.execute
    monkeypatch.setattr(running, "execute", lambda attempt, *rest: (calls.append(attempt), real(attempt, *rest))[1])
    return calls


def test_the_same_run_is_returned_as_it_stands_and_repeated_on_request(tmp_path, monkeypatch, quick):
    path, out, calls = written(tmp_path), tmp_path / "out", executions(monkeypatch)
    first = run_notebook(path, {"steps": 7}, out=out)
    before = {file: file.read_bytes() for file in first.folder.iterdir()}
    again = run_notebook(path, {"steps": "7"}, out=out)
    assert again.there_already and not first.there_already and len(calls) == 1
    assert {name: getattr(again, name) for name in ("folder", "started", "nonce", "verdicts", "parameters")} == {
        name: getattr(first, name) for name in ("folder", "started", "nonce", "verdicts", "parameters")
    }
    second, third = (run_notebook(path, {"steps": 7}, out=out, again=True) for _ in range(2))
    assert [each.folder.name.removeprefix(first.folder.name) for each in (second, third)] == ["-2", "-3"]
    assert second.identity == first.identity and second.nonce != first.nonce
    assert {file: file.read_bytes() for file in first.folder.iterdir()} == before
    assert (out / "latest").resolve() == third.folder.resolve()


def test_another_source_parameter_library_or_data_is_another_run(tmp_path, monkeypatch):
    data = tmp_path / "data.txt"
    data.write_text("1")
    path, keys = written(tmp_path), []

    def key(**given):
        request = Request.of(path, {"name": "data.txt", **given}, profile="smoke")
        keys.append(Identity.of(request).key)

    key()
    key(steps=41)
    data.write_text("2")
    key()
    path = written(tmp_path, "1 + 1")
    key()
    path = written(tmp_path, "from sslens.measures import spectrum\nspectrum.rankme")
    key()
    with monkeypatch.context() as patch:
        patch.setattr("sslens.headless.lesson.of_modules", lambda *_, **__: "changed")
        key()
    monkeypatch.setenv("SSLENS_THREADS", "2")
    key()
    assert len(set(keys)) == len(keys) == 7


def test_outputs_ids_and_metadata_of_editors_are_no_part_of_a_run(tmp_path):
    path = written(tmp_path, "print(steps)")
    before = Identity.of(Request.of(path, {}, profile="smoke"))
    notebook = nbformat.read(path, 4)
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata["collapsed"] = f"other-{number}", True
    notebook.metadata["kernelspec"] = {"name": "other", "display_name": "Other"}
    nbformat.write(notebook, path)
    assert Identity.of(Request.of(path, {}, profile="smoke")) == before


def test_a_folder_counts_by_its_content_and_a_set_by_its_code(tmp_path, monkeypatch):
    images = tmp_path / "images" / "a"
    images.mkdir(parents=True)
    (images / "1.png").write_bytes(b"1")
    path = written(tmp_path)

    def digest(name):
        return Identity.of(Request.of(path, {"name": name}, profile="smoke")).data.get("name", "none")

    monkeypatch.chdir(tmp_path)
    one = digest(f"folder:{tmp_path}/images")
    assert one == digest("folder:images") == digest("folder:../" + f"{tmp_path.name}/images")
    os.utime(images / "1.png", (0, 0))
    assert digest("folder:images") == one
    (images / "1.png").write_bytes(b"2")
    two = digest("folder:images")
    (images / "2.png").write_bytes(b"2")
    assert len({one, two, digest("folder:images")}) == 3
    assert digest("scattered_digits") != digest("digits") and digest("no such set") == digest("") == "none"


def test_data_that_cannot_be_read_are_never_known_to_be_the_same(tmp_path, monkeypatch, quick):
    monkeypatch.setattr("sslens.headless.identity.MOST_BYTES", 3)
    (tmp_path / "large.txt").write_text("large")
    path = written(tmp_path)
    first, second = (run_notebook(path, {"name": "large.txt"}, out=tmp_path / "out") for _ in range(2))
    assert first.identity["data"] == {"name": None}
    assert not second.there_already and second.folder.name == f"{first.folder.name}-2"


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "manifest", "file"])
def test_a_damaged_run_is_set_aside_and_run_anew(damage, tmp_path, quick):
    path, out = written(tmp_path), tmp_path / "out"
    first = run_notebook(path, {}, out=out)
    file = first.folder / ("run.json" if damage == "manifest" else "10_tour.ipynb")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "file":
        shutil.rmtree(first.folder)
        first.folder.write_text("mine")
    elif damage == "remove":
        file.unlink()
    else:
        file.write_bytes(content[:-5] if damage == "truncate" else content)
    again = run_notebook(path, {}, out=out)
    assert again.reason == "" and not again.there_already and again.folder == first.folder
    assert f"set aside in {first.folder.name}.damaged-0" in again.note
    assert (out / f"{first.folder.name}.damaged-0").exists() and stored_run(first.folder).nonce == again.nonce


def test_two_runners_may_write_to_one_folder_but_not_compute_one_run(tmp_path, no_kernel):
    path, out = written(tmp_path), tmp_path / "out"
    out.mkdir()
    request = Request.of(path, {}, profile="lesson")
    name = readable_name(request, Identity.of(request))
    with FileLock(out / f".{name}.lock"), pytest.raises(InputError, match="that nobody else is computing right now"):
        run_notebook(path, {}, out=out)
    with FileLock(out / ".another.lock"), pytest.raises(AssertionError, match="a kernel was started"):
        run_notebook(path, {}, out=out)


def test_the_name_of_a_run_says_nothing_of_the_home_that_its_data_lie_in(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    head = new_code_cell('profile: str = "lesson"\nplace: str = ""', metadata={"tags": ["parameters"]})
    path = tmp_path / "tour.ipynb"
    nbformat.write(new_notebook(cells=[head]), path)
    request = Request.of(path, {"place": "/home/somebody/pictures"}, profile="lesson")
    name = readable_name(request, Identity.of(request))
    assert "pictures" in name and "somebody" not in name and "home" not in name


def test_two_runners_at_once(tmp_path):
    path, out = written(tmp_path, "import time\ntime.sleep(2)"), tmp_path / "out"
    command = [sys.executable, "-m", "sslens", "run", str(path), "--out", str(out), "-p", "steps"]
    runners = [subprocess.Popen([*command, steps], stderr=subprocess.PIPE, text=True) for steps in ("1", "2", "2")]
    said = [runner.communicate(timeout=120)[1] for runner in runners]
    codes = [runner.returncode for runner in runners]
    assert codes[0] == 0 and sorted(codes[1:]) in ([0, 0], [0, 2]), said
    assert 2 not in codes or "nobody else is computing" in said[codes.index(2)]
    runs = [stored_run(folder) for folder in out.iterdir() if folder.is_dir() and not folder.is_symlink()]
    assert sorted(run.parameters["steps"] for run in runs) == [1, 2]


# Places that keep nothing


def test_things_in_the_way_of_the_link_and_of_failed_runs_lose_no_result(tmp_path, quick):
    out = tmp_path / "out"
    (out / "latest").mkdir(parents=True)
    (out / "latest" / "mine.txt").write_text("mine")
    (out / "failed").write_text("mine, too")
    good = run_notebook(written(tmp_path, RESULTS), {}, out=out)
    bad = run_notebook(written(tmp_path, RESULTS, "1 / 0"), {}, out=out)
    assert good.reason == "" and (out / "latest" / "mine.txt").read_text() == "mine"
    assert bad.reason.startswith("cell 3 ('1 / 0') raised") and (out / "failed").read_text() == "mine, too"
    assert (bad.folder / "10_tour.ipynb").is_file()


@pytest.mark.parametrize("step", ["write", "fsync", "rename"])
def test_a_disk_that_fills_up_meanwhile_leaves_what_was_computed_and_says_where(step, tmp_path, monkeypatch, quick):
    real = running.execute

    def execute(*given):
        reason = real(*given)
        owner = Path if step == "rename" else os

        def full(place, *rest):
            if step != "rename" or "failed" not in str(rest):
                raise OSError(28, "No space left on device")
            return renamed(place, *rest)

        renamed = Path.rename
        monkeypatch.setattr(owner, step, full)
        return reason

    monkeypatch.setattr(running, "execute", execute)
    record = run_notebook(written(tmp_path, "print('seen')"), {}, out=tmp_path / "out")
    monkeypatch.undo()
    assert record.reason == "it was computed, but could not be put into its place: No space left on device"
    assert "seen" in (record.folder / "10_tour.ipynb").read_text()
    assert not (tmp_path / "out" / "latest").exists()


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_runs_are_as_open_as_the_umask_lets_them_be(mask, tmp_path, quick):
    before = os.umask(mask)
    try:
        good = run_notebook(written(tmp_path, RESULTS), {}, out=tmp_path / "out")
        bad = run_notebook(written(tmp_path, "1 / 0"), {}, out=tmp_path / "out")
    finally:
        os.umask(before)
    for folder in (good.folder, bad.folder):
        assert folder.stat().st_mode & 0o777 == 0o777 & ~mask
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o666 & ~mask}


def test_a_failing_run_leaves_the_earlier_result_as_it_was_and_the_environment_too(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLENS_PROFILE", "smoke")
    out, source = tmp_path / "out", "import os\nassert 'SSLENS_PROFILE' not in os.environ"
    run_notebook(written(tmp_path, source), {}, out=out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert run_notebook(written(tmp_path, "1 / 0"), {}, out=out).status == "failed"
    after = {path: path.read_bytes() for path in out.rglob("*") if path.is_file() and "failed" not in path.parts}
    assert after == before
    assert os.environ["SSLENS_PROFILE"] == "smoke" and "SSLENS_ATTEMPT" not in os.environ


def test_nothing_that_is_kept_names_a_path_of_this_machine(tmp_path, monkeypatch):
    home = tmp_path / "home" / "alice"
    images, neighbour = home / "images", tmp_path / "home" / "alice2"
    for folder in (images, neighbour):
        folder.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr("getpass.getuser", lambda: "alice")
    said = f"print({str(images)!r}, {str(neighbour)!r}, __import__('os').environ['SSLENS_ATTEMPT'])"
    shown = "from IPython.display import HTML\nHTML('<a href=\"file://' + name[7:] + '\">there</a>')"
    line = VERDICT | {"line": f"✓ holds: {images}."}
    path = written(home, said, shown, RESULTS.replace("b'arrays'", repr(f'{{"x": "{images}"}}'.encode())), verdict=line)
    good = run_notebook(path, {"name": f"folder:{images}"}, out=home / "out")
    bad = run_notebook(written(home, f"open({str(home / 'none')!r})"), {"name": str(images)}, out=home / "out")
    assert good.reason == "" and "raised FileNotFoundError: [Errno 2] No such file or directory: '~/none'" in bad.reason
    assert good.verdicts[0]["line"] == "✓ holds: ~/images."
    for record in (good, bad):
        for file in record.folder.iterdir():
            text = file.read_text()
            own = [cell.source for cell in nbformat.read(path, 4).cells] if file.suffix != ".json" else []
            for source in (said, *own):
                text = text.replace(json.dumps(source)[1:-1], "").replace(source, "")
            if file.suffix == ".ipynb":
                executed = nbformat.reads(file.read_text(), 4)
                shown = [cell.get("outputs", []) for cell in executed.cells]
                text = json.dumps([shown, executed.metadata, [cell.metadata for cell in executed.cells]])
            if file.suffix != ".html":
                assert str(home) + "/" not in text and "alice/" not in text and ".staging" not in text, file
    text = json.dumps(nbformat.read(good.folder / "10_tour.ipynb", 4))
    assert "~/images" in text and hidden(str(neighbour)) in text and "folder:~/images" in text
    assert "~/images" in (good.folder / "results.json").read_text()


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


@pytest.fixture
def runner(tmp_path):
    """The command at work on a notebook whose second cell sleeps; its process, and that of the kernel."""
    script = f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    command = [sys.executable, "-m", "sslens", "run", str(written(tmp_path, script)), "--out", str(tmp_path / "out")]
    # a group of its own: what a terminal does, and a SIGINT heard, which it is not in a shell's background job
    given = {"stderr": subprocess.PIPE, "start_new_session": True, "text": True, "preexec_fn": listen}
    with subprocess.Popen(command, **given) as process:
        wait_for(lambda: (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text())
        yield process, psutil.Process(int((tmp_path / "pid").read_text()))
        process.kill()


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_run_that_is_stopped_stops_its_kernel_and_leaves_nothing_half_written(number, code, runner, tmp_path):
    process, kernel = runner
    if signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip("it is ignored here, as nohup has it")
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == code
    assert error == "stopped; nothing half-written is left\n"
    assert list((tmp_path / "out").iterdir()) == []
    assert not psutil.wait_procs([kernel], timeout=20)[1]


def test_a_killed_runner_takes_its_kernel_along_and_its_staged_files_may_go(runner, tmp_path):
    process, kernel = runner
    process.kill()
    assert not psutil.wait_procs([kernel], timeout=30)[1]
    (staging,) = (tmp_path / "out").glob(".staging-*")
    assert staging in {each.path for each in found_litter(tmp_path / "out")}
    again = CliRunner().invoke(main, ["runs", "clean", str(tmp_path / "out"), "--yes"])
    assert again.exit_code == 0 and not list((tmp_path / "out").iterdir())


def test_ctrl_c_at_any_moment_of_the_start_leaves_no_traceback(tmp_path):
    arguments = ["sslens", "run", str(written(tmp_path)), "--out", str(tmp_path / "out")]
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\nfrom sslens.__main__ import main"
    for wait in (0.05, 0.2, 0.5, 1.0, 2.0):
        said = "import os, sys, threading, time\n" + code + f"\nsys.argv = {arguments!r}\n"
        said += f"threading.Timer({wait}, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\nmain()"
        done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stderr) == (130, "stopped; nothing half-written is left\n"), wait


# Output without end


def outputs(record, source):
    executed = nbformat.read(record.folder / "10_tour.ipynb", 4)
    return next(cell.outputs for cell in executed.cells if cell.source == source)


ENDLESS = {
    "text": "for _ in range(3000): print('x' * 1000)",
    "one text": "print('x' * 3_000_000)",
    "displays": "from IPython.display import display\nfor _ in range(3000): display(1)",
    "data": "from IPython.display import display\nfor _ in range(30): display({'text/x': 'x' * 2_500_000}, raw=True)",
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_the_output_of_a_cell_is_bounded_and_says_so(kind, tmp_path):
    record = run_notebook(written(tmp_path, ENDLESS[kind]), {}, out=tmp_path / "out")
    found = outputs(record, ENDLESS[kind])
    notes = [output for output in found if output.output_type == "stream" and output.text == NOTE]
    assert record.reason == "" and len(notes) == 1
    text = sum(len(output.text) for output in found if output.output_type == "stream")
    data = sum(len(output["data"].get("text/x", "")) for output in found if "data" in output)
    assert text - len(NOTE) <= TEXT and data <= DATA
    assert len([output for output in found if "data" in output]) <= DISPLAYS
    assert (text, data, len(found)) > (0, 0, 1)


def test_many_small_pieces_of_text_count_for_more_than_their_letters():
    kept = Kept()
    pieces = [kept.text_within("x") for _ in range(TEXT // PIECE + 5)]
    assert pieces == ["x"] * (TEXT // PIECE) + [""] * 5 and kept.is_cut


def test_what_is_cleared_again_and_again_is_not_cut(tmp_path):
    source = "from IPython.display import clear_output\n"
    source += "for i in range(600):\n    clear_output(wait=True)\n    print('y' * 5000)"
    record = run_notebook(written(tmp_path, source), {}, out=tmp_path / "out")
    assert [output.text for output in outputs(record, source)] == ["y" * 5000 + "\n"]


def test_an_error_without_end_is_still_the_error(tmp_path):
    record = run_notebook(written(tmp_path, "raise ValueError('z' * 3_000_000)"), {}, out=tmp_path / "out")
    assert "raised ValueError: zzz" in record.reason and len(record.reason) <= 2000
    assert (record.folder / "10_tour.ipynb").stat().st_size < 200_000


def test_a_listener_that_fails_on_a_closed_channel_is_no_news(caplog):
    said = "Task exception was never retrieved\nfuture: <Task finished coro=<%s() done>>"
    for name in ("NotebookClient._async_poll_output_msg", "Client._poll"):
        logging.getLogger("asyncio").error(said % name)
    assert [record.args for record in caplog.records] == [("Client._poll",)] or len(caplog.records) == 1
