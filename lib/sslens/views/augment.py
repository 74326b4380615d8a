"""Several views of each image: what a recipe draws, applied."""

from collections.abc import Mapping
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from sslens.types import Images, InputError, Labels, UnknownName
from sslens.views.draws import checked_strength, draw
from sslens.views.pixels import apply
from sslens.views.recipe import Recipe


def augment(
    images: Images,
    recipe: Recipe,
    generator: torch.Generator,
    *,
    labels: Labels | None = None,
    factors: Mapping[str, Float[Tensor, "n"]] | None = None,
    views: int = 2,
) -> tuple[Float[Tensor, "_v n c _h _w"], ...]:
    """Independent augmentations of each image: one tensor (v, n, c, h, w) for each group of views, the first one first.

    ``views`` is how many the objective compares: what a group draws whose own ``Recipe.views`` is 0. Groups draw from
    the generator in their order, so that a further one never changes those before it. The strength of an image is
    the same in all views of a group: ``Recipe.strength`` · ``class_strength`` of its label · its ``strength_factor``.
    On a GPU labels and factors are not checked, which would mean waiting for it; ``Recipe.check`` does so beforehand.

    Raises:
        InputError: ``views`` below 1; labels that a recipe with ``class_strength`` needs and does not get, or has no
            strength for; a strength outside [0, 1]; or what `draw` and `apply` refuse.
        UnknownName: the recipe's ``strength_factor`` is none of the ``factors``.

    Reference: Caron et al., Unsupervised learning of visual features by contrasting cluster assignments, NeurIPS 2020,
    section 3.2 (several crops of two sizes), arXiv 2006.09882.

    >>> multi_crop = Recipe(area=(0.4, 1.0), views=2, further=(Recipe(area=(0.05, 0.4), size=8, views=6),))
    >>> large, small = augment(torch.rand(5, 3, 16, 16), multi_crop, torch.Generator().manual_seed(0))
    >>> large.shape, small.shape
    (torch.Size([2, 5, 3, 16, 16]), torch.Size([6, 5, 3, 8, 8]))
    """
    if views < 1:
        raise InputError("views", views, "1 or more")
    n, groups = len(images), []
    for group in recipe.groups:
        count, strength = group.views or views, _strength(group, n, labels=labels, factors=factors)
        rows = draw(group, count * n, generator, strength=None if strength is None else strength.repeat(count))
        groups.append(apply(images.repeat(count, 1, 1, 1), rows).unflatten(0, (count, n)))
    return tuple(groups)


def _strength(recipe: Recipe, n: int, *, labels: Tensor | None, factors: Mapping[str, Tensor] | None) -> Tensor | None:
    """What each image's class and its own factor make of the recipe's strength; None where neither matters."""
    strength = None
    if recipe.class_strength:
        strength = _of_classes(recipe.class_strength, labels, n=n)
    if recipe.strength_factor:
        own = _of_samples(recipe.strength_factor, factors or {}, n=n)
        strength = own if strength is None else strength * own
    return strength


def _of_classes(class_strength: tuple[float, ...], labels: Tensor | None, *, n: int) -> Tensor:
    if labels is None or labels.shape != (n,):
        got = None if labels is None else tuple(labels.shape)
        raise InputError("labels", got, f"the label of each of the {n} images, on which Recipe.class_strength depends")
    if labels.device.type == "cpu" and n and not 0 <= labels.min() <= labels.max() < len(class_strength):
        allowed = f"as many strengths as there are classes: labels lie in [{labels.min()}, {labels.max()}]"
        raise InputError("Recipe.class_strength", class_strength, allowed)
    return _table(class_strength, labels.device)[labels]


def _of_samples(name: str, factors: Mapping[str, Tensor], *, n: int) -> Tensor:
    if name not in factors:
        raise UnknownName("Recipe.strength_factor", name, factors)
    return checked_strength(factors[name], n).double()


@cache  # a constant copied to a GPU in every call would make the host wait for it
@torch.inference_mode(mode=False)
def _table(class_strength: tuple[float, ...], device: torch.device) -> Tensor:
    return torch.tensor(class_strength, dtype=torch.float64, device=device)
