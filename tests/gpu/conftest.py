"""A device to test on, and images that need no package beyond torch."""

import pytest
import torch

from sslens import datasets, runtime
from sslens.datasets import digits
from tests.benchmarks import coloured_blobs
from tests.gpu import MISSING


def pytest_configure(config):
    config.addinivalue_line("markers", "gpu: needs a CUDA device")  # pyproject.toml is not read on a bare machine


@pytest.fixture(params=["rehearsal", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request, monkeypatch):
    """The GPU, or where a test is only rehearsed the CPU with the GPU's bf16 autocast."""
    if request.param == "rehearsal":
        monkeypatch.setattr(torch, "autocast", as_on_a_gpu(torch.autocast))
        return "cpu"
    if not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device")
    return "cuda"


def as_on_a_gpu(autocast):
    """Wherever half precision is named, use it; the views still switch it off."""
    return lambda kind, dtype=None, enabled=True: autocast(kind, dtype, enabled=enabled or dtype is not None)


@pytest.fixture(autouse=True)
def table(monkeypatch):
    """Scattered digits come from a random table of ten shapes where scikit-learn's is not installed."""
    if "sklearn" in MISSING:
        monkeypatch.setattr(digits, "_table", drawn_table)


def drawn_table():
    """As scikit-learn's: rows of 64 pixels in 0..16 and a label."""
    generator = runtime.stream(0, "drawn digits")
    labels = torch.arange(digits.COUNT) % len(digits.CLASSES)
    shapes = torch.rand(len(digits.CLASSES), 64, generator=generator) > 0.5
    ink = shapes[labels] * (8 + 8 * torch.rand(digits.COUNT, 64, generator=generator))
    return bytearray(torch.cat([ink.round().to(torch.uint8), labels[:, None].to(torch.uint8)], 1).flatten().tolist())


@pytest.fixture
def coloured(monkeypatch):
    """The name of a set of 32x32 colour images made in place."""
    monkeypatch.setitem(datasets.LOADERS, coloured_blobs.NAME, coloured_blobs.load)
    return coloured_blobs.NAME
