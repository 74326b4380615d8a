"""Where and how numbers are computed: streams, devices, profiles, atomic files, progress."""

import errno
import json
import os
import shutil
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from sslens import runtime
from sslens.types import InputError, UnknownName


@pytest.fixture
def alone(monkeypatch):
    """An environment without any of our variables, nor those of a workbench."""
    for name in [*(name for name in os.environ if name.startswith("SSLENS_")), "JPY_SESSION_NAME", "VSCODE_PID"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    return monkeypatch


def test_the_seed_of_a_stream_is_the_hash_that_is_written_down():
    assert runtime.seed_of(0, "views") == 1273498352537141616  # the first 63 bits of SHA-256 of "0/views"
    assert 0 <= runtime.seed_of(2**62, "weights") < 2**63


def test_the_first_numbers_of_a_stream_never_change():
    assert torch.randint(1000, (5,), generator=runtime.stream(0, "views")).tolist() == [66, 679, 14, 30, 234]


def test_streams_of_other_names_and_seeds_are_others():
    seeds = {runtime.seed_of(seed, name) for seed in range(20) for name in ("views", "order", "1/views", "")}
    assert len(seeds) == 80


def test_drawing_from_one_stream_never_shifts_another():
    alone = torch.rand(3, generator=runtime.stream(1, "order"))
    views, order = runtime.stream(1, "views"), runtime.stream(1, "order")
    torch.rand(100, generator=views)
    torch.rand(100)
    assert torch.equal(torch.rand(3, generator=order), alone)


def test_streams_are_uncorrelated():
    draws = torch.stack([torch.randn(4000, generator=runtime.stream(seed, "views")) for seed in range(5)])
    assert (torch.corrcoef(draws) - torch.eye(5)).abs().max() < 5 / 4000**0.5


def test_a_device_nobody_knows_is_refused_with_the_closest():
    with pytest.raises(UnknownName, match=r"device must be one of: auto, cpu, cuda. Got 'cdua'. Did you mean 'cuda'"):
        runtime.settle("cdua")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="No CUDA device is visible"):
        runtime.settle("cuda")
    assert runtime.settle("auto") == torch.device("cpu")


def test_settling_fixes_one_thread_unless_told_otherwise(alone):
    runtime.settle("cpu")
    assert torch.get_num_threads() == 1
    alone.setenv("SSLENS_THREADS", "2")
    runtime.settle("cpu")
    try:
        assert torch.get_num_threads() == 2
        assert runtime.numerics(torch.device("cpu"))["threads"] == 2
    finally:
        torch.set_num_threads(1)


def test_settling_turns_deterministic_algorithms_on_and_off():
    try:
        runtime.settle("cpu", deterministic=False)
        assert not torch.are_deterministic_algorithms_enabled()
    finally:
        runtime.settle("cpu")
    assert torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("asked", ["0", "-1", "two", "", "1.5"])
def test_a_thread_count_that_is_none_is_refused(alone, asked):
    alone.setenv("SSLENS_THREADS", asked)
    with pytest.raises(InputError, match="SSLENS_THREADS must be a positive whole number"):
        runtime.threads()


def test_the_profile_asked_for_yields_to_the_environment(alone):
    assert runtime.profile("lesson") == "lesson"
    alone.setenv("SSLENS_PROFILE", "smoke")
    assert runtime.profile("full") == "smoke"


def test_an_unknown_profile_is_refused(alone):
    with pytest.raises(UnknownName, match="Did you mean 'lesson'"):
        runtime.profile("leson")


@pytest.mark.parametrize("sign", ["JPY_SESSION_NAME", "VSCODE_PID", "COLAB_RELEASE_TAG"])
def test_a_person_is_seen_by_the_workbench(alone, sign):
    alone.setattr(sys, "argv", ["ipykernel_launcher.py", "-f", "kernel.json"])
    assert not runtime.live()
    alone.setenv(sign, "1")
    assert runtime.live()


def test_a_batch_kernel_inside_a_workbench_is_nobody(alone):
    alone.setenv("JPY_SESSION_NAME", "x.ipynb")
    alone.setattr(sys, "argv", ["ipykernel_launcher.py", "--HistoryManager.hist_file=:memory:"])
    assert not runtime.live()


@pytest.mark.parametrize(("told", "answer"), [("1", True), ("0", False)])
def test_the_environment_decides_whether_a_person_is_there(alone, told, answer):
    alone.setenv("JPY_SESSION_NAME", "" if answer else "x.ipynb")
    alone.setenv("SSLENS_LIVE", told)
    assert runtime.live() is answer


def test_data_goes_where_the_environment_says(alone, tmp_path):
    alone.setenv("SSLENS_DATA", str(tmp_path / "there"))
    assert runtime.data_root() == tmp_path / "there"


