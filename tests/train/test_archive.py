"""Runs travel in one file: whole, verified before anything is put in place, and never in the way of what is there."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file, save_file

from sslens.places import publish
from sslens.runtime import data_root
from sslens.store import CHECKSUM, MANIFEST, SEAL, checksums, seal
from sslens.train import Config, archive, key, record
from sslens.train.archive import finished, pack, unpack
from sslens.types import DamagedFile, InputError
from tests.train.cases import TINY, same

RUNS = [Config(**TINY, seed=seed) for seed in (0, 1)]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """From here on the cache is another one, as on another machine."""

    def move(name="elsewhere"):
        monkeypatch.setenv("SSLENS_DATA", str(tmp_path / name))
        return tmp_path / name / "cache" / "traces"

    return move


@pytest.fixture
def packed(tmp_path):
    """Two recorded runs, and the file they travel in."""
    traces = [record(config) for config in RUNS]
    assert pack(RUNS, tmp_path / "runs.zip") == [key(config) for config in RUNS]
    return tmp_path / "runs.zip", traces


def states(taken):
    return [each.state for each in taken]


def test_runs_arrive_as_they_were_and_are_not_trained_again(packed, elsewhere, untrainable):
    file, traces = packed
    cache = elsewhere()
    assert states(unpack(file)) == ["new", "new"]
    untrainable()
    for config, trace in zip(RUNS, traces, strict=True):
        same(record(config), trace)
    assert sorted(path.name for path in cache.iterdir()) == sorted(key(config) for config in RUNS)
    assert list((cache.parent).glob(".*")) == []
    assert states(unpack(file)) == ["there already", "there already"]
    assert sorted(map(key, finished())) == sorted(map(key, RUNS))


def test_a_file_holds_tensors_and_json_and_is_the_same_each_time(packed, tmp_path):
    file, _ = packed
    names = zipfile.ZipFile(file).namelist()
    assert {Path(name).suffix for name in names} == {".json", ".safetensors"}
    assert names == sorted(names)
    pack(RUNS, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == file.read_bytes()


def test_only_finished_runs_are_packed_and_no_file_is_overwritten(packed, tmp_path):
    file, _ = packed
    with pytest.raises(InputError, match=r"one that is not there yet.*Nothing was written"):
        pack(RUNS, file)
    assert pack([*RUNS, Config(**TINY, seed=2)], tmp_path / "some.zip") == [key(config) for config in RUNS]
    with pytest.raises(InputError, match="0 of 1"):
        pack([Config(**TINY, seed=2)], tmp_path / "none.zip")
    with pytest.raises(InputError, match="can be written to"):
        pack(RUNS, tmp_path / "nowhere" / "runs.zip")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "runs.zip", "some.zip"]


def test_a_damaged_run_is_not_packed(tmp_path):
    record(RUNS[0])
    (damaged,) = (data_root() / "cache" / "traces" / key(RUNS[0])).glob("snapshot-0000000.*")
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    with pytest.raises(DamagedFile):
        pack(RUNS[:1], tmp_path / "runs.zip")
    assert not (tmp_path / "runs.zip").exists()


def test_every_flipped_byte_is_found(packed, elsewhere):
    file, _ = packed
    whole = file.read_bytes()
    cache = elsewhere()
    for place in range(0, len(whole), max(1, len(whole) // 60)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        try:
            unpack(file)
        except DamagedFile:
            assert not cache.exists() or list(cache.iterdir()) == []
        else:  # times and system of an entry, which nobody reads: all that counts is as it was
            assert states(unpack(file)) == ["there already"] * 2
            shutil.rmtree(cache)


@pytest.mark.parametrize("length", [0, 1, 100, -1, -50, -3000])
def test_a_truncated_file_is_found(length, packed, elsewhere):
    file, _ = packed
    file.write_bytes(file.read_bytes()[:length])
    cache = elsewhere()
    with pytest.raises(DamagedFile, match="a file of runs that sslens wrote"):
        unpack(file)
    assert not cache.exists() or list(cache.iterdir()) == []


def changed(file, *, leave=(), add=(), replace=(), reseal=False, **options):
    """The file with members left out, added or replaced; with a new list of checksums if ``reseal``."""
    with zipfile.ZipFile(file) as old:
        members = {name: old.read(name) for name in old.namelist() if not any(part in name for part in leave)}
    members |= dict(add) | {name: dict(replace)[part] for name in members for part in dict(replace) if part in name}
    if reseal:
        folder = file.parent / "resealed"
        for name, content in members.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        seal(folder, {"format": archive.FORMAT, CHECKSUM: checksums(folder)})
        members[MANIFEST] = (folder / MANIFEST).read_bytes()
    with zipfile.ZipFile(file, "w", **options) as new:
        for name, content in members.items():
            new.writestr(name, content)


OTHER = "0123456789abcdef01234567"
TAMPERED = [
    ({"leave": ["snapshot-0000000"]}, "snapshot-0000000.safetensors is none of it"),
    ({"leave": ["snapshot-0000000"], "reseal": True}, "is none of it, or altered"),
    ({"leave": [f"/{MANIFEST}"], "reseal": True}, "is none of it, or altered"),
    ({"replace": [("reference", b"?" * 100)]}, "is none of it, or altered"),
    ({"replace": [("reference", b"?" * 100)], "reseal": True}, "is none of it, or altered"),
    ({"add": [("../evil.json", b"{}")]}, "It holds '../evil.json'"),
    ({"add": [("/etc/evil.json", b"{}")]}, "It holds '/etc/evil.json'"),
    ({"add": [("C:\\evil.json", b"{}")]}, "It holds 'C:"),
    ({"add": [(f"{OTHER}/../../{MANIFEST}", b"{}")]}, "It holds"),
    ({"add": [("evil.py", b"1")]}, "It holds 'evil.py'"),
    ({"add": [(f"{OTHER}/model.pkl", b"1")]}, "It holds"),
    ({"add": [(f"{OTHER}/", b"")]}, "It holds"),
    ({"add": [(f"{OTHER}/{MANIFEST}", b"{}")], "reseal": True}, "is none of it, or altered"),
    ({"add": [(f"{OTHER}/{MANIFEST}", b"{}")]}, "list of files"),
    ({"compression": zipfile.ZIP_DEFLATED}, "is compressed"),
]


@pytest.mark.parametrize(("change", "said"), TAMPERED)
def test_a_tampered_file_is_refused_and_nothing_is_put_in_place(change, said, packed, elsewhere, tmp_path):
    file, _ = packed
    changed(file, **change)
    cache = elsewhere()
    with pytest.raises(DamagedFile) as refused:
        unpack(file)
    assert said in str(refused.value)
    assert not cache.exists() or list(cache.iterdir()) == []
    assert not list(tmp_path.rglob("evil*"))


def test_a_run_under_another_key_or_with_a_file_too_many_is_refused(packed, elsewhere):
    file, _ = packed
    name = key(RUNS[0])
    with zipfile.ZipFile(file) as old:
        run = {part: old.read(part) for part in old.namelist() if part.startswith(name)}
    elsewhere()
    changed(file, reseal=True, add=[(part.replace(name, OTHER), content) for part, content in run.items()])
    with pytest.raises(DamagedFile, match=f"{OTHER} is not the finished run that its key says"):
        unpack(file)
    extra = run[f"{name}/snapshot-0000000.safetensors"]
    changed(file, leave=[OTHER], add=[(f"{name}/snapshot-0000099.safetensors", extra)])
    shutil.rmtree(file.parent / "resealed")
    changed(file, reseal=True)
    with pytest.raises(DamagedFile, match=f"{name} holds files that are not its own"):
        unpack(file)


def test_a_name_twice_is_refused(packed, elsewhere):
    file, _ = packed
    with zipfile.ZipFile(file, "a") as twice, pytest.warns(UserWarning, match="Duplicate"):
        twice.writestr(MANIFEST, b"{}")
    elsewhere()
    with pytest.raises(DamagedFile, match="table of contents"):
        unpack(file)


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive at all", b"PK\x05\x06" + b"\0" * 18])
def test_a_foreign_file_is_refused(content, tmp_path):
    (tmp_path / "foreign.zip").write_bytes(content)
    with pytest.raises(DamagedFile):
        unpack(tmp_path / "foreign.zip")
    with pytest.raises(InputError, match="a file that can be read"):
        unpack(tmp_path)


def test_runs_of_other_code_or_another_processor_are_left_out(packed, elsewhere, monkeypatch):
    file, _ = packed
    cache = elsewhere()
    real = archive.provenance
    monkeypatch.setattr(archive, "provenance", lambda *of, **data: real(*of, **data) | {"code": "x", "torch": "9"})
    taken = unpack(file)
    assert states(taken) == ["of no use"] * 2
    assert {each.why for each in taken} == {f"other code, torch {torch.__version__}, not 9"}
    assert not cache.exists() or list(cache.iterdir()) == []
    assert finished() == []


def test_a_run_that_somebody_has_is_left_alone(packed, elsewhere, monkeypatch):
    file, _ = packed
    cache = elsewhere()
    cache.mkdir(parents=True)
    monkeypatch.setattr(archive, "PATIENCE", 0.05)
    with FileLock(cache / f"{key(RUNS[0])}.lock"):
        assert sorted(states(unpack(file))) == ["in use", "new"]
    assert sorted(states(unpack(file))) == ["new", "there already"]


def test_the_beginning_of_a_run_gives_way_to_the_whole(packed, elsewhere, untrainable):
    file, traces = packed
    place = elsewhere() / key(RUNS[0])
    place.mkdir(parents=True)
    (place / "reference.safetensors").write_bytes(b"part")
    assert states(unpack(file)) == ["new", "new"]
    untrainable()
    same(record(RUNS[0]), traces[0])


def test_an_import_that_was_stopped_goes_on(packed, elsewhere, monkeypatch):
    file, _ = packed
    cache = elsewhere()

    def stopped(staging, place):
        publish(staging, place)
        raise KeyboardInterrupt

    monkeypatch.setattr(archive, "publish", stopped)
    with pytest.raises(KeyboardInterrupt):
        unpack(file)
    assert len(list(cache.glob("[0-9a-f]*"))) == 1
    assert list(cache.parent.glob(".*")) == []
    monkeypatch.setattr(archive, "publish", publish)
    assert sorted(states(unpack(file))) == ["new", "there already"]


def test_a_forged_weight_with_forged_checksums_is_still_only_a_tensor(packed, elsewhere, tmp_path):
    """Nothing can tell a forger who knows the format from its author; what arrives can be read and cannot run."""
    file, _ = packed
    name = f"{key(RUNS[0])}/snapshot-0000000.safetensors"
    with zipfile.ZipFile(file) as old:
        (tmp_path / "one").write_bytes(old.read(name))
    tensors = {part: values + 1 for part, values in load_file(tmp_path / "one").items()}
    save_file(tensors, tmp_path / "one")
    changed(file, replace=[(name, (tmp_path / "one").read_bytes())], reseal=True)
    elsewhere()
    with pytest.raises(DamagedFile):  # its own run still names the checksum of the tensors
        unpack(file)


def test_the_seal_of_the_list_is_held_against_it(packed, elsewhere):
    file, _ = packed
    with zipfile.ZipFile(file) as old:
        record = json.loads(old.read(MANIFEST))
    changed(file, replace=[(MANIFEST, json.dumps(record | {SEAL: "0" * 64}).encode())])
    elsewhere()
    with pytest.raises(DamagedFile, match="is none of it, or altered"):
        unpack(file)
