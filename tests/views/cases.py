"""What the tests of the views share: a recipe with every stage, images, draws."""

from typing import Any

import torch

from sslens.views import Draw, Recipe, draw

EVERYTHING = Recipe(
    area=(0.3, 0.9),
    aspect=(0.5, 2.0),
    flip=0.5,
    rotation=90.0,
    shift=0.2,
    scale=(0.7, 1.4),
    brightness=0.4,
    contrast=0.4,
    saturation=0.4,
    hue=0.5,
    grey=0.2,
    blur=(0.3, 2.0),
    blurred=0.7,
    noise=0.1,
)
SHAPES = [(3, 16, 16), (1, 16, 16), (3, 12, 20), (1, 7, 5)]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(n, *shape, low=0.0, high=1.0):
    return low + (high - low) * torch.rand(n, *shape, generator=seeded(7))


def drawn(recipe, n, *, seed=0, strength=None) -> Any:  # not Draw, whose stages may be None to a type checker
    return draw(recipe, n, seeded(seed), strength=strength)


def by_hand(n, **rows):
    return Draw(seed=torch.arange(n), **rows)


def ones(n):
    return torch.ones(n, dtype=torch.float64)
