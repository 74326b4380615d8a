"""Everything on disk: whole files or none, tensors under a checksum, labelled numbers as they were."""

import ast
import errno
import hashlib
import json
import math
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from xarray import DataArray

import sslens
from sslens.store import (
    checksums,
    load_arrays,
    load_tensors,
    read_sealed,
    save_arrays,
    save_tensors,
    seal,
    write_atomic,
)
from sslens.types import DamagedFile

# Whole files


@pytest.mark.parametrize("content", ["words é", b"\x00\xff"])
def test_a_written_file_holds_what_was_written(tmp_path, content):
    path = tmp_path / "new" / "folder" / "file"
    write_atomic(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert [each.name for each in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_files_and_folders_are_as_open_as_the_umask_lets_them_be(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_atomic(tmp_path / "new" / "file", "content")
    finally:
        os.umask(before)
    assert (tmp_path / "new" / "file").stat().st_mode & 0o777 == 0o666 & ~mask
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o777 & ~mask


@pytest.mark.parametrize(
    ("owner", "broken", "error"),
    [
        (os, "fsync", OSError(errno.ENOSPC, "full")),
        (os, "write", OSError("io")),
        (Path, "replace", KeyboardInterrupt()),
    ],
)
def test_a_failing_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch, owner, broken, error):
    path = tmp_path / "file"
    path.write_text("old")

    def fails(*_):
        raise error

    monkeypatch.setattr(owner, broken, fails)
    with pytest.raises(type(error)):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_content_is_on_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    seen, sync, replace = [], os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (seen.append("sync"), sync(handle))[1])
    monkeypatch.setattr(Path, "replace", lambda old, new: (seen.append("rename"), replace(old, new))[1])
    write_atomic(tmp_path / "file", "content")
    assert seen == ["sync", "rename", "sync"]


def test_readers_beside_a_writer_never_see_a_part(tmp_path):
    path, seen, stop = tmp_path / "file", set(), threading.Event()
    write_atomic(path, "a" * 200_000)

    def watch():
        while not stop.is_set():
            content = path.read_text()
            seen.add((content[0], content[-1], len(content)))

    readers = [threading.Thread(target=watch) for _ in range(2)]
    for reader in readers:
        reader.start()
    for turn in range(40):
        write_atomic(path, "ba"[turn % 2] * 200_000)
    stop.set()
    for reader in readers:
        reader.join()
    assert seen <= {("a", "a", 200_000), ("b", "b", 200_000)}
    assert seen


# Sealed folders

RECORD = {"status": "complete", "verdicts": ["✓ holds: é", "\udc80"], "rate": 0.1, "none": None, "tuple": (1, 2)}


def sealed_folder(folder):
    write_atomic(folder / "a.txt", "content")
    write_atomic(folder / "below" / "b.txt", "more")
    seal(folder, RECORD | {"sha256": checksums(folder)})
    return folder


def test_a_sealed_record_comes_back_and_is_strict_json(tmp_path):
    record = read_sealed(sealed_folder(tmp_path))
    assert record | {"sha256": None} == RECORD | {"tuple": [1, 2], "sha256": None}
    assert record["sha256"] == {
        "a.txt": hashlib.sha256(b"content").hexdigest(),
        "below/b.txt": hashlib.sha256(b"more").hexdigest(),
    }
    text = (tmp_path / "run.json").read_text()
    assert "✓ holds: é" in text
    json.loads(text, parse_constant=lambda word: pytest.fail(word))


def test_every_flipped_bit_of_a_manifest_is_noticed_or_changes_nothing(tmp_path):
    record = read_sealed(sealed_folder(tmp_path))
    content = (tmp_path / "run.json").read_bytes()
    noticed = 0
    for place in range(len(content)):
        for bit in range(8):
            flipped = bytearray(content)
            flipped[place] ^= 1 << bit
            (tmp_path / "run.json").write_bytes(flipped)
            try:
                assert read_sealed(tmp_path) == record  # between two words, where white space may be of any kind
            except DamagedFile:
                noticed += 1
    assert noticed > 7.5 * len(content) * 0.8


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "3", "{}", DEEP, f'{{"seal": {DEEP}}}', '{"seal": 1e999}',
                                     '{"seal": "x", "sha256": [3]}', "\xff", '{"seal": NaN}', "1" * 5000])  # fmt: skip
