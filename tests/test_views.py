"""Augmentations: kornia and closed forms as oracles, exact identity and replay, ranges, strengths, the noise field."""

import inspect
import math
import warnings
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest
from torch._subclasses.fake_tensor import FakeTensorMode

from sslens.types import InputError
from sslens.views import RECIPES, Draw, Recipe, apply, draw, views

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


@pytest.fixture(scope="module")
def kornia():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import kornia
        import kornia.enhance
        import kornia.filters
        import kornia.geometry
    return kornia


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


# Recipes and draws


@pytest.mark.parametrize(
    ("field", "value", "legal"),
    [
        ("rotation", -1.0, "a float in [0, 180]"),
        ("rotation", math.nan, "a float in [0, 180]"),
        ("flip", 1.5, "a float in [0, 1]"),
        ("area", (0.0, 1.0), "a float in (0, 1]"),
        ("scale", (1.2, 0.8), "a pair (low, high) with low <= high"),
        ("blur", (0.0, math.inf), "a float in [0, 100]"),
        ("hue", 0.6, "a float in [0, 0.5]"),
    ],
)
def test_a_recipe_out_of_range_names_field_value_and_legal_values(field, value, legal):
    with pytest.raises(InputError) as caught:
        Recipe(**{field: value})
    assert str(caught.value).startswith(f"Recipe.{field} must be {legal}. Got ")


@pytest.mark.parametrize("shape", SHAPES)
def test_the_empty_recipe_returns_the_images_bit_for_bit(shape):
    images = pictures(4, *shape)
    assert RECIPES["none"] == Recipe()
    assert torch.equal(views(images, Recipe(), seeded()), torch.stack([images, images]))


def test_a_stage_that_is_not_in_the_recipe_is_not_in_the_draw():
    held = {spec.name for spec in fields(Draw) if getattr(drawn(RECIPES["digits"], 3), spec.name) is not None}
    assert held == {"seed", "rotation", "shift", "contrast", "noise"}


def test_the_same_seed_draws_the_same_and_another_seed_does_not():
    first, again, other = (drawn(EVERYTHING, 8, seed=seed) for seed in (1, 1, 2))
    for spec in fields(Draw):
        assert torch.equal(getattr(first, spec.name), getattr(again, spec.name))
    assert not torch.equal(first.rotation, other.rotation)


def test_opening_one_range_leaves_what_the_others_draw():
    plain, more = Recipe(rotation=20.0), Recipe(rotation=20.0, area=(0.5, 1.0), hue=0.1, noise=0.1)
    assert torch.equal(drawn(plain, 9).rotation, drawn(more, 9).rotation)
    assert torch.equal(drawn(plain, 9).seed, drawn(more, 9).seed)


@settings(max_examples=40, deadline=None)
@given(
    low=st.floats(0.05, 1.0),
    high=st.floats(0.05, 1.0),
    reach=st.floats(0.0, 0.5),
    strength=st.floats(0.0, 1.0),
    seed=st.integers(0, 1000),
)
def test_every_parameter_stays_in_its_range_shrunk_by_the_strength(low, high, reach, strength, seed):
    low, high = sorted((low, high))
    recipe = Recipe(
        area=(low, high), scale=(low, high), rotation=180 * reach, shift=reach, contrast=reach, hue=reach, noise=reach
    )
    n, slack = 50, 1e-12
    rows = drawn(recipe, n, seed=seed, strength=torch.full((n,), strength, dtype=torch.float64))
    bounds = {"scale": (1 + strength * (low - 1), 1 + strength * (high - 1)), "noise": (0, strength * reach)}
    for name, centre, largest in (("rotation", 0, 180), ("shift", 0, 1), ("contrast", 1, 1), ("hue", 0, 1)):
        bounds[name] = (centre - strength * largest * reach, centre + strength * largest * reach)
    for name, (least, most) in bounds.items():
        values = getattr(rows, name)
        assert values is None or (values.min() >= least - slack and values.max() <= most + slack)
    if rows.crop is not None:
        left, top, width, height = rows.crop.unbind(1)
        share = width * height
        assert (share >= 1 + strength * (low - 1) - slack).all() and (share <= 1 + strength * (high - 1) + slack).all()
        assert (left >= 0).all() and (top >= 0).all()
        assert (left + width <= 1 + slack).all() and (top + height <= 1 + slack).all()


