"""Recipes: what they refuse, the groups they describe, to JSON and back."""

import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sslens.types import Dataset, InputError, UnknownName
from sslens.views import RECIPES, Recipe
from tests.views.cases import EVERYTHING


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


@pytest.mark.parametrize(
    ("field", "value", "legal"),
    [
        ("views", -1, "an int in [0, 64]"),
        ("views", 2.0, "an int in [0, 64]"),
        ("size", 4096, "an int in [0, 1024]"),
        ("size", True, "an int in [0, 1024]"),
        ("strength", 1.01, "a float in [0, 1]"),
        ("strength", "strong", "a float in [0, 1]"),
        ("area", [0.5, 1.0], "a pair (low, high) in (0, 1]"),
        ("area", (0.5, 0.6, 0.7), "a pair (low, high) in (0, 1]"),
        ("class_strength", 0.5, "a tuple"),
        ("strength_factor", 3, "a str"),
        ("further", Recipe(), "a tuple"),
    ],
)
def test_a_field_of_another_type_is_refused_by_name(field, value, legal):
    with pytest.raises(InputError) as caught:
        Recipe(**{field: value})
    assert str(caught.value).startswith(f"Recipe.{field} must be {legal}. Got ")


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("class_strength", (0.5, 1.5), r"class_strength\[1\] must be a float in \[0, 1\]"),
        ("further", ({"flip": 0.5},), r"further\[0\] must be a Recipe without"),
        ("further", (Recipe(), Recipe(further=(Recipe(),))), r"further\[1\] must be a Recipe without further groups"),
    ],
)
def test_the_place_within_a_tuple_is_named(field, value, place):
    with pytest.raises(InputError, match=place):
        Recipe(**{field: value})


def test_a_misspelt_field_is_refused_with_the_closest():
    with pytest.raises(UnknownName, match="Did you mean 'rotation'"):
        Recipe(**{"rotaton": 20.0})


# JSON

MULTI_CROP = Recipe(
    area=(0.4, 1.0),
    views=2,
    class_strength=(1.0, 0.0, 0.5),
    further=(Recipe(area=(0.05, 0.4), size=8, views=6), Recipe(strength=0.5, strength_factor="ease")),
)


NAMED = {**RECIPES, "everything": EVERYTHING, "multi-crop": MULTI_CROP}


@pytest.mark.parametrize("recipe", NAMED.values(), ids=NAMED)
def test_a_recipe_comes_back_from_json(recipe):
    again = Recipe.of_json(json.loads(json.dumps(recipe.to_json())))
    assert again == recipe and hash(again) == hash(recipe)


def test_json_holds_what_differs_from_the_defaults_and_nothing_else():
    assert Recipe().to_json() == {}
    assert MULTI_CROP.to_json() == {
        "area": [0.4, 1.0],
        "views": 2,
        "class_strength": [1.0, 0.0, 0.5],
        "further": [{"area": [0.05, 0.4], "size": 8, "views": 6}, {"strength": 0.5, "strength_factor": "ease"}],
    }


def test_equal_recipes_have_equal_json_however_their_numbers_were_written():
    assert repr(Recipe(rotation=20, area=(0.5, 1)).to_json()) == repr(Recipe(rotation=20.0, area=(0.5, 1.0)).to_json())


@settings(max_examples=60, deadline=None)
@given(
    area=st.tuples(st.floats(0.01, 0.5), st.floats(0.5, 1.0)),
    rotation=st.integers(0, 180),
    class_strength=st.lists(st.floats(0, 1), max_size=4).map(tuple),
    further=st.lists(st.fixed_dictionaries({"size": st.integers(0, 64), "hue": st.floats(0, 0.5)}), max_size=3),
)
def test_any_recipe_comes_back_from_json(area, rotation, class_strength, further):
    groups = tuple(Recipe(**fields) for fields in further)
    recipe = Recipe(area=area, rotation=rotation, class_strength=class_strength, further=groups)
    assert Recipe.of_json(json.loads(json.dumps(recipe.to_json()))) == recipe


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ([("flip", 0.5)], "Recipe must be an object"),
        ({"flop": 0.5}, "Did you mean 'flip'"),
        ({1: 0.5}, "Recipe must be one of: area"),
        ({"flip": None}, "Recipe.flip must be a float"),
        ({"area": "0.5, 1"}, "Recipe.area must be a pair"),
        ({"further": {"size": 8}}, "Recipe.further must be a tuple"),
        ({"further": [{"siez": 8}]}, "Did you mean 'size'"),
        ({"further": [3]}, "Recipe must be an object"),
    ],
)
def test_what_describes_no_recipe_is_refused(mapping, message, unchecked):
    with pytest.raises(InputError, match=message):
        Recipe.of_json(mapping)


# Data sets that a recipe fits

PICTURES = Dataset(
    torch.zeros(3, 1, 4, 4), torch.arange(3), ("a", "b", "c"), {"ease": torch.ones(3), "angle": torch.arange(3.0)}
)


@pytest.mark.parametrize("recipe", [Recipe(), MULTI_CROP, Recipe(strength_factor="ease")])
def test_a_data_set_that_has_the_classes_and_factors_passes(recipe):
    assert recipe.check(PICTURES) is None


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (Recipe(class_strength=(1.0, 0.5)), "one number in .* for each of the 3 classes"),
        (Recipe(strength_factor="eas"), "Did you mean 'ease'"),
        (Recipe(strength_factor="angle"), r"values in \[0, 1\]. Got 'angle from 0 to 2'"),
        (Recipe(further=(Recipe(class_strength=(1.0,)),)), "3 classes"),
    ],
)
def test_a_data_set_that_does_not_fit_is_refused(recipe, message):
    with pytest.raises(InputError, match=message):
        recipe.check(PICTURES)


def test_texts_are_no_images_to_augment():
    with pytest.raises(InputError, match="images"):
        Recipe().check(Dataset(torch.zeros(3, 5, dtype=torch.int64), torch.arange(3), ("a", "b", "c")))
