"""Features on a plane: PCA by default, UMAP on request."""

import warnings

import torch
from jaxtyping import Float
from torch import Tensor

from sslens.measures.features import centred, prepared, significant
from sslens.types import Features, InputError, UnknownName, checked

METHODS = ("pca", "umap")


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
