"""What describes a run: values checked by name, flat calls met with the call that is meant, JSON and back."""

import copy
import json
import math
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from sslens import runtime
from sslens.encoders import ENCODERS, MLP, ConvNet, Projector
from sslens.objectives import OBJECTIVES, CrossEntropy, SimCLR, SimSiam, VICReg
from sslens.train import Compute, Config, Data, Optimisation, Snapshots, fit
from sslens.train.config import PROFILES
from sslens.types import InputError, Range, UnknownName, fields_of
from sslens.views import RECIPES, Recipe
from tests.train.cases import MULTI_CROP, TINY

# Values


@pytest.mark.parametrize(
    ("part", "values", "message"),
    [
        (SimCLR, {"temprature": 0.1}, "Did you mean 'temperature'"),
        (SimCLR, {"temperature": 0}, r"SimCLR.temperature must be a float in \(0, 1000\]"),
        (SimCLR, {"temperature": math.nan}, "SimCLR.temperature"),
        (SimSiam, {"stop_gradient": 1}, "SimSiam.stop_gradient must be a bool"),
        (VICReg, {"covariance": -1.0}, "VICReg.covariance"),
        (Data, {"name": "scattered_digit"}, "Did you mean 'scattered_digits'"),
        (Data, {"label_noise": 1.5}, "Data.label_noise"),
        (Data, {"tasks": 0}, "Data.tasks"),
        (Optimisation, {"steps": "many"}, "Optimisation.steps must be an int"),
        (Optimisation, {"steps": True}, "Optimisation.steps must be an int"),
        (Optimisation, {"steps": 3.0}, "Optimisation.steps must be an int"),
        (Optimisation, {"learning_rate": math.inf}, "Optimisation.learning_rate"),
        (Optimisation, {"learning_rate": 10**400}, "Optimisation.learning_rate"),
        (Optimisation, {"schedule": "cosin"}, "Did you mean 'cosine'"),
        (Snapshots, {"spacing": "linaer"}, "Did you mean 'linear'"),
        (Compute, {"dtype": "float16"}, "float32, float64"),
        (Compute, {"device": "gpu"}, "auto, cpu, cuda"),
        (Compute, {"dtype": "float64", "autocast": True}, "Compute.autocast must be False where dtype is float64"),
        (ConvNet, {"width": 6}, "multiple of 4"),
        (Projector, {"hidden": 1}, "Projector.hidden"),
        (Config, {"seed": -1}, "Config.seed"),
        (Config, {"seed": 2**32}, "Config.seed"),
        (Config, {"recipe": "digit"}, "Did you mean 'digits'"),
        (Config, {"momentum": 1.1}, "Config.momentum"),
        (Config, {"encoder": SimCLR()}, "Config.encoder must be an instance of Encoder"),
        (Config, {"objective": ConvNet()}, "Config.objective must be an instance of Objective"),
        (Config, {"sed": 1}, "Did you mean 'seed'"),
        (Config, {"optimisation": {"stesp": 1}}, "Did you mean 'steps'"),
        (Config, {"optimisation": 5}, "Config.optimisation must be an instance of Optimisation"),
    ],
)
def test_a_bad_value_is_refused_by_name_value_and_legal_ones(part, values, message):
    with pytest.raises(InputError, match=message):
        part(**values)


def test_a_mapping_changes_single_fields_and_leaves_the_others():
    config = Config(optimisation={"steps": 5}).changed(optimisation={"batch_size": 8}, objective={"covariance": 2.0})
    assert (config.optimisation.steps, config.optimisation.batch_size) == (5, 8)
    assert config.objective == VICReg(covariance=2.0)
    assert config.changed() == config and hash(config.changed()) == hash(config)
    with pytest.raises(InputError, match="temperature"):
        config.changed(objective={"temperature": 0.5})


