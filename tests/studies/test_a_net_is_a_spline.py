"""The study's runs, claims and exercises, and the sentence that follows the verdicts."""

import numpy as np
import pytest
import torch
from xarray import DataArray

from sslens.encoders import random_network
from sslens.measures import regions
from sslens.runtime import stream
from sslens.studies import a_net_is_a_spline as study
from sslens.studies import of_notebook
from sslens.studies.a_net_is_a_spline import Setting
from sslens.types import InputError, UnknownName

PLANE = regions.Plane.identity()
KINDS, PLACES = ["untrained", "fitted", "trained"], ["class 0", "class 1", "class 2", "their mean"]


def test_it_is_the_study_of_its_notebook():
    assert of_notebook("30_a_net_is_a_spline") is study


def test_an_encoder_and_a_classifier_for_all_seeds_and_a_language_model_for_each():
    smoke, lesson = (study.configs(Setting(profile=profile, seeds=2)) for profile in ("smoke", "lesson"))
    assert list(smoke) == list(lesson) == ["simclr", "classifier", "language model 0", "language model 1"]
    assert [[each[run].optimisation.steps for run in list(each)[:2]] for each in (smoke, lesson)] == [
        [40] * 2,
        [300] * 2,
    ]
    assert [config.seed for config in lesson.values()] == [0, 0, 0, 1]
    assert lesson["simclr"].objective.temperature == 0.2
    assert {config.encoder.gate for name, config in lesson.items() if name.startswith("language")} == {"relu"}


def test_parameters_reach_the_runs_that_they_are_about():
    found = study.configs(Setting(dataset="digits", encoder="mlp", gate="silu", seeds=1))
    assert (found["simclr"].data.name, type(found["simclr"].encoder).__name__) == ("digits", "MLP")
    assert found["language model 0"].encoder.gate == "silu"
    other = study.configs(Setting(seeds=1))
    assert found["classifier"] == other["classifier"] and found["simclr"] != other["simclr"]


@pytest.mark.parametrize("wrong", [{"radius": 0.0}, {"seeds": 0}, {"width": 1}, {"depth": 0}, {"draws": 0}])
def test_what_is_out_of_range_is_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Setting(**wrong)


@pytest.mark.parametrize(
    ("name", "value"), [("profile", "lessons"), ("encoder", "transformer"), ("gate", "gelu"), ("dataset", "digit")]
)
def test_what_is_no_name_is_refused(name, value):
    with pytest.raises(UnknownName, match=name if name != "dataset" else "digits"):
        Setting(**{name: value})


def test_a_picture_holds_slopes_and_where_wanted_patterns():
    network = random_network(3, 1, generator=stream(0, "random network"))
    found = regions.partition(network, PLANE, regions.square(1.0))
    plain, wordy = (study.picture(found, patterns=patterns) for patterns in (False, True))
    (pointer,) = wordy.select_traces({"name": "pointer"})
    assert sorted(set(pointer.text[0].removeprefix("pattern: "))) in (["0"], ["0", "1"], ["1"])
    assert next(plain.select_traces({"name": "pointer"})).text is None


def around(**counts):
    found = DataArray(np.ones((3, 2, 4)), {"run": KINDS, "seed": [0, 1], "place": PLACES})
    for run, count in counts.items():
        found.loc[{"run": run, "place": PLACES[:3]}] = count
    return found


def classifier(early):
    """Regions along training, of which the last value within 25 steps counts."""
    rows = [[10.0, 1.0, each, 100.0] for each in early]
    return study.a_classifier_loses_regions.judge(DataArray(rows, {"seed": [0, 1], "step": [0, 5, 21, 33]}))


def test_regions_are_held_against_those_of_the_fitted_network_at_the_images_alone():
    counts = around(untrained=100, fitted=4, trained=2)
    counts.loc[{"place": "their mean"}] = 1000
    control = classifier([4.0, 6.0])
    assert control.interval.mean == 0.5
    assert study.an_encoder_loses_regions.judge(counts, premise=control).interval.mean == 0.5


def test_an_encoder_is_not_judged_where_the_control_fails():
    failed = classifier([15.0, 15.1])
    found = study.an_encoder_loses_regions.judge(around(trained=[[0.5], [0.51]]), premise=failed)
    assert failed.holds is False and found.outcome == "not tested here"


def test_a_network_that_diverged_leaves_no_number():
    counts = around()
    counts.loc[{"run": "trained", "seed": 1, "place": "class 1"}] = np.nan
    assert np.isnan(study.an_encoder_loses_regions.measured(counts).values).tolist() == [False, True]