def test_a_manifest_of_another_form_is_named(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(DamagedFile, match=r"run\.json"):
        read_sealed(tmp_path)


@pytest.mark.parametrize("name", ["a.txt", "below/b.txt", "run.json"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "empty", "folder"])
def test_a_damaged_file_of_a_sealed_folder_is_named(tmp_path, name, damage):
    file = sealed_folder(tmp_path) / name
    content = bytearray(file.read_bytes())
    content[1] ^= 1
    changed = {"flip": bytes(content), "truncate": content[:-2], "empty": b""}
    file.unlink()
    if damage == "folder":
        file.mkdir()
    elif damage != "remove":
        file.write_bytes(changed[damage])
    with pytest.raises(DamagedFile, match=file.name):
        read_sealed(tmp_path)


def test_a_manifest_without_a_seal_says_so(tmp_path):
    (tmp_path / "run.json").write_text('{"status": "complete"}')
    with pytest.raises(DamagedFile, match="It has no seal: it was written by an earlier version"):
        read_sealed(tmp_path)


# Tensors

TENSORS = {
    "a": torch.arange(6.0).view(2, 3),
    "half": torch.tensor([0.5, -1.0], dtype=torch.bfloat16),
    "whole": torch.tensor([[1, -2]], dtype=torch.int64),
    "truth": torch.tensor([True, False]),
    "one": torch.tensor(2.5, dtype=torch.float64),
    "none": torch.empty(0, 3),
    "turned": torch.arange(12.0).view(3, 4).T,
    "bytes": torch.tensor([0, 255], dtype=torch.uint8),
}


def test_tensors_come_back_as_they_were_with_their_words(tmp_path):
    checksum = save_tensors(tmp_path / "x.safetensors", TENSORS, meta={"unit": "m", "é": "ü"})
    tensors, words = load_tensors(tmp_path / "x.safetensors", checksum)
    assert words == {"unit": "m", "é": "ü"} and tensors.keys() == TENSORS.keys()
    for name, values in TENSORS.items():
        assert torch.equal(tensors[name], values) and tensors[name].dtype == values.dtype
    assert load_tensors(tmp_path / "x.safetensors")[1] == words


def test_parameters_are_written_without_their_gradients(tmp_path):
    save_tensors(tmp_path / "x.safetensors", {"w": torch.nn.Parameter(torch.ones(2))})
    assert not load_tensors(tmp_path / "x.safetensors")[0]["w"].requires_grad


@pytest.mark.parametrize(
    "damage", ["truncate", "flip", "extend", "empty", "foreign", "rename", "word", "unsigned", "remove"]
)
def test_a_damaged_file_is_named(tmp_path, damage):
    path = tmp_path / "x.safetensors"
    checksum = save_tensors(path, TENSORS, meta={"unit": "m"})
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[-3] ^= 4
    changed = {
        "truncate": content[:-3],
        "flip": bytes(flipped),
        "extend": content + b"x",
        "empty": b"",
        "foreign": b"a text that is no tensor",
        "rename": content.replace(b"whole", b"hole_"),
        "word": content.replace(b'"unit":"m"', b'"unit":"s"'),
        "unsigned": content.replace(b"sha256", b"sha257"),
    }
    path.unlink() if damage == "remove" else path.write_bytes(changed[damage])
    for expected in (None, checksum):
        with pytest.raises(DamagedFile, match=path.name):
            load_tensors(path, expected)


def test_a_whole_file_that_is_another_one_is_noticed(tmp_path):
    checksum = save_tensors(tmp_path / "x.safetensors", TENSORS)
    save_tensors(tmp_path / "x.safetensors", TENSORS | {"a": torch.zeros(2, 3)})
    load_tensors(tmp_path / "x.safetensors")
    with pytest.raises(DamagedFile, match=f"a file with SHA-256 {checksum[:12]}"):
        load_tensors(tmp_path / "x.safetensors", checksum)


def test_equal_content_has_an_equal_checksum_whatever_its_order_and_layout(tmp_path):
    first = save_tensors(tmp_path / "1", TENSORS, meta={"a": "1", "b": "2"})
    again = save_tensors(
        tmp_path / "2", {name: TENSORS[name].clone() for name in reversed(TENSORS)}, meta={"b": "2", "a": "1"}
    )
    assert first == again != save_tensors(tmp_path / "3", TENSORS, meta={"a": "2", "b": "2"})


# Labelled numbers


def same(one, other):
    assert one.identical(other) and one.dtype == other.dtype
    for name in one.coords:
        assert one.coords[name].dtype.kind == other.coords[name].dtype.kind


ARRAYS = {
    "rank": DataArray(
        np.random.default_rng(0).normal(size=(2, 3)),
        {"run": ["a", "b"], "seed": [0, 1, 2]},
        ["run", "seed"],
        "RankMe",
        {"unit": "", "setting": "digits, 6 steps"},
    ),
    "swept": DataArray(
        [1.0, 0.1, 1e-300], {"temperature": [0.02, 0.2, 1e3]}, name="kNN accuracy", attrs={"unit": "nats"}
    ),
    "single": DataArray(3.0),
    "whole": DataArray([1.0, 2.0], {"seed": [0, 1]}),
    "counts": DataArray([1, 2], {"seed": [0, 1]}),
    "coarse": DataArray(np.array([0.1, 2.0], np.float32), {"run": np.array(["a", "b"], object)}, ["run"]),
    "unlabelled": DataArray([[1.0], [2.0]], dims=["sample", "place"]),
    "nothing": DataArray(np.empty((0, 2)), dims=["seed", "step"]),
    "marked": DataArray([1.0], {"seed": [0]}).assign_coords(status=("seed", ["diverged"]), origin=("seed", [17])),
}


def test_labelled_numbers_come_back_as_they_were(tmp_path):
    save_arrays(tmp_path / "results.json", ARRAYS)
    found = load_arrays(tmp_path / "results.json")
    assert list(found) == sorted(ARRAYS)
    for name, array in ARRAYS.items():
        same(found[name], array)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize(
    "values",
    [[1.0, math.nan], [math.nan, math.nan], [1.0, math.inf], math.nan, math.inf, [[-math.inf], [math.nan]], [math.inf]],
)
def test_numbers_that_json_does_not_have_come_back(tmp_path, values, kind):
    save_arrays(tmp_path / "x.json", {"x": DataArray(np.array(values, kind))})
    content = json.loads((tmp_path / "x.json").read_text(), parse_constant=lambda word: pytest.fail(word))
    words = {1.0: 1.0, math.inf: "Infinity", -math.inf: "-Infinity"}
    assert np.array(content["x"]["data"], object).ravel().tolist() == [words.get(v) for v in np.ravel(values).tolist()]
    array = load_arrays(tmp_path / "x.json")["x"]
    np.testing.assert_array_equal(array.values, values)
    assert array.dtype == kind


def test_infinite_numbers_come_back_in_coordinates_and_attributes_and_words_stay_words(tmp_path):
    array = DataArray([1.0, 2.0], {"bound": [-math.inf, math.inf]}, attrs={"within": [0.0, math.inf], "unit": "m"})
    words = DataArray(["Infinity", "far"], dims="seed")
    save_arrays(tmp_path / "x.json", {"x": array, "words": words})
    found = load_arrays(tmp_path / "x.json")
    same(found["x"], array)
    same(found["words"], words)


STRAY = {
    "days": DataArray(np.array(["2024-01-01"], "datetime64[ns]"), dims="seed"),
    "complex": DataArray([1j]),
    "objects": DataArray(np.array([object(), {}], object)),
    "infinite object": DataArray(np.array([math.inf, "a"], object)),
    "attribute": DataArray([1.0], attrs={"model": object()}),
    "stacked": DataArray(np.ones((2, 2)), {"a": [0, 1], "b": [0, 1]}).stack(z=("a", "b")),
    "day of a seed": DataArray([1.0], {"seed": np.array(["2024-01-01"], "datetime64[ns]")}),
    "numbered": DataArray([1.0], dims="seed").assign_coords({3: ("seed", [1])}),
}


def test_arrays_that_json_cannot_hold_are_left_out_and_named(tmp_path):
    with pytest.warns(UserWarning, match=r"^x\.json leaves out what cannot be written: ") as caught:
        save_arrays(tmp_path / "x.json", ARRAYS | STRAY)
    content, found = json.loads((tmp_path / "x.json").read_text()), load_arrays(tmp_path / "x.json")
    assert len(caught) == 1 and all(f"{name} (" in str(caught[0].message) for name in STRAY)
    assert all(content[name].keys() == {"left_out"} for name in STRAY)
    assert content["complex"] == {"left_out": "TypeError: Object of type complex is not JSON serializable"}
    assert list(found) == sorted(ARRAYS)
    for name, array in ARRAYS.items():
        same(found[name], array)


def test_a_file_of_an_earlier_version_is_read(tmp_path):
    coords = '{"seed": {"dims": ["seed"], "attrs": {}, "data": [0, 1]}}'
    values = f'"attrs": {{"unit": "m"}}, "data": [1.0, null], "coords": {coords}, "name": null, "shape": [2]'
    (tmp_path / "x.json").write_text(f'{{"x": {{"dims": ["seed"], {values}}}}}')
    same(load_arrays(tmp_path / "x.json")["x"], DataArray([1.0, math.nan], {"seed": [0, 1]}, attrs={"unit": "m"}))


@settings(deadline=None)
@given(some.lists(some.floats(allow_infinity=False), min_size=1, max_size=5), some.text(max_size=5))
def test_every_number_comes_back_to_the_last_digit(tmp_path_factory, values, name):
    path = tmp_path_factory.getbasetemp() / "number.json"
    save_arrays(path, {name: DataArray(values, name=name, attrs={"unit": name})})
    found = load_arrays(path)[name]
    np.testing.assert_array_equal(found.values, values)
    assert (found.name, found.attrs) == (name, {"unit": name})


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"a": 1}', '{"a": {"dims": ["x"]}}', '{"a": {"dims": ["x"], "data": [[1]]}}', "\xff",
     '{"a": {"dims": [], "data": 1000, "dtype": "int8", "shape": [], "coords": {}, "attrs": {}}}'],
)  # fmt: skip
def test_a_file_that_holds_no_labelled_numbers_is_named(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(DamagedFile, match=r"x\.json"):
        load_arrays(tmp_path / "x.json")


def test_nobody_else_in_the_library_writes_runs_or_caches():
    """Only the store names what writes: the parts that make runs and data reach the disk through it."""
    root = Path(sslens.__file__).parent
    floors = [
        *root.glob("*.py"),
        *(path for part in ("train", "datasets", "objectives") for path in (root / part).glob("*.py")),
    ]
    writers = {"write_text", "write_bytes", "save_file", "fdopen", "mkstemp"}
    found = set()
    for path in floors:
        names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        if names & writers:
            found.add(path.relative_to(root).as_posix())
    assert found <= {"store.py", "train/worker.py"}  # the worker opens the pipe it answers on