def test_an_int_becomes_the_float_that_is_declared_so_that_equal_configs_are_equal():
    assert repr(SimCLR(temperature=1).temperature) == "1.0"
    one, other = (Config(objective=SimCLR(temperature=value)) for value in (1, 1.0))
    assert one.to_json() == other.to_json() and hash(one) == hash(other)


def test_a_config_cannot_be_changed_behind_its_back_and_can_be_copied():
    config = Config(**TINY)
    with pytest.raises(AttributeError):
        config.seed = 3
    assert copy.copy(config) == copy.deepcopy(config) == config


def test_an_unknown_profile_is_refused():
    with pytest.raises(UnknownName, match="smoke, lesson, full"):
        Config.at("quick")
    assert set(PROFILES) == set(runtime.PROFILES)
    assert Config.at("smoke").compute == Compute("float64", "cpu")


# Flat calls of version 0.1


@pytest.mark.parametrize(
    ("values", "call"),
    [
        ({"objective": "simclr"}, "Config(objective=SimCLR())"),
        ({"objective": "cross_entropy"}, "Config(objective=CrossEntropy())"),
        ({"encoder": "mlp"}, "Config(encoder=MLP())"),
        ({"encoder": "mlp_layernorm"}, "Config(encoder=MLP(layer_norm=True))"),
        ({"dataset": "digits"}, "Config(data=Data(name='digits'))"),
        ({"image_size": 64}, "Config(data=Data(options={'size': 64}))"),
        ({"images": 500}, "Config(data=Data(images=500))"),
        ({"label_noise": 0.4}, "Config(data=Data(label_noise=0.4))"),
        ({"tasks": 2}, "Config(data=Data(tasks=2))"),
        ({"strength": 0.5}, "Config(recipe=replace(RECIPES['digits'], strength=0.5))"),
        ({"width": 32}, "Config(encoder=ConvNet(width=32))"),
        ({"depth": 4}, "Config(encoder=MLP(depth=4))"),
        ({"features": 128}, "Config(encoder=ConvNet(features=128))"),
        ({"hidden": 64}, "Config(projector=Projector(hidden=64))"),
        ({"embedding": 16}, "Config(projector=Projector(embedding=16))"),
        ({"temperature": 0.1}, "Config(objective=SimCLR(temperature=0.1))"),
        ({"invariance": 1.0}, "Config(objective=VICReg(invariance=1.0))"),
        ({"variance": 1.0}, "Config(objective=VICReg(variance=1.0))"),
        ({"covariance": 4.0}, "Config(objective=VICReg(covariance=4.0))"),
        ({"stop_gradient": False}, "Config(objective=SimSiam(stop_gradient=False))"),
        ({"predictor": False}, "Config(objective=SimSiam(predictor=False))"),
        ({"nested": True}, "Config(objective=CrossEntropy(nested=True))"),
        ({"initial_scale": 2.0}, "Config(optimisation=Optimisation(initial_scale=2.0))"),
        ({"steps": 50}, "Config(optimisation=Optimisation(steps=50))"),
        ({"batch_size": 64}, "Config(optimisation=Optimisation(batch_size=64))"),
        ({"learning_rate": 0.1}, "Config(optimisation=Optimisation(learning_rate=0.1))"),
        ({"weight_decay": 0.1}, "Config(optimisation=Optimisation(weight_decay=0.1))"),
        ({"warmup": 0.2}, "Config(optimisation=Optimisation(warmup=0.2))"),
        ({"schedule": "constant"}, "Config(optimisation=Optimisation(schedule='constant'))"),
        ({"snapshots": 5}, "Config(snapshots=Snapshots(count=5))"),
        ({"spacing": "linear"}, "Config(snapshots=Snapshots(spacing='linear'))"),
        ({"reference": 100}, "Config(snapshots=Snapshots(reference=100))"),
        ({"dtype": "float64"}, "Config(compute=Compute(dtype='float64'))"),
        ({"device": "cpu"}, "Config(compute=Compute(device='cpu'))"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_flat_call_is_answered_with_the_call_that_is_meant(values, call):
    namespace = {each.__name__: each for each in (Data, Optimisation, Snapshots, Compute, Projector, Recipe, Config)}
    namespace |= {"RECIPES": RECIPES, "replace": replace} | {
        each.__name__: each for each in (*OBJECTIVES.values(), *ENCODERS.values())
    }
    for make in (Config, lambda **given: Config.at("smoke", **given), lambda **given: Config().changed(**given)):
        with pytest.raises(InputError) as caught:
            make(**values)
        assert str(caught.value).endswith(f"Write {call}.")
    eval(call, namespace)  # noqa: S307 - it is a call that works


def test_what_the_old_call_allowed_is_met_with_a_name_where_it_means_nothing():
    with pytest.raises(UnknownName, match="Config must be one of: data, recipe"):
        Config(nothing_of_the_kind=1)


# Snapshots and schedule


@pytest.mark.parametrize("spacing", ["quadratic", "logarithmic"])
def test_snapshots_go_from_first_to_last_and_thin_out(spacing):
    steps = Snapshots(count=12, spacing=spacing).steps(1000)
    gaps = [after - before for before, after in pairwise(steps)]
    assert steps[0] == 0 and steps[-1] == 1000 and len(steps) <= 12
    assert gaps == sorted(gaps)
    assert Snapshots().steps(0) == [0]


def test_spacing_and_schedule_say_what_they_do():
    assert Snapshots(count=4, spacing="linear").steps(60) == [0, 20, 40, 60]
    constant = Optimisation(steps=60, schedule="constant", warmup=0.0, learning_rate=5e-3)
    assert {constant.rate(step) for step in range(60)} == {5e-3}


def test_the_rate_rises_then_falls_to_nothing_and_never_jumps():
    schedule = Optimisation(steps=100, warmup=0.3, learning_rate=1.0)
    rates = [schedule.rate(step) for step in range(101)]
    assert rates[:31] == sorted(rates[:31]) and rates[30:] == sorted(rates[30:], reverse=True)
    assert max(rates) == 1.0 and rates[-1] == pytest.approx(0) and rates[0] > 0
    assert max(abs(after - before) for before, after in pairwise(rates)) < 0.04


# JSON

CONFIGS = [
    Config(),
    Config(**TINY),
    Config.at("full", objective=CrossEntropy(nested=True), recipe="none", momentum=0.99, seed=2**32 - 1),
    Config(recipe=MULTI_CROP),
    Config(recipe=Recipe(class_strength=(0.5, 1.0), strength_factor="shift", strength=0.3)),
    Config(data={"name": "folder:/somewhere", "options": {"size": 16}}, encoder=MLP(layer_norm=True)),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_a_config_comes_back_from_json_as_it_was(config):
    text = json.dumps(config.to_json(), allow_nan=False)
    back = Config.of_json(json.loads(text))
    assert back == config and hash(back) == hash(config) and back.to_json() == config.to_json()


def test_json_names_parts_and_holds_only_what_a_recipe_changes():
    values = Config(recipe=Recipe(flip=0.5), objective=SimCLR()).to_json()
    assert values["objective"] == {"kind": "simclr", "temperature": 0.2}
    assert values["encoder"]["kind"] == "convnet"
    assert values["recipe"] == {"flip": 0.5}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"objective": {"kind": "simclrr"}}, UnknownName, "Did you mean 'simclr'"),
        ({"objective": {"kind": "simclr", "temperatur": 1.0}}, UnknownName, "temperature"),
        ({"objective": {"temperature": 1.0}}, UnknownName, "objective.kind"),
        ({"seed": "1"}, InputError, "Config.seed"),
        ({"seed": {"a": 1}}, InputError, "seed"),
        ({"optimisation": {"steps": -1}}, InputError, "Optimisation.steps"),
        ({"recipe": {"flop": 0.5}}, UnknownName, "Did you mean 'flip'"),
        ({"nothing": 1}, UnknownName, "nothing"),
    ],
)
def test_json_that_describes_no_config_is_refused(change, error, message):
    with pytest.raises(error, match=message):
        Config.of_json(Config().to_json() | change)


