"""Runs on disk are listed, found, shown and held against each other, each verified; what may go is named first."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from filelock import FileLock
from tests.train.cases import tiny

from sslens import store
from sslens.headless.cli import main
from sslens.headless.doctor import checkup
from sslens.headless.litter import announcement, found_litter
from sslens.headless.record import RunRecord, stored_run
from sslens.headless.runs import differences, found_run, listed
from sslens.places import point
from sslens.store import checksums, seal, write_atomic
from sslens.train import key, record
from sslens.types import DamagedFile, InputError, UnknownName

VERDICT = {"quantity": "rank", "holds": True, "mean": 0.25, "low": 0.2, "high": 0.3, "n": 3, "line": "✓ holds"}
IDENTITY = {"key": "3f2a1b9c" * 8, "source": "s" * 64, "library": "l" * 32, "data": {"dataset": "d1"}}
RUN = RunRecord(
    status="complete", reason="", folder=Path(), notebook="tour.ipynb", profile="smoke", parameters={"steps": 7},
    verdicts=[VERDICT], started="2026-01-02T03:04:05+00:00", seconds=3.2, cell_seconds=[1.0], nonce="0" * 16,
    identity=IDENTITY, versions={"torch": "2.13.0"}, numerics={"threads": 1},
    commit={"hash": "c" * 40, "changed": True},
)  # fmt: skip


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLENS_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "temporary"))
    (tmp_path / "data" / "runs").mkdir(parents=True)
    (tmp_path / "temporary").mkdir()
    return tmp_path / "data"


def kept(runs, name, **changes):
    """A run in its folder, as the runner leaves it."""
    run = replace(RUN, folder=runs / name, **changes)
    write_atomic(run.folder / "tour.ipynb", "{}")
    seal(run.folder, run.sidecar() | {"sha256": checksums(run.folder)})
    return run


def sslens(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


# List and show


def test_a_verdict_that_is_not_tested_or_under_review_is_shown_as_that(root):
    untested = {"holds": None, "untested": "too few settings: 4", "quantity": "order"}
    kept(
        root / "runs",
        "tour-a",
        verdicts=[VERDICT, VERDICT | untested, VERDICT | {"under_review": True, "quantity": "q"}],
    )
    assert "1 of 3 hold, 1 not tested here, 1 under review" in sslens("runs").stdout
    said = sslens("runs", "show", "tour-a").stdout
    assert "not tested here: 0.25" in said and "under review (now holds): 0.25" in said


def test_a_file_that_others_put_into_a_run_is_not_said_to_be_as_it_was_written(root):
    run = kept(root / "runs", "tour-a")
    (run.folder / "extra.txt").touch()
    said = sslens("runs", "show", "tour-a").stdout
    own, others = said.partition("files that others put there")[::2]
    assert "tour.ipynb" in own and "extra.txt" not in own and "extra.txt" in others


def test_what_was_computed_and_not_put_in_place_is_no_litter(root):
    failed = root / "runs" / "failed"
    (failed / f"tour-{'0' * 16}").mkdir(parents=True)
    kept(failed, f"tour-{'1' * 16}", status="failed", reason="cell 2 raised", verdicts=[])
    said = sslens("runs", "clean").stdout
    assert "1" * 16 in said and "0" * 16 not in said


def test_no_runs_are_said_to_be_none(root):
    for arguments in (("runs",), ("runs", "list"), ("runs", "list", root / "runs")):
        assert "no runs in" in sslens(*arguments).stdout


def test_runs_are_listed_the_newest_first_with_the_failed_and_the_damaged(root):
    runs = root / "runs"
    kept(runs, "tour-a", started="2026-01-01T00:00:00+00:00")
    kept(runs, "tour-b", verdicts=[VERDICT, VERDICT | {"holds": None}, VERDICT | {"holds": False}])
    kept(runs / "failed", "tour-c-1", status="failed", reason="cell 2 \x1b[2Jraised", verdicts=[])
    (kept(runs, "tour-d").folder / "run.json").write_text("{")
    point(runs / "latest", "tour-b")
    (runs / "mine").mkdir()
    for arguments in (("runs",), ("runs", "list"), ("runs", "list", runs)):
        rows = [line.split("\t") for line in sslens(*arguments).stdout.splitlines()]
        assert [row[0] for row in rows] == ["tour-c-1", "tour-b", "tour-a", "tour-d"]
        assert [row[2] for row in rows] == ["failed", "complete", "complete", "unreadable"]
        assert rows[1][1:] == ["2026-01-02 03:04:05", "complete", "3 s", "1 of 3 hold, 1 does not, 1 undecided"]
        assert rows[0][4] == "cell 2 \\x1b[2Jraised"


def test_a_run_is_found_by_path_name_beginning_key_and_latest(root, monkeypatch):
    runs = root / "runs"
    first = kept(runs, "tour-smoke-3f2a1b9c")
    other = kept(runs, "tour-smoke-3f2a1b9c-2", identity=IDENTITY | {"key": "abcd" * 16})
    point(runs / "latest", other.folder.name)
    for name in (str(first.folder), f"{first.folder}/run.json", "tour-smoke-3f2a1b9c", "3f2a1b"):
        assert found_run(name, runs).folder == first.folder, name
    for name in ("latest", "tour-smoke-3f2a1b9c-", "abcdabcd"):
        assert found_run(name, runs).folder.resolve() == other.folder.resolve(), name
    with pytest.raises(InputError, match=r"It fits tour-smoke-3f2a1b9c, tour-smoke-3f2a1b9c-2\."):
        found_run("tour", runs)
    for name in ("none", "", "3f", "..", "/nowhere/at/all"):
        with pytest.raises(UnknownName, match="RUN must be one of: tour-smoke"):
            found_run(name, runs)


def test_where_there_is_no_run_it_says_so_and_names_the_next_step(root):
    result = sslens("runs", "show", "latest")
    said = f"error: RUN must be a run in {root / 'runs'}, which has none, or the path of one. Got 'latest'."
    assert result.exit_code == 2 and result.stderr == f"{said} sslens run makes one.\n"


def test_a_run_that_a_link_leads_to_keeps_its_own_name(root):
    kept(root / "runs", "tour-a")
    point(root / "runs" / "latest", "tour-a")
    for name in ("latest", root / "runs" / "latest", root / "runs" / "latest" / "run.json"):
        assert sslens("runs", "show", name).stdout.startswith("run       tour-a\n")


def test_a_run_is_shown_with_all_that_is_kept_of_it(root):
    kept(root / "runs", "tour-a")
    said = sslens("runs", "show", "tour-a").stdout
    for line in ("state     complete, started 2026-01-02T03:04:05+00:00, took 3 s", "  steps  7", "  torch    2.13.0",
                 "  rank  holds: 0.25 [0.2, 0.3], n 3", "  dataset  d1", "files, all as they were written",
                 f"commit    {'c' * 40}, with changes on top"):  # fmt: skip
        assert line in said.splitlines(), said


@pytest.mark.parametrize("name", ["tour.ipynb", "run.json"])
def test_whatever_is_read_of_a_run_is_verified(root, name):
    folder = kept(root / "runs", "tour-a").folder
    kept(root / "runs", "tour-b")
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(DamagedFile, match=name):
        stored_run(folder)
    for arguments in (("show", "tour-a"), ("diff", "tour-a", "tour-b"), ("diff", "tour-b", "tour-a")):
        result = sslens("runs", *arguments)
        assert result.exit_code == 2 and result.stderr.startswith("error: path must be") and name in result.stderr


@pytest.mark.parametrize("content", [{}, {"status": "complete"}, {"status": "odd"}, {"verdicts": 3}])
def test_a_sealed_manifest_that_is_of_no_run_is_refused(tmp_path, content):
    whole = (
        {**kept(tmp_path, "a").sidecar(), **content} if len(content) and "complete" not in content.values() else content
    )
    seal(tmp_path / "b", whole)
    with pytest.raises(DamagedFile, match="the folder of a headless run"):
        stored_run(tmp_path / "b")


# Differences


def test_equal_runs_are_said_to_be_equal(root):
    one, other = kept(root / "runs", "tour-a"), kept(root / "runs", "tour-b", started="2026-02-02T00:00:00+00:00")
    assert differences(one, other) == {}
    assert sslens("runs", "diff", "tour-a", "tour-b").stdout.startswith("the same in notebook, parameters, data")


CHANGES = {
    "notebook": ({"identity": IDENTITY | {"source": "t" * 64}}, f"  source: {'s' * 64} -> {'t' * 64}"),
    "parameters": ({"parameters": {"steps": 8, "new": "\x1b[2J"}}, "  steps: 7 -> 8\n  new: none -> \\x1b[2J"),
    "data": ({"identity": IDENTITY | {"data": {"dataset": "d2"}}}, "  dataset: d1 -> d2"),
    "versions": ({"versions": {"torch": "2.14.0"}}, "  torch: 2.13.0 -> 2.14.0"),
    "numerics": ({"numerics": {"threads": 2}}, "  threads: 1 -> 2"),
    "commit": ({"commit": None}, f"  changed: True -> none\n  hash: {'c' * 40} -> none"),
    "verdicts": ({"verdicts": [VERDICT | {"mean": 0.1 + 0.2, "low": None, "holds": None}]},
                 "  rank: holds: 0.25 [0.2, 0.3], n 3 -> undecided: 0.30000000000000004, n 3"),
}  # fmt: skip


@pytest.mark.parametrize("subject", CHANGES)
def test_what_differs_is_named_with_both_values(root, subject):
    change, said = CHANGES[subject]
    kept(root / "runs", "tour-a")
    kept(root / "runs", "tour-b", **change)
    assert sslens("runs", "diff", "tour-a", "tour-b").stdout == f"{subject}\n{said}\n"


# What may go


def dead():
    """The number of a process that is no more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def written(path, content=b"0" * 3000, age=0.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (path.stat().st_atime - age, path.stat().st_mtime - age))
    return path