def test_draws_fill_their_ranges_evenly():
    rows = drawn(EVERYTHING, 20_000)
    assert kstest((rows.rotation / 90).numpy(), "uniform", (-1, 2)).pvalue > 1e-3
    assert kstest(rows.scale.numpy(), "uniform", (0.7, 0.7)).pvalue > 1e-3
    assert kstest((rows.seed / 2**31).numpy(), "uniform").pvalue > 1e-3
    assert rows.flip.double().mean().item() == pytest.approx(0.5, abs=0.015)
    assert rows.grey.double().mean().item() == pytest.approx(0.2, abs=0.012)
    assert (rows.blur > 0).double().mean().item() == pytest.approx(0.7, abs=0.015)


def test_what_one_stage_draws_says_nothing_about_another():
    rows = drawn(replace(EVERYTHING, area=(0.1, 0.4)), 20_000)
    single = ("seed", "flip", "rotation", "scale", "brightness", "contrast", "saturation", "hue", "grey", "blur")
    columns = [getattr(rows, name).double() for name in single]
    left, _, width, height = rows.crop.unbind(1)
    columns += [*rows.shift.unbind(1), width * height, (width / height).log(), left / (1 - width)]
    correlation = torch.corrcoef(torch.stack(columns))
    assert (correlation - torch.eye(len(correlation))).abs().max() < 5 / math.sqrt(20_000)


def test_the_aspect_of_a_crop_is_log_uniform_and_its_place_covers_the_room_left():
    rows = drawn(Recipe(area=(0.2, 0.2), aspect=(0.5, 2.0)), 20_000)
    left, top, width, height = rows.crop.unbind(1)
    assert kstest((width / height).log2().numpy(), "uniform", (-1, 2)).pvalue > 1e-3
    assert kstest((left / (1 - width)).numpy(), "uniform").pvalue > 1e-3
    assert kstest((top / (1 - height)).numpy(), "uniform").pvalue > 1e-3
    torch.testing.assert_close(width * height, 0.2 * ones(20_000))


def test_a_crop_that_would_not_fit_keeps_the_whole_side():
    width, height = drawn(Recipe(area=(1.0, 1.0), aspect=(2.0, 2.0)), 3).crop[:, 2:].unbind(1)
    assert torch.equal(width, ones(3))
    torch.testing.assert_close(height, math.sqrt(0.5) * ones(3))


# Strength


@pytest.mark.parametrize("shape", SHAPES)
def test_strength_zero_leaves_an_image_bit_for_bit_alone_among_others_that_change(shape):
    images = pictures(40, *shape)
    strength = (torch.arange(40) % 2).float()
    rows = drawn(EVERYTHING, 40, strength=strength)
    out = apply(images, rows)
    assert torch.equal(out[::2], images[::2])
    assert ((out[1::2] - images[1::2]).flatten(1).abs().amax(1) > 1e-3).all()


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_strength_one_is_the_full_recipe(name):
    images = pictures(6, 3, 8, 8)
    full, strong = (views(images, RECIPES[name], seeded(), strength=s) for s in (None, torch.ones(6)))
    assert torch.equal(full, strong)


def test_half_the_strength_halves_every_departure():
    full, half = (drawn(EVERYTHING, 50, strength=torch.full((50,), s)) for s in (1.0, 0.5))
    for name, centre in {"rotation": 0, "shift": 0, "hue": 0, "noise": 0}.items() | {"scale": 1, "contrast": 1}.items():
        torch.testing.assert_close(getattr(half, name) - centre, (getattr(full, name) - centre) / 2)
    assert (half.flip <= full.flip).all() and 0 < half.flip.sum() < full.flip.sum()


