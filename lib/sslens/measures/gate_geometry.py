"""Geometry of the gates and the attention of a language model's layer: spline features and intrinsic dimension.

The partition meant here is that of the signs of the gate's pre-activations. Behind a ReLU a feed-forward is one affine
map in each of its regions (``Transformer(gate="relu")``). The gates of most models are SiLU, which is smooth: no layer
of theirs is piecewise affine, and the partition is one that they nearly have.
"""

import math
from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sslens.measures.features import checked_features
from sslens.types import InputError, Range, checked

SPLINE_FEATURES = (
    "mean share of active units",
    "smallest share of active units",
    "largest share of active units",
    "deviation of the share of active units",
    "smallest distance to a boundary",
    "mean distance to a boundary",
    "deviation of the distance to a boundary",
)
"""The columns of ``spline_features``."""
NORM_FEATURES = ("mean norm", "smallest norm", "largest norm", "deviation of the norm")
"""The columns of ``norm_features``."""
ROUNDING = 0.01
"""How far a row of attention may be from summing to 1: half precision keeps two digits."""


def spline_features(gates: Float[Tensor, "n t k"], weights: Float[Tensor, "k d"]) -> Float[Tensor, "n 7"]:
    """Seven numbers per text: where its tokens lie in the partition that the signs of the gate units make.

    With pre-activation h_tk of token t and unit k: s_t = share of units with h_tk > 0, in [0, 1]; d_t = min_k
    |h_tk| / ‖w_k‖, the distance to the nearest boundary in units of the layer's (normalised) input. The seven are mean,
    min, max and deviation of s over the tokens, then min, mean and deviation of d. Deviations divide by t − 1, as in
    the authors' code; that of a single token is 0. A unit with weight 0 has no boundary; where all are so, distances
    are infinite and their deviation is 0. Put the seven of all layers side by side (7 · layers columns).

    Raises:
        InputError: no finite (n, t, k) pre-activations with n, t, k >= 1, or weights that are no finite matrix of k
            rows.

    Reference: Balestriero, Cosentino, Shekkizhar, "Characterizing large language model geometry helps solve toxicity
    detection and generation", ICML 2024, arXiv 2312.01648; order and deviations read from the authors' code.

    >>> gates = torch.tensor([[[1.0, -2.0], [3.0, 4.0]]])
    >>> spline_features(gates, torch.tensor([[1.0, 0.0], [0.0, 2.0]])).round(decimals=3)
    tensor([[0.7500, 0.5000, 1.0000, 0.3540, 1.0000, 1.5000, 0.7070]], dtype=torch.float64)
    """
    values = _checked_gates(gates)
    rows = checked_features(weights, name="weights")
    if len(rows) != values.shape[2]:
        raise InputError("weights", tuple(rows.shape), f"a matrix of {values.shape[2]} rows, one for each gate unit")
    lengths = rows.norm(dim=1)
    share = (values > 0).double().mean(2)
    distance = (values.abs() / lengths).where(lengths > 0, math.inf).amin(2)
    shares = (share.mean(1), share.amin(1), share.amax(1), _deviation(share))
    return torch.stack((*shares, distance.amin(1), distance.mean(1), _deviation(distance)), 1)


def norm_features(gates: Float[Tensor, "n t k"]) -> Float[Tensor, "n 4"]:
    """Four numbers per text that know nothing of signs: mean, min, max and deviation over tokens of ‖h_t‖.

    What ``spline_features`` are to be held against: if they tell no more than these, the partition adds nothing.
    Deviations divide by t − 1; that of a single token is 0.

    Raises:
        InputError: no finite (n, t, k) pre-activations with n, t, k >= 1.

    >>> norm_features(torch.tensor([[[3.0, -4.0], [0.0, 1.0]]])).round(decimals=3)
    tensor([[3.0000, 1.0000, 5.0000, 2.8280]], dtype=torch.float64)
    """
    norm = _checked_gates(gates).norm(dim=2)
    return torch.stack((norm.mean(1), norm.amin(1), norm.amax(1), _deviation(norm)), 1)


