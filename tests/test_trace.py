"""Traces come back as they were saved, or say what is damaged."""

from dataclasses import replace

import pytest
import torch

from sslens.runtime import write_atomic
from sslens.trace import Snapshot, Trace, load, over_seeds
from sslens.types import DamagedFile, Dataset, InputError


def run(count=3):
    reference = Dataset(
        torch.rand(4, 1, 2, 2), torch.arange(4), ("a", "b", "c", "<d>"), {"x": torch.rand(4, dtype=torch.float64)}
    )
    looks = tuple(
        Snapshot(
            10 * index,
            torch.randn(4, 3),
            torch.randn(4, 2),
            {"term": torch.rand(10)} if index else {},
            {"model.encoder.weight": torch.randn(2, 2), "optimizer.step.weight": torch.tensor(1.0)},
        )
        for index in range(count)
    )
    return Trace({"steps": 20}, reference, torch.tensor([False, False, True, True]), looks, {"library": "1"})


def test_round_trip_is_exact(tmp_path):
    before = run()
    before.save(tmp_path / "run")
    after = load(tmp_path / "run")
    assert after.config == before.config and after.provenance == before.provenance
    assert after.steps == before.steps and after.status == before.status == "complete"
    assert after.reference.digest() == before.reference.digest()
    assert torch.equal(after.reference.factors["x"], before.reference.factors["x"])
    assert torch.equal(after.held_out, before.held_out)
    for one, other in zip(before.snapshots, after.snapshots, strict=True):
        assert torch.equal(one.representation, other.representation)
        assert one.state.keys() == other.state.keys() and one.terms.keys() == other.terms.keys()


def test_along_asks_a_measure_of_every_snapshot():
    trace = run()
    norms = [look.embedding.norm().item() for look in trace.snapshots]
    assert trace.along(lambda h: h.norm(), "embedding").tolist() == pytest.approx(norms)
    with pytest.raises(InputError, match="'representation' or 'embedding'"):
        trace.along(lambda h: 0.0, "projection")


def test_parts_of_the_state_are_found_by_name():
    assert set(run().snapshots[0].part("model.encoder")) == {"weight"}


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "extend", "manifest"])
def test_damage_is_named(tmp_path, damage):
    run().save(tmp_path / "run")
    file = tmp_path / "run" / ("run.json" if damage == "manifest" else "snapshot-0000010.safetensors")
    content = bytearray(file.read_bytes())
    if damage == "flip":
        content[-5] ^= 4
    changed = {"truncate": content[:-7], "flip": content, "extend": content + b"x", "manifest": content[:40]}
    file.unlink() if damage == "remove" else file.write_bytes(changed[damage])
    with pytest.raises(DamagedFile, match=file.name):
        load(tmp_path / "run")


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="a folder with a run"):
        load(tmp_path)


def test_saving_again_writes_only_what_is_new(tmp_path):
    whole = run(3)
    replace(whole, snapshots=whole.snapshots[:2]).save(tmp_path / "run")
    written = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("*.safetensors")}
    assert load(tmp_path / "run").status == "running"
    whole.save(tmp_path / "run")
    assert all((tmp_path / "run" / name).stat().st_mtime_ns == stamp for name, stamp in written.items())
    assert load(tmp_path / "run").steps == [0, 10, 20]


def test_an_interrupted_save_leaves_the_last_good_state(tmp_path, monkeypatch):
    whole = run(3)
    replace(whole, snapshots=whole.snapshots[:2]).save(tmp_path / "run")
    real = write_atomic

    def failing(path, content):
        if path.name == "run.json":
            raise OSError(28, "No space left on device")
        real(path, content)

    monkeypatch.setattr("sslens.trace.write_atomic", failing)
    with pytest.raises(OSError, match="No space"):
        whole.save(tmp_path / "run")
    assert load(tmp_path / "run").steps == [0, 10]


def test_over_seeds_keeps_a_divergence_visible():
    first, second = torch.tensor([1.0, 2.0]), torch.tensor([3.0, float("nan")])
    good, gone = over_seeds([first, second])
    assert (good.mean, good.n) == (2.0, 2) and gone.mean != gone.mean
    with pytest.raises(InputError, match="same length"):
        over_seeds([first, torch.ones(3)])
    with pytest.raises(InputError, match="at least one curve"):
        over_seeds([])
