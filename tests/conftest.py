"""What every test shares: one thread, headless kernels, a seed, caches in a folder of their own."""

import os

os.environ.update(OMP_NUM_THREADS="1", SSLENS_LIVE="0")

import jaxtyping
import pytest
import torch

from sslens import runtime

collect_ignore = ["benchmarks/peer_loop.py"]  # is run by another interpreter, which has lightly


@pytest.fixture(scope="session", autouse=True)
def settled(tmp_path_factory):
    """Caches and runs of this session go to a folder that begins empty, so no test is answered by an earlier session.

    The workers of one session, its notebooks and the processes it starts share it: what they train is trained once.
    """
    # named by the plugin tests.notebooks.tolerance, which a machine for the GPU's tests alone does not load
    shared = os.environ.get("SSLENS_TEST_DATA")
    os.environ["SSLENS_DATA"] = shared or str(tmp_path_factory.getbasetemp() / "data")
    runtime.configure_torch("cpu")


@pytest.fixture
def unchecked():
    """Without the shape checks of the tests, as a user runs it: only our own errors stand between input and number."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def pytest_runtest_setup():
    """Networks built without a seed of their own are the same in whatever order the tests run."""
    torch.manual_seed(0)
