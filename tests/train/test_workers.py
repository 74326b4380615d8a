"""Many runs at once: trained beside each other, ended with their parent, refused before the first is trained."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from sslens import trace
from sslens.runtime import data_root
from sslens.train import record, record_all, workers
from sslens.train.cache import FOLDER
from sslens.types import InputError
from tests.train.cases import same, tiny

SCRIPT = """
import signal, sys
from sslens.train import Config, record_all

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is born deaf to Ctrl-C
record_all([Config.of_json(values) for values in {configs!r}])
print("done")
"""
"""Runs at the top of a script, without a guard: a worker must not execute it again."""


def configs(count=3):
    return [tiny(seed=seed) for seed in range(count)]


def endless(seed):
    """A run that nobody waits for, with a snapshot every few milliseconds."""
    return tiny(optimisation={"steps": 10**6}, snapshots={"count": 1000, "spacing": "logarithmic"}, seed=seed)


def kept():
    """The runs in the cache by their seed."""
    runs = [trace.load(path.parent) for path in (data_root() / "cache" / FOLDER).glob("*/run.json")]
    return {run.config["seed"]: run for run in runs}


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)
    return found


def started(seed):
    """Whether a run has more than its first snapshots on disk."""
    folder = data_root() / "cache" / FOLDER
    return any(
        len(trace.load(path.parent).snapshots) > 2
        for path in folder.glob("*/run.json")
        if json.loads(path.read_text())["config"]["seed"] == seed
    )


# In this process


def test_only_what_is_missing_is_trained(monkeypatch):
    monkeypatch.setenv("SSLENS_CORES", "1")
    record_all(configs(2))
    trained = []
    monkeypatch.setattr("sslens.train.cache._trained", lambda missing: iter(trained.extend(missing) or missing))
    record_all(configs(3)[:2])
    assert trained == []
    record_all(configs(3))
    assert [setup.config for setup in trained] == [tiny(seed=2)]


def test_one_that_cannot_be_trained_stops_all_before_the_first(tmp_path):
    missing = tiny(data={"name": f"folder:{tmp_path / 'none'}"})
    with pytest.raises(InputError, match="folder"):
        record_all([*configs(2), missing])
    assert not (tmp_path / "data" / "cache" / "traces").exists()


def test_runs_on_different_sets_may_be_wanted_together(monkeypatch):
    monkeypatch.setenv("SSLENS_CORES", "1")
    runs = record_all([tiny(), tiny(data={"name": "scattered_digits"}), tiny()])
    assert [run.reference.images.shape[-1] for run in runs] == [8, 16, 8]


def test_no_run_is_no_work():
    assert record_all([]) == ()


@pytest.mark.parametrize(
    ("cores", "threads", "beside"), [("1", "1", None), ("4", "1", 3), ("2", "1", 2), ("4", "2", 2), ("2", "2", None)]
)
def test_as_many_run_at_a_time_as_there_are_processors_for(monkeypatch, cores, threads, beside):
    run = record(tiny(seed=9))
    monkeypatch.setattr("sslens.train.cache._recorded", lambda *_: run)
    counts = []
    monkeypatch.setattr("sslens.train.cache.trained_by_workers", lambda runs, count: iter(counts.append(count) or ()))
    monkeypatch.setenv("SSLENS_CORES", cores)
    monkeypatch.setenv("SSLENS_THREADS", threads)
    record_all(configs(3))
    assert counts == ([] if beside is None else [beside])


# How parent and workers speak, with workers that do nothing but answer

FAKE = """
import json, os, signal, sys
for line in sys.stdin.buffer:
    work = json.loads(line).get("do")
    if work == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if work == "wait":
        continue
    sys.stdout.buffer.write(b'""\\n' if work != "lie" else b'"what?"\\n')
    sys.stdout.buffer.flush()
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A library whose worker is the script above."""
    for folder in (tmp_path / "fake" / "sslens", tmp_path / "fake" / "sslens" / "train"):
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
    (tmp_path / "fake" / "sslens" / "train" / "worker.py").write_text(FAKE)
    monkeypatch.setattr(workers, "LIBRARY", tmp_path / "fake")
    before = {child.pid for child in psutil.Process().children()}
    yield
    assert {child.pid for child in psutil.Process().children()} <= before


def test_every_run_is_named_once_when_it_is_there(fake):
    assert sorted(workers.trained_by_workers([{"seed": seed} for seed in range(20)], 3)) == list(range(20))


@pytest.mark.parametrize("fault", ["die", "lie"])
def test_a_worker_that_fails_ends_the_others_with_an_error_that_names_the_run(fake, fault):
    """However much work is left: nobody waits for a worker that does not come back."""
    for other in ("wait", "answer", fault):
        with pytest.raises(RuntimeError, match=rf"a training process failed: (it died|what\?).*at .*{fault}"):
            list(workers.trained_by_workers([{"do": fault}, *[{"do": other}] * 5], 2))


def test_what_went_wrong_in_a_worker_is_said():
    config = tiny(seed=3).to_json() | {"seed": -1}
    with pytest.raises(RuntimeError, match=r"failed: InputError: Config.seed must be an int in .*Got -1"):
        list(workers.trained_by_workers([config], 1))


def test_whoever_stops_listening_ends_the_workers(fake):
    going = workers.trained_by_workers([{}, {"do": "wait"}, {"do": "wait"}], 2)
    assert next(going) == 0
    going.close()


# With real ones


def test_runs_trained_beside_each_other_are_those_trained_alone_in_the_order_given(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLENS_CORES", "2")
    wanted = [*configs(3), tiny()]
    together = record_all(wanted)
    monkeypatch.setenv("SSLENS_DATA", str(tmp_path / "other"))
    for config, run in zip(wanted, together, strict=True):
        alone = record(config)
        assert run.config == alone.config == config.to_json() and run.provenance == alone.provenance
        same(run, alone)


def test_a_killed_worker_is_named_and_the_finished_runs_stay(monkeypatch):
    monkeypatch.setenv("SSLENS_CORES", "2")

    def kill():
        wait_for(lambda: 0 in kept() and kept()[0].status == "complete" and started(7))
        for child in psutil.Process().children():
            if "sslens.train.worker" in child.cmdline():
                child.kill()
                return

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(RuntimeError, match="a training process failed: it died"):
        record_all([tiny(), endless(7), endless(8)])
    killer.join()
    assert kept()[0].status == "complete" and kept()[7].status == "running"
    assert not [each for each in psutil.Process().children() if "sslens.train.worker" in each.cmdline()]


@pytest.fixture
def script(tmp_path):
    """Starts a script that trains these configs side by side; gives its process and those of its workers."""
    processes = []

    def start(wanted):
        (tmp_path / "script.py").write_text(SCRIPT.format(configs=[config.to_json() for config in wanted]))
        library = str(Path(workers.LIBRARY))
        environment = os.environ | {"PYTHONPATH": library, "SSLENS_CORES": "2"}
        given = {"env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen([sys.executable, str(tmp_path / "script.py")], **given)
        processes.append(process)
        children = wait_for(lambda: psutil.Process(process.pid).children())
        return process, children

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_killing_the_parent_ends_the_workers_within_seconds(script):
    parent, _ = script([endless(7), endless(8)])
    wait_for(lambda: started(7) and started(8))
    children = psutil.Process(parent.pid).children()
    assert len(children) == 2
    parent.send_signal(signal.SIGKILL)
    gone, alive = psutil.wait_procs(children, timeout=5)
    assert len(gone) == 2 and not alive


def test_ctrl_c_keeps_what_was_recorded_and_the_next_call_goes_on_from_there(script, monkeypatch):
    ending = tiny(optimisation={"steps": 30_000}, snapshots={"count": 300, "spacing": "linear"}, seed=7)
    parent, _ = script([tiny(), ending, endless(8)])
    wait_for(lambda: 0 in kept() and started(7) and started(8))
    children = psutil.Process(parent.pid).children()
    parent.send_signal(signal.SIGINT)
    out, err = parent.communicate(timeout=60)
    assert parent.returncode == -signal.SIGINT and out == ""
    assert err.count("Traceback (most recent call last)") == err.count("KeyboardInterrupt") == 1
    assert not psutil.wait_procs(children, timeout=5)[1]
    before = kept()
    assert before[0].status == "complete" and before[7].status == "running"
    begun = []

    def noted(setup, after):
        begun.append((setup.config.seed, after.step))
        return iter(())

    monkeypatch.setattr("sslens.train.cache.fit", noted)
    assert record(ending).steps == before[7].steps and begun == [(7, before[7].steps[-1])]


def test_ctrl_c_goes_to_the_parent_alone():
    """A terminal sends it to the whole process group: the workers are in one of their own."""
    worker = workers._Worker()
    try:
        assert os.getpgid(worker.process.pid) != os.getpgid(0)
    finally:
        worker.stop()
