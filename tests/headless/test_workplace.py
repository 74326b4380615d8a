"""Temporary folders of executed notebooks are gone, however their process ends."""

import os
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from sslens.headless import workplace as places
from sslens.headless.stopping import stoppable
from sslens.headless.workplace import workplace

HOLD = """import sys, time
from sslens.headless.stopping import stoppable
from sslens.headless.workplace import workplace
try:
    with stoppable(), workplace() as folder:
        print(folder, flush=True)
        time.sleep(60)
except KeyboardInterrupt as stopped:
    sys.exit(128 + stopped.args[0])"""


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(places, "YOUNG", -1.0)
    return tmp_path


def ended_by(number, folder):
    """A process that was ended while it held a folder; its exit code."""
    command, environment = [sys.executable, "-c", HOLD], os.environ | {"TMPDIR": str(folder)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert str(folder) in process.stdout.readline()
        process.send_signal(number)
        return process.wait(60)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_process_that_is_to_end_leaves_no_folder(number, temporary):
    if signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip("it is ignored here, as nohup has it")
    assert ended_by(number, temporary) == 128 + number
    assert list(temporary.iterdir()) == []


def test_the_folder_of_a_killed_process_is_removed_by_the_next_and_that_of_a_living_one_is_not(temporary):
    assert ended_by(signal.SIGKILL, temporary) == -signal.SIGKILL
    (left,) = temporary.iterdir()
    with workplace() as first:
        assert not left.exists()
        with workplace() as second:
            assert first.exists() and second.exists()
    assert list(temporary.iterdir()) == []


def test_a_folder_made_just_now_is_left_to_its_maker(temporary, monkeypatch):
    monkeypatch.setattr(places, "YOUNG", 60.0)
    (temporary / f"{places.BEGINNING}a").mkdir()
    with workplace():
        assert len(list(temporary.iterdir())) == 2
    os.utime(temporary / f"{places.BEGINNING}a", (time.time() - 120,) * 2)
    with workplace():
        assert len(list(temporary.iterdir())) == 1


def test_an_exception_leaves_no_folder_and_the_signals_as_they_were(temporary):
    with pytest.raises(ZeroDivisionError), stoppable(), workplace():
        1 / 0  # noqa: B018 - it is to raise
    assert list(temporary.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
