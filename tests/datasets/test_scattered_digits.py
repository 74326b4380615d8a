import os
import subprocess
import sys
import time

import pytest
import torch
from torch.nn.functional import one_hot

from sslens.datasets import digits, scattered_digits

GOLDEN = ["3ec19cb8097c666a3de1cf0d1fc64622", "9d64dc76043e594565ddbbe0c27e1575"]
PRINT_DIGESTS = "from sslens.datasets import scattered_digits as s; [print(side.digest()) for side in s.load()]"


@pytest.fixture(scope="module")
def sides():
    return scattered_digits.load()


def correlation(a, b):
    return torch.corrcoef(torch.stack([a, b]))[0, 1].item()


def centroid(images):
    """Centre of the ink in pixels right of and below the canvas' centre, the noise cut away."""
    ink = (images[:, 0] - 0.45).clamp(min=0)
    at = torch.arange(16) - 7.5
    mass = ink.sum((1, 2)).clamp(min=1e-9)
    return (ink.sum(1) * at).sum(1) / mass, (ink.sum(2) * at).sum(1) / mass


def test_sides_have_the_stated_shape_and_range(sides):
    train, test = sides
    assert (tuple(train.images.shape), tuple(test.images.shape)) == ((2400, 1, 16, 16), (1194, 1, 16, 16))
    assert train.images.dtype == torch.float32
    assert (train.images.min(), train.images.max()) == (0, 1)
    assert train.classes == tuple("0123456789")


def test_pixels_are_multiples_of_one_in_255(sides):
    levels = torch.arange(256, dtype=torch.float32) / 255
    assert torch.isin(sides[0].images, levels).all()


def test_the_content_is_the_golden_one(sides):
    assert [side.digest() for side in sides] == GOLDEN


@pytest.mark.parametrize(
    "setting",
    [{"OMP_NUM_THREADS": "2"}, {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"}],
    ids=["two threads", "no vector instructions"],
)
def test_other_threads_and_instruction_sets_make_the_same_bits(setting):
    done = subprocess.run(
        [sys.executable, "-c", PRINT_DIGESTS], env=os.environ | setting, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == GOLDEN


def test_the_global_generator_neither_matters_nor_moves(sides):
    before = torch.manual_seed(7).get_state()
    assert scattered_digits.load()[0].digest() == GOLDEN[0]
    assert torch.equal(torch.get_rng_state(), before)


def test_another_seed_moves_the_digits_but_not_the_split(sides):
    train, _ = scattered_digits.load(seed=1)
    assert train.digest() != GOLDEN[0]
    assert torch.equal(train.origin, sides[0].origin)
    assert abs(correlation(train.factors["x"], sides[0].factors["x"])) < 0.1


def test_no_original_is_on_both_sides_and_each_is_placed_twice(sides):
    counts = [side.origin.bincount(minlength=1797) for side in sides]
    assert set((counts[0] + counts[1]).tolist()) == {2}
    assert not (counts[0].bool() & counts[1].bool()).any()


def test_the_split_is_that_of_the_plain_digits(sides):
    for scattered, plain in zip(sides, digits.load(), strict=True):
        assert torch.equal(scattered.origin, plain.origin.repeat(2))
        assert torch.equal(scattered.labels, plain.labels.repeat(2))


def test_factors_fill_their_ranges_independently(sides):
    factors = sides[0].factors
    for name, (low, high) in scattered_digits.RANGES.items():
        values = factors[name]
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.max() <= high
        others = [other for other in scattered_digits.RANGES if other != name]
        assert max(abs(correlation(values, factors[other])) for other in others) < 0.08


def test_the_ink_lies_where_x_and_y_say(sides):
    train, _ = sides
    right, down = centroid(train.images)
    assert correlation(right, train.factors["x"]) > 0.95
    assert correlation(down, train.factors["y"]) > 0.95
    assert (right - train.factors["x"]).mean().abs() < 0.3  # pixels
    assert (down - train.factors["y"]).mean().abs() < 0.3


def test_scale_and_contrast_show_in_the_ink(sides):
    train, _ = sides
    original = digits.originals().images.sum((1, 2, 3))[train.origin]
    ink = (train.images.sum((1, 2, 3)) - 256 * 0.15 * 0.4) / original  # clipped noise has mean 0.15/√(2π)
    expected = train.factors["scale"] ** 2 * train.factors["contrast"]
    assert correlation(ink, expected) > 0.8


STROKE = torch.zeros(8, 8, dtype=torch.float64)
STROKE[:, 3:5] = 1  # upright, in the middle


def placed(**drawn):
    factors = {"x": 0.0, "y": 0.0, "scale": 1.0, "rotation": 0.0} | drawn
    values = {name: torch.tensor([value], dtype=torch.float64) for name, value in factors.items()}
    return scattered_digits._placed(STROKE[None, None], values)[0, 0]


def test_an_untouched_digit_stands_in_the_middle_pixel_by_pixel():
    canvas = placed()
    assert torch.allclose(canvas[4:12, 7:9], torch.ones(8, 2, dtype=torch.float64))
    assert canvas.sum().item() == pytest.approx(16)


def test_whole_pixels_of_shift_go_right_and_down():
    assert torch.allclose(placed(x=2.0, y=-1.0), placed().roll((-1, 2), (0, 1)))


def test_scale_enlarges_the_area():
    phases = torch.arange(10) / 10  # over all places within a pixel, the sampling error of the few pixels averages out
    areas = [placed(scale=1.3, x=x.item(), y=y.item()).sum() for x in phases for y in phases]
    assert torch.stack(areas).mean().item() == pytest.approx(16 * 1.3**2, rel=0.005)


def test_positive_rotation_is_counter_clockwise():
    top = placed(rotation=20.0)[4] @ (torch.arange(16, dtype=torch.float64) - 7.5)
    assert top < -0.5  # an upright stroke's upper end leans to the left


def test_nearly_all_ink_stays_on_the_canvas(sides):
    factors = {name: values.double() for name, values in sides[0].factors.items()}
    images = digits.originals().images[sides[0].origin].double()
    middle = factors | {"x": torch.zeros(2400).double(), "y": torch.zeros(2400).double()}
    kept = (scattered_digits._placed(images, f).sum((1, 2, 3)) for f in (factors, middle))
    share = next(kept) / next(kept)
    assert share.min() > 0.6
    assert (share < 0.9).double().mean() < 0.02


def test_raw_pixels_hardly_tell_the_class(sides):
    (train, test), penalty = sides, 10 * torch.eye(256, dtype=torch.float64)
    pixels, queries = (side.images.flatten(1).double() - 0.15 for side in (train, test))
    weights = torch.linalg.solve(pixels.T @ pixels + penalty, pixels.T @ one_hot(train.labels).double())
    accuracy = ((queries @ weights).argmax(1) == test.labels).double().mean()
    assert 0.1 < accuracy < 0.22


def test_generation_is_quick():
    start = time.process_time()
    scattered_digits.load()
    assert time.process_time() - start < 1
