#!/usr/bin/env bash
# torch 2.13.0 (CPU): `torch.use_deterministic_algorithms(True)` imports torch._inductor and torch._dynamo to set a flag
# there, and making any optimizer imports torch._dynamo, in programs that compile nothing. Guess before: the compiler is
# imported when something is compiled. Seen: 1.5 to 2 s for the first of the two in every process, next to nothing for
# the other then; `torch.set_deterministic_debug_mode("warn")` sets the same switch of the eager operators in 20 µs and
# imports nothing. So sslens uses that one, and only processes that train pay for the optimizer.
set -euo pipefail
place=$(mktemp -d) && trap 'rm -rf "$place"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$place" torch==2.13.0 numpy==2.4.6
for call in 'torch.use_deterministic_algorithms(True, warn_only=True)' 'torch.set_deterministic_debug_mode("warn")' \
  'torch.optim.AdamW([torch.zeros(2, requires_grad=True)])'; do
  CALL="$call" PYTHONPATH="$place" python3 - <<'PY'
import os, sys, time
import torch

call, start = os.environ["CALL"], time.perf_counter()
eval(call)
took = time.perf_counter() - start
there = [name for name in ("torch._dynamo", "torch._inductor") if name in sys.modules]
print(f"{call}: {took:.2f} s, imported {there or 'neither'}")
wanted = {"use": ["torch._dynamo", "torch._inductor"], "set": [], "opt": ["torch._dynamo"]}[call.removeprefix("torch.")[:3]]
assert set(wanted) <= set(there) and bool(wanted) == bool(there), "the behaviour has changed"
if wanted == []:
    assert torch.are_deterministic_algorithms_enabled() and torch.is_deterministic_algorithms_warn_only_enabled()
PY
done
