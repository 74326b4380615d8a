#!/usr/bin/env bash
# torch 2.13.0 (CPU): of a network in channels-last layout, `nn.utils.parameters_to_vector` raises RuntimeError ("view
# size is not compatible ..."), while `nn.utils.vector_to_parameters` accepts it and leaves its weights in the contiguous
# layout without a word. Guess before: both take any layout and keep it. Seen: as described; the values are right, the
# layout, and with it the speed and the order of rounding, is another. So sslens flattens such tensors itself.
set -euo pipefail
place=$(mktemp -d) && trap 'rm -rf "$place"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$place" torch==2.13.0 numpy==2.4.6
PYTHONPATH="$place" python3 - <<'PY'
import torch
from torch import nn

net = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
try:
    nn.utils.parameters_to_vector(net.parameters())
    raised = ""
except RuntimeError as error:
    raised = str(error)
entries = sum(parameter.numel() for parameter in net.parameters())
nn.utils.vector_to_parameters(torch.arange(float(entries)), net.parameters())
kept = net.weight.is_contiguous(memory_format=torch.channels_last)
print(f"to a vector: {raised[:36]!r}; from a vector: channels-last kept: {kept}, first weights {net.weight.flatten()[:3].tolist()}")
assert raised and not kept and net.weight.flatten()[:3].tolist() == [0.0, 1.0, 2.0], "the behaviour has changed"
PY
