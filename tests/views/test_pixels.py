"""Draws applied: kornia and closed forms as oracles, exact identity and replay, sizes, the noise field."""

import inspect
import math
import warnings
from dataclasses import replace

import pytest
import torch
from scipy.stats import kstest

from sslens.types import InputError
from sslens.views import RECIPES, Draw, Recipe, apply
from tests.views.cases import EVERYTHING, SHAPES, by_hand, drawn, ones, pictures, seeded


@pytest.fixture(scope="module")
def kornia():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import kornia
        import kornia.enhance
        import kornia.filters
        import kornia.geometry
    return kornia


@pytest.mark.parametrize("shape", SHAPES)
def test_strength_zero_leaves_an_image_bit_for_bit_alone_among_others_that_change(shape):
    images = pictures(40, *shape)
    strength = (torch.arange(40) % 2).float()
    rows = drawn(EVERYTHING, 40, strength=strength)
    out = apply(images, rows)
    assert torch.equal(out[::2], images[::2])
    assert ((out[1::2] - images[1::2]).flatten(1).abs().amax(1) > 1e-3).all()


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


def test_gradients_reach_the_images():
    images = pictures(2, 3, 4, 4, low=0.4, high=0.6).double().requires_grad_()
    rows = drawn(replace(EVERYTHING, noise=0.01, brightness=0.1), 2)
    assert torch.autograd.gradcheck(lambda pixels: apply(pixels, rows), images)


def test_results_stay_in_the_unit_interval():
    out = apply(pictures(50, 3, 8, 8), drawn(replace(EVERYTHING, noise=1.0, brightness=1.0), 50))
    assert out.min() == 0 and out.max() == 1


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


# What bad input gets


def test_a_draw_for_another_number_of_images_is_refused():
    with pytest.raises(InputError, match="draw must be 3 rows on cpu, as the images are"):
        apply(pictures(3, 3, 8, 8), drawn(Recipe(), 2))


@pytest.mark.parametrize("images", [torch.zeros(3, 8, 8), torch.zeros(3, 1, 8, 8, dtype=torch.uint8)])
def test_images_of_wrong_shape_or_kind_are_refused(images):
    with pytest.raises(InputError, match="images must be floating, of shape"):
        inspect.unwrap(apply)(images, drawn(Recipe(), 3))  # behind the shape check of the tests


# Sizes


@pytest.mark.parametrize("side", [16, 24])
def test_a_whole_fraction_of_the_side_is_the_mean_of_blocks(side):
    images = pictures(4, 3, side, side).double()
    out = apply(images, by_hand(4, size=8))
    torch.testing.assert_close(out, torch.nn.functional.adaptive_avg_pool2d(images, 8), atol=1e-12, rtol=0)


@pytest.mark.parametrize(("side", "size"), [(8, 16), (12, 20)])
def test_a_larger_size_is_the_bilinear_enlargement(side, size):
    images = pictures(4, 3, side, side).double()
    expected = torch.nn.functional.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)
    torch.testing.assert_close(apply(images, by_hand(4, size=size)), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("size", [5, 7, 8, 11])
def test_what_is_too_fine_for_a_smaller_size_turns_grey_instead_of_into_another_pattern(size):
    board = (torch.arange(16)[:, None] + torch.arange(16)) % 2
    images = board.double().expand(1, 1, 16, 16)
    aliased = torch.nn.functional.interpolate(images, size=(size, size), mode="nearest")
    assert (apply(images, by_hand(1, size=size)) - 0.5).abs().max() < 0.15 < (aliased - 0.5).abs().max()


def test_a_small_crop_is_that_part_of_the_large_one(kornia):
    images = pictures(6, 3, 16, 16).double()
    rows = drawn(Recipe(area=(0.2, 0.6), flip=0.5), 6)
    small = apply(images, replace(rows, size=8))
    assert small.shape == (6, 3, 8, 8)
    blocks = torch.nn.functional.avg_pool2d(apply(images, rows), 2)
    torch.testing.assert_close(small, blocks, atol=1e-12, rtol=0)


def test_images_that_are_not_square_give_square_views_when_a_size_is_given():
    images = pictures(2, 3, 12, 20).double()
    out = apply(images, by_hand(2, size=4))
    torch.testing.assert_close(out, torch.nn.functional.adaptive_avg_pool2d(images, 4), atol=1e-12, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_stage_works_in_another_size(shape):
    images, rows = pictures(5, *shape), replace(drawn(EVERYTHING, 5), size=9)
    assert apply(images, rows).shape == (5, shape[0], 9, 9)
    assert apply(images[:0], rows.take(torch.arange(0))).shape == (0, shape[0], 9, 9)


@pytest.mark.parametrize("recipe", [Recipe(), Recipe(area=(0.3, 1.0), flip=0.5, noise=0.1)])
def test_the_images_own_size_changes_no_bit(recipe):
    images, rows = pictures(5, 3, 12, 12), drawn(recipe, 5)
    assert torch.equal(apply(images, replace(rows, size=12)), apply(images, rows))
