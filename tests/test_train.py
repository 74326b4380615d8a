"""Training: same seed same bits, interruption leaves no mark, what must collapse does, bad configs never start."""

import dataclasses
import json
import math
import multiprocessing
import os
import signal
import time
from itertools import pairwise

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from sslens import runtime, trace
from sslens.config import SCALE
from sslens.train import Config, fit, record, restore
from sslens.types import InputError, UnknownName

SMALL = {"steps": 6, "snapshots": 3, "batch_size": 32, "reference": 32, "width": 8, "hidden": 16, "embedding": 8}


def small(**values):
    return Config(**(SMALL | {"device": "cpu"} | values))


def same(first, second):
    assert first.steps == second.steps
    for one, other in zip(first.snapshots, second.snapshots, strict=True):
        for name in ("representation", "embedding"):
            assert torch.equal(getattr(one, name), getattr(other, name))
        for name in ("terms", "state"):
            pair = getattr(one, name), getattr(other, name)
            assert pair[0].keys() == pair[1].keys()
            assert all(torch.equal(pair[0][key], pair[1][key]) for key in pair[0])


# Config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"temprature": 0.1}, "Did you mean 'temperature'"),
        ({"objective": "vicrag"}, "Did you mean 'vicreg'"),
        ({"dataset": "scattered_digit"}, "Did you mean 'scattered_digits'"),
        ({"steps": "many"}, "Config.steps must be an int"),
        ({"steps": True}, "Config.steps must be an int"),
        ({"steps": 3.0}, "Config.steps must be an int"),
        ({"temperature": 0}, r"Config.temperature must be a float in \(0, 1000\]"),
        ({"temperature": math.nan}, "Config.temperature"),
        ({"learning_rate": math.inf}, "Config.learning_rate"),
        ({"learning_rate": 10**400}, "Config.learning_rate"),
        ({"seed": -1}, "Config.seed"),
        ({"seed": 2**32}, "Config.seed"),
        ({"stop_gradient": 1}, "Config.stop_gradient must be a bool"),
        ({"dtype": "float16"}, "float32, float64"),
        ({"width": 6}, "multiple of 4"),
    ],
)
def test_a_bad_config_is_refused_by_name_value_and_legal_ones(values, message):
    with pytest.raises(InputError, match=message):
        Config(**values)


def test_key_changes_with_every_field():
    base = Config()
    other = {"objective": "simclr", "encoder": "mlp", "dataset": "digits", "recipe": "none", "spacing": "logarithmic"}
    other |= {"dtype": "float64", "device": "cpu", "schedule": "constant"}
    keys = {base.key()}
    for field in dataclasses.fields(Config):
        value = getattr(base, field.name)
        changed = not value if isinstance(value, bool) else other.get(field.name, None) or value + type(value)(1) / 1
        changed = type(value)(changed) if not isinstance(value, str) else changed
        if field.name in ("momentum", "strength", "warmup"):
            changed = 0.5
        if field.name == "width":
            changed = 128
        keys.add(dataclasses.replace(base, **{field.name: changed}).key())
    assert len(keys) == len(dataclasses.fields(Config)) + 1


@pytest.mark.parametrize("spacing", ["quadratic", "logarithmic"])
def test_looks_go_from_first_to_last_and_thin_out(spacing):
    looks = Config(steps=1000, snapshots=12, spacing=spacing).looks()
    gaps = [after - before for before, after in pairwise(looks)]
    assert looks[0] == 0 and looks[-1] == 1000 and len(looks) <= 12
    assert gaps == sorted(gaps)
    assert Config(steps=0).looks() == [0]


def test_unknown_profile_is_refused():
    with pytest.raises(UnknownName, match="smoke, lesson, full"):
        Config.at("quick")
    assert set(SCALE) == set(runtime.PROFILES)


VALUES = some.one_of(
    some.none(),
    some.booleans(),
    some.integers(-5, 70000),
    some.floats(allow_nan=True),
    some.sampled_from(["vicreg", "simclr", "simsiam", "mlp", "convnet", "digits", "scattered_digits", "natural", ""]),
    some.sampled_from(["float64", "cpu", "cuda", "auto", "folder:", "folder:/nowhere", "logarithmic", "é\0"]),
    some.text(max_size=5),
)
NAMES = some.sampled_from([field.name for field in dataclasses.fields(Config)] + ["sed", "", "class"])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(some.dictionaries(NAMES, VALUES, max_size=3))
def test_a_fuzzed_config_runs_or_gets_our_error(values):
    tiny = {"steps": 1, "snapshots": 2, "batch_size": 16, "reference": 16, "width": 8, "hidden": 8, "embedding": 4}
    heavy = {"steps": 3, "width": 64, "hidden": 256, "embedding": 256, "batch_size": 3000, "snapshots": 50}
    try:
        config = Config(**(tiny | {"device": "cpu"} | values))
        if any(getattr(config, name) > limit for name, limit in heavy.items()) or config.encoder == "resnet18":
            return
        last = list(fit(config))[-1]
        assert last.diverged or last.step == config.steps
    except InputError as error:
        assert "must be" in str(error) and error.allowed


# Training


def test_same_seed_same_bits_and_another_seed_others():
    first, again, other = (list(fit(small(seed=seed))) for seed in (0, 0, 1))
    assert torch.equal(first[-1].embedding, again[-1].embedding)
    assert not torch.equal(first[-1].embedding, other[-1].embedding)


