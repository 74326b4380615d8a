"""Groups of views: their sizes and streams, strengths by class and by sample, what is refused."""

import math
from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from sslens.types import InputError, UnknownName
from sslens.views import RECIPES, Recipe, apply, augment, draw
from tests.views.cases import EVERYTHING, SHAPES, drawn, pictures, seeded

SMALL = Recipe(area=(0.05, 0.4), size=8, views=6)


def first_group(images, recipe, **options):
    return augment(images, recipe, seeded(), **options)[0]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_empty_recipe_returns_the_images_bit_for_bit(shape):
    images = pictures(4, *shape)
    assert RECIPES["none"] == Recipe()
    assert torch.equal(first_group(images, Recipe()), torch.stack([images, images]))


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("name", [*sorted(RECIPES), "everything"])
def test_all_views_of_a_group_come_from_one_draw(name, count):
    images, recipe = pictures(5, 3, 16, 16), RECIPES.get(name, EVERYTHING)
    rows = draw(recipe, count * 5, seeded())
    expected = apply(images.repeat(count, 1, 1, 1), rows).unflatten(0, (count, 5))
    assert torch.equal(first_group(images, recipe, views=count), expected)


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("name", [*sorted(RECIPES), "everything"])
def test_no_image_and_one_image_work(name, n):
    recipe = replace(RECIPES.get(name, EVERYTHING), further=(SMALL,))
    large, small = augment(pictures(n, 3, 16, 16), recipe, seeded(), views=3)
    assert large.shape == (3, n, 3, 16, 16) and large.isfinite().all()
    assert small.shape == (6, n, 3, 8, 8) and small.isfinite().all()


def test_two_views_of_an_image_have_different_noise():
    pair = first_group(torch.full((50, 1, 16, 16), 0.5), Recipe(noise=0.05)) - 0.5
    same = (pair[0] * pair[1]).flatten(1).mean(1) / 0.05**2
    assert same.abs().max() < 5 / 16


def test_no_stage_reads_the_value_of_a_tensor():
    apply(pictures(2, 3, 8, 8), drawn(EVERYTHING, 2))  # fills the caches with real constants
    recipe = replace(EVERYTHING, further=(replace(SMALL, size=4),))
    with FakeTensorMode(allow_non_fake_inputs=True):  # raises where python wants a number out of a tensor
        large, small = augment(torch.rand(4, 3, 8, 8), recipe, torch.Generator())
    assert large.shape == (2, 4, 3, 8, 8) and small.shape == (6, 4, 3, 4, 4)


# Several groups


def test_multi_crop_gives_each_group_its_views_in_its_size():
    recipe = Recipe(area=(0.4, 1.0), views=2, further=(SMALL, Recipe(size=20), Recipe(flip=0.5)))
    groups = augment(pictures(5, 3, 16, 16), recipe, seeded(), views=4)
    assert [tuple(group.shape) for group in groups] == [
        (2, 5, 3, 16, 16),
        (6, 5, 3, 8, 8),
        (4, 5, 3, 20, 20),
        (4, 5, 3, 16, 16),
    ]


def test_a_further_group_changes_none_before_it():
    images = pictures(5, 3, 16, 16)
    alone = augment(images, RECIPES["natural"], seeded())
    two = augment(images, replace(RECIPES["natural"], further=(SMALL,)), seeded())
    three = augment(images, replace(RECIPES["natural"], further=(SMALL, SMALL)), seeded())
    assert torch.equal(alone[0], two[0]) and torch.equal(two[0], three[0])
    assert torch.equal(two[1], three[1])
    assert not torch.equal(three[1], three[2])  # the same ranges, another draw


def test_small_crops_show_less_of_a_ramp_than_large_ones():
    ramp = torch.linspace(0, 1, 16).expand(40, 1, 16, 16)
    large, small = augment(ramp, Recipe(area=(0.4, 1.0), further=(SMALL,)), seeded())
    seen = [(group.amax((2, 3, 4)) - group.amin((2, 3, 4))).mean() for group in (large, small)]
    assert seen[1] < 0.7 * seen[0]


# Strength, by recipe, class and sample


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_strength_one_is_the_full_recipe_wherever_it_is_said(name):
    images, recipe = pictures(6, 3, 8, 8), RECIPES[name]
    full = first_group(images, recipe)
    by_class = first_group(images, replace(recipe, class_strength=(1.0, 1.0)), labels=torch.arange(6) % 2)
    by_factor = first_group(images, replace(recipe, strength_factor="ease"), factors={"ease": torch.ones(6)})
    assert torch.equal(full, by_class) and torch.equal(full, by_factor)


