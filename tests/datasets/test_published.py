import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import save_file

from sslens import fingerprint, store
from sslens.datasets import mnist
from sslens.datasets.fetch import Source
from sslens.datasets.published import PublishedDataset, load
from sslens.types import DamagedFile, InputError
from tests.datasets import formats

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 2, 3, 4), dtype=np.uint8)
LABELS = bytes([0, 2, 1, 1, 0])


def decode(expected, paths):
    """Five images of 2x3x4 and their labels one after the other, three of them to train on."""
    values = torch.frombuffer(bytearray(paths[0].read_bytes()), dtype=torch.uint8)
    images, labels = values[:120].view(5, 2, 3, 4), values[120:]
    content = {"train images": images[:3], "train labels": labels[:3], "train weight": labels[:3] * 10}
    return content | {"test images": images[3:], "test labels": labels[3:], "test weight": labels[3:] * 10}


def forbidden(*_):
    raise AssertionError("decoded although the cache was there")


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLENS_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "cache" / "datasets" / "tiny"


@pytest.fixture
def tiny(site):
    source = site.offer("tiny.bin", PIXELS.tobytes() + LABELS)
    counts, classes = {"train": 3, "test": 2}, ("a", "b", "c")
    return PublishedDataset("tiny", (source,), counts, (2, 3, 4), classes, decode, "sslens.datasets.published")


def digests(described):
    return [side.digest() for side in load(described)]


def test_bytes_become_their_share_of_255_and_the_rest_factors(tiny):
    train, test = load(tiny)
    assert train.images.dtype == torch.float32
    assert np.array_equal(train.images.numpy(), PIXELS[:3].astype(np.float32) / np.float32(255))
    assert np.array_equal(test.images.numpy(), PIXELS[3:].astype(np.float32) / np.float32(255))
    assert (train.labels.tolist(), test.labels.tolist()) == ([0, 2, 1], [1, 0])
    assert train.labels.dtype == torch.int64
    assert train.classes == test.classes == ("a", "b", "c")
    assert {name: values.tolist() for name, values in train.factors.items()} == {"weight": [0.0, 20.0, 10.0]}


def test_the_second_load_neither_fetches_nor_decodes(tiny, site, data):
    first = digests(tiny)
    (data / "tiny.bin").unlink()
    assert digests(replace(tiny, decode=forbidden)) == first
    assert len(site.requests) == 1
    assert sorted(path.name for path in data.iterdir()) == ["decoded.lock", "decoded.safetensors"]
    assert (data / "decoded.safetensors").stat().st_mode & 0o777 == 0o644


def test_changing_a_loaded_set_leaves_the_next_one_alone(tiny):
    first = digests(tiny)
    load(tiny)[0].images.zero_()
    assert digests(tiny) == first


def test_changed_code_decodes_anew_without_fetching(tiny, site, monkeypatch):
    first = digests(tiny)
    monkeypatch.setattr(fingerprint, "of_modules", lambda *names: "another")
    with pytest.raises(AssertionError, match="decoded"):
        load(replace(tiny, decode=forbidden))
    assert digests(tiny) == first
    assert len(site.requests) == 1


def test_another_published_file_decodes_anew(tiny, site, data):
    digests(tiny)
    (data / "tiny.bin").unlink()
    other = site.offer("tiny.bin", PIXELS[::-1].tobytes() + LABELS)
    train, _ = load(replace(tiny, sources=(other,)))
    assert np.array_equal(train.images[0].numpy(), PIXELS[4].astype(np.float32) / np.float32(255))


def flip(at):
    return lambda content: content[:at] + bytes([content[at] ^ 16]) + content[at + 1 :]


def test_a_damaged_cache_is_rebuilt(tiny, site, data):
    good, kept = digests(tiny), data / "decoded.safetensors"
    content, (_, meta) = kept.read_bytes(), store.load_tensors(kept)
    for harm in (lambda c: c[:-1], lambda c: b"", lambda c: c + b"\0", *map(flip, [*range(0, 600, 13), -1, -90])):
        kept.write_bytes(harm(content))
        assert digests(tiny) == good
        assert store.load_tensors(kept)[1] == meta
    assert len(site.requests) == 1


def test_a_foreign_file_in_the_cache_is_rebuilt(tiny, data):
    good, kept = digests(tiny), data / "decoded.safetensors"
    for metadata in ({"sha256": "0" * 64}, {"key": "another"}, None):
        save_file({"train images": torch.zeros(3, 2, 3, 4, dtype=torch.uint8)}, kept, metadata)
        assert digests(tiny) == good