def test_views_gives_both_views_of_an_image_its_strength():
    images = pictures(6, 1, 16, 16)
    pair = views(images, RECIPES["digits"], seeded(), strength=torch.tensor([0.0, 1.0] * 3))
    assert torch.equal(pair[:, ::2], torch.stack([images, images])[:, ::2])
    assert not torch.equal(pair[0, 1::2], pair[1, 1::2])


# Replay, rows, precisions, layouts


@pytest.mark.parametrize("shape", SHAPES)
def test_a_draw_replays_bit_for_bit_without_touching_images_or_random_state(shape):
    images = pictures(5, *shape)
    before, state, rows = images.clone(), torch.get_rng_state(), drawn(EVERYTHING, 5)
    assert torch.equal(apply(images, rows), apply(images, rows))
    assert torch.equal(images, before) and torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("shape", SHAPES)
def test_each_image_depends_on_its_own_row_alone(shape):
    images, rows = pictures(5, *shape), drawn(EVERYTHING, 5)
    together, order = apply(images, rows), torch.tensor([3, 0, 4])
    torch.testing.assert_close(apply(images[order], rows.take(order)), together[order], atol=1e-6, rtol=0)
    for index in range(5):
        alone = apply(images[index : index + 1], rows.take(torch.tensor([index])))
        torch.testing.assert_close(alone, together[index : index + 1], atol=1e-6, rtol=0)


def test_both_precisions_see_the_same_augmentation():
    images, rows = pictures(8, 3, 16, 16), drawn(EVERYTHING, 8)
    exact = apply(images.double(), rows)
    assert exact.dtype == torch.float64
    torch.testing.assert_close(apply(images, rows).double(), exact, atol=2e-5, rtol=0)


def test_channels_last_images_give_the_same_pixels():
    images, rows = pictures(8, 3, 16, 16), drawn(EVERYTHING, 8)
    laid_out = images.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(apply(laid_out, rows), apply(images, rows), atol=1e-6, rtol=0)


def test_a_mixed_precision_region_does_not_coarsen_pixels():
    images, rows = pictures(8, 3, 16, 16), drawn(EVERYTHING, 8)
    with torch.autocast("cpu", torch.bfloat16):
        inside = apply(images, rows)
    assert torch.equal(inside, apply(images, rows))


def test_no_stage_looks_at_the_value_of_a_tensor():
    apply(pictures(2, 3, 8, 8), drawn(EVERYTHING, 2))  # fills the caches with real constants
    with FakeTensorMode(allow_non_fake_inputs=True):  # raises where python asks for a number out of a tensor
        pair = views(torch.rand(4, 3, 8, 8), EVERYTHING, torch.Generator())
    assert pair.shape == (2, 4, 3, 8, 8)


def test_gradients_reach_the_images():
    images = pictures(2, 3, 4, 4, low=0.4, high=0.6).double().requires_grad_()
    rows = drawn(replace(EVERYTHING, noise=0.01, brightness=0.1), 2)
    assert torch.autograd.gradcheck(lambda pixels: apply(pixels, rows), images)


def test_results_stay_in_the_unit_interval():
    out = apply(pictures(50, 3, 8, 8), drawn(replace(EVERYTHING, noise=1.0, brightness=1.0), 50))
    assert out.min() == 0 and out.max() == 1


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("name", [*sorted(RECIPES), "everything"])
def test_no_image_and_one_image_work(name, n):
    out = views(pictures(n, 3, 8, 8), RECIPES.get(name, EVERYTHING), seeded(), count=3)
    assert out.shape == (3, n, 3, 8, 8) and out.isfinite().all()


def test_a_single_pixel_survives_every_stage():
    assert apply(pictures(3, 1, 1, 1), drawn(EVERYTHING, 3)).isfinite().all()


