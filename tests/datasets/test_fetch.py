import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import warnings
from dataclasses import replace

import numpy as np
import pytest

from sslens import progress
from sslens.datasets import fetch as module
from sslens.datasets.fetch import fetch
from sslens.types import DamagedFile, InputError

CONTENT = np.random.default_rng(0).bytes(2_500_000)
FETCH = "import pathlib; from sslens.datasets.fetch import *; fetch([{source!r}], pathlib.Path({folder!r}))"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_file_is_fetched_whole_and_readable_by_all(site, tmp_path):
    assert fetch([site.offer("set.gz", CONTENT)], tmp_path) == [tmp_path / "set.gz"]
    assert (tmp_path / "set.gz").read_bytes() == CONTENT
    assert (tmp_path / "set.gz").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["set.gz"]


def test_what_is_there_is_not_requested(site, tmp_path):
    source = site.offer("set.gz", CONTENT)
    (tmp_path / "set.gz").write_bytes(CONTENT)
    assert fetch([source], tmp_path) == [tmp_path / "set.gz"]
    assert site.requests == []


def test_only_what_is_missing_is_requested(site, tmp_path):
    sources = [site.offer(name, name.encode()) for name in ("a.gz", "b.gz", "c.gz")]
    (tmp_path / "b.gz").write_bytes(b"b.gz")
    fetch(sources, tmp_path)
    assert [path for path, _ in site.requests] == ["/a.gz", "/c.gz"]


def test_the_bytes_are_requested_as_they_are(site, tmp_path):
    fetch([site.offer("set.gz", CONTENT)], tmp_path)
    assert site.requests[0][1]["Accept-Encoding"] == "identity"


def test_a_redirection_is_followed(site, tmp_path, monkeypatch):
    source, answer = site.offer("set.gz", CONTENT), site.answer

    def move(handler):
        if handler.path != "/old/set.gz":
            return answer(handler)
        handler.send_response(301)
        handler.send_header("Location", "/set.gz")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    monkeypatch.setattr(site, "answer", move)
    fetch([replace(source, address=site.root + "old/set.gz")], tmp_path)
    assert (tmp_path / "set.gz").read_bytes() == CONTENT


# Progress


def heartbeat(path):
    content = json.loads(path.read_text())
    return content["label"], content["step"], content["total"]


def test_a_batch_runner_reads_how_far_it_is(site, tmp_path, monkeypatch):
    written = tmp_path / "progress.json"
    monkeypatch.setenv("SSLENS_PROGRESS", str(written))
    site.go_on.clear()
    source = site.offer("set.gz", CONTENT)
    thread = threading.Thread(target=fetch, args=([source], tmp_path / "data"))
    (tmp_path / "data").mkdir()
    thread.start()
    try:
        while not written.exists() and thread.is_alive():
            thread.join(0.01)
        assert heartbeat(written) == ("set.gz", 1, 3)  # MiB of 2.4
    finally:
        site.go_on.set()
        thread.join()
    assert heartbeat(written) == ("set.gz", 3, 3)


def test_a_person_sees_a_bar_and_nobody_else_sees_anything(site, tmp_path, monkeypatch, capfd):
    bars = []

    class Bar:
        n = 0

        def update(self, step):
            self.n += step

        def close(self):
            pass

    monkeypatch.setattr(progress, "_bar", lambda total, label: bars.append((total, label, Bar())) or bars[-1][2])
    fetch([site.offer("set.gz", CONTENT)], tmp_path)
    assert bars == []
    monkeypatch.setenv("SSLENS_LIVE", "1")
    fetch([site.offer("more.gz", CONTENT)], tmp_path)
    assert [(total, label, bar.n) for total, label, bar in bars] == [(3, "more.gz", 3)]
    assert capfd.readouterr() == ("", "")


# What goes wrong on the way


def test_without_a_network_all_that_is_missing_is_named_at_once(tmp_path):
    root, folder = f"http://127.0.0.1:{free_port()}/", tmp_path / "mnist"
    folder.mkdir()
    sources = [module.Source(root + name, 5_148, name[0] * 64) for name in ("a.gz", "b.gz")]
    with pytest.raises(InputError, match=r"dataset must be .*in place or can be fetched\. Got 'mnist'") as caught:
        fetch(sources, folder)
    text = str(caught.value)
    assert f"a.gz could not be fetched from {root}a.gz (ConnectionError: " in text
    for source in sources:
        assert f"{folder / source.name}: 5,148 bytes, SHA-256 {source.sha256}, {source.address}" in text


