"""Features on a plane: PCA by default, UMAP on request."""

import warnings
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from sslens.measures.features import centred, prepared, significant
from sslens.types import Features, InputError, Range, UnknownName, checked

METHODS = ("pca", "umap")
TIE = 1e-12
"""Distances closer than this, relative to their size, are equal."""


def project(h: Features, *, method: str = "pca", generator: torch.Generator | None = None) -> Float[Tensor, "n 2"]:
    """Two coordinates for every sample.

    ``pca``: the centred features along their two leading principal axes, in the features' units; the largest loading
    of an axis is positive, so the map does not flip between runs. Constant features all lie at the origin; a direction
    that is rounding only, or not there, is 0. ``umap``: neighbourhoods kept, axes and distances without meaning;
    exact neighbours (15, or n − 1 if that is fewer), PCA start, one thread, its random state drawn from ``generator``,
    the same at every call where there is none. The first call in a process compiles for some ten seconds. Coordinates
    of different machines are not comparable.

    Raises:
        UnknownName: ``method`` is neither pca nor umap.
        InputError: no (n, d) matrix of finite floating-point numbers with n >= 2; for umap n < 4 or constant features,
            of which it would draw a plausible cloud.

    References: Jolliffe, "Principal component analysis", 2002, ch. 2; McInnes, Healy, Melville, "UMAP", 2018,
    arXiv 1802.03426.

    >>> project(torch.tensor([[0.0, 1.0], [0.0, 5.0]]))
    tensor([[-2.,  0.],
            [ 2.,  0.]], dtype=torch.float64)
    """
    if method not in METHODS:
        raise UnknownName("method", method, METHODS)
    if method == "pca":
        return _principal(h)[0]
    if generator is not None:
        generator = checked("generator", generator, torch.Generator)
    state = 0 if generator is None else int(torch.randint(2**31, (), generator=generator, device=generator.device))
    return _umap(h, state)


def explained(h: Features) -> Float[Tensor, "2"]:
    """Shares of the variance along the two axes of the PCA plane, in [0, 1]; zeros for constant features.

    Raises:
        InputError: no (n, d) matrix of finite floating-point numbers with n >= 2.

    >>> explained(torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    tensor([0.8000, 0.2000], dtype=torch.float64)
    """
    spectrum = _principal(h)[1]
    shares = (spectrum / spectrum[0]).square() if spectrum[0] else spectrum
    return torch.nn.functional.pad(shares / shares.sum().clamp_min(1), (0, 1))[:2]


def neighbours_kept(h: Features, plane: Float[Tensor, "m p"], *, k: int = 10) -> float:
    """Share of each sample's k nearest neighbours among the features that are among its k nearest on the plane.

    In [0, 1], averaged over samples; distances are Euclidean and no sample is its own neighbour. 1 is a map that keeps
    every neighbourhood, k / (n - 1) is what a random one keeps, and what is said of constant features, which have no
    neighbourhoods. Among samples as near as the k-th (to 1e-12) all are as likely to be counted, so the order of the
    samples never matters. Relatives: LCMC subtracts the chance level; scikit-learn's ``trustworthiness`` weighs
    intruders by how far away they are.

    Raises:
        InputError: no (n, d) and (n, p) matrices of finite floating-point numbers with n >= 2, or k not in [1, n - 1].

    Reference: Lee, Verleysen, "Quality assessment of dimensionality reduction: rank-based criteria", Neurocomputing 72,
    2009, Q_NX.

    >>> h = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    >>> neighbours_kept(h, h.expand(4, 2), k=1), neighbours_kept(h, h[[0, 3, 1, 2]].expand(4, 2), k=1)
    (1.0, 0.25)
    """
    values, places = (prepared(each, name=name, rows=2).values for name, each in (("features", h), ("plane", plane)))
    if len(values) != len(places):
        raise InputError("plane", f"{len(places)} places", f"one for each of the {len(values)} samples")
    k = checked("k", k, Annotated[int, Range(1, len(values) - 1)])
    return float((_nearness(values, k) * _nearness(places, k)).sum(1).mean() / k)


def _nearness(values: Float[Tensor, "n d"], k: int) -> Float[Tensor, "n n"]:
    """Of each sample how likely each other one is counted among its k nearest: 1, 0, or a share between ties."""
    apart = torch.cdist(values, values, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(torch.inf)
    last = apart.kthvalue(k, 1, keepdim=True).values
    nearer = apart < last * (1 - TIE)
    tied = (apart <= last * (1 + TIE)) & ~nearer
    share = (k - nearer.sum(1, keepdim=True)).double() / tied.sum(1, keepdim=True)
    return nearer + tied * share


def _principal(h: Features) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "k"]]:
    """Coordinates on the two leading axes, and all singular values."""
    values, unit, floor, grain = prepared(h, rows=2)
    left, spectrum, axes = torch.linalg.svd(centred(values, floor=floor), full_matrices=False)
    spectrum = significant(spectrum, floor=floor, grain=grain) * unit
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True)).flatten()
    coordinates = left * spectrum * largest.sign()  # (n, k)
    return torch.nn.functional.pad(coordinates, (0, 1))[:, :2], spectrum


def _umap(h: Features, state: int) -> Float[Tensor, "n 2"]:
    given = prepared(h, rows=4)
    values = centred(given.values, floor=given.floor)
    if not values.any():
        raise InputError("features", "constant features", "not collapsed to a point, for UMAP")
    values = values / values.abs().max()  # UMAP computes in float32
    apart = torch.cdist(values, values, compute_mode="donot_use_mm_for_euclid_dist")
    distances, neighbours = apart.topk(min(15, len(values) - 1), largest=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
        warnings.filterwarnings("ignore", r"precomputed_knn\[2\]", UserWarning)
        from umap import UMAP  # two seconds of import that only this map needs

        chart = UMAP(
            n_neighbors=neighbours.shape[1],
            init="pca",
            random_state=state,
            n_jobs=1,
            precomputed_knn=(neighbours.cpu().numpy(), distances.cpu().numpy()),
        )
        return torch.from_numpy(chart.fit_transform(values.cpu().numpy())).to(values)
