from pathlib import Path

import pytest
import torch

from sslens import datasets
from sslens.datasets import scattered_digits
from sslens.types import InputError, UnknownName


@pytest.mark.parametrize("name", ["scattered_digits", "digits", "folder:/anywhere/at all", "folder:C:/x"])
def test_good_names_pass_without_a_look_at_the_disk(name):
    assert datasets.check_name(name) is None


@pytest.mark.parametrize(
    ("name", "hint"),
    [("scatered_digits", "'scattered_digits'"), ("Digits", "'digits'"), ("folder", "'folder:PATH'"), ("folder:", "")],
)
def test_an_unknown_name_is_refused_with_the_names_there_are(name, hint):
    for refuse in (datasets.check_name, datasets.load):
        with pytest.raises(UnknownName, match=r"scattered_digits, digits, folder:PATH.*" + hint):
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
    with pytest.raises(InputError, match="this set has none"):
        datasets.load("digits", seed=1)


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


def test_changing_a_loaded_set_leaves_the_next_one_alone():
    train, _ = datasets.load("digits")
    train.images.zero_()
    assert datasets.load("digits")[0].images.max() == 1


@pytest.mark.parametrize("name", ["digits", "scattered_digits"])
def test_every_set_keeps_the_common_promises(name):
    for side in datasets.load(name):
        assert side.images.dtype == torch.float32
        assert side.images.is_contiguous()
        assert side.images.isfinite().all()
        assert side.labels.dtype == torch.int64
        assert side.labels.unique().tolist() == list(range(len(side.classes)))
        assert all(len(values) == len(side) for values in side.factors.values())


def test_every_set_has_its_row_and_its_digests_in_the_data_readme():
    table = (Path(__file__).parents[2] / "data" / "README.md").read_text()
    for name in datasets.LOADERS:
        assert f"`{name}`" in table
    for name in ("digits", "scattered_digits"):
        for side in datasets.load(name):
            assert side.digest() in table
            assert f"{len(side)} x {' x '.join(map(str, side.images.shape[1:]))}" in table
