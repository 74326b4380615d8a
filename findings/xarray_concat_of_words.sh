#!/usr/bin/env bash
# xarray 2026.9.0 with pandas 3.1.1: `concat` along a pandas Index of words gives the new coordinate numpy's StringDType,
# and `idxmin` along it fails; along a DataArray of the same words it works.
# Guess before: both give the same coordinate. Seen: dtype StringDType(...) and an error, against <U4 and a label.
set -euo pipefail
place=$(mktemp -d) && trap 'rm -rf "$place"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$place" xarray==2026.9.0 pandas==3.1.1 numpy==2.4.6
PYTHONPATH="$place" python3 - <<'PY'
import pandas as pd
import xarray as xr

words = ["rank", "loss"]
rows = [xr.DataArray([2.0, 1.0], dims="seed"), xr.DataArray([0.0, 3.0], dims="seed")]
by_index = xr.concat(rows, pd.Index(words, name="measure"))
by_array = xr.concat(rows, xr.DataArray(words, dims="measure", name="measure"))
print("along an Index:    ", by_index.measure.dtype)
print("along a DataArray: ", by_array.measure.dtype, by_array.idxmin("measure").values.tolist())
try:
    found = by_index.idxmin("measure").values.tolist()
except Exception as error:
    found = type(error).__name__
print("idxmin along the Index:", found)
assert by_index.measure.dtype != by_array.measure.dtype and isinstance(found, str), "the behaviour has changed"
PY