MONTH, DAY = 31 * 24 * 3600, 25 * 3600


@pytest.fixture
def littered(root):
    """What may go by its place, and what may not: finished, in use, or not ours."""
    cache, runs, temporary = root / "cache", root / "runs", root.parent / "temporary"
    may_go = [
        written(runs / ".staging-tour-x.1a2b" / "work" / "receipt.json").parents[1],
        written(runs / f"failed/tour-{'0' * 16}/run.json").parent,
        written(runs / "tour-a.damaged-0" / "run.json").parent,
        written(runs / ".tour-old.lock", b""),
        written(runs / f".{dead()}-0123456789ab.part"),
        written(cache / "traces" / "ab.damaged-12" / "run.json").parent,
        written(cache / "traces" / "ab.lock", b""),
        written(cache / "traces" / "cd" / f".{dead()}-0123456789ab.part"),
        written(cache / "traces" / "cd" / ".run.json.k3j_x9ab.part"),
        written(cache / "folders" / "tmpab12"),
        written(cache / "folders" / "old.safetensors", age=MONTH),
        written(cache / "runs" / "a" / "run.json").parents[1],
        written(cache / "language" / "a" / "run.json").parents[1],
        written(temporary / "sslens-freeze-1" / "data" / "x", age=DAY).parents[1],
    ]
    os.utime(may_go[-1], (0, 0))
    os.utime(may_go[-1] / "data", (0, 0))
    stays = [
        kept(runs, "tour-a").folder / "run.json",
        written(runs / ".staging-tour-b.1a2b" / "work" / "receipt.json"),
        written(runs / "failed" / "mine" / "notes.txt"),
        written(runs / "notes.part" / "a"),
        written(runs / "download.part"),
        written(runs / "poetry.lock", b"content"),
        written(cache / "traces" / "ef" / f".{os.getpid()}-0123456789ab.part"),
        written(cache / "folders" / "new.safetensors"),
        written(cache / "folders" / "held.safetensors", age=MONTH),
        written(temporary / "sslens-freeze-2" / "data" / "x"),
        written(temporary / "other" / "x", age=DAY),
    ]
    (runs / "linked").symlink_to(root.parent / "temporary")
    held = [FileLock(runs / ".tour-b.lock"), FileLock(cache / "folders" / "held.lock")]
    for lock in held:
        lock.acquire()
    yield may_go, stays
    for lock in held:
        lock.release()


