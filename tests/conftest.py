"""What every test shares: one thread, headless kernels, caches in a folder of their own."""

import os

os.environ.update(OMP_NUM_THREADS="1", SSLENS_LIVE="0")

import pytest

from sslens import runtime


@pytest.fixture(scope="session", autouse=True)
def settled(tmp_path_factory):
    """Caches and runs of this session go to a fresh folder, so no test is answered by an earlier one."""
    os.environ["SSLENS_DATA"] = str(tmp_path_factory.mktemp("data"))
    runtime.settle("cpu")
