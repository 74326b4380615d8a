"""Digit pairs: two scattered digits side by side, one hundred classes, for questions that ten classes cannot settle.

Ten classes differ along nine directions, so that eight principal axes hold nearly all of them. A hundred classes may
need 99; of pairs a network may learn left and right digit apart, along eighteen.
"""

from collections.abc import Mapping
from typing import Annotated

import torch
from jaxtyping import Float64, Int64
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from sslens import runtime
from sslens.datasets import digits
from sslens.types import Dataset, Range

CLASSES = tuple(f"{left}{right}" for left in range(10) for right in range(10))
CANVAS, PLACEMENTS = 20, 4
NOISE = 0.15
MIDDLE = 4.5
"""How far right of the canvas' centre the right digit stands on average, and the left one left of it."""
RANGES = {"x": (-0.75, 0.75), "y": (-4.0, 4.0), "scale": (1.0, 1.2), "rotation": (-15.0, 15.0), "contrast": (0.7, 1.0)}
"""Each factor of each digit is uniform in its range, x from its middle, independent of the others."""


def load(*, seed: Annotated[int, Range(0, 2**31 - 1)] = 0) -> tuple[Dataset, Dataset]:
    """4400 images of 1100 pairs for training, 2000 images of 500 others for testing: four placements of each pair.

    Images ``(n, 1, 20, 20)``: clip(the brighter of both digits + 0.15 · normal noise, 0, 1), rounded to multiples of
    1/255. The class is the left digit and the right one, ``07`` or ``70``; all classes have as many images. Factors:
    ``left x``, ``left y``, ``left scale``, ``left rotation``, ``left contrast`` and the same of the right, in the units
    of ``scattered_digits``, x and y from the canvas' centre. Pairs are made within a side of ``digits.split``, so that
    no digit is on both. ``origin``: images of one origin share a digit, images of two never do. Two digits of unlike
    classes are one origin and stand in both orders; those of one class, drawn for pairs like ``00``, are one together.
    ``seed`` decides placements and noise, never the split or the pairs.

    Drawn and computed in float64; the rounding hides last digits, so that every machine makes the same bits.

    Raises:
        DamagedFile: scikit-learn's table is missing or altered.

    >>> train, test = load()
    >>> tuple(train.images.shape), len(test), test.classes[7], len(test.origin.unique())
    ((4400, 1, 20, 20), 2000, '07', 235)
    """
    originals, generator = digits.originals(), runtime.stream(seed, "digit_pairs")
    train, test = (couples(originals.labels, side) for side in digits.split(originals.labels))
    return _side(originals, train, generator), _side(originals, test, generator)


def couples(labels: Int64[Tensor, "n"], side: Int64[Tensor, "m"]) -> tuple[Int64[Tensor, "p 2"], Int64[Tensor, "p"]]:
    """Left and right digit of each pair of a side, as positions in the table, and the origin of each pair.

    The digits of a class are dealt out in ten equal groups, one for each class that they may stand beside. Class c's
    group for d and class d's group for c are joined one by one, in both orders; the group of c for c itself is joined
    in a ring. So every digit has one partner, or two in its ring.

    >>> labels = digits.originals().labels
    >>> pairs, origin = couples(labels, digits.split(labels)[1])
    >>> tuple(pairs.shape), labels[pairs[:2]].tolist(), origin[:2].tolist()
    ((500, 2), [[0, 0], [0, 0]], [0, 0])
    """
    size = int(labels[side].bincount().min()) // 10
    groups = torch.stack([side[labels[side] == label][: 10 * size].view(10, size) for label in range(10)])
    left, right, origin, count = [], [], [], 0
    for one in range(10):
        for other in range(one, 10):
            ours, theirs = groups[one, other], groups[other, one]
            if one == other:
                left, right = [*left, ours], [*right, ours.roll(-1)]
                origin, count = [*origin, torch.full((size,), count, device="cpu")], count + 1
            else:
                left, right = [*left, ours, theirs], [*right, theirs, ours]
                origin, count = [*origin, *[count + torch.arange(size, device="cpu")] * 2], count + size
    return torch.stack([torch.cat(left), torch.cat(right)], 1), torch.cat(origin)


def _side(
    originals: Dataset, pairs: tuple[Int64[Tensor, "p 2"], Int64[Tensor, "p"]], generator: torch.Generator
) -> Dataset:
    """Every pair of a side in its placements, all first ones before all second ones."""
    chosen, origin = (rows.repeat(PLACEMENTS, *[1] * (rows.ndim - 1)) for rows in pairs)
    canvas, factors = torch.zeros(len(chosen), 1, CANVAS, CANVAS, dtype=torch.float64, device="cpu"), {}
    for place, (name, middle) in enumerate({"left": -MIDDLE, "right": MIDDLE}.items()):
        drawn = {key: _uniform(limits, len(chosen), generator) for key, limits in RANGES.items()}
        drawn["x"] = drawn["x"] + middle
        images = originals.images[chosen[:, place]].double()
        ink = _placed(images, drawn) * drawn["contrast"].view(-1, 1, 1, 1)
        canvas = torch.maximum(canvas, ink)
        factors |= {f"{name} {key}": values.float() for key, values in drawn.items()}
    noise = torch.randn(canvas.shape, dtype=torch.float64, generator=generator, device="cpu")
    pixels = ((canvas + NOISE * noise).clamp(0, 1) * 255).round().float() / 255
    labels = originals.labels[chosen]
    return Dataset(pixels, 10 * labels[:, 0] + labels[:, 1], CLASSES, factors, origin)


def _uniform(limits: tuple[float, float], count: int, generator: torch.Generator) -> Float64[Tensor, "n"]:
    low, high = limits
    return low + (high - low) * torch.rand(count, dtype=torch.float64, generator=generator, device="cpu")


def _placed(
    images: Float64[Tensor, "n 1 8 8"], drawn: Mapping[str, Float64[Tensor, "n"]]
) -> Float64[Tensor, "n 1 20 20"]:
    """The digit sampled bilinearly at every canvas pixel: R(−rotation) (pixel − centre) / scale, blank outside."""
    turn = torch.deg2rad(drawn["rotation"])
    cosine, sine = turn.cos() / drawn["scale"], turn.sin() / drawn["scale"]
    back = torch.stack([cosine, -sine, sine, cosine], 1).view(-1, 2, 2)
    shift = -back @ torch.stack([drawn["x"], drawn["y"]], 1)[:, :, None]
    # affine_grid counts in half-widths: those of the canvas on the way in, the digit's on the way out
    across = images.shape[-1]
    matrix = torch.cat([back * (CANVAS / across), shift * (2 / across)], 2)
    grid = affine_grid(matrix, [len(images), 1, CANVAS, CANVAS], align_corners=False)
    return grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
