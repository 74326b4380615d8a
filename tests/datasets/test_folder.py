import os
import subprocess
import sys

import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from sslens import fingerprint, store
from sslens.datasets import folder, images, load
from sslens.types import DamagedFile, InputError


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLENS_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "cache" / "folders"


@pytest.fixture
def tree(tmp_path):
    return plant(tmp_path / "tree", {"cat": 10, "dog": 5})


def plant(root, counts):
    """Class folders of PNG images, each of a colour of its own."""
    for number, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", (12, 8), (number, i, 99)).save(root / name / f"{i}.png")
    return root


def read(tree, **options):
    return load(f"folder:{tree}", size=8, **options)


def colours(side):
    return [tuple(round(255 * value) for value in pixel) for pixel in side.images[:, :, 0, 0].tolist()]


def test_a_flat_tree_is_split_by_class(tree):
    train, test = read(tree)
    assert train.classes == test.classes == ("cat", "dog")
    assert (train.labels.tolist(), test.labels.tolist()) == ([0] * 8 + [1] * 4, [0, 0, 1])
    assert tuple(train.images.shape) == (12, 3, 8, 8)
    assert sorted(colours(train) + colours(test)) == [(0, i, 99) for i in range(10)] + [(1, i, 99) for i in range(5)]


def test_every_byte_becomes_its_share_of_255_in_float32(tmp_path):
    (tmp_path / "tree" / "ramp").mkdir(parents=True)
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for name in "ab":
        Image.fromarray(ramp).save(tmp_path / "tree" / "ramp" / f"{name}.png")
    train, _ = load(f"folder:{tmp_path / 'tree'}", size=16)
    assert train.images.dtype == torch.float32
    assert np.array_equal(train.images[0, 0].numpy(), ramp.astype(np.float32) / np.float32(255))


def test_a_divided_tree_is_taken_as_it_stands(tmp_path):
    plant(tmp_path / "tree" / "train", {"b": 3, "a": 4})
    plant(tmp_path / "tree" / "test", {"a": 1, "b": 2})
    plant(tmp_path / "tree" / "unlabelled", {"a": 1})
    train, test = read(tmp_path / "tree")
    assert train.classes == test.classes == ("a", "b")
    assert (train.labels.tolist(), test.labels.tolist()) == ([0] * 4 + [1] * 3, [0, 1, 1])


def test_train_can_be_the_name_of_a_class(tmp_path):
    assert read(plant(tmp_path / "tree", {"bus": 3, "train": 2}))[0].classes == ("bus", "train")


def test_the_fraction_and_the_seed_decide_the_split(tree):
    assert len(read(tree, test_fraction=0.5)[1]) == 7  # 5 of 10 and round(2.5) = 2 of 5
    assert [len(side) for side in read(tree, test_fraction=0.01)] == [13, 2]
    assert [len(side) for side in read(tree, test_fraction=0.99)] == [2, 13]
    assert colours(read(tree, seed=1)[1]) != colours(read(tree)[1])


@pytest.mark.parametrize("divided", [False, True])
def test_nothing_depends_on_the_order_on_disk(tmp_path, monkeypatch, divided):
    for part in ("train", "test") if divided else (".",):
        plant(tmp_path / "tree" / part, {"cat": 10, "dog": 5})
    expected, scan = [side.digest() for side in read(tmp_path / "tree")], os.scandir

    class Backwards(list):
        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

    monkeypatch.setenv("SSLENS_DATA", str(tmp_path / "other"))
    for order in (sorted, lambda entries, key: sorted(entries, key=key, reverse=True)):
        monkeypatch.setattr(os, "scandir", lambda path, o=order: Backwards(o(scan(path), key=lambda e: e.name)))
        assert [side.digest() for side in read(tmp_path / "tree")] == expected


def test_one_more_file_moves_hardly_any_other_across(tree):
    before = set(colours(read(tree)[1]))
    Image.new("RGB", (8, 8), (0, 200, 99)).save(tree / "cat" / "new.png")
    assert len(before - set(colours(read(tree)[1]))) <= 1


def test_stray_files_are_left_alone(tree):
    expected = [side.digest() for side in read(tree)]
    for stray in ("Thumbs.db", ".DS_Store", "._1.png", "notes.txt", "moving.gif"):
        (tree / "cat" / stray).write_text("nothing to see")
    (tree / "README.txt").write_text("about these animals")
    for stray in (tree / ".ipynb_checkpoints", tree / "cat" / "nested", tree / "cat" / "folder.png"):
        stray.mkdir()
    assert [side.digest() for side in read(tree)] == expected