# Anything at all

PARTS = fields_of(Config)
WORDS = ["vicreg", "simclr", "mlp", "digits", "scattered_digits", "languages", "natural", "none", "", "é\0"]
WORDS += ["float64", "cpu", "cuda", "auto", "folder:", "folder:/nowhere", "logarithmic", "linear"]
PLAIN = some.one_of(
    some.none(),
    some.booleans(),
    some.integers(-5, 70000),
    some.floats(allow_nan=True),
    some.sampled_from(WORDS),
    some.text(max_size=5),
)
LEAVES = {name: fields_of(kind) for name, kind in PARTS.items() if hasattr(kind, "__dataclass_fields__")}


@some.composite
def values(draw):
    """A value for a field that is sometimes legal: in its range, or anything."""
    name = draw(some.sampled_from([*PARTS, "sed", "", "class"]))
    if name in ("objective", "encoder") and draw(some.booleans()):
        registry = {
            "objective": OBJECTIVES,
            "encoder": {key: each for key, each in ENCODERS.items() if key != "resnet18"},
        }
        return name, draw(some.sampled_from(sorted(registry[name].items())))[1]()
    if name not in LEAVES or draw(some.integers(0, 4)) == 0:
        return name, draw(
            some.one_of(PLAIN, some.dictionaries(some.sampled_from(["steps", "size", ""]), PLAIN, max_size=1))
        )
    leaf = draw(some.sampled_from([*LEAVES[name], "stesp"]))
    return name, {leaf: draw(some.one_of(PLAIN, _legal(LEAVES[name].get(leaf))))}


