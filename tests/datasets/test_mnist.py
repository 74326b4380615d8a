from dataclasses import replace

import numpy as np
import pytest

from sslens import datasets
from sslens.datasets import mnist
from sslens.types import DamagedFile
from tests.datasets import formats

IMAGES, LABELS = formats.noise(7, 28, 28), formats.noise(7, below=10, seed=1)
SETS = {"mnist": "MNIST", "fashion_mnist": "FASHION_MNIST"}


@pytest.fixture(params=SETS)
def name(request, monkeypatch, tmp_path):
    monkeypatch.setenv("SSLENS_DATA", str(tmp_path))
    return request.param


def offer(site, monkeypatch, name, **changed):
    """The set of seven images, five of them to train on, as the site offers it under its published file names."""
    sides = {"train": slice(0, 5), "t10k": slice(5, 7)}
    files = {f"{side}-images-idx3-ubyte.gz": formats.idx(IMAGES[cut]) for side, cut in sides.items()}
    files |= {f"{side}-labels-idx1-ubyte.gz": formats.idx(LABELS[cut]) for side, cut in sides.items()}
    published = getattr(mnist, SETS[name])
    sources = [site.offer(source.name, formats.zipped((files | changed)[source.name])) for source in published.sources]
    monkeypatch.setattr(mnist, SETS[name], replace(published, sources=tuple(sources), counts={"train": 5, "test": 2}))


def test_images_and_labels_are_those_of_the_files(site, monkeypatch, name):
    offer(site, monkeypatch, name)
    train, test = datasets.load(name)
    assert np.array_equal(train.images[:, 0].numpy(), IMAGES[:5].astype(np.float32) / np.float32(255))
    assert np.array_equal(test.images[:, 0].numpy(), IMAGES[5:].astype(np.float32) / np.float32(255))
    assert (train.labels.tolist(), test.labels.tolist()) == (LABELS[:5].tolist(), LABELS[5:].tolist())


def test_fewer_images_than_published_are_refused(site, monkeypatch, name):
    offer(site, monkeypatch, name, **{"t10k-images-idx3-ubyte.gz": formats.idx(IMAGES[5:6])})
    with pytest.raises(
        DamagedFile, match=r"t10k-images-idx3-ubyte\.gz must be an IDX file of bytes in .*\(2, 28, 28\)"
    ):
        datasets.load(name)


def test_a_label_beyond_the_classes_is_refused(site, monkeypatch, name):
    offer(site, monkeypatch, name, **{"train-labels-idx1-ubyte.gz": formats.idx(LABELS[:5] + np.uint8(10))})
    with pytest.raises(DamagedFile, match=f"{name}, train must be labels below 10"):
        datasets.load(name)


def test_a_foreign_file_in_place_of_one_of_four_is_refused(site, monkeypatch, name):
    offer(site, monkeypatch, name, **{"train-labels-idx1-ubyte.gz": b"<html>"})
    with pytest.raises(DamagedFile, match="train-labels"):
        datasets.load(name)


def test_the_two_sets_do_not_share_a_folder(site, monkeypatch, tmp_path):
    monkeypatch.setenv("SSLENS_DATA", str(tmp_path))
    for name in SETS:
        offer(site, monkeypatch, name)
        datasets.load(name)
    assert sorted(path.name for path in (tmp_path / "cache" / "datasets").iterdir()) == ["fashion_mnist", "mnist"]


def test_what_is_published_is_what_is_expected():
    for published in (mnist.MNIST, mnist.FASHION_MNIST):
        assert [source.name for source in published.sources] == [
            "train-images-idx3-ubyte.gz",
            "train-labels-idx1-ubyte.gz",
            "t10k-images-idx3-ubyte.gz",
            "t10k-labels-idx1-ubyte.gz",
        ]
        assert (published.counts, published.shape) == ({"train": 60_000, "test": 10_000}, (1, 28, 28))
    assert mnist.MNIST.classes == tuple("0123456789")
    assert [mnist.FASHION_MNIST.classes[label] for label in (0, 3, 6, 9)] == [
        "T-shirt/top",
        "Dress",
        "Shirt",
        "Ankle boot",
    ]