@pytest.mark.parametrize(
    "name", ["Äpfel", "猫", "a <b>&amp; c", "-rf", "null", "e\N{COMBINING ACUTE ACCENT}", "👩\u200d🚀"]
)
def test_any_printed_name_may_name_a_class(tmp_path, name):
    assert name in read(plant(tmp_path / "tree", {name: 2, "other": 2}))[0].classes


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31m", "a\x7f", "a\u2028b", "a\udcff"])
def test_control_characters_in_names_are_refused(tree, name):
    plant(tree, {name: 2})
    with pytest.raises(InputError, match="control characters"):
        read(tree)


def test_control_characters_in_file_names_are_refused(tree):
    (tree / "cat" / "0.png").rename(tree / "cat" / "a\nb.png")
    with pytest.raises(InputError, match="control characters"):
        read(tree)


# What cannot be used is refused by name


@pytest.mark.parametrize("path", ["/no/such/place", "relative/nowhere", " ", "~nobody-at-all/x", "a\0b", "x" * 5000])
def test_a_missing_path_is_refused_with_the_layout(path):
    with pytest.raises(InputError, match=r"<class>/\*"):
        load(f"folder:{path}")


def test_a_file_is_no_tree(tree):
    with pytest.raises(InputError, match="This is a file"):
        read(tree / "cat" / "0.png")


def test_a_tree_without_classes_is_refused(tree, tmp_path):
    for place in (tree / "cat", tmp_path):  # images without folders; folders without images
        with pytest.raises(InputError, match=r"no class folders|holds none"):
            read(place)


def test_images_directly_in_train_and_test_are_no_classes(tmp_path):
    with pytest.raises(InputError, match="no class folders"):
        read(plant(tmp_path / "tree", {"train": 3, "test": 2}))


def test_an_empty_class_is_named(tree):
    (tree / "emu").mkdir()
    with pytest.raises(InputError, match="'emu' holds none"):
        read(tree)


def test_a_class_of_one_image_cannot_be_split(tree):
    plant(tree, {"emu": 1})
    with pytest.raises(InputError, match="'emu' holds one"):
        read(tree)


@pytest.mark.parametrize(("side", "missing"), [("train", "test/emu"), ("test", "train/emu")])
def test_a_class_on_one_side_only_is_named(tmp_path, side, missing):
    for each in ("train", "test"):
        plant(tmp_path / "tree" / each, {"cat": 2})
    plant(tmp_path / "tree" / side, {"emu": 2})
    with pytest.raises(InputError, match=f"{missing} is missing"):
        read(tmp_path / "tree")


@pytest.mark.parametrize("empty", [True, False])
def test_a_missing_side_is_named(tmp_path, empty):
    plant(tmp_path / "tree" / "train", {"cat": 2})
    if empty:
        (tmp_path / "tree" / "test").mkdir()
    with pytest.raises(InputError, match="no class folders in test/"):
        read(tmp_path / "tree")


def test_a_damaged_image_is_named_and_nothing_is_cached(tree, data):
    (tree / "dog" / "3.png").write_bytes((tree / "dog" / "3.png").read_bytes()[:40])
    with pytest.raises(DamagedFile, match=r"dog/3\.png"):
        read(tree)
    assert [path.suffix for path in data.iterdir()] == [".lock"]


def test_a_link_out_of_the_tree_is_refused(tree, tmp_path):
    plant(tmp_path / "elsewhere", {"emu": 2})
    (tree / "cat" / "link.png").symlink_to(tmp_path / "elsewhere" / "emu" / "0.png")
    with pytest.raises(InputError, match=r"'link\.png' leads out"):
        read(tree)
    (tree / "cat" / "link.png").unlink()
    (tree / "emu").symlink_to(tmp_path / "elsewhere" / "emu")
    with pytest.raises(InputError, match="'emu' leads out"):
        read(tree)


def test_a_side_cannot_be_a_link_out_of_the_tree(tmp_path):
    for place in ("tree/train", "elsewhere/test"):
        plant(tmp_path / place, {"cat": 2})
    (tmp_path / "tree" / "test").symlink_to(tmp_path / "elsewhere" / "test")
    with pytest.raises(InputError, match="'test' leads out"):
        read(tmp_path / "tree")


def test_links_inside_the_tree_are_followed_and_the_tree_may_be_a_link(tree, tmp_path):
    (tree / "cat" / "again.png").symlink_to("0.png")
    (tmp_path / "link").symlink_to(tree)
    assert sum(map(len, read(tmp_path / "link"))) == 16


@pytest.mark.parametrize("target", ["gone.png", "round.png"])
def test_a_link_to_nothing_is_named(tree, target):
    (tree / "cat" / "round.png").symlink_to(target)
    with pytest.raises(InputError, match=r"round\.png"):
        read(tree)


def test_a_pipe_is_refused_instead_of_waited_for(tree):
    os.mkfifo(tree / "cat" / "pipe.png")
    with pytest.raises(DamagedFile, match=r"cat/pipe\.png"):
        read(tree)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_an_unreadable_folder_is_refused(tree):
    (tree / "cat").chmod(0)
    with pytest.raises(InputError, match="readable"):
        read(tree)