def _legal(annotation: Any) -> Any:
    limits = [each for each in getattr(annotation, "__metadata__", ()) if isinstance(each, Range)]
    if not limits:
        return PLAIN
    if annotation.__origin__ is int:
        return some.integers(int(limits[0].low), min(int(limits[0].high), 40))
    return some.floats(limits[0].low, limits[0].high)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(some.lists(values(), max_size=3))
def test_a_fuzzed_config_runs_or_gets_our_error(changes):
    tiny = {"optimisation": {"steps": 1, "batch_size": 16}, "snapshots": {"count": 2, "reference": 16}}
    tiny |= {"encoder": MLP(width=8, depth=2), "projector": {"hidden": 8, "embedding": 4}, "compute": {"device": "cpu"}}
    try:
        config = Config(**tiny).changed(data={"name": "digits"}).changed(**dict(changes))
        if _is_heavy(config):
            return
        last = list(fit(config))[-1]
        assert last.diverged or last.step == config.optimisation.steps
    except InputError as error:
        assert "must be" in str(error) and error.allowed


def _is_heavy(config):
    sizes = (config.optimisation.batch_size, config.optimisation.steps * 100, config.snapshots.count * 20)
    return max(*sizes, config.projector.hidden, config.projector.embedding) > 3000


def test_the_ranges_of_a_config_are_annotations_that_a_runner_can_read():
    for kind in PARTS.values():
        if hasattr(kind, "__dataclass_fields__"):
            assert all(annotation is not None for annotation in fields_of(kind).values())
    assert fields_of(Optimisation)["steps"] == Annotated[int, Range(0, 10**6)]


@pytest.mark.parametrize("name", ["cls", "self", "profile"])
def test_names_of_pythons_own_arguments_are_fields_that_a_config_does_not_have(name):
    for call in (Config, Config().changed, VICReg):
        with pytest.raises(UnknownName, match=f"Got {name!r}"):
            call(**{name: 1})
