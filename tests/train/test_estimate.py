"""What runs will cost: measured on a few steps of each kind, close to what they do cost."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from sslens.encoders import MLP, ConvNet, ResNet18
from sslens.runtime import data_root
from sslens.studies.a_net_is_a_spline_texts import language_config
from sslens.train import Config, Estimate, estimate, learned, model_for, prepare, record, record_all
from sslens.train.estimate import PEAK, PROCESS, _measured, memory, side_by_side
from sslens.types import InputError
from tests.train.cases import MULTI_CROP, Centred, tiny

MODULE = sys.modules["sslens.train.estimate"]  # under its name the package has the function


@pytest.fixture(autouse=True)
def unmeasured(monkeypatch):
    monkeypatch.setenv("SSLENS_CORES", "1")
    _measured.cache_clear()
    yield
    _measured.cache_clear()


def test_it_grows_with_length_and_snapshots_and_repeats_nothing():
    short, long = (tiny(optimisation={"steps": steps}, snapshots={"count": 2}) for steps in (10, 1000))
    assert estimate([long]).seconds == pytest.approx(100 * estimate([short]).seconds)
    many = estimate([long.changed(snapshots={"count": 20})])
    assert many.bytes > 5 * estimate([long]).bytes
    assert estimate([short, short]) == estimate([short])
    assert estimate([short, short.changed(seed=1)]).bytes == 2 * estimate([short]).bytes
    assert estimate([]) == Estimate(0.0, 0, 0)


def test_each_kind_of_run_is_measured_once(monkeypatch):
    estimate([tiny()])
    monkeypatch.setattr(MODULE, "fit", lambda *_: pytest.fail("measured again"))
    estimate([tiny(seed=3), tiny(optimisation={"steps": 77}, snapshots={"count": 9})])
    with pytest.raises(pytest.fail.Exception, match="measured again"):
        estimate([tiny(optimisation={"batch_size": 16})])


def test_runs_side_by_side_take_their_share_of_the_time_and_all_of_the_room(monkeypatch):
    runs = [tiny(seed=seed) for seed in range(8)]
    alone = estimate(runs)
    monkeypatch.setenv("SSLENS_CORES", "4")
    beside = estimate(runs)
    assert beside.seconds == pytest.approx(alone.seconds / 4) and beside.bytes == alone.bytes


def test_the_room_is_about_what_traces_take():
    config = tiny(encoder=ConvNet(width=64), snapshots={"count": 7, "spacing": "linear"})
    expected = estimate([config]).bytes
    record(config)
    taken = sum(path.stat().st_size for path in data_root().rglob("*.safetensors"))
    assert 0.7 < expected / taken < 1.4


def test_the_time_is_about_what_training_takes(monkeypatch):
    """By the processor's clock, which other work on this machine does not drive."""
    monkeypatch.setattr(time, "perf_counter", time.process_time)
    config = tiny(
        data={"name": "scattered_digits"}, encoder=ConvNet(width=32), optimisation={"steps": 60, "batch_size": 64}
    )
    expected = estimate([config]).seconds
    start = time.perf_counter()
    record_all([config])
    assert 1 / 3 < expected / (time.perf_counter() - start) < 3


SCRIPT = """
import re
from pathlib import Path
from sslens.train import Config, fit, prepare
from sslens.train.estimate import memory

for config in {configs!r}:
    setup = prepare(Config.of_json(config))
    expected = memory(setup)
    for _ in fit(setup):
        pass
    peak = 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
    print(expected, peak)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells a process its peak memory")
def test_the_memory_is_about_what_a_process_takes():
    """A process never forgets the most it took, so the run that takes less comes first."""
    small = Config(data={"name": "scattered_digits"}, optimisation={"steps": 2}, snapshots={"count": 2})
    large = small.changed(encoder=ResNet18(width=16), optimisation={"batch_size": 1024})
    learned(small)  # made before, not by the process that is measured
    script = SCRIPT.format(configs=[config.to_json() for config in (small, large)])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    found = [tuple(map(float, line.split())) for line in done.stdout.splitlines()]
    assert len(found) == 2 and found[0][1] < found[1][1]
    for expected, peak in found:
        assert 0.6 * peak < expected < 1.6 * peak


def test_the_memory_counts_data_weights_and_moments_by_their_size():
    def of(**changes):
        return memory(prepare(tiny(**changes)))

    small, large = MLP(width=8, depth=2), MLP(width=512, depth=2)
    weights = sum(each.numel() for each in model_for(tiny(encoder=large), learned(tiny())).parameters())
    assert of(encoder=large) - of(encoder=small) > 16 * 0.9 * weights
    assert of(compute={"dtype": "float64"}) - of(compute={"dtype": "float32"}) > 0
    assert of(optimisation={"batch_size": 64}) > of(optimisation={"batch_size": 32})


@pytest.mark.parametrize(("free", "count"), [(1e13, 4), (2.9, 2), (1.0, 1), (0.0, 1)])
def test_no_more_run_side_by_side_than_there_is_memory_for(monkeypatch, free, count):
    setups = [prepare(tiny(seed=seed)) for seed in range(8)]
    monkeypatch.setenv("SSLENS_CORES", "4")
    available = int(free * PEAK * memory(setups[0]))
    monkeypatch.setattr("sslens.memory.CONTAINERS", ())
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=available))
    assert side_by_side(setups) == count
    monkeypatch.setenv("SSLENS_CORES", "1")
    assert (side_by_side(setups), side_by_side([])) == (1, 0)


def test_texts_and_views_of_several_sizes_have_a_memory_too():
    assert memory(prepare(language_config("smoke", 0))) > PROCESS
    one, many = (
        memory(prepare(tiny(encoder=ConvNet(width=64), objective=Centred(), recipe=recipe)))
        for recipe in (replace(MULTI_CROP, further=()), MULTI_CROP)
    )
    assert many > one


def test_what_cannot_be_trained_cannot_be_estimated():
    with pytest.raises(InputError, match=r"Config\.data\.images"):
        estimate([tiny(data={"images": 5000})])


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.2, "about 0 seconds"), (59.0, "about 59 seconds"), (90.0, "about 2 minutes"), (600.0, "about 10 minutes")],
)
def test_it_reads_as_a_sentence(seconds, shown):
    assert repr(Estimate(seconds, 12_000_000, 800_000_000)) == f"{shown}, 12 MB on disk, 0.8 GB of memory"
