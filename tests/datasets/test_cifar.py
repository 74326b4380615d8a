from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sslens import datasets
from sslens.datasets import cifar
from sslens.types import DamagedFile
from tests.datasets import formats
from tests.datasets.formats import entry

IMAGES = formats.noise(12, 3, 32, 32)
FINE, COARSE = formats.noise(12, below=100, seed=1), formats.noise(12, below=20, seed=2)


@pytest.fixture(autouse=True)
def data(monkeypatch, tmp_path):
    monkeypatch.setenv("SSLENS_DATA", str(tmp_path))


def ten(site, monkeypatch, **changed):
    """CIFAR-10 of ten images to train on, in five files, and two to test on."""
    files = {f"data_batch_{number + 1}.bin": slice(2 * number, 2 * number + 2) for number in range(5)}
    files["test_batch.bin"] = slice(10, 12)
    contents = {name: formats.records(IMAGES[cut], FINE[cut] % 10) for name, cut in files.items()} | changed
    # the published order: batches.meta.txt and the fifth batch stand before the first
    names = ["batches.meta.txt", "data_batch_5.bin", "test_batch.bin", *list(files)[:4], "readme.html"]
    entries = [entry(f"cifar-10-batches-bin/{name}", contents.get(name, b"text")) for name in names]
    source = site.offer("cifar-10-binary.tar.gz", formats.archive_of(entries))
    monkeypatch.setattr(cifar, "CIFAR10", replace(cifar.CIFAR10, sources=(source,), counts={"train": 10, "test": 2}))


def hundred(site, monkeypatch, **changed):
    """CIFAR-100 of ten images to train on and two to test on."""
    contents = {
        "train.bin": formats.records(IMAGES[:10], COARSE[:10], FINE[:10]),
        "test.bin": formats.records(IMAGES[10:], COARSE[10:], FINE[10:]),
    } | changed
    entries = [entry(f"cifar-100-binary/{name}", content) for name, content in contents.items()]
    source = site.offer("cifar-100-binary.tar.gz", formats.archive_of(entries))
    monkeypatch.setattr(cifar, "CIFAR100", replace(cifar.CIFAR100, sources=(source,), counts={"train": 10, "test": 2}))


@pytest.mark.parametrize(("name", "offer", "classes"), [("cifar10", ten, 10), ("cifar100", hundred, 100)])
def test_images_and_labels_are_those_of_the_records_in_order(site, monkeypatch, name, offer, classes):
    offer(site, monkeypatch)
    train, test = datasets.load(name)
    assert np.array_equal(train.images.numpy(), IMAGES[:10].astype(np.float32) / np.float32(255))
    assert np.array_equal(test.images.numpy(), IMAGES[10:].astype(np.float32) / np.float32(255))
    assert train.labels.tolist() == (FINE[:10] % classes).tolist()
    assert test.labels.tolist() == (FINE[10:] % classes).tolist()
    assert len(train.classes) == classes


def test_the_coarse_label_of_cifar_100_is_a_factor(site, monkeypatch):
    hundred(site, monkeypatch)
    train, test = datasets.load("cifar100")
    assert (train.factors["superclass"].tolist(), test.factors["superclass"].tolist()) == (
        COARSE[:10].tolist(),
        COARSE[10:].tolist(),
    )


@pytest.mark.parametrize(
    ("name", "offer", "changed", "message"),
    [
        ("cifar10", ten, {"data_batch_3.bin": bytes(3073)}, r"data_batch_3\.bin must be a file of 6,146 bytes"),
        ("cifar10", ten, {"test_batch.bin": bytes(3 * 3073)}, r"Got '9,219 bytes'"),
        ("cifar100", hundred, {"test.bin": bytes(2 * 3073)}, r"test\.bin must be a file of 6,148 bytes"),
        ("cifar10", ten, {"data_batch_1.bin": b"\x0a" + bytes(6145)}, "cifar10, train must be labels below 10. Got 10"),
        ("cifar100", hundred, {"test.bin": b"\0\x64" + bytes(6146)}, "cifar100, test must be labels below 100"),
    ],
)
def test_other_records_than_published_are_refused(site, monkeypatch, name, offer, changed, message):
    offer(site, monkeypatch, **changed)
    with pytest.raises(DamagedFile, match=message):
        datasets.load(name)


def test_the_members_read_have_the_published_sizes(monkeypatch):
    wanted = {}

    def read_nothing(path, sizes):
        wanted.update(sizes)
        return []

    monkeypatch.setattr(cifar, "members", read_nothing)
    for published in (cifar.CIFAR10, cifar.CIFAR100):
        published.decode(published, [Path("anywhere")])
    batches = [f"cifar-10-batches-bin/data_batch_{number}.bin" for number in (1, 2, 3, 4, 5)]
    assert wanted == dict.fromkeys([*batches, "cifar-10-batches-bin/test_batch.bin"], 30_730_000) | {
        "cifar-100-binary/train.bin": 153_700_000,
        "cifar-100-binary/test.bin": 30_740_000,
    }


def test_classes_are_in_the_published_order():
    assert [cifar.TEN[label] for label in (0, 1, 6, 9)] == ["airplane", "automobile", "frog", "truck"]
    assert (len(cifar.HUNDRED), len(cifar.SUPERCLASSES)) == (100, 20)
    assert sorted(cifar.HUNDRED) == list(cifar.HUNDRED)
    assert sorted(cifar.SUPERCLASSES) == list(cifar.SUPERCLASSES)
    assert [cifar.HUNDRED[label] for label in (0, 19, 49, 99)] == ["apple", "cattle", "mountain", "worm"]
    assert [cifar.SUPERCLASSES[label] for label in (0, 11, 19)] == [
        "aquatic_mammals",
        "large_omnivores_and_herbivores",
        "vehicles_2",
    ]
