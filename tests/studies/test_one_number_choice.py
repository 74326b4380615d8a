"""Choices by a score: who chooses for whom, what is lost, and that equal settings cost nothing."""

import numpy as np
import pytest
from xarray import DataArray

from sslens.statistics import interval
from sslens.studies.one_number_choice import preferred, regret, value_of_choice
from sslens.types import InputError

SETTINGS = list("abcdefg")
GROUPS = {"all": SETTINGS}


def world(draw, *, gains, seeds=5, originals=120, luck=0.3):
    """Seven settings on the same test images, two of each original; the score knows the luck of every run.

    A run is right about an image if a sum is positive: of the setting, the run's luck, the image's ease, and what the
    setting and the run each make of this original.
    """
    runs = luck * draw.normal(size=(len(gains), seeds))
    ease = draw.normal(size=originals) + 0.6 * draw.normal(size=(len(gains), 1, originals))
    each = np.asarray(gains)[:, None, None] + runs[:, :, None] + ease
    each = np.repeat(each + 0.6 * draw.normal(size=each.shape), 2, axis=2)
    right = each + 0.8 * draw.normal(size=each.shape) > 0
    coords = {"run": SETTINGS[: len(gains)], "seed": list(range(seeds))}
    correct = DataArray(right.astype(float), coords, ("run", "seed", "sample"))
    correct = correct.assign_coords(sample=range(2 * originals), origin=("sample", np.arange(originals).repeat(2)))
    return DataArray(runs + 0.3 * draw.normal(size=runs.shape), coords, ("run", "seed"), "score"), correct


def slow_regret(scores, correct, halves):
    """The same by loops over seeds and images, as the words have it."""
    table, numbers = correct.values, scores.values
    found = np.zeros(table.shape[1:])
    for seed in range(table.shape[1]):
        others = [other for other in range(table.shape[1]) if other != seed]
        chosen = max(range(len(table)), key=lambda run: np.mean([numbers[run, other] for other in others]))
        for sample in range(table.shape[2]):
            judges = [image for image in range(table.shape[2]) if halves[image] != halves[sample]]
            best = max(range(len(table)), key=lambda run: np.mean([table[run, other, judges] for other in others]))
            found[seed, sample] = table[best, seed, sample] - table[chosen, seed, sample]
    return found


def test_it_is_what_loops_over_seeds_and_images_find():
    from sslens.studies.one_number_choice import _second_half

    scores, correct = world(np.random.default_rng(0), gains=np.linspace(0, 0.4, 7), seeds=3, originals=40)
    found = regret(scores, correct, groups=GROUPS)
    assert found.dims == ("sweep", "seed", "sample")
    assert np.array_equal(found.sel(sweep="all").values, slow_regret(scores, correct, _second_half(correct)))


def test_the_images_of_an_original_are_judged_together_and_their_order_is_none():
    scores, correct = world(np.random.default_rng(1), gains=np.linspace(0, 0.4, 7))
    found = regret(scores, correct, groups=GROUPS)
    order = np.random.default_rng(2).permutation(correct.sizes["sample"])
    again = regret(scores, correct.isel(sample=order), groups=GROUPS)
    assert np.array_equal(again.values, found.values[..., order])
    assert np.array_equal(again["origin"].values, correct["origin"].values[order])


def test_of_settings_that_are_equal_no_choice_costs_anything_and_the_interval_covers_it():
    draw, found, naive, covered, called_costly = np.random.default_rng(0), [], [], 0, 0
    for _ in range(200):
        scores, correct = world(draw, gains=np.zeros(7))
        lost = regret(scores, correct, groups=GROUPS).sel(sweep="all", drop=True)
        spread = interval(lost, scale="difference")
        found.append(spread.mean)
        covered += spread.low <= 0 <= spread.high
        called_costly += spread.low > 0.005
        accuracy = correct.mean("sample")
        naive.append(float((accuracy.max("run") - accuracy.mean("run")).mean()))
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    assert abs(np.mean(found)) < 3 * error
    assert np.mean(naive) > 10 * error  # how far the best of seven noisy accuracies is ahead of the mean: of nothing
    assert covered >= 0.93 * 200 and called_costly <= 0.05 * 200


def test_where_settings_differ_much_a_good_score_costs_nothing_and_a_bad_one_the_whole_range():
    gains = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 4.0, 0.25])
    _, correct = world(np.random.default_rng(3), gains=gains, luck=0.01)
    score = DataArray(np.repeat(gains[:, None], 5, axis=1), {"run": SETTINGS, "seed": range(5)}, ("run", "seed"))
    assert (regret(score, correct, groups=GROUPS) == 0).all()
    accuracy = correct.mean("sample")
    lost = regret(-score, correct, groups=GROUPS).sel(sweep="all").mean("sample")
    assert lost.values == pytest.approx((accuracy.sel(run="f") - accuracy.sel(run="a")).values)


def test_a_score_that_prefers_nothing_is_a_blind_choice():
    scores, correct = world(np.random.default_rng(4), gains=np.linspace(0, 1, 7))
    blind = value_of_choice(0 * scores, correct, groups=GROUPS).sel(sweep="all")
    assert blind.values == pytest.approx(correct.mean("run").values)


def test_the_other_seeds_choose_and_a_single_one_for_itself():
    score = DataArray([[9.0, 0.0, 0.0], [1.0, 1.0, 1.0]], {"run": ["a", "b"], "seed": [0, 1, 2]}, ("run", "seed"))
    assert preferred(score).sel(run="a").values.tolist() == [0, 1, 1]
    assert preferred(score.isel(seed=[0])).values.tolist() == [[1], [0]]
    assert preferred(score.transpose()).dims == ("run", "seed")


def test_choices_are_made_group_by_group_and_of_any_quality():
    coords = {"run": list("abc"), "seed": [0, 1]}
    score = DataArray([[1.0, 1], [2, 2], [3, 3]], coords, ("run", "seed"))
    found = value_of_choice(score, -score, groups={"two": ["a", "b"], "all": list("abc")})
    assert found.dims == ("sweep", "seed") and found.values.tolist() == [[-2, -2], [-3, -3]]


def test_a_diverged_run_leaves_no_choice():
    score = DataArray([[1.0, np.nan], [2, 2]], {"run": ["a", "b"], "seed": [0, 1]}, ("run", "seed"))
    assert np.isnan(value_of_choice(score, 0 * score + 1, groups={"both": ["a", "b"]}).values).all()


def test_what_does_not_match_is_our_error():
    scores, correct = world(np.random.default_rng(5), gains=np.zeros(7), seeds=2, originals=4)
    with pytest.raises(InputError, match="seed must be the same in both"):
        regret(scores.isel(seed=[0]), correct, groups=GROUPS)
    with pytest.raises(InputError, match=r"groups must be at least one, of runs of .* Got \['stranger'\]"):
        regret(scores, correct, groups={"all": ["a", "stranger"]})
    for none in ({}, {"all": []}):
        with pytest.raises(InputError, match="groups must be at least one"):
            value_of_choice(scores, correct, groups=none)
    with pytest.raises(InputError, match="images of 1 original"):
        regret(scores, correct.isel(sample=[0, 1]), groups=GROUPS)
