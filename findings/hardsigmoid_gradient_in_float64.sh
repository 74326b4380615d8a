#!/usr/bin/env bash
# torch 2.13.0 (CPU): the float64 gradient of `hardsigmoid` has the precision of float32. Guess before: it is 1/6 to
# rounding between -3 and 3, as the value (x + 3) / 6 is. Seen: 0.16666667163..., 5e-9 off, everywhere in between; the
# value, `hardswish`, and the same written as `clamp(x + 3, 0, 6) / 6` are right.
# So sslens takes the slopes of a piecewise affine unit from its formula; a check of gradients at 1e-10 would fail here.
set -euo pipefail
place=$(mktemp -d) && trap 'rm -rf "$place"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$place" torch==2.13.0 numpy==2.4.6
PYTHONPATH="$place" OMP_NUM_THREADS=1 python3 - <<'PY'
import torch
from torch.nn.functional import hardsigmoid, hardswish

x = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0], dtype=torch.float64, requires_grad=True)

def error(function, slope):
    (gradient,) = torch.autograd.grad(function(x).sum(), x)
    return float((gradient - slope).detach().abs().max())

found = error(hardsigmoid, torch.full_like(x, 1 / 6))
print(f"hardsigmoid: gradient off by {found:.2g}, value by {float((hardsigmoid(x) - (x + 3) / 6).abs().max().detach()):.2g}")
written = error(lambda x: torch.clamp(x + 3, 0, 6) / 6, torch.full_like(x, 1 / 6))
print(f"clamp(x + 3, 0, 6) / 6: {written:.2g}; hardswish: {error(hardswish, (2 * x + 3) / 6):.2g}")
assert 4.9e-9 < found < 5.1e-9 and written < 1e-16 and error(hardswish, (2 * x + 3) / 6) < 1e-15, "the behaviour has changed"
PY
