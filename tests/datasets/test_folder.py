import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from sslens import fingerprint, store
from sslens.datasets import folder, load
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
    with pytest.warns(UserWarning, match="read without unlabelled/"):
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


def test_hidden_and_stray_files_beside_the_classes_are_left_alone_without_a_word(tree):
    expected = [side.digest() for side in read(tree)]
    for stray in ("Thumbs.db", ".DS_Store", "._1.png", "desktop.ini"):
        (tree / "cat" / stray).write_text("nothing to see")
    (tree / "README.txt").write_text("about these animals")
    for stray in (tree / ".ipynb_checkpoints", tree / "__MACOSX", tree / "cat" / "folder.png"):
        stray.mkdir()
    assert [side.digest() for side in read(tree)] == expected


def test_what_is_no_image_is_left_out_with_numbers(tree):
    expected = [side.digest() for side in read(tree)]
    for name in ("cat/notes.txt", "cat/film.MP4", "dog/a.mp4", "dog/b.mp4", "dog/plain", "dog/._b.png", "dog.png"):
        (tree / name).write_bytes(b"")
    with pytest.warns(UserWarning) as said:
        assert [side.digest() for side in read(tree)] == expected
    words = "3 .mp4 (cat 1, dog 2); 1 .txt (cat 1); 1 hidden (dog 1); 1 without ending (dog 1)"
    assert [str(each.message) for each in said] == [
        f"The folder 'tree' is read without {words}; 1 images beside the class folders."
    ]


@pytest.mark.parametrize(
    "name", ["Äpfel", "猫", "a <b>&amp; c", "-rf", "null", "e\N{COMBINING ACUTE ACCENT}", "👩\u200d🚀"]
)
def test_any_printed_name_may_name_a_class(tmp_path, name):
    classes = read(plant(tmp_path / "tree", {name: 2, "other": 2}))[0].classes
    assert unicodedata.normalize("NFC", name) in classes


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31m", "a\x7f", "a\u2028b", "a\udcff"])
def test_control_characters_in_names_are_refused(tree, name):
    plant(tree, {name: 2})
    with pytest.raises(InputError, match="control characters"):
        read(tree)


@pytest.mark.parametrize(
    "name", ["a\u202eb", "\u2067a", "a\u200f", "a\u200bb", "\ufeffa", "so\u00adft", "\u3000", " ", "a\U000e0041"]
)
def test_characters_that_nobody_sees_are_refused_in_names_of_classes(tree, name):
    plant(tree, {name: 2})
    with pytest.raises(InputError, match="invisible") as refusal:
        read(tree)
    assert name.strip() not in str(refusal.value) or not name.strip()


def test_one_name_in_two_codes_is_refused_and_in_two_cases_is_not(tmp_path):
    classes = read(plant(tmp_path / "letters", {"a": 2, "A": 2}))[0].classes
    assert classes == ("A", "a")
    with pytest.raises(InputError, match="name of its own"):
        read(plant(tmp_path / "tree", {"\u00e9": 2, "e\u0301": 2}))


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
        with pytest.raises(InputError, match=r"no class folders|are they the classes"):
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


# Trees that others made


def sides(tree, **options):
    return [[len(side), side.classes] for side in read(tree, **options)]


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "val"),
        ("train", "test"),
        ("training", "validation"),
        ("TRAIN", "Valid"),
        ("Training", "Testing"),
    ],
)
def test_sides_are_spelled_in_many_ways(tmp_path, train, test):
    plant(tmp_path / "tree" / train, {"a": 4, "b": 3})
    plant(tmp_path / "tree" / test, {"a": 2, "b": 1})
    assert sides(tmp_path / "tree") == [[7, ("a", "b")], [3, ("a", "b")]]


def test_of_three_sides_train_and_test_are_used_and_the_third_is_named(tmp_path):
    for number, side in enumerate(("train", "val", "test"), 1):
        plant(tmp_path / "tree" / side, {"a": number, "b": number})
    with pytest.warns(UserWarning, match=r"read without val/ \(test/ is the test side\)\.$"):
        assert sides(tmp_path / "tree") == [[2, ("a", "b")], [6, ("a", "b")]]


