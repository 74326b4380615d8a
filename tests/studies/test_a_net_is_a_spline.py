"""Random networks by size, encoders around digits, and the sentence that follows the verdicts."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn
from xarray import DataArray

from sslens.encoders import random_network
from sslens.measures import regions
from sslens.runtime import stream
from sslens.studies import a_net_is_a_spline as study
from sslens.studies import of_notebook
from sslens.studies.a_net_is_a_spline import Setting
from sslens.train import Config, Runs, restore
from sslens.types import InputError, UnknownName

SMOKE = Setting(profile="smoke", seeds=2)
PLANE, SQUARE = regions.Plane.identity(), regions.square(1.0)


def units(network):
    return sum(each.out_features for each in network if isinstance(each, nn.Linear)) - 1


def test_it_is_the_study_of_its_notebook():
    assert of_notebook("30_a_net_is_a_spline") is study


def test_one_encoder_for_all_seeds_and_a_language_model_for_each():
    smoke, lesson = (study.configs(Setting(profile=profile, seeds=2)) for profile in ("smoke", "lesson"))
    assert list(smoke) == list(lesson) == ["simclr", "language model 0", "language model 1"]
    assert [each["simclr"].optimisation.steps for each in (smoke, lesson)] == [40, 300]
    assert [config.seed for config in lesson.values()] == [0, 0, 1]
    assert lesson["simclr"].objective.temperature == 0.2


def test_what_makes_no_setting_is_refused():
    for wrong in ({"radius": 0.0}, {"seeds": 0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            Setting(**wrong)
    with pytest.raises(UnknownName, match="profile"):
        Setting(profile="lessons")


def test_grids_are_tried_on_the_same_networks_for_every_side():
    met = []
    found = study.on_grids(lambda network, side: met.append((network, side)) or side / 1000, SMOKE)
    assert found.dims == ("seed", "points along each side") and found.sizes["seed"] == 2
    assert found.sel(seed=1).values.tolist() == [0.01, 0.03, 0.1, 0.25]
    assert [side for _, side in met] == [10, 30, 100, 250] * 2
    reference = random_network(64, 3, generator=stream(1, "random network"))
    assert met[-1][0][0].weight.equal(reference[0].weight)


def test_every_depth_and_width_is_counted_for_every_seed():
    counts = study.of_each_size(units, SMOKE)
    assert counts.dims == ("depth", "seed", "width")
    for depth, width in product((1, 2, 3, 4), (8, 16, 32, 64)):
        assert counts.sel(depth=depth, width=width).values.tolist() == [depth * width] * 2


def test_lines_of_all_depths_run_along_the_number_of_units():
    counts = study.of_each_size(units, SMOKE)
    for depth, line in enumerate(study.along_units(counts), 1):
        assert line.name == counts.name and line["depth"].values.tolist() == [depth]
        assert line["hidden units N"].values.tolist() == line.sel(depth=depth, seed=0).values.tolist()
    curve = study.half_the_square(counts)
    assert curve.sel({"hidden units N": 24}).item() == 288 and curve.name == counts.name


def test_a_picture_holds_slopes_and_where_wanted_patterns():
    network = random_network(3, 1, generator=stream(0, "random network"))
    found = regions.partition(network, PLANE, SQUARE)
    plain, wordy = (study.picture(found, patterns=patterns) for patterns in (False, True))
    (pointer,) = wordy.select_traces({"name": "pointer"})
    assert sorted(set(pointer.text[0].removeprefix("pattern: "))) in (["0"], ["0", "1"], ["1"])
    assert next(plain.select_traces({"name": "pointer"})).text is None


@pytest.fixture(scope="module")
def runs():
    config = Config.at("smoke", optimisation={"steps": 2}, snapshots={"count": 2})
    return Runs.of({"simclr": config}, seeds=2)


def test_each_seed_gives_an_untrained_a_fitted_and_a_trained_encoder(runs):
    found = study.encoders(runs)
    assert [len(networks) for networks in found.values()] == [2, 2, 2]
    trace = runs["simclr"][1]
    for name, index in (("untrained", 0), ("trained", -1)):
        state = restore(trace, index).state_dict()
        assert all(value.equal(state[key]) for key, value in found[name][1].state_dict().items())
    untrained, fitted = found["untrained"][1], found["fitted"][1]
    assert all(one.equal(other) for one, other in zip(untrained.parameters(), fitted.parameters(), strict=True))
    means = [each.running_mean for each in fitted.modules() if isinstance(each, nn.BatchNorm2d)]
    assert all(mean.abs().sum() > 0 for mean in means) and not fitted.training
    first = next(each for each in fitted.modules() if isinstance(each, nn.Conv2d))
    images = trace.reference.images[~trace.held_out].to(first.weight)
    assert torch.allclose(means[0], first(images).mean((0, 2, 3)), rtol=1e-4, atol=1e-6)


def test_digits_are_of_three_classes_that_no_encoder_has_seen_and_lie_on_their_plane(runs):
    digits = study.three_digits(runs)
    trace = runs["simclr"][0]
    unseen = trace.reference.images[trace.held_out].double()
    for digit, image in enumerate(digits):
        place = int((unseen == image).flatten(1).all(1).nonzero()[0])
        assert int(trace.reference.labels[trace.held_out][place]) == digit
    plane = regions.Plane.through(digits)
    places = study.places_of(digits, plane)
    assert list(places) == ["the 0", "the 1", "the 2", "their mean"]
    corners = torch.tensor(list(places.values()), dtype=torch.float64)
    right = torch.cat([digits, digits.mean(0, keepdim=True)])
    torch.testing.assert_close(plane.at(corners), right)


def test_what_is_counted_at_each_place_is_labelled():
    found = study.of_each_encoder(
        lambda network, place: network.out_features * place[0],
        {"untrained": [nn.Linear(1, 1), nn.Linear(1, 2)], "trained": [nn.Linear(1, 3), nn.Linear(1, 4)]},
        places={"the 0": (5.0, 0.0), "their mean": (7.0, 0.0)},
        setting="two digits",
    )
    assert found.dims == ("run", "seed", "place") and found.attrs["setting"] == "two digits"
    assert found.sel(run="trained", seed=1, place="their mean").item() == 28


def test_claims_measure_one_number_for_each_seed():
    counts = study.of_each_size(lambda network: units(network) ** 2 / 4, SMOKE)
    assert study.about_half_the_square.measured(counts).values.tolist() == [0.5, 0.5]
    share = study.on_grids(lambda network, side: side / 1000, SMOKE)
    assert study.grids_miss_regions.judge(share).interval.mean == 0.25
    labels = {"run": ["untrained", "fitted", "trained"], "seed": [0, 1], "place": [*study.DIGITS, study.MEAN]}
    around = DataArray(np.ones((3, 2, 4)), labels)
    around.loc[{"run": "trained", "place": list(study.DIGITS)}] = 0.5
    assert study.training_thins_regions.judge(around).interval.mean == 0.5
    runs = ["21 numbers, trained", "21 numbers, untrained", "bag of characters"]
    accuracy = DataArray([[[0.8, 1.0]], [[0.6, 0.8]], [[0.9, 1.0]]], {"run": runs, "seed": [0], "class": ["a", "b"]})
    texts = (study.numbers_tell_languages, study.training_makes_them_tell_more, study.they_know_more_than_letters)
    means = [claim.judge(accuracy).interval.mean for claim in texts]
    assert means == pytest.approx([0.9, 0.2, -0.05])


def test_a_network_that_diverged_leaves_no_number():
    labels = {"run": ["untrained", "fitted", "trained"], "seed": [0, 1], "place": [*study.DIGITS, study.MEAN]}
    around = DataArray(np.ones((3, 2, 4)), labels)
    around.loc[{"run": "trained", "seed": 1, "place": "the 1"}] = np.nan
    assert np.isnan(study.training_thins_regions.measured(around).values).tolist() == [False, True]


def test_the_answers_to_the_exercises_are_what_counting_gives(runs):
    encoders, digits = study.encoders(runs), study.three_digits(runs)
    three = random_network(3, 1, generator=stream(0, "random network"))
    through_one_point = random_network(16, 1, bias=0.0, generator=stream(0, "random network"))
    counted = [regions.count_regions(net, PLANE, regions.square(1e3)) for net in (three, through_one_point)]
    found = study.exercise_truths(encoders, digits)
    assert list(found[:2]) == counted
    assert found[2] == regions.segment(encoders["trained"][0], *digits[:2]).count
