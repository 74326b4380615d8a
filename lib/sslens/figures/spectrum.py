"""Spectra as pictures."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from sslens.figures import curves, theme
from sslens.types import InputError, UnknownName

KINDS = ("singular values", "eigenvalues")


def scree(
    spectra: Mapping[str, curves.Numbers],
    *,
    kind: str,
    relative: bool = True,
    log_ranks: bool = False,
    floor: float | None = None,
) -> go.Figure:
    """Scree plot: values against their rank on a logarithmic axis, each spectrum over its first value or absolute.

    What lies below ``floor`` (by default a decade under the smallest positive value) is drawn at the floor with an
    open triangle: a dead direction is seen, not dropped. A power law is a straight line where ``log_ranks`` is set.

    Raises:
        InputError: no spectrum, an empty one, one without a finite number, or a floor that is not positive.
        UnknownName: ``kind`` is neither singular values nor eigenvalues.

    >>> len(scree({"vicreg": [4.0, 1.0, 0.0]}, kind="eigenvalues").data)  # the line, and the mark of the zero
    2
    """
    if kind not in KINDS:
        raise UnknownName("kind", kind, KINDS)
    if not spectra:
        raise InputError("spectra", spectra, "at least one spectrum")
    if floor is not None and not 0 < floor < np.inf:
        raise InputError("floor", floor, "a positive number")
    read = {name: curves.curve(f"spectra[{name!r}]", values) for name, values in spectra.items()}
    if relative:
        read = {name: _over_first(each) for name, each in read.items()}
    lowest = curves.floor_of(read.values()) if floor is None else floor
    figure = theme.figure(f"Spectrum: {kind} by rank", notes=curves.notes(read.values(), lowest))
    for name, style in theme.styles(read).items():
        places = np.arange(1.0, len(read[name].mean) + 1)
        figure.add_traces(curves.traces(places, read[name], name=name, style=style, floor=lowest))
    unit = "relative to the first" if relative else ""
    figure.update_yaxes(type="log", exponentformat="e", title_text=theme.named(kind.removesuffix("s"), unit))
    longest = max(len(each.mean) for each in read.values())
    ranks: dict[str, Any] = {"type": "log"} if log_ranks else {"type": "linear", "range": [0.5, 1.01 * longest + 0.5]}
    figure.update_xaxes(title_text="rank", **ranks)
    return figure


def _over_first(values: curves.Curve) -> curves.Curve:
    first = values.mean[0] if values.mean[0] > 0 else 1.0
    return curves.Curve(values.mean / first, values.low / first, values.high / first, values.seeds)
