"""Runs recorded once: read where they stand, trained to their end where not, replayed and restored."""

import json
import math
import multiprocessing
import os
import shutil
import signal
import time
from dataclasses import replace

import pytest
import torch

from sslens import datasets, fingerprint, store, trace
from sslens.encoders import MLP
from sslens.objectives import CrossEntropy, SimCLR
from sslens.runtime import data_root
from sslens.train import Config, cache, fit, key, loop, prepare, record, record_all, replay, restore, setup
from sslens.train.cache import FOLDER
from sslens.types import Dataset, InputError
from tests.train.cases import interrupted_at, same, tiny


def runs():
    return sorted(path.parent for path in (data_root() / "cache" / FOLDER).glob("*/run.json"))


def counted(monkeypatch, owner, name):
    """Calls of a function from here on."""
    calls, real = [], getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *given, **named: (calls.append(given), real(*given, **named))[1])
    return calls


def test_recorded_once_then_read(untrainable):
    first = record(tiny())
    untrainable()
    again = record(tiny())
    same(first, again)
    assert again.config == first.config and again.provenance == first.provenance
    with pytest.raises(pytest.fail.Exception, match="trained again"):
        record(tiny(seed=1))


def test_the_folder_of_a_run_is_its_key():
    record(tiny())
    assert [path.name for path in runs()] == [key(tiny())] and len(key(tiny())) == 24


def test_code_and_threads_are_part_of_the_key(monkeypatch):
    keys = [key(tiny())]
    with monkeypatch.context() as patch:
        patch.setenv("SSLENS_THREADS", "2")
        keys.append(key(tiny()))
    with monkeypatch.context() as patch:
        patch.setattr(fingerprint, "of_modules", lambda *_: "another")
        keys.append(key(tiny()))
    assert len(set(keys)) == 3 and key(tiny()) == keys[0]


@pytest.fixture
def fresh():
    """Data are loaded anew, before the test and after it."""

    def forget():
        for loaded in (setup._loaded, setup._chosen, setup._reference):
            loaded.cache_clear()

    forget()
    yield forget
    forget()


def test_data_that_change_are_another_run(monkeypatch, fresh):
    before, real = key(tiny()), datasets.load
    fresh()
    with monkeypatch.context() as patch:
        patch.setattr(
            datasets, "load", lambda name: tuple(replace(part, labels=9 - part.labels) for part in real(name))
        )
        assert key(tiny()) != before
    fresh()
    assert key(tiny()) == before


def test_a_folder_that_holds_another_run_is_refused(tmp_path):
    record(tiny(), tmp_path / "run")
    with pytest.raises(InputError, match="holds this very run"):
        record(tiny(seed=1), tmp_path / "run")


def test_a_diverged_run_is_kept_and_never_trained_again(untrainable):
    wild = {"learning_rate": 1e9, "warmup": 0.0, "steps": 60, "weight_decay": 0.0}
    run = record(tiny(optimisation=wild, snapshots={"count": 4}))
    assert run.status == "diverged" and run.steps[-1] < 60
    assert math.isnan(run.along(lambda h: h.norm())[-1])
    untrainable()
    assert record(Config.of_json(run.config)).status == "diverged"


# Interruption and damage


def test_an_interrupted_run_goes_on_from_its_very_last_snapshot(monkeypatch):
    config = tiny(snapshots={"count": 7, "spacing": "linear"})
    whole = list(fit(config))
    with interrupted_at(4):
        record(config)
    cut = trace.load(runs()[0])
    assert cut.status == "running" and cut.steps == [0, 1, 2, 3] and cut.snapshots[-1].resumable
    begun = []
    monkeypatch.setattr(
        "sslens.train.cache.fit", lambda *given, after: (begun.append(after.step), fit(*given, after=after))[1]
    )
    run = record(config)
    assert begun == [3]
    same([replay(run, place) for place in range(7)], whole)


def killed_while_recording(folder, data):
    os.environ["SSLENS_DATA"] = data
    config = tiny(optimisation={"steps": 400}, snapshots={"count": 40, "spacing": "linear"})
    record(config, folder)


def test_a_killed_recording_goes_on_and_ends_in_the_same_bits(tmp_path):
    arguments = (tmp_path / "run", str(tmp_path / "data"))
    worker = multiprocessing.get_context("spawn").Process(target=killed_while_recording, args=arguments)
    worker.start()
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "run").glob("snapshot-*"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    cut = trace.load(tmp_path / "run")
    assert cut.status == "running" and 0 < len(cut.snapshots) < 40
    config = Config.of_json(cut.config)
    last = next(fit(config, after=cut.snapshots[-1]))
    wanted = next(each for each in fit(config) if each.step == last.step)
    same([last], [wanted])


def flipped(file, word):
    content = file.read_bytes()
    place = content.index(word) + len(word) // 2
    file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])


def emptied(file):
    file.unlink()
    file.mkdir()