def test_what_was_fetched_before_the_network_failed_is_kept(site, tmp_path):
    sources = [site.offer(name, name.encode()) for name in ("a.gz", "b.gz", "c.gz")]
    kept = site.files.pop("/b.gz")
    with pytest.raises(InputError, match=r"b\.gz could not be fetched .*404") as caught:
        fetch(sources, tmp_path)
    assert "a.gz:" not in str(caught.value)
    site.files["/b.gz"] = kept
    fetch(sources, tmp_path)
    assert [path for path, _ in site.requests] == ["/a.gz", "/b.gz", "/b.gz", "/c.gz"]


def truncated(site, content):
    site.claimed["/set.gz"] = len(content)
    return site.offer("set.gz", content[:-1], content)


def short(site, content):
    return site.offer("set.gz", content[:-1], content)


def altered(site, content):
    return site.offer("set.gz", content[:-1] + b"?", content)


def longer(site, content):
    return site.offer("set.gz", content + b"?", content)


def endless(site, content):
    return site.offer("set.gz", None, content)


def foreign(site, content):
    return site.offer("set.gz", b"<html>The set has moved.</html>", content)


def absent(site, content):
    return replace(site.offer("other.gz", content), address=site.root + "set.gz")


@pytest.mark.parametrize("harm", [truncated, short, altered, longer, endless, foreign, absent])
def test_a_download_that_goes_wrong_leaves_nothing_and_can_be_repeated(site, tmp_path, harm):
    source = harm(site, CONTENT)
    with pytest.raises(InputError, match=r"set\.gz could not be fetched"):
        fetch([source], tmp_path)
    assert list(tmp_path.iterdir()) == []
    site.claimed.clear()
    site.offer("set.gz", CONTENT)
    fetch([source], tmp_path)
    assert (tmp_path / "set.gz").read_bytes() == CONTENT


@pytest.mark.parametrize("harm", [truncated, longer, absent])
def test_a_download_that_goes_wrong_leaves_no_connection_open(site, tmp_path, harm):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fetch([harm(site, CONTENT)], tmp_path)
        except InputError as error:
            error.itself = error  # a circle, so that the collector frees it and all it holds in any order
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


@pytest.mark.parametrize("harm", [longer, endless])
def test_no_more_is_taken_than_was_published(site, tmp_path, harm):
    with pytest.raises(InputError, match="more than the published 2,500,000 bytes"):
        fetch([harm(site, CONTENT)], tmp_path)


def test_a_wrong_checksum_is_reported_with_the_right_one(site, tmp_path):
    source = altered(site, CONTENT)
    with pytest.raises(InputError, match=rf"does not match .*{source.sha256}"):
        fetch([source], tmp_path)


def test_a_full_disk_is_reported_and_leaves_nothing(site, tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        fetch([site.offer("set.gz", CONTENT)], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_download_leaves_no_half_file_under_the_name_and_starts_again(site, tmp_path):
    source = site.offer("set.gz", CONTENT)
    site.go_on.clear()
    process = subprocess.Popen([sys.executable, "-c", FETCH.format(source=source, folder=str(tmp_path))])
    assert site.halfway.wait(60)
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    site.go_on.set()
    assert [path.name for path in tmp_path.iterdir()] == ["part"]
    assert fetch([source], tmp_path)[0].read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["set.gz"]


# What was put there by hand


@pytest.mark.parametrize(
    ("content", "message"), [(CONTENT[:-1], "2,499,999 bytes"), (CONTENT[:-1] + b"?", "SHA-256"), (b"", "0 bytes")]
)
def test_a_wrong_file_in_the_place_is_refused_and_left_as_it_is(site, tmp_path, content, message):
    sources = [site.offer("first.gz", b"first"), site.offer("set.gz", CONTENT)]
    (tmp_path / "set.gz").write_bytes(content)
    with pytest.raises(DamagedFile, match=message) as caught:
        fetch(sources, tmp_path)
    assert str(tmp_path / "set.gz") in str(caught.value)
    assert (tmp_path / "set.gz").read_bytes() == content
    assert site.requests == []
