"""Labelled numbers for the tests of figures."""

import numpy as np
from xarray import DataArray


def along(values, *, name="loss", unit="", **coords):
    """An array over ``run``, ``seed`` and ``step``, as many of them as it has; other dimensions by keyword."""
    values = np.asarray(values, dtype=float)
    if not coords:
        dims = {1: ["step"], 2: ["run", "step"], 3: ["run", "seed", "step"]}[values.ndim]
        known = {"run": ["vicreg", "simsiam", "simclr", "byol"], "seed": [0, 1, 2, 3], "step": [0, 10, 20, 30]}
        coords = {dim: known[dim][:size] for dim, size in zip(dims, values.shape, strict=True)}
    return DataArray(values, coords, list(coords), name, {"unit": unit})


def drawn(figure, mode="lines+markers"):
    """Its bold lines."""
    return [trace for trace in figure.data if trace.mode == mode]
