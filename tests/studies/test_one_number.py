"""The sweeps, what is measured of them, what fools a number, and the sentence that follows the verdicts."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from xarray import DataArray

from sslens.measures import collapse, probe, spectrum
from sslens.presets import SWEEPS
from sslens.statistics import RankTest, labels
from sslens.studies import of_notebook, one_number
from sslens.studies.one_number import Setting
from sslens.studies.study import stacked
from sslens.train import Runs
from sslens.types import InputError, UnknownName

SHORT = Setting(profile="smoke", steps=2, seeds=2)
MEASURES = {"RankMe": spectrum.rankme, "total variance": collapse.total_variance}
PROBES = {"kNN accuracy": probe.knn_accuracy, "5-label accuracy": one_number.five_label_accuracy}


@pytest.fixture(scope="module")
def runs():
    return one_number.runs(SHORT)


def without_the_end_of(runs, name):
    """The runs as they were had the second seed of one of them diverged."""
    first, second = runs[name]
    last = replace(second.snapshots[-1], embedding=second.snapshots[-1].embedding * torch.nan)
    broken = replace(second, snapshots=(*second.snapshots[:-1], last))
    return Runs(dict(runs.traces) | {name: (first, broken)}, runs.seeds)


def test_it_is_the_study_of_its_notebook():
    assert of_notebook("10_one_number") is one_number


def test_a_lesson_has_twenty_runs_and_smoke_is_part_of_it():
    lesson, smoke = (one_number.configs(Setting(profile=name)) for name in ("lesson", "smoke"))
    assert len(set(lesson.values())) == len(lesson) == 20
    assert smoke.keys() < lesson.keys()


@pytest.mark.parametrize("sweep", one_number.COMPARED)
def test_one_sweep_alone_has_its_settings_and_no_others(sweep):
    found = one_number.configs(Setting(sweeps=sweep, steps=7))
    assert list(found) == [f"{sweep} {value:g}" for value in SWEEPS[sweep].values]
    assert {config.optimisation.steps for config in found.values()} == {7}


def test_what_cannot_be_trained_or_compared_is_refused():
    with pytest.raises(UnknownName, match="Did you mean 'SimCLR temperature'"):
        Setting(sweeps="SimCLR temprature")
    with pytest.raises(UnknownName, match="Got 'untrained'"):
        Setting(sweeps="untrained")
    for wrong in ({"seeds": 0}, {"steps": -1}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            Setting(**wrong)
    with pytest.raises(UnknownName, match="Did you mean 'scattered_digits'"):
        one_number.configs(Setting(dataset="scatterd_digits"))


def test_a_run_of_two_sweeps_has_one_name_and_its_value_in_both(runs):
    found = one_number.members(SHORT, runs)
    assert list(found) == list(SWEEPS)
    shared = "SimCLR temperature 0.2"
    assert (found["SimCLR temperature"][shared], found["SimCLR learning rate"][shared]) == ("0.2", "0.002")
    assert found["untrained"] == {"untrained": "untrained"}
    assert set().union(*found.values()) == set(runs.names)


def test_runs_that_are_bad_on_purpose_exist_at_lesson():
    names = one_number.configs(Setting())
    assert all(run in names for runs in one_number.BAD_ON_PURPOSE.values() for run in runs)


def test_supervised_and_diverged_runs_are_not_compared_and_the_verdicts_say_so(runs):
    assert set(runs) - set(one_number.compared(runs)) == {"supervised"}
    lost = "VICReg covariance 400"
    broken = without_the_end_of(runs, lost)
    assert set(runs) - set(one_number.compared(broken)) == {"supervised", lost}
    assert lost not in one_number.members(SHORT, one_number.compared(broken))["VICReg covariance"]
    accuracies = one_number.accuracies(broken, PROBES)
    assert lost not in labels(accuracies, "run")
    assert accuracies.attrs["setting"] == "scattered_digits, 2 steps, 1 diverged settings left out"


def test_scores_are_measures_of_the_training_side_at_the_end(runs):
    found = one_number.scores(runs, MEASURES)
    assert found.dims == ("measure", "layer", "run", "seed")
    assert found.attrs["setting"] == "scattered_digits, 2 steps"
    trace = runs["VICReg variance 0"][1]
    for (name, measure), layer in product(MEASURES.items(), one_number.LAYERS):
        right = measure(getattr(trace.snapshots[-1], layer)[~trace.held_out])
        assert found.sel(measure=name, layer=layer, run="VICReg variance 0", seed=1).item() == right


def test_accuracies_are_of_the_representation_of_unseen_images(runs):
    found = one_number.accuracies(runs, PROBES)
    assert found.dims == ("probe", "run", "seed")
    trace = runs["SimCLR temperature 1"][0]
    h, labels_, unseen = trace.snapshots[-1].representation, trace.reference.labels, trace.held_out
    right = probe.knn_accuracy((h[~unseen], labels_[~unseen]), (h[unseen], labels_[unseen]))
    assert found.sel(probe="kNN accuracy", run="SimCLR temperature 1", seed=0).item() == right


def test_spectra_begin_at_one_and_are_called_by_their_value(runs):
    settings = one_number.members(SHORT, runs)["SimCLR temperature"]
    found = one_number.spectra(runs, settings, layer="embedding")
    assert labels(found, "run") == ["0.05", "0.2", "1"]
    assert (found.sel(rank=1) == 1).all() and (found.diff("rank") <= 0).all()
    line = one_number.one_over_rank(found)
    assert line.name == found.name and line.attrs["unit"] == found.attrs["unit"]
    assert line.sel(rank=4).item() == 0.25


def test_a_layer_that_has_shrunk_to_a_point_has_a_spectrum_of_zeros(runs):
    (trace, *_), name = runs["untrained"], "untrained"
    last = trace.snapshots[-1]
    point = replace(trace, snapshots=(replace(last, embedding=torch.ones_like(last.embedding)),))
    found = one_number.spectra(Runs({name: (point,)}, (0,)), {name: "0"}, layer="embedding")
    assert (found == 0).all()


@pytest.fixture(scope="module")
def healthy(runs):
    return runs.select("SimCLR temperature 0.2")


def test_scale_moves_the_variance_alone_and_a_row_moves_only_what_is_not_centred(healthy):
    scaled = one_number.changed(healthy, lambda z: 2 * z)
    assert scaled.dims == ("seed", "number") and labels(scaled, "number") == list(one_number.NUMBERS)
    assert scaled.name == "after / before"
    assert scaled.sel(seed=0).values == pytest.approx([1, 1, 4, 1, 1])
    shifted = one_number.changed(healthy, lambda z: z + 5 * z.std()).sel(seed=0)
    assert shifted.values[1:4] == pytest.approx([1, 1, 1])
    assert shifted.values[0] < 0.9


def test_epsilon_moves_rankme_alone_and_fewer_samples_are_the_first_ones(healthy):
    coarse = one_number.changed(healthy, epsilon=1e-3)
    assert (coarse > 1).sel(seed=0).values.tolist() == [True, True, False, False, False]
    trace = healthy[healthy.names[0]][0]
    z, unseen, classes = trace.snapshots[-1].embedding, trace.held_out, trace.reference.labels
    known, few = (z[~unseen], classes[~unseen]), (z[~unseen][:128], classes[~unseen][:128])
    found = one_number.changed(healthy, samples=128).sel(seed=0)
    right = spectrum.rankme(few[0]) / spectrum.rankme(known[0])
    assert found.sel(number="RankMe").item() == pytest.approx(right)
    few_right, right = (probe.knn_accuracy(each, (z[unseen], classes[unseen])) for each in (few, known))
    assert found.sel(number="kNN accuracy").item() == pytest.approx(few_right / right)


def test_runs_stand_against_each_other_with_the_bad_ones_ringed(runs):
    scores, accuracies = one_number.scores(runs, MEASURES), one_number.accuracies(runs, PROBES)
    rank, variance = (scores.sel(measure=name, layer="embedding").rename(name) for name in MEASURES)
    quality = accuracies.sel(probe="kNN accuracy").rename("kNN accuracy")
    sweeps = one_number.members(SHORT, one_number.compared(runs))
    figure = one_number.against(rank, quality, variance, sweeps=sweeps)
    assert figure.layout.title.text.startswith("Does RankMe know the kNN accuracy?")
    assert (figure.layout.yaxis.type, figure.layout.yaxis2.type) == (None, "log")
    assert set(one_number.BAD_ON_PURPOSE) <= {trace.name for trace in figure.data}


def choices(value, sweeps=(*one_number.COMPARED, "all runs")):
    names = ["RankMe, embedding", "exponent near 1"]
    coords = {"choice": names, "sweep": list(sweeps), "seed": [0, 1, 2]}
    spread = np.tile(value + np.array([-0.001, 0, 0.001]), (2, len(sweeps), 1))
    found = DataArray(spread, coords, tuple(coords), "correlation", {"setting": "digits, 9 steps"})
    rare, common = (0.001, 0.999) if value > 0 else (0.999, 0.001)
    return found.assign_coords(RankTest(7, rare, common, 0.5).coords)


def test_every_claim_is_judged_by_its_own_numbers():
    order, lost = choices(0.5), choices(0.1)
    found = one_number.verdicts(order, lost)
    assert tuple(verdict.claim.quantity for verdict in found) == tuple(claim.quantity for claim in one_number.CLAIMS)
    assert [verdict.holds for verdict in found] == [True] * 6 + [False]
    assert {verdict.setting for verdict in found} == {"digits, 9 steps"}
    assert [verdict.interval.mean for verdict in found] == pytest.approx([0.5] * 6 + [0.1])


def test_orders_are_judged_by_permutation_and_too_few_settings_are_not_tested():
    runs = [f"{sweep} {place}" for sweep in one_number.COMPARED for place in range(7)]
    draw = np.random.default_rng(0)
    coords = {"run": runs, "seed": [0, 1, 2]}
    quality = DataArray(draw.normal(size=(len(runs), 3)), coords, ("run", "seed"), "accuracy", {"setting": "digits"})
    score = quality + 0.3 * draw.normal(size=(len(runs), 3))
    names = {"RankMe, embedding": score, "exponent near 1": -score}
    chosen = stacked({name: values.rename("score") for name, values in names.items()}, "choice")
    groups = {sweep: [run for run in runs if run.startswith(sweep)] for sweep in one_number.COMPARED}
    groups |= {"VICReg covariance": groups["VICReg covariance"][:4], one_number.ALL: runs}
    order = one_number.rank_correlations(chosen, quality, groups=groups)
    found = {verdict.claim.quantity: verdict for verdict in one_number.verdicts(order, choices(0.1))}
    tested = found["Spearman, SimCLR temperature"]
    assert tested.holds is True and tested.ranks.settings == 7 and ", p " in tested.line()
    assert found["Spearman, VICReg covariance"].untested == "too few settings: 4, an order needs at least 5"
    assert found["Spearman with nearness, all runs"].holds is False


def test_a_single_sweep_is_judged_alone():
    (rank, nearness) = one_number.verdicts(*[choices(-0.5, ["VICReg covariance"])] * 2)
    assert (rank.claim.quantity, rank.holds) == ("Spearman, VICReg covariance", False)
    assert nearness.claim.quantity == "Spearman with nearness, VICReg covariance"
    assert len(one_number.verdicts(*[choices(-0.5, ["SimCLR temperature"])] * 2)) == 3


def test_verdicts_are_answered_as_what_came_of_them():
    quantities = [claim.quantity for claim in one_number.CLAIMS]
    assert one_number.answer(one_number.verdicts(choices(0.5), choices(0.1))) == one_number.answer(
        dict.fromkeys(quantities, True) | {"regret": False}
    )


def test_the_answer_is_a_line_and_says_nothing_of_what_was_not_judged():
    quantities = [claim.quantity for claim in one_number.CLAIMS]
    for outcomes in product((True, False, None), repeat=len(quantities)):
        assert len(one_number.answer(dict(zip(quantities, outcomes, strict=True)))) <= 140
    assert "covariance" not in one_number.answer({"Spearman, SimCLR temperature": True})


def test_from_runs_to_verdicts(runs):
    """The path of the notebook, whatever the numbers are after two steps."""
    scores, accuracies = one_number.scores(runs, MEASURES), one_number.accuracies(runs, PROBES)
    rank = scores.sel(measure="RankMe", layer="embedding")
    chosen = stacked({"RankMe, embedding": rank, "exponent near 1": 0 * rank}, "choice")
    quality = accuracies.sel(probe="kNN accuracy")
    groups = one_number.pooled(one_number.members(SHORT, one_number.compared(runs)))
    order, lost = (each(chosen, quality, groups=groups) for each in (one_number.rank_correlations, one_number.regrets))
    found = one_number.verdicts(order, lost)
    assert {verdict.setting for verdict in found} == {"scattered_digits, 2 steps"}
    assert found[-2].interval.mean == 0 and found[-1].interval.mean >= 0
    assert one_number.exercise_truths(runs.select("SimCLR temperature 0.2"), order)[2] in groups


def test_exercises_have_their_answers_in_what_was_measured(healthy):
    order = choices(0.5)
    order.loc["RankMe, embedding", "VICReg covariance"] = -0.2
    white, doubled, worst = one_number.exercise_truths(healthy, order)
    assert isinstance(worst, str)
    assert white == pytest.approx(20, rel=1e-3) and doubled == pytest.approx(1, abs=1e-3)
    assert worst == "VICReg covariance"