def test_data_goes_into_the_checkout_else_into_the_home_folder(alone, tmp_path):
    alone.setattr(runtime, "__file__", str(tmp_path / "lib" / "sslens" / "runtime.py"))
    assert runtime.data_root() == Path.home() / ".sslens"
    (tmp_path / "pyproject.toml").touch()
    assert runtime.data_root() == tmp_path / "data"


def version_of(folder, monkeypatch):
    """The fingerprint of a copy of the library."""
    monkeypatch.setattr(runtime, "__file__", str(folder / "runtime.py"))
    return runtime.library_version.__wrapped__()


def test_the_version_follows_the_code_that_trains_and_nothing_else(monkeypatch, tmp_path):
    copied = tmp_path / "sslens"
    shutil.copytree(Path(runtime.__file__).parent, copied, ignore=shutil.ignore_patterns("__pycache__"))
    before = version_of(copied, monkeypatch)
    (copied / "figures" / "planted.py").write_text("x = 1\n")
    (copied / "objectives" / "notes.txt").write_text("not code\n")
    assert version_of(copied, monkeypatch) == before
    (copied / "objectives" / "planted.py").write_text("x = 1\n")
    grown = version_of(copied, monkeypatch)
    (copied / "types.py").write_text((copied / "types.py").read_text() + "\n")
    assert len({before, grown, version_of(copied, monkeypatch)}) == 3


def test_canonical_text_is_equal_for_equal_values_and_refuses_nan():
    assert runtime.canonical({"b": [1, None], "a": "é"}) == runtime.canonical({"a": "é", "b": [1, None]})
    with pytest.raises(ValueError, match="not JSON compliant"):
        runtime.canonical({"a": float("nan")})


@pytest.mark.parametrize("content", ["words é", b"\x00\xff"])
def test_a_written_file_holds_what_was_written(tmp_path, content):
    path = tmp_path / "new" / "folder" / "file"
    runtime.write_atomic(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert [each.name for each in path.parent.iterdir()] == ["file"]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("owner", "broken", "error"),
    [
        (os, "fsync", OSError(errno.ENOSPC, "full")),
        (os, "fdopen", OSError("io")),
        (Path, "replace", KeyboardInterrupt()),
    ],
)
def test_a_failing_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch, owner, broken, error):
    path = tmp_path / "file"
    path.write_text("old")

    def fails(*_):
        raise error

    monkeypatch.setattr(owner, broken, fails)
    with pytest.raises(type(error)):
        runtime.write_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_content_is_on_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    seen, sync, replace = [], os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (seen.append("sync"), sync(handle))[1])
    monkeypatch.setattr(Path, "replace", lambda old, new: (seen.append("rename"), replace(old, new))[1])
    runtime.write_atomic(tmp_path / "file", "content")
    assert seen == ["sync", "rename", "sync"]


def test_readers_beside_a_writer_never_see_a_part(tmp_path):
    path, seen, stop = tmp_path / "file", set(), threading.Event()
    runtime.write_atomic(path, "a" * 200_000)

    def watch():
        while not stop.is_set():
            content = path.read_text()
            seen.add((content[0], content[-1], len(content)))

    readers = [threading.Thread(target=watch) for _ in range(2)]
    for reader in readers:
        reader.start()
    for turn in range(40):
        runtime.write_atomic(path, "ba"[turn % 2] * 200_000)
    stop.set()
    for reader in readers:
        reader.join()
    assert seen <= {("a", "a", 200_000), ("b", "b", 200_000)}
    assert seen


def test_progress_tells_the_runner_the_step_of_each_item(alone, tmp_path):
    told = tmp_path / "progress.json"
    alone.setenv("SSLENS_PROGRESS", str(told))
    seen = [
        (item.step, json.loads(told.read_text()))
        for item in runtime.progress([SimpleNamespace(step=step) for step in (5, 20)], total=20, label="vicreg, seed 0")
    ]
    assert seen == [(step, {"label": "vicreg, seed 0", "step": step, "total": 20}) for step in (5, 20)]


def test_progress_counts_items_without_a_step(alone, tmp_path):
    told = tmp_path / "progress.json"
    alone.setenv("SSLENS_PROGRESS", str(told))
    assert list(runtime.progress("abc", total=3, label="letters")) == ["a", "b", "c"]
    assert json.loads(told.read_text())["step"] == 3


def test_progress_without_anybody_shows_nothing_and_takes_nothing_early(alone, capsys):
    alone.setenv("SSLENS_LIVE", "0")
    source = iter(range(10))
    items = runtime.progress(source, total=10, label="numbers")
    assert [next(items), next(items)] == [0, 1]
    assert next(source) == 2
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""