def test_a_test_side_without_classes_gives_way_to_val(tmp_path):
    for side, classes in (("train", ("a", "b")), ("val", ("a", "b")), ("test", ("images",))):
        plant(tmp_path / "tree" / side, dict.fromkeys(classes, 3))
    with pytest.warns(UserWarning, match=r"read without test/ \(val/ is the test side\)"):
        assert sides(tmp_path / "tree") == [[6, ("a", "b")], [6, ("a", "b")]]


def test_two_spellings_of_one_side_are_refused(tmp_path):
    for side in ("train", "Train", "test"):
        plant(tmp_path / "tree" / side, {"a": 2})
    with pytest.raises(InputError, match="both Train/ and train/"):
        read(tmp_path / "tree")


def test_folders_within_a_class_belong_to_it(tmp_path):
    for name in ("cat/images", "cat/images/more", "dog/images", "dog/more"):
        plant(tmp_path / "tree" / name, {"": 3})
    train, test = read(tmp_path / "tree", test_fraction=0.5)
    assert train.classes == ("cat", "dog")
    assert [int((side.labels == label).sum()) for side in (train, test) for label in (0, 1)] == [3, 3, 3, 3]


@pytest.fixture
def tiny_imagenet(tmp_path):
    """Its form: boxes beside nested images, a validation side with a list, a test side without labels."""
    tree = tmp_path / "tiny"
    for number, name in enumerate(("n01", "n02")):
        plant(tree / "train" / name, {"images": 4})
        (tree / "train" / name / f"{name}_boxes.txt").write_text("val_0.JPEG\t0\t0\t1\t1\n")
        Image.new("RGB", (8, 8), (50 + number,) * 3).save(tree / "train" / name / "images" / "4.JPEG")
    plant(tree / "val", {"images": 3})
    plant(tree / "test", {"images": 3})
    rows = [f"{file}.png\t{name}\t0\t0\t1\t1\n" for file, name in enumerate(("n02", "n01", "n02"))]
    (tree / "val" / "val_annotations.txt").write_text("".join(rows))
    return tree


def test_tiny_imagenet_is_read_as_it_is(tiny_imagenet):
    words = r"read without 2 \.txt \(n01 1, n02 1\); test/ \(val/ is the test side\)"
    with pytest.warns(UserWarning, match=words):
        train, test = read(tiny_imagenet)
    assert train.classes == test.classes == ("n01", "n02")
    assert train.labels.tolist() == [0] * 5 + [1] * 5
    assert (test.labels.tolist(), colours(test)) == ([0, 1, 1], [(0, 1, 99), (0, 0, 99), (0, 2, 99)])


@pytest.mark.parametrize("text", ["", "0.png\tn01\n", "0.png\n1.png\n2.png\n", "\xff\0"])
def test_a_list_that_misses_an_image_is_damage(tiny_imagenet, text):
    (tiny_imagenet / "val" / "val_annotations.txt").write_text(text)
    with pytest.raises(DamagedFile, match=r"val_annotations\.txt"):
        read(tiny_imagenet)


def test_val_images_without_a_list_are_refused_with_what_to_do(tiny_imagenet):
    (tiny_imagenet / "val" / "val_annotations.txt").unlink()
    with pytest.raises(InputError, match=r"val/ holds images of no class: .* val_annotations\.txt"):
        read(tiny_imagenet)


def test_the_folder_above_the_classes_is_refused_and_the_right_one_named(tree):
    with pytest.raises(InputError, match=rf"Then name {tree} instead"):
        read(tree.parent)


def test_classes_above_their_sides_are_refused(tmp_path):
    for name in ("cat", "dog"):
        plant(tmp_path / "tree" / name, {"train": 2, "val": 2})
    with pytest.raises(InputError, match="'cat' holds train, val: sides come first"):
        read(tmp_path / "tree")


def test_a_class_of_other_endings_is_refused_with_what_it_holds(tree):
    (tree / "emu").mkdir()
    for name in ("1.heic", "2.heic", "3.HEIC", "x.xmp"):
        (tree / "emu" / name).write_bytes(b"")
    with pytest.raises(
        InputError, match=r"'emu' holds none; it holds 4 files \(3 \.heic, 1 \.xmp\), and read are \.png"
    ):
        read(tree)


