"""Heads and networks under label noise, by hand on the same runs; singular values; label energy."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from xarray import DataArray

from sslens import datasets
from sslens.datasets import symmetric_label_noise
from sslens.encoders import MLP
from sslens.measures import probe
from sslens.objectives import CrossEntropy, SimCLR
from sslens.runtime import stream
from sslens.studies import wrong_labels_features as features
from sslens.train import Config, Runs, record, restore
from sslens.types import InputError

SHORT = Config.at(
    "smoke",
    data={"name": "digits"},
    encoder=MLP(),
    recipe="none",
    optimisation={"steps": 4},
    snapshots={"count": 3},
)


@pytest.fixture(scope="module")
def contrastive():
    return Runs.of({"SimCLR": SHORT.changed(objective=SimCLR())}, seeds=2)


@pytest.fixture(scope="module")
def supervised():
    shares = {"0% redrawn": 0.0, "80% redrawn": 0.8}
    base = SHORT.changed(objective=CrossEntropy())
    return Runs.of({name: base.changed(data={"label_noise": share}) for name, share in shares.items()}, seeds=2)


@pytest.fixture(scope="module")
def learned(contrastive):
    return contrastive["SimCLR"][0]


def of_first_seed(runs):
    return [runs[name][0] for name in runs]


def diverged(trace):
    """The run with a last snapshot whose features are not finite."""
    *before, last = trace.snapshots
    return replace(trace, snapshots=(*before, replace(last, embedding=last.embedding * float("nan"))))


def test_frozen_features_are_those_of_the_snapshot(learned):
    for index in (0, -1):
        h = features.frozen(learned, learned.reference.images, index=index)
        assert torch.allclose(h, learned.snapshots[index].representation.double(), atol=1e-5)


def test_a_head_is_least_squares_on_the_labels_the_other_run_was_given(learned, supervised):
    train = datasets.load("digits")[0]
    labels = symmetric_label_noise(train.labels, 0.8, classes=10, generator=stream(0, "labels/0")).numpy()
    with torch.no_grad():
        h = restore(learned).double()(train.images.double()).numpy()
    queries = learned.snapshots[-1].representation[learned.held_out].numpy() - h.mean(0)
    x = h - h.mean(0)
    scale, goals = np.sqrt((x**2).sum(1).mean()), np.eye(10)[labels]
    x, queries = x / scale, queries / scale
    errors, right = [], []
    for penalty in features.PENALTIES:
        inverse = np.linalg.inv(x.T @ x + penalty * np.eye(x.shape[1]))
        hat = x @ inverse @ x.T + 1 / len(x)
        errors.append((((goals - hat @ goals) / (1 - np.diag(hat))[:, None]) ** 2).mean())
        scores = queries @ inverse @ x.T @ (goals - goals.mean(0)) + goals.mean(0)
        right.append((scores.argmax(1) == learned.reference.labels[learned.held_out].numpy()).mean())
    found = features.correct_by_head(learned, of_first_seed(supervised)).mean(1)
    assert found[1].item() == pytest.approx(right[int(np.argmin(errors))], abs=0.004)


def test_noise_costs_a_head_accuracy(learned, supervised):
    clean, wrong = features.correct_by_head(learned, of_first_seed(supervised)).mean(1).tolist()
    assert clean > wrong > 0.1


def test_a_network_is_judged_by_its_largest_logit_on_true_labels(supervised):
    found = features.correct_of_networks(supervised)
    trace = supervised["80% redrawn"][1]
    truth = trace.reference.labels[trace.held_out].tolist()
    for snapshot in trace.snapshots:
        predicted = [max(range(10), key=row.__getitem__) for row in snapshot.embedding[trace.held_out].tolist()]
        right = [float(a == b) for a, b in zip(predicted, truth, strict=True)]
        assert found.sel(run="80% redrawn", seed=1, step=snapshot.step).values.tolist() == right


def test_what_noise_costs_pairs_the_heads_with_the_labels_of_their_seed(contrastive, supervised):
    found = features.correct_by_noise(contrastive, supervised)
    assert found["share of labels redrawn"].values.tolist() == [0.0, 0.8] and found.attrs["classes"] == 10
    along = features.correct_of_networks(supervised)
    ends = found.sel(run="supervised, at its end")
    assert np.array_equal(ends.transpose("share of labels redrawn", "seed", "sample"), along.isel(step=-1))
    for seed in (0, 1):
        noisy = [supervised[name][seed] for name in supervised]
        for run, index in (("linear head on SimCLR features", -1), ("linear head on untrained features", 0)):
            right = features.correct_by_head(contrastive["SimCLR"][seed], noisy, index=index).numpy()
            assert np.array_equal(found.sel(run=run, seed=seed), right)


def test_the_best_snapshot_of_each_half_is_chosen_on_the_other():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2, (2, 3, 5, 12)).astype(float)
    origins = rng.integers(0, 9, 12)
    coords = {"run": ["a", "b"], "seed": [0, 1, 2], "step": range(5), "origin": ("sample", origins)}
    found = features.at_best_snapshot(DataArray(values, coords, ("run", "seed", "step", "sample")))
    for run, seed in np.ndindex(2, 3):
        table = values[run, seed]
        for half in (0, 1):
            others = [sum(row[origins % 2 != half]) for row in table]
            best = others.index(max(others))
            assert found.values[run, seed][origins % 2 == half].tolist() == table[best][origins % 2 == half].tolist()


def test_the_best_of_snapshots_that_differ_by_chance_alone_is_no_better_than_one():
    chance = np.random.default_rng(0).random((1, 200, 12, 100)) < 0.3
    correct = DataArray(chance.astype(float), dims=("run", "seed", "step", "sample"))
    assert correct.mean("sample").max("step").mean() > 0.35
    assert features.at_best_snapshot(correct).mean() == pytest.approx(0.3, abs=0.01)


def test_labels_given_back_are_those_the_network_answers(supervised):
    found = features.labels_given_back(supervised.select("80% redrawn"))
    trace, digits = supervised["80% redrawn"][1], datasets.load("digits")[0]
    given = symmetric_label_noise(digits.labels, 0.8, classes=10, generator=stream(1, "labels/0"))
    with torch.no_grad():
        answers = restore(trace, 1, head=True)(digits.images.double()).argmax(1)
    pairs = [(int(a), int(g), int(t)) for a, g, t in zip(answers, given, digits.labels, strict=True)]
    wrong = [(a, g, t) for a, g, t in pairs if g != t]
    right = [
        sum(a == g for a, g, _ in pairs) / len(pairs),
        sum(a == g for a, g, _ in wrong) / len(wrong),
        sum(a == t for a, _, t in wrong) / len(wrong),
    ]
    assert found.sel(seed=1).isel(step=1).values.tolist() == pytest.approx(right)
    with pytest.raises(InputError, match="wrong labels"):
        features.labels_given_back(supervised.select("0% redrawn"))


def test_a_run_that_diverged_leaves_no_number_and_is_not_dropped(contrastive, supervised):
    first, second = contrastive["SimCLR"]
    runs = Runs({"SimCLR": (first, diverged(second))}, (0, 1))
    heads = features.correct_by_noise(runs, supervised).sel(run="linear head on SimCLR features")
    assert np.isfinite(heads.sel(seed=0)).all() and np.isnan(heads.sel(seed=1)).all()
    first, second = supervised["80% redrawn"]
    broken = Runs({"80% redrawn": (first, diverged(second))}, (0, 1))
    found = features.labels_given_back(broken)
    assert np.isnan(found.isel(step=-1)).all("labels").values.tolist() == [False, True]
    assert np.isfinite(found.isel(step=0)).all()
    missing = torch.full((8, 4), float("nan"), dtype=torch.float64)
    assert np.isnan(features.spectra_of({"SimCLR": (missing,)}, contrastive)).all()
    assert np.isnan(features.energy_in_leading({"SimCLR": (missing,)}, contrastive)).all()


def test_runs_that_cannot_be_compared_are_refused(contrastive, learned, supervised):
    other = record(SHORT.changed(objective=CrossEntropy(), data={"images": 300}))
    with pytest.raises(InputError, match="same images"):
        features.correct_by_head(learned, [other])
    with pytest.raises(InputError, match="supervised"):
        features.correct_of_networks(contrastive)
    nested = {"nested": SHORT.changed(objective=CrossEntropy(nested=True))}
    with pytest.raises(InputError, match="one classifier"):
        features.correct_of_networks(Runs.of(nested))
    one_seed = Runs({name: supervised[name][:1] for name in supervised}, (0,))
    with pytest.raises(InputError, match="seeds"):
        features.correct_by_noise(contrastive, one_seed)
    with pytest.raises(InputError, match="one run"):
        features.correct_by_noise(supervised, supervised)


def test_redrawn_labels_are_those_of_the_named_stream():
    digits = datasets.load("digits")[0]
    right = symmetric_label_noise(digits.labels, 0.7, classes=10, generator=stream(3, "energy"))
    assert features.redrawn(digits, 0.7, seed=3).equal(right)


def test_features_are_those_of_the_runs_seed_by_seed(contrastive, supervised):
    read, digits = features.training_features(contrastive, supervised), datasets.load("digits")[0]
    assert list(read) == ["SimCLR", "untrained", "supervised, 0% redrawn", "supervised, 80% redrawn"]
    for seed, trace in enumerate(contrastive["SimCLR"]):
        assert read["untrained"][seed].equal(features.frozen(trace, digits.images, index=0))
    assert read["supervised, 80% redrawn"][1].equal(features.frozen(supervised["80% redrawn"][1], digits.images))


def test_spectra_are_of_the_matrix_as_it_is(contrastive):
    h = torch.randn(50, 4, generator=stream(0, "h"), dtype=torch.float64) + 5
    found = features.spectra_of({"one": (h,)}, contrastive)
    right = np.linalg.svd(h.numpy(), compute_uv=False)
    assert found.values[0, 0] == pytest.approx(right / right[0]) and found.attrs["classes"] == 10


def test_classes_of_their_own_leave_a_drop_behind_them(contrastive):
    """Ten corners with a little noise around them: ten values, then the noise."""
    corners = torch.eye(10, 64, dtype=torch.float64).repeat(30, 1)
    h = corners + 0.01 * torch.randn(300, 64, generator=stream(0, "h"), dtype=torch.float64)
    spread = torch.randn(300, 64, generator=stream(0, "h"), dtype=torch.float64)
    found = features.drop_after_the_classes(features.spectra_of({"ten": (h,), "none": (spread,)}, contrastive))
    assert found.sel(run="ten").item() > 10 and found.sel(run="none").item() < 1.2


def test_energy_is_the_cumulative_share_in_the_first_directions():
    digits = datasets.load("digits")[0]
    h = digits.images.flatten(1)
    found = features.label_energy({"pixels": h, "some": h[:, 20:50]}, digits.labels, name="energy")
    assert found.shape == (2, 30) and found["leading directions"].values[-1] == 30
    right = probe.label_energy(h, digits.labels)[:30].cumsum(0)
    assert found.sel(run="pixels").values == pytest.approx(right.numpy())
    half, held = features.half_of_the_energy(h, digits.labels), probe.label_energy(h, digits.labels).cumsum(0)
    assert held[half - 1] >= held[-1] / 2 > held[half - 2]


def test_energy_in_leading_directions_is_of_true_labels_and_of_noise_of_the_seed(contrastive):
    digits = datasets.load("digits")[0]
    h = digits.images.flatten(1)
    found = features.energy_in_leading({"pixels": (h, h)}, contrastive)
    for seed in (0, 1):
        for name, labels in (("true", digits.labels), ("redrawn", features.redrawn(digits, 1.0, seed=seed))):
            held = probe.label_energy(h, labels)
            right = [held[:10].sum().item(), (held[:10].sum() / held.sum()).item()]
            assert found.sel(seed=seed, labels=name).values[0] == pytest.approx(right)


def test_collapsed_features_hold_nothing(contrastive):
    found = features.energy_in_leading({"one point": (torch.ones(1200, 16),)}, contrastive)
    assert not found.values.any()


def test_by_hand_is_the_librarys_label_energy():
    h = torch.randn(60, 7, generator=stream(0, "h"), dtype=torch.float64)
    labels = torch.arange(60) % 4
    assert torch.allclose(features.label_energy_by_hand(h, labels), probe.label_energy(h, labels))
