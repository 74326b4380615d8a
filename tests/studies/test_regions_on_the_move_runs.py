"""The runs of the notebook: how long they are, in what they differ, and which images they learn."""

import pytest
import torch

from sslens import datasets
from sslens.encoders import MLP, ConvNet
from sslens.objectives import SimSiam, SquaredError
from sslens.studies import regions_on_the_move_runs as study
from sslens.studies.regions_on_the_move_runs import Setting
from sslens.train import Runs, learned, record
from sslens.types import InputError, UnknownName

LONG = ("weight decay", "large start", "no decay", "no decay, noisy labels")
ENCODERS = ("simclr", "simsiam, no stop-gradient", "supervised")


@pytest.mark.parametrize("profile", ["smoke", "lesson", "full"])
def test_every_run_is_as_long_as_its_kind_at_every_profile(profile):
    found, lengths = study.configs(Setting(profile=profile)), study.LENGTHS[profile]
    long = [found[name] for name in LONG]
    assert {config.optimisation.steps for config in long} == {lengths.steps}
    assert {config.snapshots.spacing for config in long} == {"logarithmic"}
    tasks = [config for name, config in found.items() if ", rate " in name]
    assert len(tasks) == 6
    for config in tasks:
        steps = config.snapshots.steps(config.optimisation.steps)
        assert steps == [lengths.task * task for task in range(lengths.tasks + 1)]
    encoders = [found[name] for name in ENCODERS]
    assert {config.snapshots.count for config in encoders} == {2}
    assert len({config.optimisation.steps for config in encoders}) == 1


def test_runs_differ_in_what_the_notebook_says_and_in_nothing_else():
    found = study.configs(Setting())
    decay, large, kept = (found[name] for name in LONG[:3])
    assert kept == decay.changed(optimisation={"weight_decay": 0.0})
    assert found["no decay, noisy labels"] == kept.changed(data={"label_noise": 0.2})
    assert large == decay.changed(
        data={"images": 200}, objective=SquaredError(), optimisation={"weight_decay": 1.0, "initial_scale": 8.0}
    )
    assert (decay.encoder, decay.data.images, decay.optimisation.weight_decay) == (MLP(width=100), 500, 0.3)
    relu = found["ReLU, rate 0.003"]
    assert found["layer norm, rate 0.003"] == relu.changed(encoder=MLP(layer_norm=True))
    assert found["ReLU, rate 0.009"] == relu.changed(optimisation={"learning_rate": 0.009})
    assert (relu.data.label_noise, relu.data.images) == (1.0, 400)
    for config in (decay, relu):
        constant = config.optimisation
        assert constant.rate(0) == constant.rate(4000) == 3e-3 and constant.batch_size == 100
    assert found["simsiam, no stop-gradient"].objective == SimSiam(stop_gradient=False)


def test_every_parameter_reaches_its_runs():
    setting = Setting(dataset="mnist", encoder="resnet18", width=32, learning_rate=0.01)
    found = study.configs(setting)
    assert {config.data.name for config in found.values()} == {"mnist"}
    assert {type(found[name].encoder).__name__ for name in ENCODERS} == {"ResNet18"}
    assert {found[name].encoder.width for name in LONG} == {32}
    assert {found[name].optimisation.learning_rate for name in LONG} == {0.01}
    assert setting.learning_rates == (0.00333, 0.01, 0.03)
    default = study.configs(Setting())
    assert {default[name].data.name for name in ENCODERS} == {"scattered_digits"}
    assert {type(default[name].encoder) for name in ENCODERS} == {ConvNet}


def test_what_makes_no_setting_is_refused():
    wrong = ({"radius": 0.0}, {"seeds": 0}, {"epsilon": 1.5}, {"width": 1}, {"learning_rate": 0.0})
    for each in wrong:
        with pytest.raises(InputError, match=next(iter(each))):
            Setting(**each)
    with pytest.raises(UnknownName, match="digits"):
        Setting(dataset="digit")


def test_every_long_run_learns_the_images_that_folds_are_counted_around():
    found = study.configs(Setting())
    few, many = (learned(found[name]).origin for name in ("large start", "weight decay"))
    assert len(few) == 200 and set(few.tolist()) <= set(many.tolist())
    assert torch.equal(few, learned(found["weight decay"].changed(data={"images": 200})).origin)


@pytest.fixture(scope="module")
def runs():
    noisy = study.configs(Setting(profile="smoke"))["ReLU, rate 0.003"]
    return Runs({"ReLU": (record(noisy.changed(optimisation={"steps": 4}, snapshots={"count": 5})),)}, (0,))


def test_the_images_of_a_run_come_with_their_true_labels(runs):
    images = study.learned_images(runs, "ReLU")
    originals = datasets.load("digits")[0]
    places = {int(origin): place for place, origin in enumerate(originals.origin)}
    rows = torch.tensor([places[int(origin)] for origin in images.origin])
    assert images.labels.equal(originals.labels[rows]) and len(images) == 400


def test_unseen_images_are_of_the_runs_data_and_of_none_that_it_learns(runs):
    unseen = study.unseen_images(runs, "ReLU")
    assert len(unseen) == 200
    assert not set(unseen.origin.tolist()) & set(study.learned_images(runs, "ReLU").origin.tolist())


def test_random_pixels_are_the_same_at_every_call():
    like = torch.zeros(3, 1, 8, 8)
    cloud = study.random_pixels(like)
    assert cloud.shape == like.shape and cloud.equal(study.random_pixels(like))
    assert 0 <= float(cloud.min()) < float(cloud.max()) <= 1


def test_runs_of_tasks_are_found_by_their_learning_rate(runs):
    trace = runs["ReLU"]
    named = Runs({"ReLU, rate 0.003": trace, "ReLU, rate 0.03": trace, "other": trace}, (0,))
    assert list(study.task_runs(named)) == ["ReLU, rate 0.003", "ReLU, rate 0.03"]
    assert list(study.task_runs(named, rate=0.03)) == ["ReLU, rate 0.03"]
    assert study.by_kind(named)["ReLU"] == {"ReLU, rate 0.003": "0.003", "ReLU, rate 0.03": "0.03"}
