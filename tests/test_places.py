"""Places on disk are tried first, had alone, and never taken from somebody."""

import errno
import os
import threading
from pathlib import Path

import pytest

from sslens.places import alone, point, publish, require_room, set_aside
from sslens.types import InputError


def test_a_folder_that_is_no_place_for_results_is_refused_with_a_reason(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nowhere"), Path("a\0b")):
        with pytest.raises(InputError, match="a folder that can be written to"):
            require_room(folder)
    require_room(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []
    with pytest.raises(InputError, match=r"on a disk with 1,000,000,000,000 MB to spare.*MB are free"):
        require_room(tmp_path, 10**18)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(InputError, match="No space left on device"):
        require_room(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_link_points_to_the_last_and_never_takes_the_place_of_a_file(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        point(tmp_path / "latest", name)
        assert (tmp_path / "latest").resolve().name == name
    (tmp_path / "taken").write_text("mine")
    point(tmp_path / "taken", "a")
    assert (tmp_path / "taken").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "latest", "taken"]


def test_one_process_at_a_time_is_alone_though_the_lock_is_removed_each_time(tmp_path):
    counter = tmp_path / "counter"
    counter.write_text("0")

    def count():
        for _ in range(50):
            with alone(tmp_path / "run.lock"):
                counter.write_text(str(int(counter.read_text()) + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.read_text() == "200" and not (tmp_path / "run.lock").exists()


def test_a_lock_that_cannot_be_made_is_refused_with_a_reason(tmp_path):
    (tmp_path / "file").touch()
    for lock in (tmp_path / "file" / "run.lock", Path("/proc/nowhere/run.lock")):
        with (
            pytest.raises(InputError, match="cache must be a folder that can be written to"),
            alone(lock, field="cache"),
        ):
            pass


def test_what_is_set_aside_keeps_its_content_under_the_first_name_that_is_free(tmp_path):
    for number in (0, 2):
        (tmp_path / f"run.damaged-{number}").mkdir()
    (tmp_path / "run").write_text("kept")
    assert set_aside(tmp_path / "run").name == "run.damaged-1"
    assert (tmp_path / "run.damaged-1").read_text() == "kept" and not (tmp_path / "run").exists()


def test_a_folder_gets_its_name_at_once_and_takes_nobodys(tmp_path):
    for name in ("staging", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    publish(tmp_path / "staging", tmp_path / "runs" / "a")
    assert (tmp_path / "runs" / "a" / "file").read_text() == "staging"
    with pytest.raises(OSError, match="not empty"):
        publish(tmp_path / "other", tmp_path / "runs" / "a")
    assert (tmp_path / "runs" / "a" / "file").read_text() == "staging"
