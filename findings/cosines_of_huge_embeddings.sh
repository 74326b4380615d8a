#!/usr/bin/env bash
# torch 2.13.0 (CPU): two equal float32 rows of 1e20 have the cosine 0, and a contrastive loss of them has no gradient.
# Guess before: `normalize` and `cosine_similarity` divide by the norm, so that the length of a row does not matter, or
# gives inf or NaN, which a training loop notices. Seen: `vector_norm` squares without scaling, so from 1.9e19 on the
# norm is inf, the row becomes 0 and its gradient 0: finite numbers, no error. `svdvals` of the same row is right, as is
# scipy.linalg.norm. So sslens brings rows beyond 2^40 to size before it takes their directions.
set -euo pipefail
place=$(mktemp -d) && trap 'rm -rf "$place"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$place" torch==2.13.0 numpy==2.4.6
PYTHONPATH="$place" OMP_NUM_THREADS=1 python3 - <<'PY'
import torch
from torch.nn.functional import cosine_similarity, normalize

row = torch.full((1, 4), 1e20, requires_grad=True)
cosine = cosine_similarity(row, row)
direction = normalize(row)
(direction * torch.arange(4.0)).sum().backward()
norm, singular = torch.linalg.vector_norm(row).item(), torch.linalg.svdvals(row).item()
print(f"cosine {cosine.item()}, direction {direction.tolist()}, gradient {row.grad.tolist()}")
print(f"vector_norm {norm}, svdvals {singular:.3g}")
still = not direction.any() and not row.grad.any() and cosine.item() == 0
assert still and norm == float("inf") and abs(singular / 2e20 - 1) < 1e-5, "the behaviour has changed"
PY
