"""Two views of 256 images by our recipes, against kornia's chain of the same augmentations."""

import warnings
from collections.abc import Callable, Iterator
from statistics import median
from types import ModuleType

import torch

from sslens import datasets, runtime
from sslens.types import Images
from sslens.views import RECIPES, augment
from tests.benchmarks import coloured_blobs
from tests.benchmarks.rows import Row, alternate

ROUNDS = 15


def rows() -> Iterator[Row]:
    """Milliseconds for 512 augmented images; the ratio says how many times longer the peer takes."""
    for recipe, peer, dataset in (
        ("digits", _digits, "scattered_digits"),
        ("natural", _natural, coloured_blobs.register()),
    ):
        images = datasets.load(dataset)[0].images[:256]
        works = _ours(images, recipe), _theirs(images, peer())
        ours, theirs = ([each.wall for each in column] for column in alternate(*works, rounds=ROUNDS))
        ratios = tuple(its / mine for mine, its in zip(ours, theirs, strict=True))
        shape = "x".join(map(str, (*images.shape[2:], images.shape[1])))
        yield Row(f"{recipe}, {shape}", 1e3 * median(ours), "ms", 1e3 * median(theirs), "kornia", ratios)


def _ours(images: Images, recipe: str) -> Callable[[], object]:
    generator = runtime.stream(0, "views")
    return lambda: augment(images, RECIPES[recipe], generator)


def _theirs(images: Images, chain: torch.nn.Module) -> Callable[[], object]:
    return torch.no_grad()(lambda: chain(images.repeat(2, 1, 1, 1)))


def _digits() -> torch.nn.Module:
    recipe, kornia = RECIPES["digits"], _kornia()
    return torch.nn.Sequential(
        kornia.RandomAffine(recipe.rotation, (recipe.shift, recipe.shift), p=1.0),
        kornia.RandomContrast((1 - recipe.contrast, 1 + recipe.contrast), p=1.0),
        kornia.RandomGaussianNoise(0.0, recipe.noise, p=1.0),
    )


def _natural() -> torch.nn.Module:
    recipe, kornia = RECIPES["natural"], _kornia()
    return torch.nn.Sequential(
        kornia.RandomResizedCrop((coloured_blobs.SIDE, coloured_blobs.SIDE), recipe.area, recipe.aspect, p=1.0),
        kornia.RandomHorizontalFlip(p=recipe.flip),
        kornia.ColorJitter(recipe.brightness, recipe.contrast, recipe.saturation, recipe.hue, p=1.0),
        kornia.RandomGrayscale(p=recipe.grey),
    )


def _kornia() -> ModuleType:
    with warnings.catch_warnings():  # imported late: it takes seconds, and has its own warnings
        warnings.simplefilter("ignore")
        from kornia import augmentation
    return augmentation