def test_the_digits_recipe_keeps_most_of_a_ten_pixel_digit_wherever_it_lies():
    ink = torch.zeros(2000, 1, 16, 16)
    for row, (y, x) in enumerate(torch.randint(0, 7, (2000, 2), generator=seeded()).tolist()):
        ink[row, 0, y : y + 10, x : x + 10] = 1
    geometry = replace(RECIPES["digits"], contrast=0.0, noise=0.0)
    kept = apply(ink, drawn(geometry, 2000)).sum((1, 2, 3)) / 100
    assert kept.mean() > 0.9 and (kept > 0.5).double().mean() > 0.99


# Geometry against kornia


def centre_of(n, height, width):
    return torch.tensor([[(width - 1) / 2, (height - 1) / 2]], dtype=torch.float64).repeat(n, 1)


def crop_matrix(crop, height, width):
    """Pixel to pixel: the box onto the whole image, pixel centres at whole numbers."""
    matrix = torch.eye(3, dtype=torch.float64).repeat(len(crop), 1, 1)
    left, top, wide, high = crop.unbind(1)
    matrix[:, 0, 0], matrix[:, 0, 2] = 1 / wide, (0.5 - left * width) / wide - 0.5
    matrix[:, 1, 1], matrix[:, 1, 2] = 1 / high, (0.5 - top * height) / high - 0.5
    return matrix


@pytest.mark.parametrize("size", [(16, 16), (12, 20)])
def test_rotation_agrees_with_kornia(kornia, size):
    images, angle = pictures(6, 3, *size).double(), torch.linspace(-170, 170, 6, dtype=torch.float64)
    expected = kornia.geometry.rotate(images, angle, mode="bilinear", padding_mode="zeros")
    torch.testing.assert_close(apply(images, by_hand(6, rotation=angle)), expected, atol=1e-9, rtol=0)


def test_a_quarter_turn_is_counter_clockwise():
    images = pictures(2, 3, 8, 8).double()
    turned = apply(images, by_hand(2, rotation=90 * ones(2)))
    torch.testing.assert_close(turned, images.rot90(1, (2, 3)), atol=1e-9, rtol=0)


def test_flip_agrees_with_kornia_bit_for_bit(kornia):
    images = pictures(4, 3, 16, 16)
    out = apply(images, by_hand(4, flip=torch.tensor([True, False, True, False])))
    assert torch.equal(out[::2], kornia.geometry.hflip(images[::2])) and torch.equal(out[1::2], images[1::2])


@pytest.mark.parametrize("size", [(16, 16), (12, 20)])
def test_crop_agrees_with_kornia(kornia, size):
    images = pictures(8, 3, *size).double()
    rows = drawn(Recipe(area=(0.2, 0.8), aspect=(0.5, 2.0)), 8)
    matrix = crop_matrix(rows.crop, *size)[:, :2]
    expected = kornia.geometry.warp_affine(images, matrix, size, padding_mode="border", align_corners=True)
    torch.testing.assert_close(apply(images, rows), expected, atol=1e-9, rtol=0)


def test_a_crop_of_whole_pixels_is_the_resized_slice(kornia):
    images = pictures(1, 3, 16, 16).double()
    out = apply(images, by_hand(1, crop=torch.tensor([[0.25, 0.5, 0.5, 0.5]], dtype=torch.float64)))
    expected = kornia.geometry.resize(images[:, :, 8:, 4:12], (16, 16), align_corners=False)
    inner = (..., slice(1, -1), slice(1, -1))  # at the rim the slice cannot see its neighbours
    torch.testing.assert_close(out[inner], expected[inner], atol=1e-9, rtol=0)


