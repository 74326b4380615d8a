"""Augmentations as data: a `Recipe` of ranges, a `Draw` of parameters (one row per image), and their application.

Order of the stages: crop, flip, scale, rotation and shift (one affine sampling) · blur · brightness, contrast,
saturation, hue and grey (one colour matrix) · noise · one clamp to [0, 1] at the very end.
Nothing here waits for the device, so all of it may stand inside a captured training step.
"""

from sslens.views.augment import augment
from sslens.views.draws import Draw, draw
from sslens.views.pixels import apply
from sslens.views.recipe import Recipe

__all__ = ["RECIPES", "Draw", "Recipe", "apply", "augment", "draw"]

RECIPES: dict[str, Recipe] = {
    "none": Recipe(),
    # 8 to 10 pixels of ink on 16: a shift of 0.2 (3.2 pixels) keeps 96 % of the ink on the canvas on average, 70 % or
    # more for 98 in 100 digits; 0.45 would keep 77 % and lose half of many. A mirrored digit is no digit: no flip.
    "digits": Recipe(rotation=20.0, shift=0.2, contrast=0.3, noise=0.15),
    "natural": Recipe(
        area=(0.3, 1.0),
        aspect=(3 / 4, 4 / 3),
        flip=0.5,
        brightness=0.4,
        contrast=0.4,
        saturation=0.4,
        hue=0.1,
        grey=0.2,
    ),
}
"""Recipes by name: nothing, digits on 16x16, colour photographs on 32x32."""
