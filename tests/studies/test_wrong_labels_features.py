"""Heads and networks under label noise, by hand on the same runs; label energy; Jacobians."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sslens import datasets
from sslens.datasets import symmetric_label_noise
from sslens.encoders import MLP
from sslens.measures import probe
from sslens.measures.network_diagnostics import jacobian_spectrum
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
    found = features.by_head(learned, of_first_seed(supervised))
    assert found[1].item() == pytest.approx(right[int(np.argmin(errors))], abs=0.004)


def test_noise_costs_a_head_accuracy(learned, supervised):
    clean, wrong = features.by_head(learned, of_first_seed(supervised)).tolist()
    assert clean > wrong > 0.1


def test_a_network_is_judged_by_its_largest_logit_on_true_labels(supervised):
    found = features.accuracy_of_networks(supervised)
    trace = supervised["80% redrawn"][1]
    truth = trace.reference.labels[trace.held_out].tolist()
    for snapshot in trace.snapshots:
        predicted = [max(range(10), key=row.__getitem__) for row in snapshot.embedding[trace.held_out].tolist()]
        right = sum(a == b for a, b in zip(predicted, truth, strict=True)) / len(truth)
        assert float(found.sel(run="80% redrawn", seed=1, step=snapshot.step)) == pytest.approx(right)


def test_what_noise_costs_pairs_the_heads_with_the_labels_of_their_seed(contrastive, supervised):
    found = features.accuracy_by_noise(contrastive, supervised)
    assert found["share of labels redrawn"].values.tolist() == [0.0, 0.8]
    along = features.accuracy_of_networks(supervised)
    ends, best = found.sel(run="supervised, at its end"), found.sel(run="supervised, best snapshot")
    assert np.array_equal(ends.T, along[:, :, -1]) and np.array_equal(best.T, along.max("step"))
    for seed in (0, 1):
        noisy = [supervised[name][seed] for name in supervised]
        for run, index in (("SimCLR, linear head", -1), ("untrained, linear head", 0)):
            right = features.by_head(contrastive["SimCLR"][seed], noisy, index=index).tolist()
            assert found.sel(run=run, seed=seed).values.tolist() == right


def test_a_run_that_diverged_leaves_no_number_and_is_not_dropped(contrastive, supervised):
    first, second = contrastive["SimCLR"]
    runs = Runs({"SimCLR": (first, diverged(second))}, (0, 1))
    heads = features.accuracy_of_heads(runs, supervised)
    assert np.isfinite(heads.sel(seed=0)).all() and np.isnan(heads.sel(seed=1)).all()
    energy = features.energy_in_ten_directions(runs)
    assert np.isnan(energy.sel(seed=1)).values.tolist() == [True, False, True]


def test_runs_that_cannot_be_compared_are_refused(contrastive, learned, supervised):
    other = record(SHORT.changed(objective=CrossEntropy(), data={"images": 300}))
    with pytest.raises(InputError, match="same images"):
        features.by_head(learned, [other])
    with pytest.raises(InputError, match="supervised"):
        features.accuracy_of_networks(contrastive)
    nested = {"nested": SHORT.changed(objective=CrossEntropy(nested=True))}
    with pytest.raises(InputError, match="one classifier"):
        features.accuracy_of_networks(Runs.of(nested))
    one_seed = Runs({name: supervised[name][:1] for name in supervised}, (0,))
    with pytest.raises(InputError, match="seeds"):
        features.accuracy_of_heads(contrastive, one_seed)
    with pytest.raises(InputError, match="one run"):
        features.accuracy_of_heads(supervised, supervised)


def test_redrawn_labels_are_those_of_the_named_stream():
    digits = datasets.load("digits")[0]
    right = symmetric_label_noise(digits.labels, 0.7, classes=10, generator=stream(3, "energy"))
    assert features.redrawn(digits, 0.7, seed=3).equal(right)


def test_energy_is_the_cumulative_share_in_the_first_directions(contrastive, supervised):
    digits = datasets.load("digits")[0]
    read = features.training_features(contrastive, supervised)
    assert list(read) == ["SimCLR", "untrained", "pixels", "supervised, 80% redrawn"]
    found = features.label_energy(read, digits.labels, name="energy")
    assert found.shape == (4, 30) and found["leading directions"].values[-1] == 30
    right = probe.label_energy(read["pixels"], digits.labels)[:30].cumsum(0)
    assert found.sel(run="pixels").values == pytest.approx(right.numpy())
    half = features.half_of_the_energy(read["SimCLR"], digits.labels)
    held = probe.label_energy(read["SimCLR"], digits.labels).cumsum(0)
    assert held[half - 1] >= held[-1] / 2 > held[half - 2]


def test_energy_in_ten_directions_is_of_true_labels_and_of_noise(contrastive):
    found = features.energy_in_ten_directions(contrastive)
    digits = datasets.load("digits")[0]
    for seed, trace in enumerate(contrastive["SimCLR"]):
        trained, untrained = (features.frozen(trace, digits.images, index=index) for index in (-1, 0))
        noise = features.redrawn(digits, 1.0, seed=seed)
        wanted = [(trained, digits.labels), (untrained, digits.labels), (trained, noise)]
        right = [float(probe.label_energy(h, labels)[:10].sum()) for h, labels in wanted]
        assert found.sel(seed=seed).values.tolist() == right


def test_jacobian_spectra_are_those_of_both_ends_over_their_largest(contrastive):
    images = datasets.load("digits")[0].images[:1]
    found = features.jacobian_spectra(contrastive, images)
    assert found.dims == ("run", "seed", "rank")
    for run, index in (("SimCLR", -1), ("untrained", 0)):
        values = jacobian_spectrum(restore(contrastive["SimCLR"][1], index), images)
        assert found.sel(run=run, seed=1).values == pytest.approx((values / values[0]).numpy())


def test_labels_given_back_are_counted_among_the_wrong_ones(supervised):
    trace = supervised["80% redrawn"][0]
    digits = datasets.load("digits")[0]
    given = symmetric_label_noise(digits.labels, 0.8, classes=10, generator=stream(0, "labels/0"))
    with torch.no_grad():
        predicted = restore(trace, head=True).double()(digits.images.double()).argmax(1)
    wrong = given != digits.labels
    right = (predicted == given)[wrong].double().mean().item()
    assert features.share_given_back(trace) == pytest.approx(right)
    with pytest.raises(InputError, match="wrong labels"):
        features.share_given_back(supervised["0% redrawn"][0])
