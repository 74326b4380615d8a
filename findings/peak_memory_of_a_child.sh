#!/usr/bin/env bash
# Python 3.11 on Linux, numpy 2.4.6: `resource.getrusage(RUSAGE_SELF).ru_maxrss` of a fresh process that
# `subprocess.run([sys.executable, ...])` starts is not below the peak of the process that started it. Guess before: a new
# program begins to count anew. Seen: a child that holds 50 MB reports some 700 MB where its parent held 640 MB, and below
# 150 MB where the parent is small; `VmHWM` in /proc/self/status is right in both. Benchmarks that start a process for
# each measurement understate the growth, or find none. So sslens reads VmHWM in its tests and benchmarks of memory.
set -euo pipefail
place=$(mktemp -d) && trap 'rm -rf "$place"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$place" numpy==2.4.6
PYTHONPATH="$place" python3 - <<'PY'
import platform, subprocess, sys
import numpy as np

CHILD = r"""
import re, resource
import numpy as np
held = np.ones(50 * 2**20, dtype=np.uint8)
high = int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, high // 1024)
"""


def of_child():
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


small = of_child()
held = np.ones(640 * 2**20, dtype=np.uint8)
large = of_child()
print(f"Python {platform.python_version()}: ru_maxrss and VmHWM of a child, MB: {small} of a small parent, {large} of a large one")
assert small[0] < 200 and abs(small[1] - large[1]) < 20, "the behaviour has changed"
assert large[0] > 600 > 200 > large[1], "the behaviour has changed"
PY