@pytest.mark.parametrize("ending", ["webp", "bmp", "tif", "TIFF", "gif", "JPG", "jfif"])
def test_other_endings_are_read(tmp_path, ending):
    for name in "ab":
        (tmp_path / "tree" / name).mkdir(parents=True)
        for i in range(2):
            place = tmp_path / "tree" / name / f"{i}.{ending}"
            Image.new("RGB", (9, 9), (0, 255, 0)).save(place, **({"lossless": True} if ending == "webp" else {}))
    for side in read(tmp_path / "tree"):
        assert all(abs(red) <= 1 and green >= 254 and abs(blue) <= 1 for red, green, blue in colours(side))


def test_a_ring_of_links_ends(tree):
    (tree / "cat" / "ring").symlink_to(tree)
    with pytest.raises(InputError, match=r"'cat/ring/cat' leads to a folder that has been read"):
        read(tree)


def test_a_class_that_is_a_link_to_another_is_refused(tree):
    (tree / "hound").symlink_to(tree / "dog")
    with pytest.raises(InputError, match="'hound' leads to a folder that has been read"):
        read(tree)


@pytest.mark.parametrize("name", [b"\xff\xfe", b"cat/\xff.png"])
def test_a_name_of_undecodable_bytes_is_refused(tree, name):
    place = Path(os.fsdecode(os.fsencode(tree) + b"/" + name))
    place.mkdir() if place.parent == tree else place.touch()
    with pytest.raises(InputError, match="control characters"):
        read(tree)


# Damaged images


def harm(tree, *names):
    for name in names:
        (tree / name).write_bytes((tree / name).read_bytes()[:40])


def test_damaged_images_are_left_out_where_that_is_wanted_and_listed_at_every_load(tree):
    good = sorted(colour for side in read(tree) for colour in colours(side))
    harm(tree, "cat/3.png", "dog/0.png")
    (tree / "dog" / "1.png").write_bytes(b"")
    for _ in range(2):  # decoded, then read from the cache
        with pytest.warns(UserWarning, match=r"3 images .* are left out: cat/3\.png, dog/0\.png, dog/1\.png"):
            found = load(f"folder+skip:{tree}", size=8)
        assert sorted(colour for side in found for colour in colours(side)) == sorted(
            set(good) - {(0, 3, 99), (1, 0, 99), (1, 1, 99)}
        )
    with pytest.raises(DamagedFile, match=r"folder\+skip:"):
        read(tree)


def test_without_damage_the_two_ways_give_the_same(tree):
    ways = [[side.digest() for side in load(f"{kind}:{tree}", size=8)] for kind in ("folder", "folder+skip")]
    assert ways[0] == ways[1]


def test_a_class_that_loses_all_its_images_is_refused(tree):
    harm(tree, *(f"dog/{i}.png" for i in range(5)))
    with pytest.warns(UserWarning, match="5 images"), pytest.raises(InputError, match="Of the 5 images in 'dog' none"):
        load(f"folder+skip:{tree}", size=8)


def test_many_damaged_images_are_counted(tmp_path):
    tree = plant(tmp_path / "tree", {"a": 30})
    harm(tree, *(f"a/{i}.png" for i in range(25)))
    with pytest.warns(UserWarning, match=r"25 images .* and 5 more\."):
        assert sum(map(len, load(f"folder+skip:{tree}", size=8))) == 5


def test_content_that_changes_behind_an_old_date_is_noticed(tree):
    """A copy that keeps size and date of another file."""
    before, file = [side.digest() for side in read(tree)], tree / "cat" / "0.png"
    status = file.stat()
    content = (tree / "cat" / "1.png").read_bytes()
    assert len(content) == status.st_size
    file.write_bytes(content)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert [side.digest() for side in read(tree)] != before


def test_what_a_killed_writer_has_left_is_cleaned_by_the_next(tree, data):
    read(tree)
    (kept,) = data.glob("*.safetensors")
    kept.unlink()
    left = data / f".{kept.name}.abc.part"
    left.write_bytes(b"half")
    read(tree)
    assert not left.exists() and kept.exists()


def test_a_path_is_taken_from_where_the_process_stands(tree, monkeypatch):
    monkeypatch.chdir(tree.parent)
    assert folder.rooted("folder:tree") == f"folder:{tree}"
    assert folder.rooted("folder+skip:./tree") == f"folder+skip:{tree}"
    for name in ("digits", "folder:", "nonsense:x", ""):
        assert folder.rooted(name) == name
    with pytest.raises(InputError, match=rf"Got '{tree.parent}/gone'\. Nothing is there"):
        folder.rooted("folder:gone")
