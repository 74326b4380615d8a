#!/usr/bin/env bash
# nbformat 5.11.1 with jsonschema 4.26.0: where rfc3987-syntax 1.1.0 is installed, which jupyter-events brings along by
# asking for `jsonschema[format-nongpl]`, `import nbformat` builds that package's Lark grammars, whether a schema ever
# asks for such a format or not. Guess before: format checkers are loaded when a format is checked. Seen: `import
# nbformat` takes 0.1 s without it and 1.0 s with it, so every tool that reads a notebook in a JupyterLab environment
# (papermill, nbval, nbconvert, our own runner) begins a second later.
set -euo pipefail
place=$(mktemp -d) && trap 'rm -rf "$place"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$place/plain" nbformat==5.11.1 jsonschema==4.26.0
python3 -m pip install --quiet --disable-pip-version-check --target "$place/more" rfc3987-syntax==1.1.0 lark==1.3.1
timed='import time; start = time.perf_counter(); import nbformat; print(f"{time.perf_counter() - start:.2f}")'
for _ in 1 2; do # the first of each writes the bytecode
    without=$(PYTHONPATH="$place/plain" python3 -c "$timed")
    with=$(PYTHONPATH="$place/plain:$place/more" python3 -c "$timed")
done
echo "import nbformat: $without s without rfc3987-syntax, $with s with it"
python3 -c "import sys; sys.exit(not float('$with') > 3 * float('$without'))" || { echo "the behaviour has changed"; exit 1; }
