"""Runs by name and seed: what is measured of them is labelled, and nothing vanishes."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import xarray

from sslens import statistics
from sslens.encoders import ENCODERS, MLP
from sslens.objectives import CrossEntropy, SimCLR, SimSiam, VICReg
from sslens.train import Config, Runs, record, restore
from sslens.types import InputError, UnknownName
from tests.train.cases import tiny

WILD = {"learning_rate": 1e9, "warmup": 0.0, "weight_decay": 0.0, "steps": 60}
STEPS = [0, 2, 6]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs of three seeds on scattered digits, whose originals are known."""
    patch = pytest.MonkeyPatch()
    patch.setenv("SSLENS_DATA", str(tmp_path_factory.mktemp("runs")))
    patch.setenv("SSLENS_CORES", "1")
    base = tiny(data={"name": "scattered_digits"})
    yield Runs.of({"simclr": base.changed(objective=SimCLR()), "vicreg": base}, seeds=3)
    patch.undo()


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.setenv("SSLENS_CORES", "1")


def mean(h):
    return h.double().mean().item()


def by_hand(runs, ask):
    return [[[ask(trace, snapshot) for snapshot in trace.snapshots] for trace in runs[name]] for name in runs]


# Labels


def test_a_number_of_the_features_is_labelled_by_run_seed_and_step(runs):
    array = runs.along(mean, of="embedding", name="mean embedding")
    assert array.dims == ("run", "seed", "step") and array.dtype == np.float64
    assert array.coords["run"].values.tolist() == ["simclr", "vicreg"]
    assert array.coords["seed"].values.tolist() == [0, 1, 2] and array.coords["step"].values.tolist() == STEPS
    assert array.name == "mean embedding"
    assert array.attrs == {"unit": "", "setting": "scattered_digits, 6 steps"}
    np.testing.assert_array_equal(array.values, by_hand(runs, lambda _, each: mean(each.embedding)))
    assert array.to_dataframe().shape == (18, 1)


@pytest.mark.parametrize("on", ["train", "test", "both"])
def test_sides_of_the_reference_are_measured_apart(runs, on):
    array = runs.along(len, on=on)
    assert (array == {"train": 32, "test": 32, "both": 64}[on]).all()


@pytest.mark.parametrize(("at", "place"), [("start", 0), ("end", -1)])
def test_start_and_end_alone_have_no_step(runs, at, place):
    array = runs.along(mean, at=at)
    assert array.dims == ("run", "seed") and "step" not in array.coords
    np.testing.assert_array_equal(array.values, runs.along(mean).values[:, :, place])


def test_a_number_for_each_sample_carries_its_place_and_its_original(runs):
    array = runs.along(lambda h: h.norm(dim=1), on="test", name="norm")
    assert array.dims == ("run", "seed", "step", "sample") and array.shape == (2, 3, 3, 32)
    trace = runs["vicreg"][0]
    assert array.coords["sample"].values.tolist() == list(range(32, 64))
    assert array.coords["origin"].values.tolist() == trace.reference.origin[trace.held_out].tolist()
    expected = trace.snapshots[1].representation[trace.held_out].norm(dim=1)
    np.testing.assert_allclose(array.sel(run="vicreg", seed=0, step=2).values, expected, rtol=1e-6)
    end = runs.along(lambda h: h.norm(dim=1), at="end")
    assert end.dims == ("run", "seed", "sample") and end.coords["sample"].values.tolist() == list(range(64))
    unknown = replace(trace, reference=replace(trace.reference, origin=None))
    assert "origin" not in Runs({"a": (unknown,)}, (0,)).along(lambda h: h.norm(dim=1)).coords


def nearest(known, queries):
    (bank, labels), (rows, wanted) = known, queries
    return (labels[torch.cdist(rows, bank).argmin(1)] == wanted).double()


def test_a_probe_is_fitted_on_one_side_and_judged_on_the_other(runs):
    array = runs.probed(lambda known, queries: nearest(known, queries).mean(), name="1-NN accuracy")
    trace = runs["simclr"][1]
    h, labels, held = trace.snapshots[-1].representation, trace.reference.labels, trace.held_out
    expected = nearest((h[~held], labels[~held]), (h[held], labels[held])).mean().item()
    assert array.sel(run="simclr", seed=1, step=6).item() == expected
    each = runs.probed(nearest, of="embedding", at="end")
    assert each.dims == ("run", "seed", "sample") and each.name == "nearest" and set(np.unique(each)) <= {0.0, 1.0}
    assert each.coords["sample"].values.tolist() == list(range(32, 64))