@pytest.mark.parametrize("size", [(16, 16), (12, 20)])
def test_all_geometry_at_once_agrees_with_kornia(kornia, size):
    n, (height, width) = 10, size
    images = pictures(n, 3, *size).double()
    rows = drawn(replace(Recipe(), area=(0.3, 0.9), flip=0.5, rotation=180, shift=0.3, scale=(0.6, 1.5)), n)
    mirror = torch.eye(3, dtype=torch.float64).repeat(n, 1, 1)
    mirror[rows.flip, 0, 0], mirror[rows.flip, 0, 2] = -1, width - 1
    way = rows.shift * torch.tensor([width, height])
    scale = rows.scale[:, None].repeat(1, 2)
    # get_affine_matrix2d turns clockwise for positive angles, unlike kornia's own rotate
    around = kornia.geometry.get_affine_matrix2d(way, centre_of(n, *size), scale, -rows.rotation)
    matrix = (around @ mirror @ crop_matrix(rows.crop, *size))[:, :2]
    expected = kornia.geometry.warp_affine(images, matrix, size, padding_mode="zeros", align_corners=True)
    torch.testing.assert_close(apply(images, rows), expected, atol=1e-9, rtol=0)


def test_a_shift_moves_right_and_down_and_brings_in_black():
    images = pictures(1, 1, 8, 8)
    out = apply(images, by_hand(1, shift=torch.tensor([[0.25, 0.125]], dtype=torch.float64)))
    torch.testing.assert_close(out[0, 0, 1:, 2:], images[0, 0, :-1, :-2], atol=1e-6, rtol=0)
    assert (out[0, 0, 0] == 0).all() and (out[0, 0, :, :2] == 0).all()


def test_crops_and_flips_bring_in_no_black():
    white = torch.ones(50, 3, 10, 10)
    assert apply(white, drawn(Recipe(area=(0.1, 1.0), flip=0.5), 50)).min() > 1 - 1e-6


# Blur and colour against kornia, hue against the textbook


def test_blur_agrees_with_kornia_per_image(kornia):
    images = pictures(5, 3, 16, 14).double()
    deviation = torch.tensor([0.4, 0.8, 1.2, 1.6, 2.0], dtype=torch.float64)
    expected = kornia.filters.gaussian_blur2d(images, (25, 25), deviation[:, None].repeat(1, 2), border_type="reflect")
    torch.testing.assert_close(apply(images, by_hand(5, blur=deviation)), expected, atol=1e-8, rtol=0)


def test_blur_keeps_a_constant_image_and_zero_blur_any_image():
    images = torch.cat([torch.full((1, 1, 9, 9), 0.3), pictures(1, 1, 9, 9)])
    out = apply(images, by_hand(2, blur=torch.tensor([3.0, 0.0], dtype=torch.float64)))
    torch.testing.assert_close(out[0], images[0])
    assert torch.equal(out[1], images[1])


@pytest.mark.parametrize(
    ("stage", "oracle"),
    [
        ("brightness", "adjust_brightness_accumulative"),
        ("contrast", "adjust_contrast_with_mean_subtraction"),
        ("saturation", "adjust_saturation_with_gray_subtraction"),
    ],
)
def test_colour_factors_agree_with_kornias_multiplicative_variants(kornia, stage, oracle):
    images, factor = pictures(6, 3, 8, 8).double(), torch.linspace(0.1, 1.9, 6, dtype=torch.float64)
    expected = getattr(kornia.enhance, oracle)(images, factor)
    torch.testing.assert_close(apply(images, by_hand(6, **{stage: factor})), expected, atol=1e-9, rtol=0)


def test_grey_agrees_with_kornia(kornia):
    images = pictures(2, 3, 8, 8).double()
    out = apply(images, by_hand(2, grey=torch.tensor([True, False])))
    expected = kornia.color.rgb_to_grayscale(images[:1]).repeat(1, 3, 1, 1)
    torch.testing.assert_close(out[:1], expected, atol=1e-9, rtol=0)
    assert torch.equal(out[1], images[1])