def test_what_may_go_is_named_with_its_size_and_stays_until_it_is_wanted_gone(littered, root):
    may_go, stays = littered
    said = sslens("runs", "clean").stdout
    assert {each.path for each in found_litter()} == set(may_go)
    assert said.count("may go: ") == len(may_go) and ", 3 kB: " in said and "sslens runs clean --yes" in said
    assert all(path.exists() for path in (*may_go, *stays))


def test_the_command_that_removes_names_the_folder_that_was_looked_through(root, tmp_path):
    elsewhere = tmp_path / "my runs"
    (elsewhere / ".staging-tour-a.0123abcd").mkdir(parents=True)
    said = sslens("runs", "clean", elsewhere).stdout
    assert said.endswith(f"; sslens runs clean '{elsewhere}' --yes removes it\n")


def test_what_may_go_goes_on_request_and_nothing_else_does(littered, root):
    may_go, stays = littered
    before = {path: path.read_bytes() for path in stays}
    result = sslens("runs", "clean", "--yes")
    assert result.exit_code == 0 and result.stdout.count("removed: ") == len(may_go)
    assert not any(path.exists() for path in may_go)
    assert {path: path.read_bytes() for path in stays} == before
    assert sslens("runs", "clean", "--yes").stdout == "there is nothing to remove\n"


