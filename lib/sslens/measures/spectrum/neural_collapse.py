"""Neural collapse: what the last features of a classifier become when it is trained to the end."""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from sslens.measures.features import (
    centred,
    checked_features,
    checked_labels,
    prepared,
    significant,
    unit_rows,
)
from sslens.types import Features, InputError, Labels


@final
@dataclass(frozen=True)
class NeuralCollapse:
    """How near labelled features are to neural collapse: each number falls to 0.

    >>> NeuralCollapse(variability=0.1, equinorm=0.0, equiangularity=0.0).duality is None
    True
    """

    variability: float
    """NC1: tr(Σ_W Σ_B⁺) / C, spread within the classes in units of that between; inf where no class differs."""
    equinorm: float
    """NC2: deviation (over C − 1) / mean of the lengths of the centred class means."""
    equiangularity: float
    """NC2: mean over pairs of classes of |cos + 1/(C − 1)|, between the centred class means."""
    duality: float | None = None
    """NC3: ‖W/‖W‖ − M/‖M‖‖_F² of a classifier's weight and the centred class means, in [0, 4]."""
    mismatch: float | None = None
    """NC4: share of the samples to which the classifier and the nearest class mean give different classes."""


def neural_collapse(
    h: Features,
    labels: Labels,
    *,
    weight: Float[Tensor, "d c"] | None = None,
    bias: Float[Tensor, "c"] | None = None,
) -> NeuralCollapse:
    """NC1 to NC4 of labelled features; NC3 and NC4 (else None) of a linear classifier with scores h · weight + bias.

    Σ_W = Σ (h − μ_c)(h − μ_c)ᵀ / n; Σ_B = Σ_c (μ_c − μ)(μ_c − μ)ᵀ / C around the mean μ of the class means, whatever
    the sizes of the classes. The pseudo-inverse keeps the min(C − 1, d) directions of Σ_B that rounding does not make.
    The weight is that of a ``Probe``, a column per class (``torch.nn.Linear`` holds its transpose); no bias is 0.

    Variants: the authors' notebook leaves out the 1/C of NC1; others weigh μ and Σ_B by class size, divide by C for
    C − 1 in NC2, or give tr Σ_W / tr Σ_B for NC1. Constant features have NC1 inf and NC2 0 (equal lengths) and
    1/(C − 1). Needs several samples of each class.

    Raises:
        InputError: no finite (n, d) matrix with n >= 2; labels that do not match, fewer than 2 classes or one below
            the largest label without a sample; a weight or bias of another shape, or a bias without a weight.

    References: Papyan, Han, Donoho, "Prevalence of neural collapse during the terminal phase of deep learning
    training", PNAS 2020, arXiv 2008.08186, fig. 2-7; Han, Papyan, Donoho, ICLR 2022, arXiv 2106.02073.

    >>> h = torch.tensor([[1.0, 0.2], [1.0, -0.2], [-1.0, 0.1], [-1.0, -0.1]])
    >>> neural_collapse(h, torch.tensor([0, 0, 1, 1]), weight=torch.tensor([[1.0, -1.0], [0.0, 0.0]]))
    NeuralCollapse(variability=0.0, equinorm=0.0, equiangularity=0.0, duality=0.0, mismatch=0.0)
    """
    values, unit, noise, _ = prepared(h, rows=2)
    labels = checked_labels(labels, count=len(values))
    classifier = _checked_classifier(weight, bias, width=values.shape[1], unit=unit)
    classes = classifier[0].shape[1] if classifier else max(int(labels.max()) + 1, 2)
    sizes = checked_labels(labels, classes=classes).bincount(minlength=classes)
    if not sizes.all():
        hint = f"Class {int(sizes.argmin())} of {classes} has none."
        raise InputError("labels", labels.unique().tolist(), "of at least 2 classes with a sample of each", hint)
    centres = values.new_zeros(classes, values.shape[1]).index_add_(0, labels, values) / sizes[:, None]
    floor = noise * math.sqrt(classes / len(values))
    means = centred(centres, floor=floor)
    lengths = means.norm(dim=1)
    return NeuralCollapse(
        variability=_variability(values - centres[labels], means, floor=floor),
        equinorm=float(lengths.std() / lengths.mean()) if lengths.any() else 0.0,
        equiangularity=_equiangularity(means),
        duality=_duality(classifier[0], means) if classifier else None,
        mismatch=_mismatch(values, centres, classifier=classifier) if classifier else None,
    )


def _checked_classifier(
    weight: Shaped[Tensor, "..."] | None, bias: Shaped[Tensor, "..."] | None, *, width: int, unit: float
) -> tuple[Float[Tensor, "d c"], Float[Tensor, "c"]] | None:
    """Weight and bias for features over ``unit``: scores are, too."""
    if weight is None:
        if bias is not None:
            raise InputError("bias", bias, "None where no weight is given")
        return None
    columns = checked_features(weight, name="weight")
    if len(columns) != width or columns.shape[1] < 2:
        raise InputError("weight", tuple(columns.shape), f"({width}, classes): a column for each of at least 2 classes")
    if bias is None:
        return columns, columns.new_zeros(columns.shape[1])
    row = checked_features(bias[None] if isinstance(bias, Tensor) else bias, name="bias")[0]
    if len(row) != columns.shape[1]:
        raise InputError("bias", tuple(row.shape), f"({columns.shape[1]},): a number for each column of the weight")
    return columns, row / unit


def _variability(within: Float[Tensor, "n d"], means: Float[Tensor, "c d"], *, floor: float) -> float:
    """tr(Σ_W Σ_B⁺) / C = Σ_k ‖within · v_k‖² / (n σ_k²), over the singular values and vectors of the class means."""
    _, spectrum, axes = torch.linalg.svd(means, full_matrices=False)
    rank = min(int((significant(spectrum, floor=floor) > 0).sum()), len(means) - 1)
    shares = within @ (axes[:rank] / spectrum[:rank, None]).T
    return float(shares.square().sum()) / len(within) if rank else math.inf


def _equiangularity(means: Float[Tensor, "c d"]) -> float:
    unit, others = unit_rows(means), len(means) - 1
    distance = (unit @ unit.T + 1 / others).abs()
    return float(distance.sum() - distance.diagonal().sum()) / (len(means) * others)


def _duality(weight: Float[Tensor, "d c"], means: Float[Tensor, "c d"]) -> float:
    tiny = torch.finfo(means.dtype).tiny
    return float((weight / weight.norm().clamp_min(tiny) - means.T / means.norm().clamp_min(tiny)).square().sum())


def _mismatch(
    values: Features, centres: Float[Tensor, "c d"], *, classifier: tuple[Float[Tensor, "d c"], Float[Tensor, "c"]]
) -> float:
    weight, bias = classifier
    middle = centres.mean(0)
    offsets = centres - middle
    nearest = ((values - middle) @ offsets.T - offsets.square().sum(1) / 2).argmax(1)
    return float((nearest != (values @ weight + bias).argmax(1)).double().mean())