def test_networks_are_measured_as_they_were(runs):
    def norm(net):
        assert not net.training
        weights = [each for each in net.parameters()]
        assert {each.dtype for each in weights} == {torch.float32}
        return sum(each.square().sum().item() for each in weights)

    array, with_head = runs.networks_along(norm), runs.networks_along(norm, head=True)
    assert array.name == "norm" and (with_head.values > array.values).all()
    expected = norm(restore(runs["vicreg"][2], 1))
    assert array.sel(run="vicreg", seed=2, step=2).item() == pytest.approx(expected)


def test_the_loss_of_the_step_before_each_snapshot(runs):
    array, loss = runs.loss_along(), runs["simclr"][0].loss()
    assert array.name == "loss"
    assert array.sel(run="simclr", seed=0).values.tolist() == [loss[0].item(), loss[1].item(), loss[5].item()]


def test_the_loss_left_is_one_at_the_start_and_counts_from_the_lowest():
    runs = Runs.of({"simsiam": tiny(objective=SimSiam()), "supervised": tiny(objective=CrossEntropy())}, seeds=2)
    left, loss = runs.loss_along(above_lowest=True), runs.loss_along()
    assert left.name == "loss left" and (left.sel(step=0) == 1).all()
    simsiam = loss.sel(run="simsiam", drop=True)
    np.testing.assert_allclose(left.sel(run="simsiam"), (simsiam + 1) / (simsiam.sel(step=0) + 1), rtol=1e-5)
    supervised = loss.sel(run="supervised", drop=True)
    np.testing.assert_allclose(left.sel(run="supervised"), supervised / supervised.sel(step=0), rtol=1e-5)


def test_a_measure_names_the_quantity_unless_a_name_is_given(runs):
    def power_law_exponent(h):
        return 1.0

    assert runs.along(power_law_exponent).name == "power law exponent"
    assert runs.along(partial(power_law_exponent)).name == "power law exponent"
    assert runs.along(power_law_exponent, name="alpha").name == "alpha"


# Which runs


def test_runs_are_found_by_name_and_selected_in_order(runs):
    assert list(runs) == list(runs.names) == ["simclr", "vicreg"] and len(runs) == 2
    assert [Config.of_json(trace.config).seed for trace in runs["vicreg"]] == [0, 1, 2]
    assert runs.select("vicreg").along(mean).equals(runs.along(mean).sel(run=["vicreg"]))
    assert runs.select("vicreg", "simclr").names == ("vicreg", "simclr")
    for wrong in (lambda: runs["simclrr"], lambda: runs.select("simclrr")):
        with pytest.raises(UnknownName, match="Did you mean 'simclr'"):
            wrong()


def test_a_table_says_what_they_are(runs):
    table = runs.table()
    assert table[0]["objective"] == "SimCLR()" and table[1]["encoder"] == "MLP(width=8, depth=2)"
    assert {row["status"] for row in table} == {"complete"} and {row["seeds"] for row in table} == {3}
    lines = repr(runs).splitlines()
    assert lines[0].split() == ["run", "objective", "encoder", "steps", "seeds", "status"] and len(lines) == 3


def test_they_are_trained_once_and_read_afterwards(untrainable):
    configs = {"a": tiny(), "b": tiny(objective=SimCLR())}
    first = Runs.of(configs, seeds=2)
    untrainable()
    again = Runs.of(configs, seeds=(0, 1))
    assert again.along(mean).equals(first.along(mean))
    assert Runs.of(configs, seeds=[1]).along(mean).equals(first.along(mean).sel(seed=[1]))
    assert (
        Runs.of({"same": tiny(), "again": tiny()}).along(mean, at="end").values.tolist()
        == [[mean(first["a"][0].snapshots[-1].representation)]] * 2
    )


