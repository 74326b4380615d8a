"""What all layers of a small language model say about texts, read batch by batch."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float64, Int, Int64
from torch import Tensor

from sslens.language import Reading, Transformer, readings
from sslens.language.text import checked_ids
from sslens.measures.regions.spline import attention_dimension, spline_features

BATCH = 64
"""Texts in memory at a time: attention takes heads · t² numbers a text and layer."""


@final
@dataclass(frozen=True, eq=False)
class TextFeatures:
    """Numbers for each text, from ``text_features``.

    >>> TextFeatures(torch.zeros(2, 21).double(), torch.ones(2, 3, 64).long()).spline.shape
    torch.Size([2, 21])
    """

    spline: Float64[Tensor, "n features"]
    """The seven ``SPLINE_FEATURES`` of the first layer, then those of the next, and so on."""
    dimension: Int64[Tensor, "n layers t"]
    """``attention_dimension`` of every layer at every character."""


def text_features(model: Transformer, ids: Int[Tensor, "n t"]) -> TextFeatures:
    """Spline features and attention dimensions of all layers, with the definitions of the functions of these names.

    Raises:
        InputError: ids that are no texts the model takes.

    Reference: Balestriero, Cosentino, Shekkizhar, "Characterizing large language model geometry helps solve toxicity
    detection and generation", ICML 2024, arXiv 2312.01648.

    >>> found = text_features(Transformer(depth=2), torch.zeros(3, 5, dtype=torch.int64))
    >>> found.spline.shape, found.dimension.shape
    (torch.Size([3, 14]), torch.Size([3, 2, 5]))
    """
    parts = [_read(readings(model, some)) for some in checked_ids(ids).split(BATCH)]
    spline, dimension = (torch.cat(part) for part in zip(*parts, strict=True))
    return TextFeatures(spline, dimension)


def _read(layers: tuple[Reading, ...]) -> tuple[Tensor, Tensor]:
    splines = [spline_features(each.gates, each.gate_weights) for each in layers]
    return torch.cat(splines, 1), torch.stack([attention_dimension(each.attention) for each in layers], 1)
