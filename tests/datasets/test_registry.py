import re
import subprocess
import sys
from inspect import signature
from math import prod
from pathlib import Path
from typing import Annotated

import pytest
import torch

from sslens import datasets
from sslens.datasets import cifar, mnist, scattered_digits, stl10
from sslens.types import Dataset, InputError, Range, UnknownName

PATH = ":PATH"
README = Path(__file__).parents[2] / "data" / "README.md"
PUBLISHED = [mnist.MNIST, mnist.FASHION_MNIST, cifar.CIFAR10, cifar.CIFAR100, stl10.STL10]
NAMES = [name for name in datasets.LOADERS if not name.endswith(PATH)]
MADE_HERE = [name for name in NAMES if name not in {each.name for each in PUBLISHED}]
WITHOUT_OPTIONS = [name for name in NAMES if not signature(datasets.LOADERS[name]).parameters]


@pytest.mark.parametrize("name", [*NAMES, "folder:/anywhere/at all", "folder:C:/x", "folder+skip:/x"])
def test_good_names_pass_and_no_path_is_visited(name):
    assert datasets.check_name(name) is None


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("scatered_digits", "'scattered_digits'"),
        ("Digits", "'digits'"),
        ("folder", "'folder:PATH'"),
        ("folder+skip", "'folder\\+skip:PATH'"),
        ("folder:", ""),
        ("CIFAR10", ""),
        ("cifar-10", "'cifar10'"),
        ("fashion-mnist", "'fashion_mnist'"),
    ],
)
def test_an_unknown_name_is_refused_with_the_names_there_are(name, hint):
    for refuse in (datasets.check_name, datasets.load):
        with pytest.raises(UnknownName, match=re.escape(", ".join(datasets.LOADERS)) + ".*" + hint):
            refuse(name)


@pytest.mark.parametrize("name", ["", " ", "digits ", "digits:x", "../digits", "\0", "FOLDER:/tmp", "nan"])
def test_nothing_else_passes_for_a_name(name):
    with pytest.raises(UnknownName):
        datasets.check_name(name)


def test_a_misspelt_option_is_refused_with_the_closest():
    with pytest.raises(UnknownName, match=r"option of folder must be one of: size, test_fraction, seed.*'size'"):
        datasets.load("folder:/nowhere", sizes=32)
    with pytest.raises(UnknownName, match="one of: seed"):
        datasets.load("scattered_digits", sed=1)
    for name in WITHOUT_OPTIONS:
        with pytest.raises(InputError, match="this set has none"):
            datasets.load(name, seed=1)


def test_the_path_cannot_be_given_twice():
    with pytest.raises(UnknownName, match="'path'"):
        datasets.load("folder:/nowhere", path="/elsewhere")


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("scattered_digits", "seed", "0"),
        ("scattered_digits", "seed", 1.0),
        ("scattered_digits", "seed", True),
        ("scattered_digits", "seed", -1),
        ("scattered_digits", "seed", 2**31),
        ("scattered_digits", "seed", None),
        ("folder:/nowhere", "size", 7),
        ("folder:/nowhere", "size", 513),
        ("folder:/nowhere", "size", (32, 32)),
        ("folder:/nowhere", "test_fraction", 0.0),
        ("folder:/nowhere", "test_fraction", 1),
        ("folder:/nowhere", "test_fraction", float("nan")),
    ],
)
def test_an_ill_typed_or_outlying_option_is_refused_by_name(name, option, value):
    with pytest.raises(InputError, match=rf"\.{option} must be an? (int|float) in \["):
        datasets.load(name, **{option: value})


def test_options_reach_the_loader():
    train, _ = datasets.load("scattered_digits", seed=3)
    assert train.digest() == scattered_digits.load(seed=3)[0].digest()


def test_the_module_of_a_loader_is_the_one_that_makes_the_set():
    made = ("digits", "scattered_digits", "digit_pairs", "first_classes", "stl10", "languages")
    expected = {name: f"sslens.datasets.{name}" for name in made}
    expected |= dict.fromkeys(("mnist", "fashion_mnist"), "sslens.datasets.mnist")
    expected |= dict.fromkeys(("cifar10", "cifar100"), "sslens.datasets.cifar")
    expected |= dict.fromkeys(("folder:/anywhere", "folder+skip:/anywhere"), "sslens.datasets.folder")
    assert {name: datasets.loader_module(name) for name in expected} == expected
    with pytest.raises(UnknownName, match="'stl10'"):
        datasets.loader_module("stl-10")


def test_a_set_is_added_by_one_entry(monkeypatch):
    def load(*, count: Annotated[int, Range(1, 9)] = 2):
        side = Dataset(torch.zeros(count, 1, 4, 4), torch.zeros(count, dtype=torch.int64), ("only",))
        return side, side

    monkeypatch.setitem(datasets.LOADERS, "blank", load)
    monkeypatch.setitem(datasets.LOADERS, "rows:PATH", lambda path: load(count=len(path)))
    assert len(datasets.load("blank", count=3)[0]) == 3
    assert len(datasets.load("rows:/of")[0]) == len("/of")
    with pytest.raises(InputError, match=r"blank.count must be an int in \[1, 9\]"):
        datasets.load("blank", count=10)


def test_changing_a_loaded_set_leaves_the_next_one_alone():
    train, _ = datasets.load("digits")
    train.images.zero_()
    assert datasets.load("digits")[0].images.max() == 1


@pytest.mark.parametrize("name", MADE_HERE)
def test_every_set_keeps_the_common_promises(name):
    for side in datasets.load(name):
        assert side.images.dtype == (torch.int64 if side.images.ndim == 2 else torch.float32)
        assert side.images.is_contiguous()
        assert side.images.isfinite().all()
        assert side.labels.dtype == torch.int64
        assert side.labels.unique().tolist() == list(range(len(side.classes)))
        assert all(len(values) == len(side) for values in side.factors.values())


def test_every_set_has_its_row_and_its_digests_in_the_data_readme():
    table = README.read_text()
    for name in datasets.LOADERS:
        assert f"`{name}`" in table
    for name in MADE_HERE:
        for side in datasets.load(name):
            assert side.digest() in table
            assert f"{len(side)} x {' x '.join(map(str, side.images.shape[1:]))}" in table


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda published: published.name)
def test_every_published_set_has_its_size_and_its_files_in_the_data_readme(published):
    table = README.read_text()
    for side, count in published.counts.items():
        shape = " x ".join(map(str, (count, *published.shape)))
        assert f"{side} | {shape} | {4 * count * prod(published.shape):,} |" in table
    for source in published.sources:
        assert f"| {source.name} | {source.size:,} | `{source.sha256}` |" in table
        assert source.address.removesuffix(source.name) in table


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda published: published.name)
def test_published_sets_are_recognised_by_whole_checksums_of_their_own(published):
    digests = [source.sha256 for each in PUBLISHED for source in each.sources]
    assert len(set(digests)) == len(digests)
    assert all(len(source.sha256) == 64 and int(source.sha256, 16) for source in published.sources)
    assert len(set(published.classes)) == len(published.classes)
    assert published.name in datasets.LOADERS


def test_no_network_library_is_imported_before_a_set_is_fetched():
    code = "import sys, sslens.datasets; print({'pooch', 'requests', 'urllib3'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
