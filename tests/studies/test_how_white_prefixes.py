"""Features cut short: against probes on the columns themselves, and the loss against the trained one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from xarray import DataArray

from sslens.measures import probe
from sslens.objectives import CrossEntropy
from sslens.studies import how_white_prefixes
from sslens.studies.how_white_layers import classify_by_tuned_ridge, sides
from sslens.studies.how_white_prefixes import (
    COLUMNS,
    correct_by_prefix,
    examples,
    matryoshka_loss,
    short,
    won,
    won_at_worst,
)
from sslens.train import Config, Runs, restore
from sslens.types import InputError, Outputs, UnknownName


@pytest.fixture(scope="module")
def runs():
    base = Config.at("smoke", optimisation={"steps": 3}, snapshots={"count": 2})
    plain = base.changed(objective=CrossEntropy(), encoder={"features": 64})
    narrow = plain.changed(encoder={"features": 8})
    nested = plain.changed(objective=CrossEntropy(nested=True))
    return Runs.of({"nested": nested, "width 8": narrow, "width 64": plain}, seeds=2)


def test_the_loss_by_hand_is_the_one_that_is_trained(runs):
    trace = runs["nested"][0]
    heads = restore(trace, head=True).double()[1]
    h, labels = trace.snapshots[-1].representation.double(), trace.reference.labels
    by_length = {head.in_features: head for head in heads.heads}
    logits = heads(h)[None]
    outputs = Outputs(h[None], logits, logits, logits, labels)
    right = sum(CrossEntropy(nested=True).terms(outputs).values())
    torch.testing.assert_close(matryoshka_loss(h, labels, heads=by_length), right)


@pytest.mark.parametrize("classifier", ["kNN", "ridge"])
def test_every_way_is_a_probe_of_its_columns(runs, classifier):
    found = correct_by_prefix(runs, classifier=classifier)
    assert found.dims == ("way", "seed", COLUMNS, "sample") and found[COLUMNS].values.tolist() == [8, 64]
    classify = {"kNN": probe.knn, "ridge": classify_by_tuned_ridge}[classifier]
    for way, run, pca in (
        ("nested", "nested", False),
        ("separate", "width 8", False),
        ("plain, cut", "width 64", False),
        ("plain, PCA", "width 64", True),
    ):
        trace = runs[run][1]
        known, queries = sides(trace, trace.snapshots[-1].representation, trace.reference.labels)
        right = probe.prefixes(known, queries, lengths=[8], classify=classify, pca=pca)
        mean = float(found.sel({"way": way, "seed": 1, COLUMNS: 8}).mean())
        assert mean == pytest.approx(right.item(), abs=1e-9)


def test_whole_networks_are_cut_nowhere(runs):
    whole = correct_by_prefix(runs).sel({COLUMNS: 64})
    assert np.array_equal(whole.sel(way="separate"), whole.sel(way="plain, cut"))


def test_own_heads_answer_by_their_own_logits(runs):
    found = correct_by_prefix(runs, classifier="own head")
    trace = runs["nested"][0]
    h, truth = trace.snapshots[-1].representation[trace.held_out], trace.reference.labels[trace.held_out]
    head = next(each for each in restore(trace, head=True).double()[1].heads if each.in_features == 8)
    right = (head(h[:, :8].double()).argmax(1) == truth).double()
    assert found.sel({"way": "nested", "seed": 0, COLUMNS: 8}).values.tolist() == right.tolist()
    narrow = runs["width 8"][0]
    logits = narrow.snapshots[-1].embedding[narrow.held_out]
    own = (logits.argmax(1) == truth).double()
    assert found.sel({"way": "separate", "seed": 0, COLUMNS: 8}).values.tolist() == own.tolist()


def test_a_misspelt_classifier_is_named(runs):
    with pytest.raises(UnknownName, match="Did you mean 'ridge'"):
        correct_by_prefix(runs, classifier="rigde")


def test_a_run_that_diverged_has_no_accuracy(runs):
    first, second = runs["nested"]
    *before, last = second.snapshots
    broken = replace(second, snapshots=(*before, replace(last, embedding=last.embedding * float("nan"))))
    found = correct_by_prefix(Runs({**runs.traces, "nested": (first, broken)}, runs.seeds))
    assert np.isnan(found.sel(way="nested", seed=1)).all() and np.isfinite(found.sel(way="nested", seed=0)).all()
    assert np.isnan(won_at_worst(found).sel(seed=1)).all()


def accuracies(levels):
    """way x seed x columns kept x sample, the same for every sample."""
    values = np.asarray(levels, dtype=float)[:, None, :, None] * np.ones((1, 2, 1, 3))
    coords = {"way": list(how_white_prefixes.WAYS), "seed": [0, 1], COLUMNS: [4, 8, 64], "sample": [0, 1, 2]}
    return DataArray(values, coords, ("way", "seed", COLUMNS, "sample"))


LEVELS = accuracies([[0.3, 0.5, 0.7], [0.2, 0.6, 0.75], [0.1, 0.2, 0.9], [0.5, 0.6, 0.9]])


def test_the_worst_length_is_that_of_the_lowest_mean():
    assert won(LEVELS, "separate")[0, :, 0].values == pytest.approx([0.1, -0.1, -0.05])
    assert won_at_worst(LEVELS).values == pytest.approx(-0.1)


def test_rivals_without_training_are_judged_at_short_lengths():
    assert short(LEVELS, "plain, cut").values == pytest.approx(0.25)
    assert short(LEVELS, "plain, PCA").values == pytest.approx(-0.15)
    with pytest.raises(InputError, match=r"one of \(4, 8\)"):
        short(LEVELS.sel({COLUMNS: [64]}), "plain, PCA")


def test_examples_show_a_row_of_test_images_for_each_class(runs):
    found, reference = examples(runs), runs["nested"][0].reference
    rows, columns = found["pixels"].shape[:2]
    assert (len(found["rows"]), len(found["columns"])) == (rows, columns)
    for name, row in zip(found["rows"], found["pixels"], strict=True):
        of_class = reference.images[(reference.labels == reference.classes.index(name)) & runs["nested"][0].held_out]
        assert torch.equal(row, of_class[:columns])
