#!/usr/bin/env bash
# pytest 9.2.0 with --import-mode=importlib: where the file of a module is collected (as --doctest-modules does) before its
# package has been imported, the module is set as an attribute of the package, also where the package's __init__ gives
# that name to a function of the module.
# Guess before: a package looks the same under pytest. Seen: `pkg.cka` is a function in a plain Python, and a module in
# every test that runs after collection. In sslens a conftest imports each package before its files are collected.
set -euo pipefail
place=$(mktemp -d) && trap 'rm -rf "$place"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$place/lib" pytest==9.2.0
mkdir -p "$place/pkg" && cd "$place"
printf 'from pkg.cka import cka as cka\n' > pkg/__init__.py
printf 'def cka():\n    """Nothing.\n\n    >>> 1 + 1\n    2\n    """\n' > pkg/cka.py
printf 'import pkg\n\ndef test_what_it_is():\n    print("in pytest: ", type(pkg.cka).__name__)\n' > test_it.py
export PYTHONPATH="$place:$place/lib"
python3 -c 'import pkg; print("in Python: ", type(pkg.cka).__name__)' | tee plain
python3 -m pytest -q -s -p no:cacheprovider --doctest-modules --import-mode=importlib pkg/cka.py test_it.py | tee tested
grep -q "in Python:  function" plain && grep -q "in pytest:  module" tested || { echo "the behaviour has changed"; exit 1; }
