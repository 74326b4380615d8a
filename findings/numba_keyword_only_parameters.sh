#!/usr/bin/env bash
# numba 0.68.1: a jitted function with keyword-only parameters can be called by keyword from Python and not from another
# jitted function. Guess before: what is compiled for Python is compiled for numba, too. Seen: f(1, b=2) gives 3; the same
# call inside a jitted function is a TypingError, "missing a required argument: 'a'" (the argument that was given).
# Without the `*` both work. So the kernels of sslens take their arguments by position.
set -euo pipefail
place=$(mktemp -d) && trap 'rm -rf "$place"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$place" numba==0.68.1 numpy==2.4.6
PYTHONPATH="$place" python3 - <<'PY'
import re

import numba

@numba.njit
def only(a, *, b):
    return a + b

@numba.njit
def either(a, b):
    return a + b

@numba.njit
def calls_only(a):
    return only(a, b=2)

@numba.njit
def calls_either(a):
    return either(a, b=2)

try:
    found = calls_only(1)
except numba.core.errors.TypingError as error:
    found = next(re.sub(r"\x1b\[\d+m", "", line) for line in str(error).splitlines() if "missing" in line)
print("from Python:", only(1, b=2), "| without the star, from a jitted function:", calls_either(1))
print("from a jitted function:", found)
assert only(1, b=2) == calls_either(1) == 3 and "missing a required argument: 'a'" in str(found), "the behaviour has changed"
PY
