from dataclasses import replace

import numpy as np
import pytest

from sslens import datasets
from sslens.datasets import stl10
from sslens.types import DamagedFile
from tests.datasets import formats
from tests.datasets.formats import entry

IMAGES, LABELS = formats.noise(5, 3, 96, 96), np.array([1, 10, 4, 7, 10], dtype=np.uint8)


@pytest.fixture(autouse=True)
def data(monkeypatch, tmp_path):
    monkeypatch.setenv("SSLENS_DATA", str(tmp_path))


def offer(site, monkeypatch, **changed):
    """STL-10 of two images to train on, three to test on, and unlabelled ones between them."""
    contents = {
        "test_X": formats.columns(IMAGES[2:]),
        "test_y": LABELS[2:].tobytes(),
        "unlabeled_X": bytes(30_000),
        "train_X": formats.columns(IMAGES[:2]),
        "train_y": LABELS[:2].tobytes(),
    } | changed
    entries = [entry(f"stl10_binary/{name}.bin", content) for name, content in contents.items()]
    source = site.offer("stl10_binary.tar.gz", formats.archive_of(entries))
    monkeypatch.setattr(stl10, "STL10", replace(stl10.STL10, sources=(source,), counts={"train": 2, "test": 3}))


def test_columns_of_the_file_are_columns_of_the_image(site, monkeypatch):
    offer(site, monkeypatch)
    train, test = datasets.load("stl10")
    assert np.array_equal(train.images.numpy(), IMAGES[:2].astype(np.float32) / np.float32(255))
    assert np.array_equal(test.images.numpy(), IMAGES[2:].astype(np.float32) / np.float32(255))


def test_labels_begin_at_nought(site, monkeypatch):
    offer(site, monkeypatch)
    train, test = datasets.load("stl10")
    assert (train.labels.tolist(), test.labels.tolist()) == ([0, 9], [3, 6, 9])
    assert [train.classes[label] for label in (0, 2, 7, 9)] == ["airplane", "car", "monkey", "truck"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train_y": b"\0\1"}, "stl10, train must be labels below 10. Got 255"),
        ({"test_y": b"\1\1\x0b"}, "stl10, test must be labels below 10. Got 10"),
        ({"test_y": b"\1\1"}, r"test_y\.bin must be a file of 3 bytes"),
        ({"train_X": bytes(27_648)}, r"train_X\.bin must be a file of 55,296 bytes"),
    ],
)
def test_other_content_than_published_is_refused(site, monkeypatch, changed, message):
    offer(site, monkeypatch, **changed)
    with pytest.raises(DamagedFile, match=message):
        datasets.load("stl10")


def test_counts_and_shape_are_the_published_ones():
    assert (stl10.STL10.counts, stl10.STL10.shape) == ({"train": 5_000, "test": 8_000}, (3, 96, 96))
