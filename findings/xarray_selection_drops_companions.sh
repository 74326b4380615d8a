#!/usr/bin/env bash
# xarray 2026.9.0: `sel(run="a", drop=True)` drops more than the coordinate that was indexed by. Guess before: of a coordinate
# `status` along `run`, which is no index, the value for "a" stays as a scalar, as it does without `drop`. Seen: it is gone,
# and so is it after `isel` and `squeeze` with drop=True.
# sslens says in such a coordinate whether a run diverged. Its numbers are NaN as well: no verdict rests on the coordinate.
set -euo pipefail
place=$(mktemp -d) && trap 'rm -rf "$place"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --target "$place" xarray==2026.9.0 pandas==3.1.1 numpy==2.4.6
PYTHONPATH="$place" python3 - <<'PY'
import xarray as xr

status = ("run", ["complete", "diverged"])
losses = xr.DataArray([[1.0, 2.0], [3.0, 4.0]], {"run": ["a", "b"], "seed": [0, 1], "status": status}, ("run", "seed"))
found = {
    "sel": sorted(losses.sel(run="a").coords),
    "sel, drop": sorted(losses.sel(run="a", drop=True).coords),
    "isel, drop": sorted(losses.isel(run=0, drop=True).coords),
    "squeeze, drop": sorted(losses.isel(run=[0]).squeeze(drop=True).coords),
    "drop_vars": sorted(losses.sel(run="a").drop_vars("run").coords),
}
for name, coordinates in found.items():
    print(f"{name}: {', '.join(coordinates)}")
dropped = [found[name] for name in ("sel, drop", "isel, drop", "squeeze, drop")]
assert dropped == 3 * [["seed"]] and found["drop_vars"] == ["seed", "status"], "the behaviour has changed"
PY
