"""``python -m tests.benchmarks.peer PYTHON``: our loop beside lightly's, on the same network and images.

PYTHON is an interpreter of an environment of its own, because lightly does not import beside the torch that is pinned
here: ``python -m venv ENV && ENV/bin/pip install lightly==1.6.0 jaxtyping``. Both train SimCLR in float32 on one
thread; what counts is processor time, lightly's loading workers included. It is timed without workers and with two, and
the better of both is what ours is held against.
"""

import argparse
import os
import subprocess
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from sslens import datasets, runtime
from sslens.objectives import SimCLR
from tests.benchmarks import coloured_blobs
from tests.benchmarks.rows import alternate
from tests.benchmarks.steps import augmented, training

HERE = Path(__file__).resolve().parents[2]
ROUNDS, AIM, AIM_HALF = 3, 2.35, 3.0
WORKERS = (0, 2)
SETS = (("scattered_digits", "16x16x1", 60), (coloured_blobs.NAME, "32x32x3", 28))
"""Data set, shape and steps of a round."""


def main() -> None:
    """Print images per second of processor time, ours and theirs, and the ratio of each round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", type=Path)
    python = parser.parse_args().python
    runtime.configure_torch("cpu")
    coloured_blobs.register()
    for dataset, shape, steps in SETS:
        ours: dict[str, list[float]] = {"float32": [], "bfloat16": []}
        theirs: list[float] = []
        for _ in range(ROUNDS):
            for kind, speeds in ours.items():
                speeds.append(_ours(dataset, steps, autocast=kind == "bfloat16"))
            theirs.append(max(_theirs(python, dataset, steps, workers) for workers in WORKERS))
        for kind, aim in (("float32", AIM), ("bfloat16", AIM_HALF)):
            ratios = [mine / its for mine, its in zip(ours[kind], theirs, strict=True)]
            print(
                f"{shape}, {kind}: {median(ours[kind]):,.0f} images per second of processor time, "
                f"lightly in float32 {median(theirs):,.0f}; ratio {median(ratios):.2f} "
                f"[{min(ratios):.2f}, {max(ratios):.2f}] (aim: at least {aim})",
                flush=True,
            )


def _ours(dataset: str, steps: int, **compute: Any) -> float:
    state = training(data={"name": dataset}, objective=SimCLR(), compute={"device": "cpu"} | compute)
    [[cost]] = alternate(augmented(state, steps), rounds=1)
    return steps * state.config.optimisation.batch_size / cost.cpu


def _theirs(python: Path, dataset: str, steps: int, workers: int) -> float:
    images = datasets.load(dataset)[0].images
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "images.npy"
        np.save(file, (images * 255).round().to(dtype=torch.uint8).permute(0, 2, 3, 1).numpy())
        environment = os.environ | {"PYTHONPATH": str(HERE / "lib"), "OMP_NUM_THREADS": "1"}
        command = [str(python), "-P", str(HERE / "tests/benchmarks/peer_loop.py"), str(file), str(steps), str(workers)]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return 1 / float(done.stdout.split()[-1])


if __name__ == "__main__":
    main()