def test_a_damaged_published_file_is_refused_and_left_as_it_is(tiny, data):
    data.mkdir(parents=True)
    (data / "tiny.bin").write_bytes(PIXELS.tobytes() + LABELS[::-1] + b"?")
    with pytest.raises(DamagedFile, match=r"published file of 125 bytes\. Got '126 bytes'"):
        load(tiny)
    assert (data / "tiny.bin").stat().st_size == 126


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train images": torch.zeros(4, 2, 3, 4, dtype=torch.uint8)}, r"tiny, train must be 3 images of \(2, 3, 4\)"),
        ({"test images": torch.zeros(2, 2, 4, 3, dtype=torch.uint8)}, "tiny, test must be 2 images"),
        ({"train labels": torch.zeros(2, dtype=torch.uint8)}, "with a label each"),
        ({"test labels": torch.tensor([0, 3], dtype=torch.uint8)}, "tiny, test must be labels below 3. Got 3"),
        ({"train labels": torch.tensor([0, 255, 1], dtype=torch.uint8)}, "Got 255"),
    ],
)
def test_another_content_than_expected_is_refused_and_not_kept(tiny, data, change, message):
    with pytest.raises(DamagedFile, match=message):
        load(replace(tiny, decode=lambda expected, paths: decode(expected, paths) | change))
    assert not (data / "decoded.safetensors").exists()


def test_more_pixels_than_memory_are_refused_before_anything_is_fetched(tiny, site, data, monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 599}))  # 5 x 24 x 5 bytes
    with pytest.raises(InputError, match=r"small enough for the memory\. Got 'tiny'"):
        load(tiny)
    assert site.requests == [] and not data.exists()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 600}))
    load(tiny)


def test_a_place_that_cannot_hold_the_files_is_refused(tiny, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SSLENS_DATA", str(tmp_path / "file"))
    with pytest.raises(InputError, match="SSLENS_DATA"):
        load(tiny)


def test_a_full_disk_is_reported_and_leaves_nothing_half_written(tiny, data, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    load(replace(tiny, name="other"))  # fetches before the disk is full
    (data.parent / "other").rename(data)
    (data / "decoded.safetensors").unlink()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        load(tiny)
    assert sorted(path.name for path in data.iterdir()) == ["decoded.lock", "tiny.bin"]


def test_without_a_network_the_text_says_what_to_put_where(tiny, data):
    gone = Source("http://127.0.0.1:9/tiny.bin", tiny.sources[0].size, tiny.sources[0].sha256)
    with pytest.raises(InputError, match=rf"{data / 'tiny.bin'}: 125 bytes, SHA-256 {gone.sha256}, {gone.address}"):
        load(replace(tiny, sources=(gone,)))
    (data / "tiny.bin").write_bytes(PIXELS.tobytes() + LABELS)
    assert len(load(replace(tiny, sources=(gone,)))[0]) == 3


SCRIPT = """
from dataclasses import replace
from sslens.datasets.fetch import Source
from sslens.datasets.mnist import MNIST
from sslens.datasets.published import load
print([side.digest() for side in load(replace(MNIST, sources={sources!r}, counts={counts!r}, shape=(1, 2, 2)))])
"""


def test_two_processes_at_once_fetch_once(site):
    counts = {"train": 3, "test": 2}
    shapes = {f"{side}{len(shape)}": shape for side, n in counts.items() for shape in [(n, 2, 2), (n,)]}
    files = {name: formats.zipped(formats.idx(formats.noise(*shape, below=10))) for name, shape in shapes.items()}
    sources = tuple(site.offer(name, content) for name, content in files.items())
    site.go_on.clear()
    script = SCRIPT.format(sources=sources, counts=counts)
    other = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with ThreadPoolExecutor() as pool:
        assert site.halfway.wait(60)  # the other one is in the midst of its first file
        mine = pool.submit(digests, replace(mnist.MNIST, sources=sources, counts=counts, shape=(1, 2, 2)))
        with pytest.raises(TimeoutError):
            mine.result(timeout=0.3)
        site.go_on.set()
        assert other.communicate(timeout=60) == (f"{mine.result()}\n", "")
    assert [path for path, _ in site.requests] == ["/train3", "/train1", "/test3", "/test1"]
