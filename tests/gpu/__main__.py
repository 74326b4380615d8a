"""``python -m tests.gpu``: the tests that need a CUDA device; with it only what is listed in ``NEEDED``."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.gpu import MISSING

HERE = Path(__file__).resolve().parent
NEEDED = ("torch", "numpy", "xarray", "jaxtyping", "safetensors", "filelock", "pytest")
FLAGS = ("-o", "addopts=", "-p", "no:cacheprovider", "-m", "gpu", "-rs")


def main() -> int:
    """Say what is missing, then run the tests of this folder with the settings they need and no others."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        print(f"cannot run: {', '.join(missing)} missing from {sys.executable}", file=sys.stderr)
        return 2
    for name, instead in MISSING.items():
        print(f"{name} is missing: {instead}")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read once, when the device wakes up
    import pytest
    import torch

    if not torch.cuda.is_available():
        print(f"torch {torch.__version__} sees no CUDA device: every test here is skipped")
    # no settings from pyproject.toml: they ask for plugins that such a machine lacks
    return pytest.main([str(HERE), "-c", os.devnull, f"--rootdir={HERE.parents[1]}", *FLAGS])


if __name__ == "__main__":
    raise SystemExit(main())
