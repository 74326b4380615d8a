"""Augmentations as data: a `Recipe` of ranges, a `Draw` of parameters (one row per image), and their application.

Order of the stages: crop, flip, scale, rotation and shift (one affine sampling) · blur · brightness, contrast,
saturation, hue and grey (one colour matrix) · noise · one clamp to [0, 1] at the very end.
Nothing here waits for the device, so all of it may stand inside a captured training step.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sslens.types import Images, InputError, Views
from sslens.views.pixels import apply
from sslens.views.recipe import RECIPES, Draw, Recipe, checked_strength, draw

__all__ = ["RECIPES", "Draw", "Recipe", "apply", "draw", "views"]


def views(
    images: Images,
    recipe: Recipe,
    generator: torch.Generator,
    *,
    count: int = 2,
    strength: Float[Tensor, "n"] | None = None,
) -> Views:
    """Several independent augmentations of each image, all drawn with the same strengths.

    Raises:
        InputError: ``count`` below 1, or what `draw` and `apply` refuse.

    >>> views(torch.rand(5, 3, 8, 8), RECIPES["natural"], torch.Generator().manual_seed(0)).shape
    torch.Size([2, 5, 3, 8, 8])
    """
    if count < 1:
        raise InputError("count", count, "1 or more")
    n = len(images)
    strengths = None if strength is None else checked_strength(strength, n).repeat(count)
    rows = draw(recipe, count * n, generator, strength=strengths)
    return apply(images.repeat(count, 1, 1, 1), rows).unflatten(0, (count, n))
