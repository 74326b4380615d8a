#!/usr/bin/env bash
# safetensors 0.8.0 (numpy 2.4.6) writes the entries of `metadata` in another order from call to call, so the same
# tensors with the same two words of metadata give files of different bytes, and different checksums of the file.
# Guess before: the same input gives the same bytes. Seen: 2 different files in 24 calls of one process, one per order.
# With one entry the bytes are the same. So sslens keeps one checksum over the contents, and never one of such a file.
set -euo pipefail
place=$(mktemp -d) && trap 'rm -rf "$place"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$place" safetensors==0.8.0 numpy==2.4.6
PYTHONPATH="$place" python3 - <<'PY'
import hashlib
from safetensors.numpy import save
import numpy as np

def files(metadata):
    return {hashlib.sha256(save({"x": np.ones(2)}, metadata=metadata)).hexdigest()[:12] for _ in range(24)}

one, two = files({"a": "1"}), files({"a": "1", "b": "2"})
print(f"one entry: {len(one)} different file(s); two entries: {len(two)} different files of the same content")
assert len(one) == 1 and len(two) == 2, "the behaviour has changed"
PY