@pytest.mark.parametrize(
    ("configs", "seeds", "message"),
    [
        ({}, 1, "at least one of each"),
        ({"a": tiny()}, [], "at least one of each"),
        ({"a": tiny()}, [1, 1], "every seed once"),
        ({"a": tiny()}, 0, "seeds must be an int in"),
        ({"a": tiny()}, True, "seeds must be an int in"),
        ({"a": tiny()}, [-1], "Config.seed"),
        ({"a": tiny(), "b": tiny(data={"images": 5000})}, 1, r"Config\.data\.images"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_trained(tmp_path, configs, seeds, message):
    with pytest.raises(InputError, match=message):
        Runs.of(configs, seeds=seeds)
    assert not (tmp_path / "data" / "cache" / "traces").exists()


# Nothing vanishes


def test_a_missing_seed_is_refused(runs):
    rows = {"simclr": runs["simclr"], "vicreg": runs["vicreg"][:2]}
    with pytest.raises(InputError, match=r"traces of vicreg must be one for each of the seeds \[0, 1, 2\]. Got 2"):
        Runs(rows, (0, 1, 2))
    with pytest.raises(InputError, match="at least one run"):
        Runs({}, ())
    few = Runs({"simclr": runs["simclr"][:2]}, (0, 1))
    with pytest.raises(InputError, match=r"seed must be the same in both: \[0, 1, 2\]. Got \[0, 1\]"):
        statistics.difference(runs.select("simclr").along(mean), few.along(mean))


@pytest.fixture
def diverging():
    """A run that diverges for every seed, one that never does, and one that does for its second seed."""
    base = tiny(optimisation={"steps": 60})
    names = {"fine": base, "wild": base.changed(optimisation=WILD)}
    runs = Runs.of(names, seeds=2)
    return Runs({**runs.traces, "half": (runs["fine"][0], runs["wild"][1])}, (0, 1))


def test_a_diverged_seed_stays_as_nan_and_is_marked_and_counted(diverging):
    array = diverging.along(mean)
    assert array.shape == (3, 2, 3) and array.coords["step"].values.tolist() == [0, 15, 60]
    assert np.isfinite(array.sel(run="fine")).all() and np.isnan(array.sel(run="wild", step=60)).all()
    assert np.isnan(array.sel(run="half", step=60)).values.tolist() == [False, True]
    assert array.coords["status"].sel(run="half").values.tolist() == ["complete", "diverged"]
    assert "status" not in diverging.select("fine").along(mean).coords
    last = statistics.interval(array.sel(run="half", step=60, drop=True))
    assert np.isnan(last.mean) and last.n == 2
    paired = statistics.difference(array.sel(run="half", drop=True), array.sel(run="fine", drop=True))
    assert paired.sizes == {"seed": 2, "step": 3} and np.isnan(paired.sel(seed=1, step=60))
    assert diverging.table()[2]["status"] == "complete, diverged"


def test_what_is_measured_of_each_sample_network_or_loss_is_nan_too(diverging):
    of_samples = diverging.along(lambda h: h.norm(dim=1), at="end")
    assert of_samples.shape == (3, 2, 64)
    assert np.isnan(of_samples.sel(run="wild")).all() and np.isfinite(of_samples.sel(run="fine")).all()
    for array in (
        diverging.networks_along(lambda net: 1.0, at="end"),
        diverging.loss_along().sel(step=60),
        diverging.probed(lambda known, queries: 1.0, at="end"),
    ):
        assert np.isnan(array).values.tolist() == [[False] * 2, [True] * 2, [False, True]]


def test_runs_that_all_diverged_are_all_nan(diverging):
    assert np.isnan(diverging.select("wild").along(mean, at="end")).all()
    assert np.isfinite(diverging.select("wild").along(mean, at="start")).all()


def test_ragged_steps_are_refused_with_the_names_and_the_end_can_be_had():
    runs = Runs.of(
        {"short": tiny(), "long": tiny(optimisation={"steps": 9}), "untrained": tiny(optimisation={"steps": 0})}
    )
    measured = (lambda: runs.along(mean), lambda: runs.probed(nearest), runs.loss_along, lambda: runs.steps)
    for ask in measured:
        with pytest.raises(InputError, match=r"'short': '3 snapshots to step 6', 'long': '3 snapshots to step 9'"):
            ask()
    end, start = runs.along(mean, at="end"), runs.along(mean, at="start")
    assert end.dims == ("run", "seed") and end.sizes["run"] == 3
    assert (start == start.sel(run="short")).all() and end.sel(run="untrained") == start.sel(run="untrained")
    assert runs.setting == "several settings" == end.attrs["setting"]
    assert runs.select("short").setting == "digits, 6 steps"


def test_a_run_without_steps_has_no_loss():
    untrained = Runs.of({"untrained": tiny(optimisation={"steps": 0})}, seeds=2)
    assert np.isnan(untrained.loss_along()).all() and untrained.loss_along().sizes == {"run": 1, "seed": 2, "step": 1}
    assert len(untrained["untrained"][0].loss()) == 0


def test_samples_of_different_images_are_never_put_side_by_side():
    runs = Runs.of({"digits": tiny(), "scattered": tiny(data={"name": "scattered_digits"})})
    assert runs.along(mean).sizes["run"] == 2
    with pytest.raises(InputError, match="measured on the same images"):
        runs.along(lambda h: h.norm(dim=1))
    few = Runs.of({"many": tiny(), "few": tiny(snapshots={"reference": 16})})
    with pytest.raises(InputError, match=r"one number, or one for each image, of every run alike"):
        few.along(lambda h: h.norm(dim=1))


@pytest.mark.parametrize(
    ("measure", "message"),
    [(lambda h: h, "one number, or one for each image"), (lambda h: h[0], "one that gives one number, or 64")],
)
def test_a_measure_that_gives_something_else_is_refused(runs, measure, message):
    with pytest.raises(InputError, match=message):
        runs.along(measure)


@pytest.mark.parametrize("words", [{"of": "projection"}, {"on": "held out"}, {"at": "last"}])
def test_words_that_mean_nothing_are_refused(runs, words, unchecked):
    with pytest.raises(UnknownName, match=f"{next(iter(words))} must be one of"):
        runs.along(mean, **words)


def test_arrays_of_runs_are_what_statistics_take(runs):
    array = runs.along(mean, at="end")
    gain = statistics.difference(array.sel(run="simclr", drop=True), array.sel(run="vicreg", drop=True), name="gain")
    assert gain.dims == ("seed",) and gain.name == "gain" and isinstance(gain, xarray.DataArray)
    assert statistics.interval(gain).n == 3


def test_a_class_with_parameters_that_have_no_default_is_shown(runs):
    from tests.train.test_naming import Wide

    row = Runs.of({"wide": tiny(encoder=Wide(width=6), objective=VICReg(covariance=2.0))}).table()[0]
    assert row["encoder"] == "Wide(width=6)" and row["objective"] == "VICReg(covariance=2.0)"


def test_a_trace_that_was_cut_leaves_a_gap_and_not_a_shift(runs):
    """A run that is still being trained, read by hand."""
    cut = replace(runs["vicreg"][0], snapshots=runs["vicreg"][0].snapshots[:2])
    array = Runs({"cut": (cut,)}, (0,)).along(mean)
    assert array.coords["step"].values.tolist() == STEPS and np.isnan(array.values).tolist() == [[[False, False, True]]]


def test_encoders_of_other_widths_stand_in_one_array():
    runs = Runs.of({f"width {width}": tiny(encoder=MLP(width=width, depth=2)) for width in (4, 12)})
    assert runs.along(lambda h: h.shape[1], at="end").values.flatten().tolist() == [4, 12]


def test_a_network_that_does_not_fit_is_refused_before_anything_is_trained(unchecked):
    with pytest.raises(InputError, match=r"Config\.encoder must be an encoder of images, or the data texts"):
        Runs.of({"a": tiny(encoder=ENCODERS["transformer"]())}, seeds=2)
    with pytest.raises(InputError, match="runs must be a mapping of names to configs"):
        Runs.of(tiny(), seeds=2)


def test_seeds_may_be_numpys():
    runs = Runs.of({"a": tiny()}, seeds=np.int64(2))
    assert runs.seeds == (0, 1) == Runs.of({"a": tiny()}, seeds=np.arange(2)).seeds


def test_measures_may_answer_with_arrays_and_lists(runs, unchecked):
    measures = {"array": lambda z: z.numpy().sum(1), "list": lambda z: z.sum(1).tolist()}
    found = [runs.along(measure, name=name).values for name, measure in measures.items()]
    assert np.allclose(*found) and found[0].shape == (2, 3, 3, 64)
    for wrong in (lambda z: None, lambda z: "3"):
        with pytest.raises(InputError, match="measure must be one that gives numbers"):
            runs.along(wrong)


@pytest.mark.parametrize("per", ["run", "seed", "step", "status", ""])
def test_several_numbers_need_a_word_of_their_own(runs, per):
    with pytest.raises(InputError, match="per must be a word of its own"):
        runs.along(lambda z: z.sum(0), per=per)


def test_terms_come_in_one_order_whether_trained_or_read():
    config = tiny(objective=VICReg())
    first, again = record(config), record(config)
    assert list(first.terms()) == list(again.terms()) == ["invariance", "variance", "covariance"]
    assert (first.loss() == again.loss()).all()
