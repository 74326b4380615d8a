"""How parts of a config are named in JSON and back, registered or not."""

from dataclasses import dataclass
from typing import Annotated, final

import pytest

from sslens.encoders import ENCODERS, MLP, PREDICTORS, Encoder, Predictor
from sslens.objectives import OBJECTIVES, Objective, SimCLR
from sslens.train import Config, record, record_all, restore
from sslens.train.naming import from_json, home_of, is_registered, kind_of, named_class, to_json
from sslens.types import InputError, Range, UnknownName, checked_dataclass
from sslens.views import RECIPES, Recipe
from tests.train.cases import DirectPredictor, Prototypes, same, tiny


@final
@checked_dataclass
class Wide(Encoder):
    """A perceptron that is described in a test."""

    width: Annotated[int, Range(1, 100)]
    sizes: tuple[int, ...] = (8, 4)

    def build(self, shape):
        return MLP(width=self.width, depth=2).build(shape)


REGISTRIES = {Objective: OBJECTIVES, Encoder: ENCODERS, Predictor: PREDICTORS}


@pytest.mark.parametrize("base", REGISTRIES)
def test_every_registered_class_goes_to_json_by_its_name_and_back(base):
    for name, kind in REGISTRIES[base].items():
        part = kind()
        assert kind_of(part) == name and is_registered(part)
        assert from_json(to_json(part), base, name="part") == part


@pytest.mark.parametrize("part", [Prototypes(count=7), Wide(width=6), DirectPredictor()])
def test_a_class_that_no_registry_lists_is_named_with_a_fingerprint_and_found_again_in_this_process(part):
    base = next(base for base in REGISTRIES if isinstance(part, base))
    values = to_json(part)
    name, _, code = values["kind"].partition("@")
    assert name == type(part).__qualname__ and len(code) == 32 and not is_registered(part)
    assert from_json(values, base, name="part") == part
    with pytest.raises(UnknownName, match=r"part\.kind must be one of"):
        from_json(values | {"kind": name + "@" + "0" * 32}, base, name="part")


def test_parameters_of_tuples_come_back_as_tuples():
    part = Wide(width=6, sizes=(1, 2, 3))
    assert to_json(part)["sizes"] == [1, 2, 3] and from_json(to_json(part), Encoder, name="encoder") == part


def test_runs_of_classes_written_here_are_trained_here_recorded_and_restored(monkeypatch):
    """Another process does not know them; they are trained beside registered ones all the same."""
    sent = []
    monkeypatch.setattr(
        "sslens.train.cache.trained_by_workers", lambda configs, count: iter(sent.append(len(configs)) or ())
    )
    monkeypatch.setenv("SSLENS_CORES", "2")
    mine = tiny(objective=Prototypes(), encoder=Wide(width=6), predictor=DirectPredictor())
    runs = record_all([mine, mine.changed(seed=1)])
    assert sent == [] and [run.status for run in runs] == ["complete"] * 2
    assert Config.of_json(runs[0].config) == mine
    same(record(mine), runs[0])
    assert restore(runs[0])[0] is not None
    record_all([tiny(), tiny(seed=1), mine])
    assert sent == [2]


def test_a_recipe_is_what_it_changes():
    assert to_json(Recipe()) == {}
    for recipe in (*RECIPES.values(), Recipe(further=(Recipe(flip=0.5, size=8, views=3),))):
        assert from_json(to_json(recipe), str | Recipe, name="recipe") == recipe
        assert to_json(recipe) == recipe.to_json()


def test_a_mapping_where_a_plain_value_belongs_is_refused():
    for kind in (int, str, Annotated[int, Range(0, 3)], None):
        with pytest.raises(InputError, match="seed must be a plain value"):
            from_json({"a": 1}, kind, name="seed")


def test_a_misplaced_field_gets_its_home_and_a_name_its_class():
    assert home_of(Config, "temperature", value=0.3) == "Config(objective=SimCLR(temperature=0.3))"
    assert home_of(Config, "nowhere", value=0.3) == ""
    assert named_class(Objective, "simclr") == "SimCLR()"
    assert named_class(Objective, "nothing") == named_class(int, "simclr") == named_class(Objective, 3) == ""


def test_a_dataclass_without_defaults_is_shown_with_what_it_was_given():
    @dataclass(frozen=True)
    class Plain:
        value: int

    assert to_json(Plain(3)) == {"value": 3} and to_json(SimCLR())["kind"] == "simclr"
