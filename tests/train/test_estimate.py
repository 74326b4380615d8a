"""What runs will cost: measured on a few steps of each kind, close to what they do cost."""

import sys
import time

import pytest

from sslens.encoders import ConvNet
from sslens.runtime import data_root
from sslens.train import Estimate, estimate, record, record_all
from sslens.train.estimate import _measured
from sslens.types import InputError
from tests.train.cases import tiny


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
    assert estimate([]) == Estimate(0.0, 0)


def test_each_kind_of_run_is_measured_once(monkeypatch):
    estimate([tiny()])
    module = sys.modules["sslens.train.estimate"]
    monkeypatch.setattr(module, "fit", lambda *_: pytest.fail("measured again"))
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


def test_what_cannot_be_trained_cannot_be_estimated():
    with pytest.raises(InputError, match="batch_size"):
        estimate([tiny(optimisation={"batch_size": 5000})])


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.2, "about 0 seconds"), (59.0, "about 59 seconds"), (90.0, "about 2 minutes"), (600.0, "about 10 minutes")],
)
def test_it_reads_as_a_sentence(seconds, shown):
    assert repr(Estimate(seconds, 12_000_000)) == f"{shown}, 12 MB on disk"
