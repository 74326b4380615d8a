"""Traces come back as they were saved, or say what is damaged."""

import json
import threading
from dataclasses import replace

import pytest
import torch

from sslens import store
from sslens.trace import FULL_EVERY, Snapshot, Trace, load
from sslens.types import DamagedFile, Dataset, InputError


def snapshot(step, seed=0):
    generator = torch.Generator().manual_seed(seed + step)

    def some(*shape):
        return torch.randn(*shape, generator=generator)

    state = {"model.encoder.weight": some(2, 2), "objective.centre": some(2)}
    state |= {"optimizer.step.model.encoder.weight": torch.tensor(float(step))} if step else {}
    return Snapshot(step, some(4, 3), some(4, 2), {"term": some(10), "other": some(10)} if step else {}, state)


def reference(**changes):
    images = Dataset(
        torch.rand(4, 1, 2, 2, generator=torch.Generator().manual_seed(0)),
        torch.arange(4),
        ("a", "b", "c", "<d>"),
        {"x": torch.arange(4, dtype=torch.float64)},
        torch.tensor([5, 5, 6, 7]),
        torch.eye(4).bool(),
    )
    return replace(images, **changes)


def run(count=3, steps=20, **changes):
    """A run with a snapshot at every tenth step."""
    held_out = torch.tensor([False, False, True, True])
    trace = Trace({"optimisation": {"steps": steps}}, reference(**changes), held_out, (), {"code": "1"})
    for place in range(count):
        trace = trace.with_snapshot(snapshot(10 * place))
    return trace


TEXTS = {"images": torch.arange(12).view(4, 3), "factors": {}, "origin": None, "multi_labels": None}


@pytest.mark.parametrize("changes", [{}, TEXTS, {"origin": None}], ids=["images", "texts", "without origin"])
def test_round_trip_is_exact(tmp_path, changes):
    before = run(**changes)
    before.save(tmp_path / "run")
    after = load(tmp_path / "run")
    assert after.config == before.config and after.provenance == before.provenance
    assert after.steps == before.steps and after.status == before.status == "complete"
    assert after.reference.digest() == before.reference.digest()
    assert after.reference.tensors().keys() == before.reference.tensors().keys()
    assert torch.equal(after.held_out, before.held_out)
    for one, other in zip(before.snapshots, after.snapshots, strict=True):
        assert torch.equal(one.representation, other.representation) and torch.equal(one.embedding, other.embedding)
        for name in ("terms", "state"):
            ours, theirs = getattr(one, name), getattr(other, name)
            assert ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_along_takes_a_measure_of_every_snapshot():
    trace = run()
    norms = [each.embedding.norm().item() for each in trace.snapshots]
    assert trace.along(lambda h: h.norm(), "embedding").tolist() == pytest.approx(norms)
    with pytest.raises(InputError, match="'representation' or 'embedding'"):
        trace.along(lambda h: 0.0, "projection")


def test_a_diverged_snapshot_is_nan_along_and_ends_the_run():
    wild = replace(snapshot(10), embedding=torch.full((4, 2), float("nan")))
    trace = run(1).with_snapshot(wild)
    assert wild.diverged and trace.status == "diverged"
    assert trace.along(len).isnan().tolist() == [False, True]
    assert replace(snapshot(10), terms={"term": torch.tensor([1.0, float("inf")])}).diverged


@pytest.mark.parametrize(
    ("count", "steps", "status"), [(0, 20, "running"), (2, 20, "running"), (3, 20, "complete"), (1, 0, "complete")]
)
def test_the_status_follows_the_last_snapshot(count, steps, status):
    assert run(count, steps).status == status


def test_terms_and_loss_are_put_together_over_all_steps():
    trace = run()
    assert {name: len(values) for name, values in trace.terms().items()} == {"term": 20, "other": 20}
    assert torch.equal(trace.loss(), trace.terms()["term"] + trace.terms()["other"])
    assert len(run(1).loss()) == len(run(0).loss()) == 0 and run(1).terms() == {}


def test_parts_of_the_state_are_found_by_name():
    assert set(run().snapshots[0].part("model.encoder")) == {"weight"}
    assert set(run().snapshots[-1].part("optimizer")) == {"step.model.encoder.weight"}
    assert run().snapshots[0].part("model.enc") == {}


def test_every_fourth_snapshot_and_the_last_can_be_gone_on_from():
    for count in range(1, 12):
        trace = run(count, 10**6)
        full = [place for place, each in enumerate(trace.snapshots) if each.resumable]
        assert full == sorted({*range(0, count, FULL_EVERY), count - 1})
        kept = [place for place, each in enumerate(trace.snapshots) if each.part("objective")]
        assert kept == full
        assert all(each.part("model") for each in trace.snapshots)


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "extend", "manifest", "foreign manifest"])
@pytest.mark.parametrize("name", ["snapshot-0000010", "resume-0000020", "reference"])
def test_damage_is_named(tmp_path, damage, name):
    run().save(tmp_path / "run")
    file = tmp_path / "run" / ("run.json" if "manifest" in damage else f"{name}.safetensors")
    content = bytearray(file.read_bytes())
    if damage == "flip":
        content[-5] ^= 4
    changed = {"truncate": content[:-7], "flip": content, "extend": content + b"x"}
    changed |= {"manifest": content[:40], "foreign manifest": b'{"config": {}}'}
    file.unlink() if damage == "remove" else file.write_bytes(changed[damage])
    with pytest.raises(DamagedFile, match=file.name):
        load(tmp_path / "run")


