"""What was drawn from a recipe: one row of parameters per image."""

import math
from dataclasses import dataclass, fields, replace
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sslens.types import InputError
from sslens.views.recipe import Pair, Recipe


@final
@dataclass(frozen=True, eq=False)
class Draw:
    """What was drawn, one row per image; None where a stage is left out. Applied again it gives the same bits.

    Kept in float64 whatever the images are, so that runs in either precision see the same augmentations.

    >>> rows = draw(Recipe(rotation=20.0), 4, torch.Generator().manual_seed(0))
    >>> len(rows.take(torch.tensor([2, 0]))), rows.hue
    (2, None)
    """

    seed: Int[Tensor, "n"]
    """Of the noise field; below 2³¹."""
    crop: Float[Tensor, "n 4"] | None = None
    """Left, top, width, height as fractions of the image."""
    flip: Bool[Tensor, "n"] | None = None
    rotation: Float[Tensor, "n"] | None = None
    """Degrees, counter-clockwise about the centre."""
    shift: Float[Tensor, "n 2"] | None = None
    """Right and down, as fractions of the side."""
    scale: Float[Tensor, "n"] | None = None
    """Magnification about the centre."""
    brightness: Float[Tensor, "n"] | None = None
    """Factor on all pixels."""
    contrast: Float[Tensor, "n"] | None = None
    """Factor on the distance from the image's mean luma."""
    saturation: Float[Tensor, "n"] | None = None
    """Factor on the distance from each pixel's luma."""
    hue: Float[Tensor, "n"] | None = None
    """Turns; positive from red towards yellow and green."""
    grey: Bool[Tensor, "n"] | None = None
    blur: Float[Tensor, "n"] | None = None
    """Standard deviation in pixels; 0 leaves the image alone."""
    noise: Float[Tensor, "n"] | None = None
    """Standard deviation on pixels in [0, 1]."""
    strength: Float[Tensor, "n"] | None = None
    """What each row was drawn with, in [0, 1]; None where rows were made by hand."""
    size: int = 0
    """Side in pixels of the square views; 0: as large as the images."""

    def __len__(self) -> int:
        return len(self.seed)

    def take(self, index: Int[Tensor, "m"]) -> "Draw":
        """The rows at ``index``, in that order."""
        held = {spec.name: getattr(self, spec.name) for spec in fields(self)}
        return replace(self, **{name: rows[index] for name, rows in held.items() if isinstance(rows, Tensor)})


def draw(recipe: Recipe, n: int, generator: torch.Generator, *, strength: Float[Tensor, "n"] | None = None) -> Draw:
    """Draw the parameters of ``n`` images, on the generator's device, from one block of uniform numbers.

    A strength s = ``recipe.strength`` · ``strength`` in [0, 1], one per image, moves the ends of every range,
    probabilities included, linearly towards doing nothing (of ``aspect``, their logarithms): 0 leaves an image bit for
    bit alone, 1 is the full recipe, and None leaves the recipe's own. A stage has its own rows of the block, so opening
    one range never changes what another draws. Views, classes, factors and further groups are `augment`'s business.
    On a GPU strengths are not checked, which would mean waiting for it.

    Raises:
        InputError: ``n`` is negative; ``strength`` has another length or leaves [0, 1].

    >>> strength = torch.tensor([1.0, 0.5, 0.1])
    >>> draw(Recipe(rotation=20.0), 3, torch.Generator().manual_seed(0), strength=strength).rotation
    tensor([-2.3680, -1.8544, -1.1782], dtype=torch.float64)
    """
    if n < 0:
        raise InputError("n", n, "0 or more")
    u = torch.rand(17, n, generator=generator, device=generator.device, dtype=torch.float64)
    s = torch.ones_like(u[0]) if strength is None else checked_strength(strength, n).to(u)
    s = recipe.strength * s
    swing = s * (2 * u - 1)
    blur = _between(recipe.blur, u[15], neutral=0.0, strength=s) if recipe.blurred else None
    return Draw(
        seed=(u[16] * 2**31).long(),
        crop=_crop(recipe, u[0:4], strength=s),
        flip=_chance(recipe.flip, u[4], strength=s),
        rotation=_reach(recipe.rotation, swing[5]),
        shift=_reach(recipe.shift, swing[6:8].mT),
        scale=_between(recipe.scale, u[8], neutral=1.0, strength=s),
        brightness=_factor(recipe.brightness, swing[9]),
        contrast=_factor(recipe.contrast, swing[10]),
        saturation=_factor(recipe.saturation, swing[11]),
        hue=_reach(recipe.hue, swing[12]),
        grey=_chance(recipe.grey, u[13], strength=s),
        blur=None if blur is None else blur * (u[14] < s * recipe.blurred),
        noise=_reach(recipe.noise, s),
        strength=s,
        size=recipe.size,
    )


def checked_strength(strength: Float[Tensor, "m"], n: int) -> Float[Tensor, "m"]:
    """The strengths, if there is one in [0, 1] for each of ``n`` images.

    Raises:
        InputError: another number of them, or one outside [0, 1] (not checked on a GPU).

    >>> checked_strength(torch.tensor([0.0, 1.0]), 2)
    tensor([0., 1.])
    """
    if strength.shape != (n,):
        raise InputError("strength", tuple(strength.shape), f"one number for each of the {n} images")
    if strength.device.type == "cpu" and not ((strength >= 0) & (strength <= 1)).all():
        raise InputError("strength", [strength.min().item(), strength.max().item()], "numbers in [0, 1]")
    return strength


def _reach(largest: float, swing: Tensor) -> Tensor | None:
    return None if largest == 0 else largest * swing


def _factor(largest: float, swing: Tensor) -> Tensor | None:
    return None if largest == 0 else 1 + largest * swing


def _between(pair: Pair, u: Tensor, *, neutral: float, strength: Tensor) -> Tensor | None:
    low, high = pair
    return None if low == high == neutral else neutral + strength * (low + (high - low) * u - neutral)


def _chance(probability: float, u: Tensor, *, strength: Tensor) -> Tensor | None:
    return None if probability == 0 else u < strength * probability


def _crop(recipe: Recipe, u: Tensor, *, strength: Tensor) -> Tensor | None:
    if recipe.area == recipe.aspect == (1, 1):
        return None
    low, high = recipe.area
    area = 1 + strength * (low + (high - low) * u[0] - 1)
    low, high = (math.log(bound) for bound in recipe.aspect)
    stretch = (strength * (low + (high - low) * u[1])).exp()
    width, height = (area * stretch).sqrt().clamp(max=1), (area / stretch).sqrt().clamp(max=1)
    return torch.stack([u[2] * (1 - width), u[3] * (1 - height), width, height], dim=1)  # (n, 4)