def test_what_somebody_began_to_work_on_meanwhile_stays(littered, root, monkeypatch):
    may_go, _ = littered
    found = found_litter()
    monkeypatch.setattr("sslens.headless.litter.found_litter", lambda _: found)
    with FileLock(root / "runs" / ".tour-x.lock"), FileLock(root / "cache" / "traces" / "cd.lock"):
        said = sslens("runs", "clean", "--yes").stdout
    assert said.count("somebody is working on it") == 3
    assert [path for path in may_go if path.exists()] == [may_go[0], may_go[7], may_go[8]]


def test_trained_runs_of_this_code_stay_and_those_of_other_code_may_go(root):
    for seed in range(3):
        record(tiny(seed=seed))
    folders = [root / "cache" / "traces" / key(tiny(seed=seed)) for seed in range(3)]
    assert found_litter() == []
    for folder, change in zip(folders, [{"code": "other"}, {"torch": "1.0"}], strict=False):
        manifest = store.read_sealed(folder)
        seal(folder, manifest | {"provenance": manifest["provenance"] | change})
    assert {each.path for each in found_litter()} == set(folders[:2])
    with FileLock(f"{folders[0]}.lock"):
        assert {each.path for each in found_litter()} == {folders[1]}
    sslens("runs", "clean", "--yes")
    assert [folder.exists() for folder in folders] == [False, False, True]
    assert record(tiny(seed=2)).provenance["torch"] == torch.__version__


def test_a_trained_run_of_a_class_that_only_a_notebook_knows_stays(root):
    record(tiny())
    folder = root / "cache" / "traces" / key(tiny())
    manifest = store.read_sealed(folder)
    objective = {"name": "sslens_knows_no_such_objective"}
    seal(folder, manifest | {"config": manifest["config"] | {"objective": objective}, "provenance": {"code": "other"}})
    assert found_litter() == []


def test_a_folder_that_is_none_is_refused(root):
    for command in ("list", "clean"):
        result = sslens("runs", command, root / "none")
        assert result.exit_code == 2 and "DIR must be a folder of runs" in result.stderr


def test_caches_of_version_01_are_announced_with_their_size(root):
    for name, count in {"runs": 3_000_000, "language": 2_000_000, "traces": 5}.items():
        written(root / "cache" / name / "a" / "file", b"0" * count)
    assert announcement().startswith("caches of version 0.1 take 5 MB") and "sslens runs clean" in announcement()
    (row,) = (row for row in checkup() if row.what == "old caches")
    assert (row.state, row.needed) == ("wrong", False) and "5 MB" in row.found and "sslens runs clean" in row.mend
    sslens("runs", "clean", "--yes")
    assert [path.name for path in (root / "cache").iterdir()] == ["traces"] and announcement() == ""
    assert not [row for row in checkup() if row.what == "old caches"]


def test_listing_a_thousand_names_reads_each_manifest_once(root, monkeypatch):
    kept(root / "runs", "tour-a")
    reads = []
    real = store.read_sealed
    monkeypatch.setattr("sslens.headless.record.read_sealed", lambda *a, **k: (reads.append(a), real(*a, **k))[1])
    assert len(listed(root / "runs")) == len(reads) == 1
    assert json.loads((root / "runs" / "tour-a" / "run.json").read_text())["seal"]