def test_more_pixels_than_memory_are_refused_before_any_is_read(tree, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 10_000}))
    monkeypatch.setattr(folder, "decode", forbidden)
    with pytest.raises(InputError, match="15 images of 8x8 need"):
        read(tree)


# The cache


def forbidden(*arguments, **options):
    raise AssertionError("decoded although the cache was there")


def test_the_second_load_comes_from_the_cache(tree, data, monkeypatch):
    first = [side.digest() for side in read(tree)]
    monkeypatch.setattr(folder, "decode", forbidden)
    assert [side.digest() for side in read(tree)] == first
    kept = list(data.glob("*.safetensors"))
    assert len(kept) == 1
    assert kept[0].stat().st_mode & 0o777 == 0o644
    assert {path.suffix for path in data.iterdir()} == {".safetensors", ".lock"}


def repaint(tree):
    Image.new("RGB", (12, 8), (7, 7, 7)).save(tree / "cat" / "0.png")


def touch(tree):
    os.utime(tree / "cat" / "0.png", ns=(1, 1))


def rename(tree):
    (tree / "cat" / "0.png").rename(tree / "cat" / "zero.png")


def remove(tree):
    (tree / "cat" / "0.png").unlink()


@pytest.mark.parametrize("change", [repaint, touch, rename, remove])
def test_a_changed_file_is_decoded_anew(tree, change, monkeypatch):
    read(tree)
    change(tree)
    monkeypatch.setattr(folder, "decode", forbidden)
    with pytest.raises(AssertionError, match="decoded"):
        read(tree)


def test_a_repainted_file_shows_its_new_colour(tree):
    read(tree)
    repaint(tree)
    train, test = read(tree)
    assert (7, 7, 7) in colours(train) + colours(test)


def test_another_size_code_or_place_is_decoded_anew(tree, data, tmp_path, monkeypatch):
    read(tree)
    load(f"folder:{tree}", size=9)
    monkeypatch.setattr(fingerprint, "of_modules", lambda *names: "another")
    read(tree)
    tree.rename(tmp_path / "moved")
    read(tmp_path / "moved")
    assert len(list(data.glob("*.safetensors"))) == 4


def cut(content):
    return content[:-1]


def empty(content):
    return b""


def lengthen(content):
    return content + b"\0"


def flip(at):
    return lambda content: content[:at] + bytes([content[at] ^ 16]) + content[at + 1 :]


def test_a_damaged_cache_is_rebuilt(tree, data):
    good = [side.digest() for side in read(tree)]
    kept = next(data.glob("*.safetensors"))
    content, (_, meta) = kept.read_bytes(), store.load_tensors(kept)
    flips = [flip(at) for at in [*range(0, 200, 7), -1, -500]]
    for harm in (cut, empty, lengthen, *flips):
        kept.write_bytes(harm(content))
        assert [side.digest() for side in read(tree)] == good
        assert store.load_tensors(kept)[1] == meta


def test_a_foreign_file_in_the_cache_is_rebuilt(tree, data):
    good = [side.digest() for side in read(tree)]
    kept = next(data.glob("*.safetensors"))
    for tensors in ({"pixels": torch.zeros(15, 3, 8, 8, dtype=torch.uint8)}, {"other": torch.zeros(3)}):
        save_file(tensors, kept, {"sha256": "0" * 64})
        assert [side.digest() for side in read(tree)] == good
        save_file(tensors, kept)
        assert [side.digest() for side in read(tree)] == good


def test_a_place_that_cannot_hold_the_cache_is_refused(tree, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SSLENS_DATA", str(tmp_path / "file"))
    with pytest.raises(InputError, match="SSLENS_DATA"):
        read(tree)


def test_a_full_disk_is_reported_and_leaves_nothing_half_written(tree, data, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        read(tree)
    assert [path.suffix for path in data.iterdir()] == [".lock"]


def test_two_processes_at_once_both_get_the_set(tree, data):
    script = f"from sslens.datasets import load; [print(s.digest()) for s in load('folder:{tree}', size=8)]"
    both = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    printed = [process.communicate(timeout=100) for process in both]
    assert [error for _, error in printed] == ["", ""]
    assert printed[0][0].split() == printed[1][0].split() == [side.digest() for side in read(tree)]
    assert len(list(data.glob("*.safetensors"))) == 1


def test_endings_in_capitals_count(tmp_path):
    (tmp_path / "tree" / "a").mkdir(parents=True)
    for name in ("1.PNG", "2.Jpg", "3.JPEG"):
        Image.new("RGB", (8, 8)).save(tmp_path / "tree" / "a" / name)
    assert sum(map(len, read(tmp_path / "tree"))) == 3
    assert images.ENDINGS == (".png", ".jpg", ".jpeg")