def test_hue_is_a_rotation_in_yiq():
    yiq = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]]).double()
    images, turns = pictures(5, 3, 4, 4, low=0.45, high=0.55).double(), torch.tensor([-0.4, -0.1, 0.0, 0.25, 0.5])
    out = apply(images, by_hand(5, hue=turns.double()))
    for image, turn, result in zip(images, turns.double() * 2 * math.pi, out, strict=True):
        cos, sin = turn.cos().item(), turn.sin().item()
        turned = torch.tensor([[1, 0, 0], [0, cos, sin], [0, -sin, cos]]).double()
        expected = torch.linalg.inv(yiq) @ turned @ yiq @ image.flatten(1)
        torch.testing.assert_close(result.flatten(1), expected, atol=2e-4, rtol=0)  # the table has four digits


def test_hue_keeps_luma_and_greys_and_turns_red_towards_yellow():
    luma = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)
    images = pictures(4, 3, 4, 4, low=0.4, high=0.6).double()
    images[:, :, 0, 0] = 0.5
    out = apply(images, by_hand(4, hue=torch.tensor([0.1, 0.3, -0.2, 0.5], dtype=torch.float64)))
    light = [torch.einsum("c,nchw->nhw", luma, pixels) for pixels in (images, out)]
    torch.testing.assert_close(*light, atol=1e-12, rtol=0)
    torch.testing.assert_close(out[:, :, 0, 0], images[:, :, 0, 0], atol=1e-12, rtol=0)
    red = torch.tensor([0.6, 0.4, 0.4], dtype=torch.float64).view(1, 3, 1, 1)
    shade = apply(red, by_hand(1, hue=0.05 * ones(1))).flatten()
    assert shade[1] > shade[2]


def test_colour_stages_on_one_channel_change_only_light():
    images, rows = pictures(3, 1, 6, 6), by_hand(3, saturation=2 * ones(3), hue=0.3 * ones(3), grey=ones(3).bool())
    assert torch.equal(apply(images, rows), images)
    out = apply(images, replace(rows, contrast=0.5 * ones(3)))
    torch.testing.assert_close(out, (images + images.mean((1, 2, 3), keepdim=True)) / 2)


@pytest.mark.parametrize("channels", [1, 3])
def test_all_stages_at_once_are_the_stages_one_after_the_other(channels):
    images = pictures(6, channels, 16, 16, low=0.45, high=0.55).double()
    gentle = dict(brightness=0.1, contrast=0.4, saturation=0.4, hue=0.5, noise=0.01)  # the clamp does nothing here
    rows = drawn(replace(EVERYTHING, rotation=0.0, shift=0.0, scale=(1.0, 1.0), **gentle), 6)
    out = images
    for stages in (("crop", "flip"), ("blur",), ("brightness",), ("contrast",), ("saturation",), ("hue",), ("grey",)):
        out = apply(out, Draw(rows.seed, **{name: getattr(rows, name) for name in stages}))
    out = apply(out, Draw(rows.seed, noise=rows.noise))
    torch.testing.assert_close(apply(images, rows), out, atol=1e-12, rtol=0)


# Noise


def field(n, *shape, kind=torch.float32, seeds=None):
    """The standard normal field itself, freed from the clamp."""
    level = torch.full((n,), 0.05, dtype=torch.float64)
    rows = Draw(torch.arange(n) if seeds is None else seeds, noise=level)
    return (apply(torch.full((n, *shape), 0.5, dtype=kind), rows) - 0.5) / 0.05


def lowbias32(x):
    x = (x ^ (x >> 16)) * 0x7FEB352D & 0xFFFFFFFF
    x = (x ^ (x >> 15)) * 0x846CA68B & 0xFFFFFFFF
    return x ^ (x >> 16)


