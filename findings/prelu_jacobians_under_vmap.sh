#!/usr/bin/env bash
# torch 2.13.0 (CPU): Jacobians per sample by `vmap(jacrev(...))` are wrong for `prelu` with one slope. Guess before: they
# equal the Jacobians taken sample by sample, as the documentation of torch.func shows for other functions. Seen: with as
# many samples as outputs (3 of 3 numbers) a wrong number, 0.75 off, without a word; with 2 or 4 samples a RuntimeError
# about sizes; a single sample is right, so are `jacrev` in a loop, `vmap(grad)`, the values themselves, and leaky_relu.
# So sslens takes Jacobians by plain autograd, an output at a time.
set -euo pipefail
place=$(mktemp -d) && trap 'rm -rf "$place"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$place" torch==2.13.0 numpy==2.4.6
PYTHONPATH="$place" OMP_NUM_THREADS=1 python3 - <<'PY'
import torch
from torch.func import grad, jacrev, vmap
from torch.nn.functional import leaky_relu, prelu

slope = torch.tensor([0.25], dtype=torch.float64)

def error(samples, function, batched):
    x = torch.randn(samples, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    right = torch.diag_embed(torch.where(x > 0, 1.0, slope))
    jacobian = jacrev(function)
    try:
        found = vmap(jacobian)(x) if batched else torch.stack([jacobian(one) for one in x])
    except RuntimeError as refusal:
        return type(refusal).__name__
    return round(float((found - right).abs().max()), 6)

def bent(x):
    return prelu(x, slope)

batched = {samples: error(samples, bent, True) for samples in (1, 2, 3, 4)}
print("vmap(jacrev(prelu)), error by number of samples of 3 numbers:", batched)
x = torch.randn(3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
summed = vmap(grad(lambda sample: bent(sample).sum()))(x)
assert torch.equal(summed, torch.where(x > 0, 1.0, slope)), "the behaviour has changed"
assert error(3, bent, False) == 0 and error(3, lambda x: leaky_relu(x, 0.25), True) == 0, "the behaviour has changed"
assert batched == {1: 0, 2: "RuntimeError", 3: 0.75, 4: "RuntimeError"}, "the behaviour has changed"
PY
