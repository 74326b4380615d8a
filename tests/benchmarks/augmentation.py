"""Two views of 256 images by our recipes, against kornia's chain of the same augmentations."""

import warnings
from collections.abc import Callable, Iterator
from statistics import median

import torch

from sslens import datasets, runtime
from sslens.types import Images
from sslens.views import RECIPES, views
from tests.benchmarks import material
from tests.benchmarks.rows import Row, alternate

ROUNDS = 15


def rows() -> Iterator[Row]:
    """Milliseconds for 512 augmented images, one thread."""
    chains = _kornia()
    for recipe, dataset, named in (
        ("digits", "scattered_digits", "16x16x1"),
        ("natural", material.register(), "32x32x3"),
    ):
        images = datasets.load(dataset)[0].images[:256]
        works = _ours(images, recipe), _theirs(images, chains[recipe])
        ours, peer = ([each.wall for each in column] for column in alternate(*works, rounds=ROUNDS))
        ratios = tuple(its / mine for mine, its in zip(ours, peer, strict=True))
        name = f"two views of 256 images, {recipe}, {named}"
        yield Row(name, 1e3 * median(ours), "ms", "kornia (ratio: times faster)", 1e3 * median(peer), ratios)


def _ours(images: Images, recipe: str) -> Callable[[], object]:
    generator = runtime.stream(0, "views")
    return lambda: views(images, RECIPES[recipe], generator)


def _theirs(images: Images, chain: torch.nn.Module) -> Callable[[], object]:
    @torch.no_grad()
    def work() -> None:
        chain(images.repeat(2, 1, 1, 1))

    return work


def _kornia() -> dict[str, torch.nn.Module]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from kornia import augmentation as peer
    digits, natural = RECIPES["digits"], RECIPES["natural"]
    reach = 1 - digits.contrast, 1 + digits.contrast
    jitter = natural.brightness, natural.contrast, natural.saturation, natural.hue
    crop = peer.RandomResizedCrop((material.SIDE,) * 2, natural.area, natural.aspect, p=1.0)
    return {
        "digits": torch.nn.Sequential(
            peer.RandomAffine(digits.rotation, (digits.shift, digits.shift), p=1.0),
            peer.RandomContrast(reach, p=1.0),
            peer.RandomGaussianNoise(0.0, digits.noise, p=1.0),
        ),
        "natural": torch.nn.Sequential(
            crop,
            peer.RandomHorizontalFlip(p=natural.flip),
            peer.ColorJitter(*jitter, p=1.0),
            peer.RandomGrayscale(p=natural.grey),
        ),
    }