MANIFEST, SNAPSHOT = "run.json", "snapshot-0000002.safetensors"
DAMAGES = {
    "a bit of a snapshot": lambda run: flipped(run / SNAPSHOT, (run / SNAPSHOT).read_bytes()[-9:]),
    "a bit of the config": lambda run: flipped(run / MANIFEST, b"vicreg"),
    "a digit of the config": lambda run: flipped(run / MANIFEST, b'"seed": 0'[-1:]),
    "a bit of the provenance": lambda run: flipped(run / MANIFEST, b"2.13.0"),
    "a bit of the class names": lambda run: flipped(run / MANIFEST, b'"7"'),
    "a truncated snapshot": lambda run: (run / SNAPSHOT).write_bytes((run / SNAPSHOT).read_bytes()[:-7]),
    "no snapshot": lambda run: (run / SNAPSHOT).unlink(),
    "a truncated manifest": lambda run: (run / MANIFEST).write_bytes((run / MANIFEST).read_bytes()[:40]),
    "an empty manifest": lambda run: (run / MANIFEST).write_bytes(b""),
    "deep JSON": lambda run: (run / MANIFEST).write_text("[" * 100_000 + "]" * 100_000),
    "null": lambda run: (run / MANIFEST).write_text("null"),
    "files that are a list": lambda run: store.seal(run, store.read_sealed(run) | {"files": []}),
    "files that are null": lambda run: store.seal(run, store.read_sealed(run) | {"files": None}),
    "no files": lambda run: store.seal(run, store.read_sealed(run) | {"files": {}}),
    "a config that no longer fits its name": lambda run: store.seal(run, store.read_sealed(run) | {"config": {}}),
    "a folder in place of a snapshot": lambda run: emptied(run / SNAPSHOT),
    "a folder in place of the manifest": lambda run: emptied(run / MANIFEST),
    "a file in place of the run": lambda run: (shutil.rmtree(run), run.write_text("mine")),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run_is_set_aside_and_trained_anew(damage):
    first = record(tiny())
    (run,) = (path.parent for path in (data_root() / "cache" / FOLDER).glob("*/run.json"))
    DAMAGES[damage](run)
    with pytest.warns(UserWarning, match=rf"set aside in {run.name}\.damaged-0 and trained anew"):
        again = record(tiny())
    same(first, again)
    aside = run.with_name(f"{run.name}.damaged-0")
    assert aside.exists() and (aside.is_file() or len(list(aside.iterdir())) > 1)
    same(first, record(tiny()))


def test_damaged_runs_are_found_out_before_the_missing_ones_are_trained(monkeypatch):
    record(tiny())
    flipped(runs()[0] / MANIFEST, b"vicreg")
    monkeypatch.setenv("SSLENS_CORES", "1")
    begun = counted(monkeypatch, cache, "_recorded")
    with pytest.warns(UserWarning, match="set aside"):
        record_all([tiny(), tiny(seed=1)])
    assert len(begun) == 4  # each was trained with the missing ones and then read


# A place for what is recorded


def test_a_place_that_cannot_keep_a_run_is_refused_before_anything_is_trained(tmp_path, monkeypatch, untrainable):
    untrainable()
    (tmp_path / "file").touch()
    for root in (tmp_path / "file", tmp_path / "file" / "below", "/proc/nowhere"):
        monkeypatch.setenv("SSLENS_DATA", str(root))
        for call in (lambda: record(tiny()), lambda: record_all([tiny(), tiny(seed=1)])):
            with pytest.raises(InputError, match="cache must be a folder that can be written to"):
                call()


def test_a_disk_without_room_for_all_the_runs_is_refused_before_anything_is_trained(monkeypatch, untrainable):
    untrainable()
    usage = shutil.disk_usage("/")._replace(free=cache.ROOM + cache.space(prepare(tiny())) // 2)
    monkeypatch.setattr("sslens.places.shutil.disk_usage", lambda _: usage)
    for call in (lambda: record(tiny()), lambda: record_all([tiny(), tiny(seed=1)])):
        with pytest.raises(InputError, match=r"cache must be on a disk with \d+ MB to spare"):
            call()


def test_space_is_what_a_trace_takes():
    config = tiny(encoder=MLP(width=64), snapshots={"count": 7, "spacing": "linear"})
    taken = sum(path.stat().st_size for path in _folder_of(record(config)).glob("*"))
    assert taken <= cache.space(prepare(config)) <= 2 * taken


def _folder_of(run):
    return next(path for path in runs() if trace.load(path).config == run.config)


def test_a_disk_that_fills_up_meanwhile_keeps_what_was_recorded(monkeypatch):
    config = tiny(snapshots={"count": 7, "spacing": "linear"})
    real, count = trace.Trace.save, iter(range(100))

    def save(self, path):
        if next(count) == 4:
            raise OSError(28, "No space left on device")
        real(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(trace.Trace, "save", save)
        with pytest.raises(InputError, match=r"No space left on device\. What was recorded before step 4 is whole"):
            record(config)
    assert trace.load(runs()[0]).steps == [0, 1, 2, 3]
    assert record(config).status == "complete"


# Loaded once


@pytest.fixture
def alone(monkeypatch):
    """One processor, so that no other process is started."""
    monkeypatch.setenv("SSLENS_CORES", "1")


def test_data_are_loaded_and_digested_once_per_process(monkeypatch, fresh, alone):
    loads, digests = counted(monkeypatch, datasets, "load"), counted(monkeypatch, Dataset, "digest")
    record(tiny(seed=3))
    others = [tiny(data={"images": 100}), tiny(objective=CrossEntropy())]
    record_all([*(tiny(seed=seed) for seed in (3, 4)), *others])
    record(tiny(seed=3))
    assert (len(loads), len(digests)) == (1, 2)


def test_a_run_is_prepared_once_and_set_up_once(monkeypatch, alone):
    prepared = counted(monkeypatch, cache, "prepare")
    begun = counted(monkeypatch, loop, "begin")
    record_all([tiny(), tiny(seed=1)])
    assert len(prepared) == len(begun) == 2


def test_the_runs_of_one_set_share_its_tensors(alone):
    first, second = record_all([tiny(), tiny(seed=1)])
    third = record(tiny())
    assert len({run.reference.images.data_ptr() for run in (first, second, third)}) == 1
    setups = [prepare(tiny(data={"images": 100}, seed=seed)) for seed in range(3)]
    assert len({each.train.images.data_ptr() for each in setups}) == 1
    assert prepare(tiny()).train.images.data_ptr() == prepare(tiny(objective=SimCLR())).train.images.data_ptr()


# On disk


def test_the_state_of_the_optimiser_stands_in_every_fourth_snapshot_and_the_last():
    config = tiny(encoder=MLP(width=64), snapshots={"count": 7, "spacing": "linear"})
    run = record(config)
    files = {path.name: path.stat().st_size for path in runs()[0].glob("*.safetensors")}
    assert sorted(name for name in files if name.startswith("resume")) == [
        "resume-0000004.safetensors",
        "resume-0000006.safetensors",
    ]
    assert len([name for name in files if name.startswith("snapshot")]) == 7
    weights = sum(each.numel() * each.element_size() for each in run.snapshots[-1].part("model").values())
    features = 64 * (64 + 8) * 4
    for name, size in files.items():
        if name.startswith("snapshot"):
            assert size < weights + features + 10_000
        elif name.startswith("resume"):
            assert 1.8 * weights < size < 2.2 * weights + 10_000


def test_while_it_runs_the_very_last_snapshot_can_be_gone_on_from(monkeypatch):
    seen = []
    real = trace.Trace.save

    def noted(self, path):
        real(self, path)
        seen.append([each.resumable for each in trace.load(path).snapshots])

    monkeypatch.setattr(trace.Trace, "save", noted)
    record(tiny(snapshots={"count": 7, "spacing": "linear"}))
    assert all(each[-1] for each in seen)
    assert seen[5] == [True, False, False, False, True, True] and seen[6] == [
        True,
        False,
        False,
        False,
        True,
        False,
        True,
    ]


def test_manifest_is_strict_json_and_names_every_file(tmp_path):
    record(tiny(snapshots={"count": 7, "spacing": "linear"}), tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / "run.json").read_text(), parse_constant=lambda word: pytest.fail(word))
    assert manifest["status"] == "complete"
    assert set(manifest["files"]) == {path.name for path in (tmp_path / "run").glob("*.safetensors")}


# Restored


def test_restored_encoder_gives_the_recorded_representation():
    run = record(tiny())
    for index in range(len(run.snapshots)):
        with torch.no_grad():
            h = restore(run, index)(run.reference.images)
        assert torch.allclose(h, run.snapshots[index].representation, atol=1e-6)
    for index in (3, -4):
        for of in (restore, replay):
            with pytest.raises(InputError, match="a position among the 3 snapshots"):
                of(run, index)


@pytest.mark.parametrize("objective", [SimCLR(), CrossEntropy(), CrossEntropy(nested=True)])
def test_the_restored_head_gives_the_recorded_embedding(objective):
    run = record(tiny(objective=objective))
    for index in (0, -1):
        with torch.no_grad():
            z = restore(run, index, head=True)(run.reference.images)
        torch.testing.assert_close(z, run.snapshots[index].embedding)


def test_a_snapshot_can_be_forked_into_another_run():
    run = record(tiny(snapshots={"count": 7, "spacing": "linear"}))
    longer = tiny(
        optimisation={"steps": 6, "learning_rate": 0.0, "weight_decay": 0.0},
        snapshots={"count": 7, "spacing": "linear"},
    )
    fork = list(fit(longer, after=replay(run, 3)))
    assert [each.step for each in fork] == [4, 5, 6]
    weight = "model.encoder.1.weight"
    assert torch.equal(fork[-1].state[weight], run.snapshots[3].state[weight])


def test_held_out_images_come_from_the_test_side():
    run = record(tiny(data={"name": "scattered_digits"}))
    assert run.held_out.sum() == 32 and len(run.reference) == 64
    origin = run.reference.origin
    assert set(origin[run.held_out].tolist()).isdisjoint(origin[~run.held_out].tolist())