def test_noise_is_the_hash_of_seed_and_pixel_through_box_and_muller():
    seeds = torch.tensor([0, 1, 2**31 - 1, 123456789])
    values = field(4, 1, 3, 5, kind=torch.float64, seeds=seeds).flatten(1)  # an odd number of pixels
    for seed, row in zip(seeds.tolist(), values.tolist(), strict=True):
        bits = [lowbias32(lowbias32(place) ^ seed) for place in range(1, 17)]
        for pixel in range(15):
            radius = math.sqrt(-2 * math.log(((bits[pixel % 8] & 0x7FFFFFFF) + 0.5) / 2**31))
            angle = 2 * math.pi * bits[pixel % 8 + 8] / 2**32
            expected = radius * (math.cos(angle) if pixel < 8 else math.sin(angle))
            assert row[pixel] == pytest.approx(expected, abs=1e-9)


def test_noise_is_standard_normal_and_white():
    values = field(4000, 3, 16, 16, kind=torch.float64)  # neighbouring seeds on purpose
    flat, count = values.flatten(), values.numel()
    assert abs(flat.mean()) < 4 / math.sqrt(count)
    assert abs(flat.var() - 1) < 4 * math.sqrt(2 / count)
    assert abs((flat**4).mean() - 3) < 4 * math.sqrt(96 / count)
    assert kstest(flat[:200_000].numpy(), "norm").pvalue > 1e-3
    pairs = {
        "right": (values[..., 1:], values[..., :-1]),
        "below": (values[:, :, 1:], values[:, :, :-1]),
        "channel": (values[:, 1:], values[:, :-1]),
        "image": (values[1:], values[:-1]),
        "box and muller": (values.flatten(1)[:, :384], values.flatten(1)[:, 384:]),
    }
    for name, (a, b) in pairs.items():
        assert abs((a * b).mean()) < 4 / math.sqrt(a.numel()), name
        assert abs(((a**2 - 1) * (b**2 - 1)).mean()) < 4 * 2 / math.sqrt(a.numel()), name


def test_two_views_of_an_image_have_different_noise():
    pair = views(torch.full((50, 1, 16, 16), 0.5), Recipe(noise=0.05), seeded()) - 0.5
    same = (pair[0] * pair[1]).flatten(1).mean(1) / 0.05**2
    assert same.abs().max() < 5 / 16


# What bad input gets


@pytest.mark.parametrize("strength", [[0.0, 1.0], [0.0, 1.5, 0.0], [0.0, -0.1, 0.0], [0.0, math.nan, 0.0]])
def test_strengths_of_wrong_number_or_value_are_refused(strength):
    with pytest.raises(InputError, match="strength must be"):
        drawn(EVERYTHING, 3, strength=torch.tensor(strength))
    with pytest.raises(InputError, match="strength must be"):
        inspect.unwrap(views)(pictures(3, 3, 8, 8), EVERYTHING, seeded(), strength=torch.tensor(strength))


def test_a_draw_for_another_number_of_images_is_refused():
    with pytest.raises(InputError, match="draw must be 3 rows on cpu, as the images are"):
        apply(pictures(3, 3, 8, 8), drawn(Recipe(), 2))


@pytest.mark.parametrize("images", [torch.zeros(3, 8, 8), torch.zeros(3, 1, 8, 8, dtype=torch.uint8)])
def test_images_of_wrong_shape_or_kind_are_refused(images):
    with pytest.raises(InputError, match="images must be floating, of shape"):
        inspect.unwrap(apply)(images, drawn(Recipe(), 3))  # behind the shape check of the tests


def test_colour_needs_one_or_three_channels_and_geometry_does_not():
    images = pictures(2, 2, 8, 8)
    assert views(images, Recipe(rotation=20.0, blur=(1.0, 1.0), noise=0.1), seeded()).shape == (2, 2, 2, 8, 8)
    with pytest.raises(InputError, match="of 1 or 3 channels"):
        views(images, RECIPES["natural"], seeded())


def test_negative_counts_are_refused():
    with pytest.raises(InputError, match="n must be 0 or more"):
        drawn(Recipe(), -1)
    with pytest.raises(InputError, match="count must be 1 or more"):
        views(pictures(2, 3, 8, 8), Recipe(), seeded(), count=0)
