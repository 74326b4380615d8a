"""What decodes a set anew: its own loader and what that imports, and nothing beside it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sslens

LOADERS = ("mnist", "cifar", "stl10", "folder", "digits", "scattered_digits", "languages")
PRINT = "from sslens import fingerprint\nfor name in {names}: print(fingerprint.of_modules('sslens.datasets.' + name))"


@pytest.fixture
def library(tmp_path):
    source = Path(sslens.__file__).parent
    return shutil.copytree(source, tmp_path / "sslens", ignore=shutil.ignore_patterns("__pycache__"))


def fingerprints(library):
    code, setting = PRINT.format(names=LOADERS), os.environ | {"PYTHONPATH": str(library.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=setting, capture_output=True, text=True, check=True)
    return dict(zip(LOADERS, done.stdout.split(), strict=True))


def change(path, before, after):
    source = path.read_text()
    assert before in source
    path.write_text(source.replace(before, after, 1))


def changed(library, *edit):
    first = fingerprints(library)
    change(*edit)
    second = fingerprints(library)
    return {name for name in LOADERS if first[name] != second[name]}


def test_another_data_set_a_docstring_and_a_comment_change_nothing(library):
    first, face = fingerprints(library), library / "datasets" / "__init__.py"
    (library / "datasets" / "svhn.py").write_text('"""House numbers."""\n\n\ndef load():\n    return ()\n')
    change(face, "import cifar, ", "import svhn, cifar, ")
    change(face, '"stl10": stl10.load,', '"stl10": stl10.load,\n        "svhn": svhn.load,')
    change(library / "datasets" / "mnist.py", '"""MNIST and', '"""Digits: MNIST and')
    change(library / "datasets" / "archives.py", "BLOCK = 2**20", "BLOCK = 2**20  # bytes")
    assert fingerprints(library) == first


@pytest.mark.parametrize(
    ("file", "before", "after", "expected"),
    [
        ("mnist.py", '"Trouser"', '"Trousers"', {"mnist"}),
        ("archives.py", "BLOCK = 2**20", "BLOCK = 2**19", {"mnist", "cifar", "stl10"}),
        ("images.py", "Resampling.BILINEAR", "Resampling.BICUBIC", {"folder"}),
        ("cache.py", "div_(255)", "div_(256)", {"mnist", "cifar", "stl10", "folder"}),
        ("digits.py", "1797, 1200", "1797, 1201", {"digits", "scattered_digits"}),
    ],
)
def test_a_change_reaches_the_sets_whose_loaders_use_it(library, file, before, after, expected):
    assert changed(library, library / "datasets" / file, before, after) == expected
