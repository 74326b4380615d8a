"""What every test shares: one thread, headless kernels, a seed, caches in a folder of their own."""

import os

os.environ.update(OMP_NUM_THREADS="1", SSLENS_LIVE="0")

import pytest
import torch

from sslens import runtime


@pytest.fixture(scope="session", autouse=True)
def settled(tmp_path_factory):
    """Caches and runs of this session go to a fresh folder, so no test is answered by an earlier one.

    The workers of one session share it: the notebooks' bank is trained once.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    os.environ["SSLENS_DATA"] = str(shared / "shared-data")
    runtime.settle("cpu")


def pytest_runtest_setup():
    """Networks built without a seed of their own are the same in whatever order the tests run."""
    torch.manual_seed(0)