def test_strength_zero_of_the_recipe_leaves_all_images_alone():
    images = pictures(6, 3, 12, 20)
    assert torch.equal(first_group(images, replace(EVERYTHING, strength=0.0)), torch.stack([images, images]))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_class_of_strength_zero_stays_bit_for_bit_while_the_others_change(shape):
    images, labels = pictures(30, *shape), torch.arange(30) % 3
    group = first_group(images, replace(EVERYTHING, class_strength=(1.0, 0.0, 0.5)), labels=labels)
    spared = labels == 1
    assert torch.equal(group[:, spared], torch.stack([images, images])[:, spared])
    assert ((group - images)[:, ~spared].abs().amax((2, 3, 4)) > 1e-3).all()
    assert not torch.equal(group[0, ~spared], group[1, ~spared])


def test_a_factor_of_the_data_scales_the_strength_of_each_sample():
    images, ease = pictures(4, 1, 16, 16), torch.tensor([0.0, 0.25, 0.5, 1.0])
    group = first_group(images, replace(EVERYTHING, strength_factor="ease"), factors={"x": ease, "ease": ease})
    rows = draw(EVERYTHING, 8, seeded(), strength=ease.repeat(2))
    assert torch.equal(group.flatten(0, 1), apply(images.repeat(2, 1, 1, 1), rows))
    assert torch.equal(group[:, 0], images[:1].expand(2, -1, -1, -1))


def test_recipe_class_and_sample_multiply():
    recipe = replace(EVERYTHING, strength=0.5, class_strength=(1.0, 0.5), strength_factor="ease")
    images, labels, ease = pictures(4, 3, 8, 8), torch.tensor([0, 1, 0, 1]), torch.tensor([1.0, 1.0, 0.5, 0.5])
    given = first_group(images, recipe, labels=labels, factors={"ease": ease}, views=1)
    rows = draw(EVERYTHING, 4, seeded(), strength=torch.tensor([0.5, 0.25, 0.25, 0.125]))
    assert torch.equal(given[0], apply(images, rows))


def test_each_group_has_strengths_of_its_own():
    recipe = Recipe(rotation=90.0, class_strength=(0.0, 1.0), further=(Recipe(rotation=90.0),))
    images, labels = pictures(4, 1, 16, 16), torch.tensor([0, 1, 0, 1])
    first, second = augment(images, recipe, seeded(), labels=labels)
    assert torch.equal(first[:, ::2], torch.stack([images, images])[:, ::2])
    assert (second - images).abs().amax((2, 3, 4)).min() > 1e-3


# What bad input gets


def test_fewer_than_one_view_is_refused():
    with pytest.raises(InputError, match="views must be 1 or more"):
        first_group(pictures(2, 3, 8, 8), Recipe(), views=0)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "labels must be the label of each of the 3 images"),
        (torch.tensor([0, 1]), r"labels must be .* Got \(2,\)"),
        (torch.tensor([0, 1, 2]), r"class_strength must be as many strengths .* labels lie in \[0, 2\]"),
        (torch.tensor([0, -1, 1]), r"class_strength must be as many strengths .* labels lie in \[-1, 1\]"),
    ],
)
def test_labels_that_a_recipe_by_class_cannot_use_are_refused(labels, message, unchecked):
    with pytest.raises(InputError, match=message):
        first_group(pictures(3, 3, 8, 8), Recipe(flip=0.5, class_strength=(1.0, 0.5)), labels=labels)


@pytest.mark.parametrize("values", [[0.0, 1.0], [0.0, 1.5, 0.0], [0.0, -0.1, 0.0], [0.0, math.nan, 0.0]])
def test_factors_that_are_no_strengths_are_refused(values, unchecked):
    with pytest.raises(InputError, match="strength must be"):
        first_group(pictures(3, 3, 8, 8), Recipe(flip=0.5, strength_factor="x"), factors={"x": torch.tensor(values)})


@pytest.mark.parametrize("factors", [None, {}, {"ease": torch.ones(3)}])
def test_an_unknown_strength_factor_is_refused(factors):
    with pytest.raises(UnknownName, match="strength_factor"):
        first_group(pictures(3, 3, 8, 8), Recipe(flip=0.5, strength_factor="easy"), factors=factors)


def test_colour_needs_one_or_three_channels_and_geometry_does_not():
    images = pictures(2, 2, 8, 8)
    assert first_group(images, Recipe(rotation=20.0, blur=(1.0, 1.0), noise=0.1)).shape == (2, 2, 2, 8, 8)
    with pytest.raises(InputError, match="of 1 or 3 channels"):
        first_group(images, RECIPES["natural"])