def test_claims_about_random_networks_measure_one_number_for_each_draw():
    labels = {"depth": [1, 2, 4], "draw": [0, 1], "width": [8, 16]}
    units = DataArray(labels["depth"], {"depth": labels["depth"]}) * DataArray([8, 16], {"width": [8, 16]})
    counts = (units**1.5).expand_dims(draw=[0, 1]).transpose("depth", "draw", "width")
    assert study.depth_adds_as_width_does.measured(counts).values == pytest.approx([1.5, 1.5])
    largest = 8**1.5 / 37  # at the fewest units
    assert study.no_more_than_lines.measured(counts).values == pytest.approx([largest, largest])
    labels = {"run": ["3 x 8 units", "3 x 64 units"], "draw": [0], "points along each side": [10, 250]}
    share = DataArray([[[0.1, 0.9]], [[0.2, 0.3]]], labels)
    assert study.grids_miss_regions.judge(share).interval.mean == 0.3
    misfit = DataArray([[1e-15, 3e-15], [0.1, 0.2]], {"run": ["ReLU", "SiLU"], "draw": [0, 1]})
    assert study.networks_are_splines.judge(misfit).holds is True
    assert study.networks_are_splines.judge(misfit.assign_coords(run=["SiLU", "ReLU"])).holds is False


def test_a_feed_forward_is_judged_within_its_region_alone():
    step = "step, in distances to the nearest border"
    labels = {"run": ["relu gate, trained", "silu gate, untrained"], "seed": [0, 1], step: [0.5, 0.99, 1.01]}
    misfit = DataArray(np.full((2, 2, 3), 0.1), labels)
    misfit[0, :, :2] = 1e-16
    assert study.feed_forwards_are_affine.judge(misfit).holds is True
    misfit[0, 1, 1] = 1e-3
    assert study.feed_forwards_are_affine.judge(misfit).interval.high == 1e-3


def test_accuracies_are_compared_seed_by_seed():
    rows = {
        "21 spline numbers, trained": [0.8, 1.0],
        "21 spline numbers, untrained": [0.6, 0.8],
        "12 norms": [0.7, 1.0],
        "hidden state": [1.0, 1.0],
        "bag of characters": [0.9, 1.0],
    }
    accuracy = DataArray(
        [[row, row] for row in rows.values()], {"run": list(rows), "seed": [0, 1], "class": ["a", "b"]}
    )
    more, norms = study.training_makes_them_tell_more.judge(accuracy), study.they_tell_more_than_norms.judge(accuracy)
    known = study.the_network_knows_more_than_letters.judge(accuracy)
    letters = study.they_know_more_than_letters.judge(accuracy, premise=known)
    assert [each.interval.mean for each in (more, norms, known, letters)] == pytest.approx([0.2, 0.05, 0.05, -0.05])


def test_growth_is_from_the_second_quarter_of_a_text_to_the_last():
    read = np.arange(1, 65)
    rows = np.stack([np.stack([read, 2.0 * read]), np.full((2, 64), 48.0)])
    labels = {"run": ["trained", "untrained"], "seed": [0, 1], "characters read": read}
    along = DataArray(rows, labels)
    for claim in (study.more_is_attended_to, study.more_is_spanned):
        assert claim.measured(along).values == pytest.approx([56.5 / 24.5] * 2)
        assert claim.measured(along.assign_coords(run=["untrained", "trained"])).values.tolist() == [1, 1]


def test_a_solution_is_right_and_other_answers_are_not():
    small = random_network(8, 2, generator=stream(0, "random network"))
    networks = {"trained": [torch.nn.Sequential(torch.nn.Flatten(), *small)]}
    places = {"a": [-1.0, 0.0], "b": [1.0, 0.3], "c": [0.0, 1.0]}
    images = {name: torch.tensor([[place]], dtype=torch.float64) for name, place in places.items()}
    squares = study.Squares(images, {}, "")
    signs = DataArray([[1.0], [0.5]], {"run": ["21 spline numbers", "12 norms"], "seed": [0]})
    found = study.exercises(networks, squares, signs=signs)
    walk = regions.segment(networks["trained"][0], *list(images.values())[:2]).count
    through = random_network(16, 1, bias=0.0, generator=stream(0, "random network"))
    rays = regions.count_regions(through, PLANE, regions.square(1.0))

    def forgets_the_border(weight, bias):
        return len((-bias / weight).unique()) + 1

    right = {"pieces": study.of_networks.pieces_on_a_line, "through_one_point": rays, "on_the_way": walk, "signs": 0.5}
    wrong = {"pieces": forgets_the_border, "through_one_point": 31, "on_the_way": walk + 1, "signs": 1.0}
    for name, answer in right.items():
        assert found[name].check(answer).right is True, name
        assert found[name].check(wrong[name]).right is False, name