def test_the_callers_random_state_is_left_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    list(fit(small(steps=2)))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("objective", ["vicreg", "simclr", "simsiam"])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_going_on_from_any_snapshot_ends_in_the_same_bits(objective, momentum):
    config = small(objective=objective, momentum=momentum)
    whole = list(fit(config))
    for look in whole[:-1]:
        last = list(fit(config, after=look))[-1]
        assert all(torch.equal(last.state[name], whole[-1].state[name]) for name in last.state)


def test_every_step_is_recorded_term_by_term(tmp_path):
    run = record(small(objective="vicreg"), tmp_path / "run")
    assert set(run.terms()) == {"invariance", "variance", "covariance"}
    assert len(run.loss()) == 6 and torch.equal(run.loss(), sum(run.terms().values()))


def test_a_batch_larger_than_the_set_is_refused_before_training():
    with pytest.raises(InputError, match=r"Config.batch_size must be at most the 2400"):
        next(fit(small(batch_size=4000)))


def test_a_diverging_run_ends_early_and_says_so(tmp_path):
    run = record(small(learning_rate=1e9, warmup=0.0, steps=60, snapshots=4, weight_decay=0.0), tmp_path / "run")
    assert run.status == "diverged" and run.steps[-1] < 60
    assert math.isnan(run.along(lambda h: h.norm())[-1])
    assert record(Config(**run.config), tmp_path / "run").status == "diverged"


def test_without_stop_gradient_and_predictor_the_embedding_collapses_and_the_loss_is_best():
    """Chen & He 2021, section 4.1: the loss reaches its minimum while the deviation of the directions falls to 0."""
    shared = {"steps": 60, "snapshots": 2, "batch_size": 128, "reference": 64, "objective": "simsiam", "device": "cpu"}
    kept, fallen = (list(fit(Config(stop_gradient=switch, predictor=switch, **shared)))[-1] for switch in (True, False))

    def deviation(look):
        return torch.nn.functional.normalize(look.embedding, dim=1).std(0).mean().item() * 8

    assert deviation(fallen) < 0.3 * deviation(kept)
    assert fallen.terms["similarity"][-1] < kept.terms["similarity"][-1]
    assert fallen.terms["similarity"][-1] < -0.95


# Recording


def test_recorded_once_then_read(tmp_path, monkeypatch):
    first = record(small(), tmp_path / "run")
    monkeypatch.setattr("sslens.train.memory.fit", lambda *_, **__: pytest.fail("trained again"))
    same(first, record(small(), tmp_path / "run"))


def test_the_cache_forgets_when_library_or_threads_change(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLENS_DATA", str(tmp_path))
    record(small())
    monkeypatch.setenv("SSLENS_THREADS", "2")
    record(small())
    monkeypatch.setattr("sslens.train.memory.library_version", lambda: "another")
    record(small())
    assert len(list((tmp_path / "cache" / "runs").glob("*/run.json"))) == 3


def test_a_folder_that_holds_another_run_is_refused(tmp_path):
    record(small(), tmp_path / "run")
    with pytest.raises(InputError, match="holds this very run"):
        record(small(seed=1), tmp_path / "run")


def killed_while_recording(folder, data):
    os.environ["SSLENS_DATA"] = data
    record(small(steps=200, snapshots=40, spacing="logarithmic"), folder)


def test_a_killed_recording_goes_on_and_ends_in_the_same_bits(tmp_path):
    worker = multiprocessing.get_context("spawn").Process(
        target=killed_while_recording, args=(tmp_path / "run", str(tmp_path / "data"))
    )
    worker.start()
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "run").glob("snapshot-*"))) < 8 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    cut = trace.load(tmp_path / "run")
    assert cut.status == "running" and 0 < len(cut.snapshots) < 28
    config = Config(**cut.config)
    same(record(config, tmp_path / "run"), record(config, tmp_path / "whole"))


def test_a_damaged_run_is_set_aside_and_trained_anew(tmp_path):
    first = record(small(), tmp_path / "run")
    file = sorted((tmp_path / "run").glob("snapshot-*"))[-1]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.warns(UserWarning, match="set aside"):
        again = record(small(), tmp_path / "run")
    same(first, again)
    assert (tmp_path / "run.damaged-0").is_dir()


def test_restored_encoder_gives_the_recorded_representation(tmp_path):
    run = record(small(), tmp_path / "run")
    for index in range(len(run.snapshots)):
        with torch.no_grad():
            h = restore(run, index)(run.reference.images)
        assert torch.allclose(h, run.snapshots[index].representation, atol=1e-6)
    with pytest.raises(InputError, match="snapshots"):
        restore(run, len(run.snapshots))


def test_held_out_images_come_from_the_test_set(tmp_path):
    run = record(small(), tmp_path / "run")
    assert run.held_out.sum() == 32 and len(run.reference) == 64
    assert set(run.reference.factors["original"][run.held_out].tolist()).isdisjoint(
        run.reference.factors["original"][~run.held_out].tolist()
    )


def test_manifest_is_strict_json_and_names_every_file(tmp_path):
    record(small(), tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / "run.json").read_text(), parse_constant=lambda word: pytest.fail(word))
    assert manifest["status"] == "complete"
    assert set(manifest["files"]) == {path.name for path in (tmp_path / "run").glob("*.safetensors")}
