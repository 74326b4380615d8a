"""How far along a computation is: a bar for a person, a heartbeat for a runner, silence for nobody."""

import json
import sys
import time
from types import SimpleNamespace

import pytest
import tqdm.notebook

from sslens.progress import BEAT, HEARTBEAT
from sslens.train import progress, record
from tests.train.cases import interrupted_at, tiny


@pytest.fixture
def beat(tmp_path, monkeypatch):
    monkeypatch.setenv(HEARTBEAT, str(tmp_path / "progress.json"))
    return lambda: json.loads((tmp_path / "progress.json").read_text())


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on when it is told to."""
    now = SimpleNamespace(time=100.0)
    monkeypatch.setattr(time, "monotonic", lambda: now.time)
    return now


def steps(*wanted):
    return [SimpleNamespace(step=step) for step in wanted]


def test_the_runner_gets_the_step_of_each_item_and_the_seconds_left(beat, clock):
    found = []
    for item in progress(steps(0, 5, 20), total=20, label="vicreg, seed 0"):
        found.append((item.step, beat()))
        clock.time += 10
    beats = [(step, message["step"], message["total"], message["label"]) for step, message in found]
    assert beats == [(step, step, 20, "vicreg, seed 0") for step in (0, 5, 20)]
    assert [message["seconds_left"] for _, message in found] == [None, 30.0, 0.0]


def test_what_was_done_earlier_is_left_out_of_the_pace(beat, clock):
    found = []
    for _ in progress(steps(60, 80), total=100, label="resumed", done=40):
        found.append(beat()["seconds_left"])
        clock.time += 10
    assert found == [0.0, pytest.approx(5.0)]


def test_items_without_a_step_are_counted(beat):
    assert list(progress("abc", total=3, label="letters")) == ["a", "b", "c"]
    assert beat()["step"] == 3


def test_the_heart_does_not_beat_faster_than_it_should(beat, clock, monkeypatch):
    written = []
    module = sys.modules["sslens.progress"]
    monkeypatch.setattr(module, "write_atomic", lambda _, content: written.append(json.loads(content)["step"]))
    for _ in progress(range(100), total=100, label="fast"):
        clock.time += BEAT / 10
    assert written[0] == 1 and written[-1] == 100 and 5 < len(written) < 15


def test_without_anybody_nothing_is_shown_and_nothing_taken_early(monkeypatch, capsys):
    monkeypatch.setenv("SSLENS_LIVE", "0")
    monkeypatch.delenv(HEARTBEAT, raising=False)
    source = iter(range(10))
    items = progress(source, total=10, label="numbers")
    assert [next(items), next(items)] == [0, 1]
    assert next(source) == 2
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


def test_a_person_gets_a_bar_that_ends_at_the_total_and_is_taken_away(monkeypatch):
    bars = []

    class Bar:
        def __init__(self, **given):
            self.given, self.n, self.closed = given, 0, False
            bars.append(self)

        def update(self, by):
            self.n += by

        def close(self):
            self.closed = True

    monkeypatch.setenv("SSLENS_LIVE", "1")
    monkeypatch.delenv(HEARTBEAT, raising=False)
    monkeypatch.setitem(sys.modules, "tqdm.auto", SimpleNamespace(tqdm=Bar))
    list(progress(steps(0, 3, 9), total=9, label="run"))
    assert bars[0].n == 9 and bars[0].closed and bars[0].given == {"total": 9, "desc": "run", "leave": False}
    items = progress(steps(0, 3, 9), total=9, label="cut short")
    next(items)
    items.close()
    assert bars[1].closed


@pytest.mark.parametrize(("taken", "display"), [(3, "none"), (1, None)])
def test_the_bar_of_a_page_is_hidden_when_all_is_done_and_never_closed(taken, display, monkeypatch, capsys):
    """A page that is opened again asks the kernel for every widget that stands in its outputs."""
    bars = []

    class Bar(tqdm.notebook.tqdm):
        def __init__(self, **given):
            super().__init__(**given)
            bars.append(self)

    monkeypatch.setenv("SSLENS_LIVE", "1")
    monkeypatch.delenv(HEARTBEAT, raising=False)
    monkeypatch.setitem(sys.modules, "tqdm.auto", SimpleNamespace(tqdm=Bar))
    items = progress(steps(0, 3, 9), total=9, label="run")
    for _ in range(taken):
        next(items)
    items.close()
    assert bars[0].container.comm is not None
    assert bars[0].container.layout.display == display


def test_a_recording_that_goes_on_says_how_much_is_left_of_it(beat, monkeypatch):
    config = tiny(snapshots={"count": 7, "spacing": "linear"})
    with interrupted_at(4):
        record(config)
    record(config)
    assert beat() == {"label": "VICReg, seed 0", "step": 6, "total": 6, "seconds_left": 0.0}
