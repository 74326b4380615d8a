import gzip
import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits

from sslens.datasets import digits
from sslens.types import DamagedFile


def test_pixels_and_labels_are_those_scikit_learn_gives():
    theirs: Any = load_digits()
    ours = digits.originals()
    assert torch.equal(ours.images[:, 0].double(), torch.from_numpy(theirs.images) / 16)
    assert ours.labels.tolist() == theirs.target.tolist()
    assert list(ours.classes) == [str(name) for name in theirs.target_names]


def test_sides_have_the_stated_shape_range_and_content():
    train, test = digits.load()
    assert (tuple(train.images.shape), tuple(test.images.shape)) == ((1200, 1, 8, 8), (597, 1, 8, 8))
    assert train.images.dtype == torch.float32
    assert (train.images.min(), train.images.max()) == (0, 1)
    assert train.digest() == "8066936da4c427ce58d35580f00ce83a"
    assert test.digest() == "47829a89b8f0a622b7f046f89f55e8b9"


def test_every_original_is_on_exactly_one_side():
    train, test = digits.load()
    both = torch.cat([train.origin, test.origin])
    assert sorted(both.tolist()) == list(range(1797))


def test_every_class_has_its_share_of_the_training_side():
    train, test = digits.load()
    share = train.labels.bincount() / (train.labels.bincount() + test.labels.bincount())
    assert (share - 1200 / 1797).abs().max() < 1 / 174


@pytest.mark.parametrize(
    "harm",
    [
        lambda content: content[:-100],
        lambda content: b"",
        lambda content: content[:999] + bytes([content[999] ^ 1]) + content[1000:],
        lambda content: gzip.compress(gzip.decompress(content).replace(b"15", b"14", 1)),
    ],
)
def test_a_damaged_table_is_refused(harm, tmp_path, monkeypatch):
    import sklearn

    spec = type("Spec", (), {"submodule_search_locations": [str(tmp_path)]})
    content = (Path(sklearn.__path__[0]) / "datasets/data/digits.csv.gz").read_bytes()
    assert hashlib.sha256(content).hexdigest() == digits.SHA256
    folder = tmp_path / "datasets" / "data"
    folder.mkdir(parents=True)
    (folder / "digits.csv.gz").write_bytes(harm(content))
    monkeypatch.setattr(digits, "find_spec", lambda name: spec)
    with pytest.raises(DamagedFile, match=r"digits\.csv\.gz"):
        digits.load()


def test_a_missing_scikit_learn_is_reported(monkeypatch):
    monkeypatch.setattr(digits, "find_spec", lambda name: None)
    with pytest.raises(DamagedFile, match="scikit-learn"):
        digits.load()