CHANGES = {
    "config": {"config": {"optimisation": {"steps": 21}}},
    "provenance": {"provenance": {"code": "2"}},
    "class names": {"classes": ["a", "b", "c", "<e>"]},
    "no files": {"files": []},
    "files that are null": {"files": None},
    "status": {"status": "diverged"},
}
"""What a manifest may come to say, each still a manifest of the right form or nearly so."""


@pytest.mark.parametrize("change", CHANGES)
def test_a_manifest_that_says_something_else_is_noticed(tmp_path, change):
    run().save(tmp_path / "run")
    manifest = tmp_path / "run" / "run.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | CHANGES[change]))
    with pytest.raises(DamagedFile, match=r"path must be .*run\.json"):
        load(tmp_path / "run")


@pytest.mark.parametrize("change", [*CHANGES.values(), {"files": {}}, {"files": {"reference.safetensors": 3}}, {}])
def test_so_is_one_under_a_seal_of_its_own_that_no_trace_was_saved_with(tmp_path, change):
    run().save(tmp_path / "run")
    manifest = store.read_sealed(tmp_path / "run")
    store.seal(tmp_path / "run", change and manifest | {"files": {"run.json": "x"}} | change)
    with pytest.raises(DamagedFile):
        load(tmp_path / "run")


@pytest.mark.parametrize("name", ["run.json", "snapshot-0000010.safetensors", "reference.safetensors"])
def test_a_folder_in_place_of_a_file_is_named(tmp_path, name):
    run().save(tmp_path / "run")
    (tmp_path / "run" / name).unlink()
    (tmp_path / "run" / name).mkdir()
    with pytest.raises(DamagedFile, match=name):
        load(tmp_path / "run")


def test_a_manifest_of_an_earlier_version_is_read_once_it_is_sealed(tmp_path):
    """What a script does that brings older traces along."""
    run().save(tmp_path / "run")
    manifest = tmp_path / "run" / "run.json"
    older = {name: value for name, value in json.loads(manifest.read_text()).items() if name != "seal"}
    manifest.write_text(json.dumps(older))
    with pytest.raises(DamagedFile, match="It has no seal"):
        load(tmp_path / "run")
    store.seal(tmp_path / "run", older)
    assert load(tmp_path / "run").steps == [0, 10, 20]


def test_a_snapshot_of_another_run_is_noticed(tmp_path):
    run().save(tmp_path / "run")
    other = replace(run(1), provenance={"code": "2"}).with_snapshot(snapshot(10, seed=99))
    other.save(tmp_path / "other")
    name = "snapshot-0000010.safetensors"
    (tmp_path / "run" / name).write_bytes((tmp_path / "other" / name).read_bytes())
    with pytest.raises(DamagedFile, match=name):
        load(tmp_path / "run")


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="a folder with a run"):
        load(tmp_path)


def test_a_folder_with_another_run_is_refused(tmp_path):
    run().save(tmp_path / "run")
    for other in (replace(run(), provenance={"code": "2"}), replace(run(), config={"optimisation": {"steps": 30}})):
        with pytest.raises(InputError, match="one that holds this very run"):
            other.save(tmp_path / "run")


def test_saving_again_writes_only_what_is_new_and_takes_away_what_is_superfluous(tmp_path):
    folder = tmp_path / "run"
    run(3, 30).save(folder)
    written = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.safetensors")}
    assert load(folder).status == "running" and "resume-0000020.safetensors" in written
    run(4, 30).save(folder)
    left = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.safetensors")}
    assert written.keys() - left.keys() == {"resume-0000020.safetensors"}
    assert left.keys() - written.keys() == {"snapshot-0000030.safetensors", "resume-0000030.safetensors"}
    assert all(left[name] == stamp for name, stamp in written.items() if name in left)
    assert load(folder).steps == [0, 10, 20, 30] and load(folder).status == "complete"


def test_an_interrupted_save_leaves_the_last_good_state(tmp_path, monkeypatch):
    folder, real = tmp_path / "run", store.write_atomic
    run(2).save(folder)

    def failing(path, content):
        if path.name == "run.json":
            raise OSError(28, "No space left on device")
        real(path, content)

    with monkeypatch.context() as patch:
        patch.setattr("sslens.store.write_atomic", failing)
        with pytest.raises(OSError, match="No space"):
            run(3).save(folder)
    assert load(folder).steps == [0, 10] and load(folder).snapshots[-1].resumable
    run(3).save(folder)
    assert load(folder).steps == [0, 10, 20]


def test_what_an_interruption_left_behind_is_taken_away_by_the_next_save(tmp_path, monkeypatch):
    """Killed between the manifest and the removal of what it no longer names."""
    folder = tmp_path / "run"
    run(2, 30).save(folder)
    run(2, 30).save(tmp_path / "earlier")
    run(3, 30).save(folder)
    name = "resume-0000010.safetensors"
    (folder / name).write_bytes((tmp_path / "earlier" / name).read_bytes())
    run(4, 30).save(folder)
    assert not (folder / name).exists() and load(folder).status == "complete"


def test_a_run_can_be_read_while_it_is_written(tmp_path):
    folder, found, stop = tmp_path / "run", set(), threading.Event()
    run(1, 400).save(folder)

    def read():
        while not stop.is_set():
            trace = load(folder)
            found.add((len(trace.snapshots), trace.snapshots[-1].resumable))

    reader = threading.Thread(target=read)
    reader.start()
    trace = run(1, 400)
    for step in range(10, 410, 10):
        trace = trace.with_snapshot(snapshot(step))
        trace.save(folder)
    stop.set()
    reader.join()
    assert len(found) > 1 and all(whole for _, whole in found)
    assert load(folder).status == "complete"
