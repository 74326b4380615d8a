"""Jacobians with which learning from labels begins: their rank, and whose labels lie in their leading directions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn
from torch.nn.functional import one_hot
from xarray import DataArray

from sslens.measures.network_diagnostics import jacobian
from sslens.measures.spectrum.effective_rank import entropy_rank
from sslens.studies.wrong_labels_features import redrawn
from sslens.trace import Trace
from sslens.train import Config, Runs, learned, restore
from sslens.types import Images, Labels

OUTPUTS = {"smoke": 40}
"""Logits of all images together whose derivatives are taken, where a profile takes fewer."""
MOST_OUTPUTS = 300
LEADING = 10
"""One of so many directions, the strongest, counts as leading."""
ENERGY = 0.9
"""Share of the squared singular values that the directions counted hold."""
PRETRAINED, FRESH, CONTROL = "pre-trained with SimCLR", "freshly drawn", "trained on true labels"
TRUE, NOISE = "true labels", "redrawn labels"
SHARE = "share of directions"


@final
@dataclass(frozen=True, eq=False)
class Jacobians:
    """What Jacobians say: of each run and seed its spectrum, and how much of which labels its directions hold.

    >>> ones = DataArray(np.ones((1, 1, 2)), dims=("run", "seed", "rank"))
    >>> ranks(Jacobians(ones, ones).spectra).sel(measure="stable rank").item()
    2.0
    """

    spectra: DataArray
    """Singular values over the largest: run x seed x rank."""
    energy: DataArray
    """Share of labels in the leading directions, cumulative: run x labels x seed x share of directions."""


def jacobians(*, pretrained: Runs, supervised: Runs, profile: str) -> Jacobians:
    """Of the networks, heads and all, with which a run from scratch and a fine-tuned one begin.

    And, as one that must show a low rank if it can be seen here, of the network at the end of training on true labels
    (the first of the supervised runs). The same images and, by seed, the same head in the first two. NaN where a run
    had diverged.

    Raises:
        InputError: other seeds, several pre-trained runs, or as for ``network_diagnostics.jacobian``.
    """
    name, noisiest, clean = pretrained.names[0], supervised.names[-1], supervised.names[0]
    ends = {PRETRAINED: (pretrained[name], 0), FRESH: (supervised[noisiest], 0), CONTROL: (supervised[clean], -1)}
    spectra, energy = [], []
    for traces, index in ends.values():
        found = [_of_run(trace, index, seed, profile) for seed, trace in zip(supervised.seeds, traces, strict=True)]
        spectra.append([values for values, _ in found])
        energy.append([shares for _, shares in found])
    count = len(spectra[0][0])
    coords = {"run": list(ends), "seed": list(supervised.seeds)}
    attrs = {"unit": "", "setting": pretrained.setting}
    sigma = DataArray(
        np.array(spectra),
        coords | {"rank": range(1, count + 1)},
        ("run", "seed", "rank"),
        "singular value over the largest",
        attrs,
    )
    places = coords | {"labels": [TRUE, NOISE], SHARE: np.arange(1, count + 1) / count}
    shares = DataArray(np.array(energy), places, ("run", "seed", "labels", SHARE), "label energy", attrs)
    return Jacobians(sigma, shares.transpose("run", "labels", "seed", SHARE))


def _of_run(trace: Trace, index: int, seed: int, profile: str) -> tuple[np.ndarray, np.ndarray]:
    data = learned(Config.of_json(trace.config))
    outputs = OUTPUTS.get(profile, MOST_OUTPUTS)
    count = max(2, outputs // len(data.classes))
    if trace.snapshots[index].diverged:
        size = count * len(data.classes)
        return np.full(size, np.nan), np.full((2, size), np.nan)
    left, values = modes(restore(trace, index, head=True), data.images[:count])
    given = [labels[:count] for labels in (data.labels, redrawn(data, 1.0, seed=seed))]
    shares = [energy_along(left, labels, classes=len(data.classes)).cumsum(0) for labels in given]
    return (values / values[0]).numpy(), torch.stack(shares).numpy()


def modes(network: nn.Module, images: Images) -> tuple[Float64[Tensor, "m k"], Float64[Tensor, "k"]]:
    """Left singular vectors and singular values of the Jacobian of all outputs in all parameters, J = U Σ Vᵀ.

    A row of J, and of U, is one output of one image. J is far wider than high: of Jᵀ = Q R only R is kept, and its
    transpose has the same U and Σ.

    Raises:
        InputError: as for ``network_diagnostics.jacobian``.

    >>> line = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False))
    >>> left, values = modes(line, torch.tensor([[3.0, 0.0], [0.0, 1.0]]).view(2, 1, 1, 2))
    >>> left.abs().round(decimals=6).tolist(), values.round(decimals=6).tolist()
    ([[1.0, 0.0], [0.0, 1.0]], [3.0, 1.0])
    """
    rows = jacobian(network, images).flatten(0, 1)
    left, values, _ = torch.linalg.svd(torch.linalg.qr(rows.T, mode="r").R.T, full_matrices=False)
    return left, values


def energy_along(left: Float64[Tensor, "m k"], labels: Labels, *, classes: int) -> Float64[Tensor, "k"]:
    """Share of a labelling along each left singular vector of a Jacobian: (u_iᵀ y)² / ‖y‖².

    y are the one-hot labels of all images in a row, each column about its mean: how the logits would have to move,
    apart from what is the same for all images. 0 everywhere where all labels are the same.

    >>> energy_along(torch.eye(4).double(), torch.tensor([0, 1]), classes=2).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    y = one_hot(labels, classes).double()
    y = (y - y.mean(0)).flatten()
    total = float(y.square().sum())
    energy = (left.T @ y).square()
    return energy / total if total else energy


def ranks(spectra: DataArray) -> DataArray:
    """Three numbers of directions in each spectrum, from its shares p = σ² / Σσ²: measure x run x seed.

    Stable rank, 1 / p₁; entropy rank, exp(−Σ p ln p); the fewest directions that hold 90 %. The first hears the
    largest value alone, the others the whole spectrum. NaN where there is no spectrum.

    >>> flat = DataArray(np.ones((1, 1, 10)), dims=("run", "seed", "rank"))
    >>> ranks(flat).values.ravel().round(6).tolist()
    [10.0, 10.0, 9.0]
    """
    table = spectra.transpose("run", "seed", "rank").values
    found = np.array([[_three_ranks(values) for values in row] for row in table])
    coords = {name: spectra[name].values for name in ("run", "seed") if name in spectra.coords}
    coords |= {"measure": ["stable rank", "entropy rank", f"directions for {ENERGY:.0%}"]}
    attrs = {"unit": "", "setting": spectra.attrs.get("setting", "")}
    return DataArray(found, coords, ("run", "seed", "measure"), "directions", attrs).transpose("measure", "run", "seed")


def _three_ranks(values: Sequence[float] | Float[np.ndarray, "k"]) -> list[float]:
    squares = torch.from_numpy(np.asarray(values)).square()
    if not squares.isfinite().all():
        return [float("nan")] * 3
    held = squares.cumsum(0) / squares.sum()
    return [float(1 / held[0]), entropy_rank(squares), int((held < ENERGY * (1 - 1e-12)).sum()) + 1]


def in_leading(energy: DataArray) -> DataArray:
    """Share of the labels in the leading tenth of the directions: run x labels x seed."""
    return energy.isel({SHARE: energy.sizes[SHARE] // LEADING - 1}, drop=True)