def attention_dimension(
    attention: Float[Tensor, "n heads t t"], *, threshold: float = 0.1, relative: bool = True
) -> Int[Tensor, "n t"]:
    """Intrinsic dimension of what each token receives, as counted by the paper: tokens that its heads attend to.

    ID(i) = Σ_h m_h(i) with m_h(i) = #{j <= i: A_h(i, j) > threshold · max_j A_h(i, j)}, from 0 to heads · (i + 1). With
    relative=False the threshold is absolute, A_h(i, j) > threshold, which is the paper's formula; the default is the
    authors' code, which reads the last token only (column −1). In a causal network column i is also what a prompt of
    i + 1 tokens gives. The count may exceed the model's width; ``hull_dimension`` says what dimension it allows.

    Raises:
        InputError: not causal attention weights (n, heads, t, t): a value that is not finite or negative, a row that
            does not sum to 1 (within 1 %), weight on a later token; or a threshold outside [0, 1].

    Reference: Balestriero, Cosentino, Shekkizhar, "Characterizing large language model geometry helps solve toxicity
    detection and generation", ICML 2024, arXiv 2312.01648.

    >>> attention = torch.tensor([[[[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.90, 0.04, 0.06]]]])
    >>> attention_dimension(attention), attention_dimension(attention, threshold=0.05, relative=False)
    (tensor([[1, 2, 1]]), tensor([[1, 2, 2]]))
    """
    return _attended(attention, threshold=threshold, relative=relative).sum(1)


def hull_dimension(
    attention: Float[Tensor, "n heads t t"],
    *,
    head_width: int,
    width: int,
    threshold: float = 0.1,
    relative: bool = True,
) -> Int[Tensor, "n t"]:
    """The dimension that what each token receives approximately has at most: min(Σ_h min(m_h(i) − 1, d_head), d).

    Each head gives a convex combination of value vectors. The hull of m points has at most m − 1 dimensions, and no
    more than the d_head = ``head_width`` that a value has; hulls of several heads add up to at most the sum of theirs,
    and to no more than the ``width`` d of the model. Approximately: weights below the threshold (see
    ``attention_dimension``) are small, not zero.

    Raises:
        InputError: as ``attention_dimension``, or a width below 1.

    Reference: as ``attention_dimension``; Minkowski sums of hulls.

    >>> attention = torch.tensor([[[[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.4, 0.3, 0.3]]]]).expand(1, 2, 3, 3)
    >>> hull_dimension(attention, head_width=4, width=8), hull_dimension(attention, head_width=1, width=8)
    (tensor([[0, 2, 4]]), tensor([[0, 2, 2]]))
    """
    head_width = checked("head_width", head_width, Annotated[int, Range(1, 10**6)])
    width = checked("width", width, Annotated[int, Range(1, 10**6)])
    points = _attended(attention, threshold=threshold, relative=relative)
    return (points - 1).clamp(0, head_width).sum(1).clamp(max=width)


def _attended(attention: Float[Tensor, "n heads t t"], *, threshold: float, relative: bool) -> Int[Tensor, "n heads t"]:
    """How many tokens each head attends to, at each token."""
    threshold = checked("threshold", threshold, Annotated[float, Range(0, 1)])
    weights = _checked_attention(attention)
    largest = weights.amax(3, keepdim=True) if relative else weights.new_ones(())
    return (weights > threshold * largest).sum(3)


def _checked_gates(gates: Float[Tensor, "n t k"]) -> Float[Tensor, "n t k"]:
    if not (isinstance(gates, Tensor) and gates.ndim == 3 and gates.numel()):
        raise InputError("gates", _shape(gates), "a tensor (n, t, k) of at least 1 text, token and unit")
    return checked_features(gates.flatten(0, 1), name="gates").unflatten(0, gates.shape[:2])


def _deviation(values: Float[Tensor, "n t"]) -> Float[Tensor, "n"]:
    """Standard deviation over tokens; 0 for one token, and for distances that are all infinite."""
    alone = values.shape[1] == 1 or bool(values.isinf().any())
    return values.new_zeros(len(values)) if alone else values.std(1)


def _checked_attention(attention: Float[Tensor, "n heads t t"]) -> Float[Tensor, "n heads t t"]:
    square = isinstance(attention, Tensor) and attention.ndim == 4 and attention.shape[2] == attention.shape[3]
    if not (square and attention.numel()):
        raise InputError("attention", _shape(attention), "a tensor (n, heads, t, t) with none of them 0")
    weights = checked_features(attention.flatten(0, 2), name="attention").view(attention.shape)
    if bool((weights < 0).any()) or bool((weights.sum(3) - 1).abs().max() > ROUNDING):
        low, sums = float(weights.min()), weights.sum(3)
        got = f"least weight {low:g}, sums of rows from {float(sums.min()):g} to {float(sums.max()):g}"
        raise InputError("attention", got, "weights of at least 0 whose rows sum to 1, those behind the softmax")
    if weights.triu(1).any():
        raise InputError("attention", float(weights.triu(1).max()), "0 on every later token: that of a causal network")
    return weights


def _shape(value: object) -> str:
    return f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
