"""Draws: only the stages of the recipe, evenly within their ranges, independent of each other, scaled by strength."""

import math
from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from sslens.types import InputError
from sslens.views import RECIPES, Draw, Recipe
from tests.views.cases import EVERYTHING, drawn, ones

STAGES = [spec.name for spec in fields(Draw) if spec.name != "size"]


def test_a_stage_that_is_not_in_the_recipe_is_not_in_the_draw():
    held = {spec.name for spec in fields(Draw) if getattr(drawn(RECIPES["digits"], 3), spec.name) is not None}
    assert held == {"seed", "rotation", "shift", "contrast", "noise", "strength", "size"}


def test_the_same_seed_draws_the_same_and_another_seed_does_not():
    first, again, other = (drawn(EVERYTHING, 8, seed=seed) for seed in (1, 1, 2))
    for name in STAGES:
        assert torch.equal(getattr(first, name), getattr(again, name))
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


def test_half_the_strength_halves_every_departure():
    full, half = (drawn(EVERYTHING, 50, strength=torch.full((50,), s)) for s in (1.0, 0.5))
    for name, centre in {"rotation": 0, "shift": 0, "hue": 0, "noise": 0}.items() | {"scale": 1, "contrast": 1}.items():
        torch.testing.assert_close(getattr(half, name) - centre, (getattr(full, name) - centre) / 2)
    assert (half.flip <= full.flip).all() and 0 < half.flip.sum() < full.flip.sum()


def test_a_recipes_own_strength_multiplies_that_of_each_row():
    weak = replace(EVERYTHING, strength=0.5)
    full, half = (drawn(EVERYTHING, 50, strength=torch.full((50,), s)) for s in (0.5, 0.25))
    alone, halved = (drawn(weak, 50, strength=s) for s in (None, torch.full((50,), 0.5)))
    for name in STAGES:
        assert torch.equal(getattr(alone, name), getattr(full, name))
        assert torch.equal(getattr(halved, name), getattr(half, name))


def test_a_draw_says_with_what_strength_and_for_which_size_it_was_drawn():
    rows = drawn(Recipe(rotation=20.0, strength=0.5, size=8), 3, strength=torch.tensor([0.0, 0.5, 1.0]))
    assert rows.strength.tolist() == [0.0, 0.25, 0.5]
    assert rows.take(torch.tensor([2])).strength.tolist() == [0.5]
    assert rows.size == rows.take(torch.tensor([2])).size == 8


@pytest.mark.parametrize("strength", [[0.0, 1.0], [0.0, 1.5, 0.0], [0.0, -0.1, 0.0], [0.0, math.nan, 0.0]])
def test_strengths_of_wrong_number_or_value_are_refused(strength):
    with pytest.raises(InputError, match="strength must be"):
        drawn(EVERYTHING, 3, strength=torch.tensor(strength))


def test_negative_counts_are_refused():
    with pytest.raises(InputError, match="n must be 0 or more"):
        drawn(Recipe(), -1)
