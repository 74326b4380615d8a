#!/usr/bin/env bash
# torch 2.13.0 (CPU, MKL, one thread): `torch.linalg.svdvals` of a wide float64 matrix takes a multiple of the time that
# it takes for the transpose of the same matrix, whose singular values are the same. Guess before: LAPACK reduces either
# to a square first, so both cost about the same. Seen: 600 x 8,192 takes 2.6 s against 0.26 s, 320 x 69,680 3.8 s
# against 0.8 s; numpy and scipy were not compared. So sslens hands wide features over transposed.
set -euo pipefail
place=$(mktemp -d) && trap 'rm -rf "$place"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$place" torch==2.13.0 numpy==2.4.6
PYTHONPATH="$place" OMP_NUM_THREADS=1 python3 - <<'PY'
import time
import torch

def seconds(matrix):
    times = []
    for _ in range(3):
        start = time.perf_counter()
        torch.linalg.svdvals(matrix)
        times.append(time.perf_counter() - start)
    return min(times)

torch.set_num_threads(1)
wide = torch.randn(600, 8192, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
difference = (torch.linalg.svdvals(wide) - torch.linalg.svdvals(wide.mT)).abs().max().item()
slow, fast = seconds(wide), seconds(wide.mT)
print(f"600 x 8,192: wide {slow:.2f} s, transposed {fast:.2f} s; values differ by {difference:.1e}")
assert slow > 2 * fast and difference < 1e-9, "the behaviour has changed"
PY
