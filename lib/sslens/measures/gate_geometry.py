"""Geometry of the gates and the attention of a language model's layer: spline features and intrinsic dimension.

The gate of a gated feed-forward is SiLU in the models that use it, which is smooth: no layer of theirs is exactly
piecewise affine. The partition meant here is that of the signs of the gate's pre-activations.
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
ROUNDING = 0.01
"""How far a row of attention may be from summing to 1: half precision keeps two digits."""


def spline_features(gates: Float[Tensor, "n t k"], weights: Float[Tensor, "k d"]) -> Float[Tensor, "n 7"]:
    """Seven numbers per text: where its tokens lie in the partition that the signs of the gate units make.

    With pre-activation h_tk of token t and unit k: s_t = share of units with h_tk > 0, in [0, 1]; d_t = min_k
    |h_tk| / ‖w_k‖, the distance to the nearest boundary in units of the layer's (normalised) input. The seven are mean,
    min, max and deviation of s over the tokens, then min, mean and deviation of d. Deviations divide by t − 1, as in
    the authors' code; that of a single token is 0. A unit with weight 0 has no boundary; where all are so, distances
    are infinite and their deviation is 0. The partition is that of the gate's sign: exact for a gated ReLU; a SiLU is
    not piecewise affine, and its layer has no regions. Put the seven of all layers side by side (7 · layers columns).

    Raises:
        InputError: no finite (n, t, k) pre-activations with n, t, k >= 1, or weights that are no finite matrix of k
            rows.

    Reference: Balestriero, Cosentino, Shekkizhar, "Characterizing large language model geometry helps solve toxicity
    detection and generation", ICML 2024, arXiv 2312.01648; order and deviations read from the authors' code.

    >>> gates = torch.tensor([[[1.0, -2.0], [3.0, 4.0]]])
    >>> spline_features(gates, torch.tensor([[1.0, 0.0], [0.0, 2.0]])).round(decimals=3)
    tensor([[0.7500, 0.5000, 1.0000, 0.3540, 1.0000, 1.5000, 0.7070]], dtype=torch.float64)
    """
    if not (isinstance(gates, Tensor) and gates.ndim == 3 and gates.numel()):
        raise InputError("gates", _shape(gates), "a tensor (n, t, k) of at least 1 text, token and unit")
    values = checked_features(gates.flatten(0, 1), name="gates").unflatten(0, gates.shape[:2])
    rows = checked_features(weights, name="weights")
    if len(rows) != values.shape[2]:
        raise InputError("weights", tuple(rows.shape), f"a matrix of {values.shape[2]} rows, one for each gate unit")
    lengths = rows.norm(dim=1)
    share = (values > 0).double().mean(2)
    distance = (values.abs() / lengths).where(lengths > 0, math.inf).amin(2)
    shares = (share.mean(1), share.amin(1), share.amax(1), _deviation(share))
    return torch.stack((*shares, distance.amin(1), distance.mean(1), _deviation(distance)), 1)


def attention_dimension(
    attention: Float[Tensor, "n heads t t"], *, threshold: float = 0.1, relative: bool = True
) -> Int[Tensor, "n t"]:
    """Intrinsic dimension of what each token receives: tokens that its heads attend to, from 0 to heads · (i + 1).

    ID(i) = Σ_h #{j <= i: A_h(i, j) > threshold · max_j A_h(i, j)}. Each head gives a convex combination of value
    vectors, so the sum over heads lies in a Minkowski sum of hulls of at most so many points. With relative=False the
    threshold is absolute, A_h(i, j) > threshold, which is the paper's formula; the default is the authors' code, which
    reads the last token only (column −1). In a causal network column i is also what a prompt of i + 1 tokens gives.

    Raises:
        InputError: not causal attention weights (n, heads, t, t): a value that is not finite or negative, a row that
            does not sum to 1 (within 1 %), weight on a later token; or a threshold outside [0, 1].

    Reference: Balestriero, Cosentino, Shekkizhar, "Characterizing large language model geometry helps solve toxicity
    detection and generation", ICML 2024, arXiv 2312.01648.

    >>> attention = torch.tensor([[[[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.90, 0.04, 0.06]]]])
    >>> attention_dimension(attention), attention_dimension(attention, threshold=0.05, relative=False)
    (tensor([[1, 2, 1]]), tensor([[1, 2, 2]]))
    """
    threshold = checked("threshold", threshold, Annotated[float, Range(0, 1)])
    weights = _checked_attention(attention)
    largest = weights.amax(3, keepdim=True) if relative else weights.new_ones(())
    return (weights > threshold * largest).sum((1, 3))


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
