"""The sweeps, what is measured of them, what fools a number, and the sentence that follows the verdicts."""

from dataclasses import replace
from itertools import product

import pytest
import torch

from sslens.measures import collapse, probe, spectrum
from sslens.presets import SWEEPS
from sslens.statistics import labels
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


def test_a_lesson_has_its_runs_once_and_smoke_is_part_of_it():
    lesson, smoke = (one_number.configs(Setting(profile=name)) for name in ("lesson", "smoke"))
    assert len(set(lesson.values())) == len(lesson) == 31
    assert smoke.keys() < lesson.keys()


@pytest.mark.parametrize("sweep", one_number.SWEPT)
def test_one_sweep_alone_has_its_settings_and_an_untrained_encoder_beside_them(sweep):
    found = one_number.configs(Setting(sweeps=sweep, steps=7))
    assert list(found) == [*(f"{sweep} {value:g}" for value in SWEEPS[sweep].values), "untrained"]
    assert [config.optimisation.steps for config in found.values()] == [7] * (len(found) - 1) + [0]


def test_every_sweep_that_is_judged_has_five_settings_around_what_is_usual():
    setting = Setting()
    names = {name: list(SWEEPS[name].values) for name in one_number.SWEPT}
    sweeps = {name: {f"{name} {value:g}": f"{value:g}" for value in values} for name, values in names.items()}
    groups = one_number.single(one_number.judged(sweeps))
    assert min(map(len, groups.values())) >= 5
    bad = {run for runs in one_number.BAD_ON_PURPOSE.values() for run in runs}
    assert bad <= set(one_number.configs(setting)) and not bad & {run for runs in groups.values() for run in runs}


def test_another_encoder_and_another_reader_are_parameters():
    from sslens.encoders import MLP

    assert {config.encoder for config in one_number.configs(Setting(encoder="mlp")).values()} == {MLP()}
    with pytest.raises(UnknownName, match="Did you mean 'convnet'"):
        Setting(encoder="convnett")
    with pytest.raises(UnknownName, match="linear"):
        Setting(classifier="line")


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


def test_diverged_runs_are_not_compared_and_the_verdicts_say_so(runs):
    assert set(runs) == set(one_number.compared(runs))
    lost = "VICReg covariance 400"
    broken = without_the_end_of(runs, lost)
    assert set(runs) - set(one_number.compared(broken)) == {lost}
    assert lost not in one_number.members(SHORT, one_number.compared(broken))["VICReg covariance"]
    accuracies = one_number.accuracies(broken, PROBES)
    assert lost not in labels(accuracies, "run")
    assert accuracies.attrs["setting"] == "scattered_digits, 2 steps, 1 diverged settings left out"


def test_scores_are_measures_of_the_training_side_at_the_end(runs):
    found = one_number.scores(runs, MEASURES)
    assert found.dims == ("measure", "layer", "run", "seed")
    assert found.attrs["setting"] == "scattered_digits, 2 steps"
    trace = runs["VICReg without variance"][1]
    for (name, measure), layer in product(MEASURES.items(), one_number.LAYERS):
        right = measure(getattr(trace.snapshots[-1], layer)[~trace.held_out])
        assert found.sel(measure=name, layer=layer, run="VICReg without variance", seed=1).item() == right


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


def test_from_runs_to_verdicts(runs):
    """The path of the notebook, whatever the numbers are after two steps."""
    scores, few = one_number.scores(runs, MEASURES), one_number.accuracies(runs, PROBES)
    rank = scores.sel(measure="RankMe", layer="embedding")
    correct, elsewhere = one_number.correct(SHORT, runs), one_number.correct_elsewhere(SHORT, runs)
    tasks = one_number.qualities(correct, elsewhere, factors=one_number.read_factors(runs))
    assert list(tasks) == ["its own data", "another data set", "place and rotation"]
    names = {"RankMe, embedding": rank, "exponent near 1": 0 * rank, "blind": one_number.no_favourite(rank)}
    chosen = stacked(names, "choice")
    groups = one_number.judged(one_number.members(SHORT, one_number.compared(runs)))
    alone = one_number.single(groups)
    order = one_number.rank_correlations(chosen, tasks["its own data"], groups=groups)
    lost = one_number.by_choice(chosen, correct, groups=alone, agree=one_number.regret)
    found = [
        *one_number.order_verdicts(order, elsewhere=order, correct=correct),
        *one_number.choice_verdicts(lost, elsewhere=lost, correct=correct),
        *one_number.factor_verdicts(chosen, tasks, groups=alone, correct=correct),
        *one_number.blind_spot_verdicts(rank, order=order, correct=correct),
    ]
    assert [verdict.claim for verdict in found] == list(one_number.CLAIMS)
    assert {verdict.setting.split(",")[0] for verdict in found} == {"scattered_digits"}
    assert few.sizes["run"] == correct.sizes["run"] == len(one_number.configs(SHORT))
    answers = one_number.exercises(runs.select("SimCLR temperature 0.2"), order)
    assert answers["worst"].answer in alone
