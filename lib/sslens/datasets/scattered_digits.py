"""Scattered digits, the default data set: real digits at random places on a noisy canvas of 16x16 pixels.

Small enough to train on in seconds, and hard enough to tell encoders apart: raw pixels carry little of the class.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

import torch
from jaxtyping import Float64
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from sslens import runtime
from sslens.datasets import digits
from sslens.types import Dataset, Range

CANVAS, PLACEMENTS = 16, 2
NOISE = 0.15
RANGES = {"x": (-4.0, 4.0), "y": (-4.0, 4.0), "scale": (1.0, 1.3), "rotation": (-20.0, 20.0), "contrast": (0.7, 1.0)}
"""Each factor is uniform in its range, independent of the others."""


def load(*, seed: Annotated[int, Range(0, 2**31 - 1)] = 0) -> tuple[Dataset, Dataset]:
    """2400 images of 1200 digits for training, 1194 images of the other 597 for testing: two placements of each.

    Images ``(n, 1, 16, 16)``: clip(contrast · digit + 0.15 · normal noise, 0, 1), rounded to multiples of 1/255.
    Factors: ``x``, ``y`` of the digit's centre (pixels right of and below the canvas' centre), ``scale`` (1: as large
    as the original 8x8 pixels), ``rotation`` (degrees, counter-clockwise) and ``contrast``. The ``origin`` is the
    digit's position in scikit-learn's table. All first placements come before all second ones. ``seed`` decides
    placements and noise, never the split.

    Drawn and computed in float64; the rounding hides last digits, so that every machine makes the same bits.

    Raises:
        DamagedFile: scikit-learn's table is missing or altered.

    >>> train, test = load()
    >>> tuple(train.images.shape), len(test), sorted(train.factors)
    ((2400, 1, 16, 16), 1194, ['contrast', 'rotation', 'scale', 'x', 'y'])
    """
    originals = digits.originals()
    whole = originals.take(torch.arange(len(originals), device="cpu").repeat(PLACEMENTS))
    generator = runtime.stream(seed, "scattered_digits")
    drawn = {
        name: low + (high - low) * torch.rand(len(whole), dtype=torch.float64, generator=generator, device="cpu")
        for name, (low, high) in RANGES.items()
    }
    noise = torch.randn((len(whole), 1, CANVAS, CANVAS), dtype=torch.float64, generator=generator, device="cpu")
    canvas = _placed(whole.images.double(), drawn) * drawn["contrast"].view(-1, 1, 1, 1) + NOISE * noise
    pixels = (canvas.clamp(0, 1) * 255).round().float() / 255
    factors = {name: values.float() for name, values in drawn.items()}
    scattered = replace(whole, images=pixels, factors=factors)
    again = torch.arange(PLACEMENTS, device="cpu")[:, None] * len(originals)
    train, test = (scattered.take((again + side).flatten()) for side in digits.split(originals.labels))
    return train, test


def _placed(
    images: Float64[Tensor, "n 1 8 8"], drawn: Mapping[str, Float64[Tensor, "n"]]
) -> Float64[Tensor, "n 1 16 16"]:
    """The digit sampled bilinearly at every canvas pixel: R(−rotation) (pixel − centre) / scale, blank outside."""
    turn, across = torch.deg2rad(drawn["rotation"]), images.shape[-1]
    cosine, sine = turn.cos() / drawn["scale"], turn.sin() / drawn["scale"]
    x, y = drawn["x"], drawn["y"]
    # affine_grid counts in half-widths: canvas/2 pixels on the way in, across/2 on the way out
    shift = torch.stack([-(cosine * x - sine * y), -(sine * x + cosine * y)], 1) / (across / 2)
    matrix = torch.stack([cosine, -sine, sine, cosine], 1).view(-1, 2, 2) * (CANVAS / across)
    grid = affine_grid(torch.cat([matrix, shift[:, :, None]], 2), [len(images), 1, CANVAS, CANVAS], align_corners=False)
    return grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
