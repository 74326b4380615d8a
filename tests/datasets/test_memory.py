"""How much memory the loading of a set takes: little more than the set itself."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sslens.datasets import cifar
from sslens.datasets.fetch import Source
from tests.datasets import formats
from tests.datasets.formats import entry

LIMIT = 1.3
"""Peak of resident memory above what stood before, over the bytes of the images as float32.

The sets are of 300 MB: what the process allocates for itself, some megabytes more or less, is a hundredth of them.
"""
SCRIPT = """
import gc, re
from pathlib import Path
{setup}

def resident(kind):
    return 1024 * int(re.search(kind + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

warm = load({small})  # what is imported and allocated once is no part of the question
del warm
gc.collect()
before = resident("VmRSS")
sides = load({large})  # decodes
size = sum(side.images.nbytes for side in sides)
del sides
sides = load({large})  # from the cache
print((resident("VmHWM") - before) / size)
"""

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells a process its peak memory")


@pytest.fixture(autouse=True)
def data(monkeypatch, tmp_path):
    monkeypatch.setenv("SSLENS_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "cache" / "datasets"


def peak(setup, *, small, large):
    script = SCRIPT.format(setup=setup, small=small, large=large)
    # tensors of some megabytes go back to the system when they are freed, as the large ones of a real set do
    setting = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(2**20)}
    done = subprocess.run([sys.executable, "-c", script], env=setting, capture_output=True, text=True, check=True)
    return float(done.stdout)


def ten(folder, name, *, batch):
    """CIFAR-10 of 5 · batch images to train on and as many as a batch to test on, its archive already in place."""
    content, names = [], [f"data_batch_{number}.bin" for number in range(1, 6)]
    for seed, member in enumerate([*names, "test_batch.bin"]):
        table = formats.noise(batch, 3073, seed=seed)
        table[:, 0] %= 10
        content.append(entry(f"cifar-10-batches-bin/{member}", table.tobytes()))
    archive = formats.archive_of(content)
    (folder / name).mkdir(parents=True)
    (folder / name / "set.tar.gz").write_bytes(archive)
    source = Source("https://nowhere/set.tar.gz", len(archive), hashlib.sha256(archive).hexdigest())
    return {"name": name, "sources": (source,), "counts": {"train": 5 * batch, "test": batch}}


def test_a_published_set_takes_little_more_than_itself_at_the_first_load_and_at_the_next(data):
    sets = [ten(data, name, batch=batch) for name, batch in (("small", 10), ("large", 4000))]
    assert replace(cifar.CIFAR10, **sets[1]).counts == {"train": 20_000, "test": 4_000}
    setup = f"""
from dataclasses import replace
from sslens.datasets.cifar import CIFAR10
from sslens.datasets.fetch import Source
from sslens.datasets.published import load as load_published
load = lambda changes: load_published(replace(CIFAR10, **changes))
small, large = {sets!r}
"""
    assert peak(setup, small="small", large="large") < LIMIT


def test_a_folder_takes_little_more_than_itself_at_the_first_load_and_at_the_next(tmp_path):
    picture = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(picture)
    for tree, count in (("small", 10), ("large", 400)):
        for name in ("cat", "dog"):
            (tmp_path / tree / name).mkdir(parents=True)
            for number in range(count):
                (tmp_path / tree / name / f"{number}.png").write_bytes(picture.read_bytes())
    setup = "from functools import partial\nfrom sslens.datasets.folder import load\nload = partial(load, size=192)"
    names = {name: repr(str(tmp_path / name)) for name in ("small", "large")}
    assert peak(setup, **names) < LIMIT
