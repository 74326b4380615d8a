"""How white: what its claims measure, how its answer follows them, what its exercises take for right."""

import numpy as np
import pytest
import torch
from xarray import DataArray

from sslens.studies import how_white as study
from sslens.studies import of_notebook
from sslens.studies.how_white_spectra import PENALTIES
from sslens.train import Config, Runs

LABELS = ["5", "all"]
SAMPLES = 40


def test_the_notebook_finds_its_study():
    assert of_notebook("11_how_white") is study


def tables(levels):
    """seed x (beta) x labels x penalty x sample of these accuracies; seeds differ a little."""
    levels = np.asarray(levels, dtype=float)
    places = (np.arange(SAMPLES) + 0.5) / SAMPLES
    shifted = np.stack([levels, levels + 1 / SAMPLES])[..., None, None] * np.ones((len(PENALTIES), 1))
    dims = ("seed", *(("beta",) if levels.ndim == 2 else ()), study.LABELS, "penalty", "sample")
    coords = {"seed": [0, 1], study.LABELS: LABELS, "penalty": list(PENALTIES), "sample": np.arange(SAMPLES)}
    coords |= {"beta": [0.0, 2.0, 3.0]} if levels.ndim == 2 else {}
    array = DataArray((places < shifted).astype(float), coords, dims)
    half = np.arange(SAMPLES) % 2
    return array.assign_coords(half=("sample", half), origin=("sample", np.arange(SAMPLES)))


TRAINED = tables([0.5, 0.7])
RESHAPED = tables([[0.3, 0.7], [0.6, 0.6], [0.55, 0.5]])


def mean(claim, *arrays):
    return claim.judge(*arrays).interval.mean


def test_claims_about_spectra_are_differences_of_accuracies():
    assert mean(study.whitening_costs, RESHAPED, TRAINED) == pytest.approx(0.2, abs=0.03)
    assert mean(study.another_spectrum_helps, RESHAPED, TRAINED) == pytest.approx(0.1, abs=0.03)
    assert mean(study.another_spectrum_transfers, RESHAPED, TRAINED) == pytest.approx(0.1, abs=0.03)
    assert mean(study.steep_stands_in, RESHAPED, TRAINED) == pytest.approx(0.05, abs=0.03)


def test_scarcity_is_what_white_loses_with_few_labels_beyond_what_it_loses_with_all():
    assert mean(study.scarce_labels_suffer, RESHAPED) == pytest.approx((0.7 - 0.6) - (0.3 - 0.6), abs=0.03)


def test_intervals_of_accuracies_allow_for_the_test_images():
    found = study.whitening_costs.judge(RESHAPED, TRAINED).interval
    assert (found.n, found.originals) == (2, SAMPLES)


def prefixes(levels):
    """way x seed x columns kept x sample of these accuracies, of two lengths."""
    places = (np.arange(SAMPLES) + 0.5) / SAMPLES
    values = places < np.asarray(levels, dtype=float)[:, None, :, None] + np.array([0, 1 / SAMPLES])[:, None, None]
    ways = ["nested", "separate", "plain, cut", "plain, PCA"]
    coords = {"way": ways, "seed": [0, 1], study.COLUMNS: [8, 64], "sample": np.arange(SAMPLES)}
    array = DataArray(values.astype(float), coords, ("way", "seed", study.COLUMNS, "sample"))
    return array.assign_coords(origin=("sample", np.arange(SAMPLES) // 2))


def test_every_prefix_is_judged_at_the_length_that_is_worst():
    found = prefixes([[0.6, 0.7], [0.5, 0.9], [0.5, 0.9], [0.8, 0.9]])
    assert mean(study.prefixes_are_as_good, found) == pytest.approx(-0.2, abs=0.03)
    assert mean(study.short_prefixes_are_as_good, found) == pytest.approx(0.1, abs=0.03)
    assert mean(study.nested_beats_cut, found) == pytest.approx(0.1, abs=0.03)
    assert mean(study.nested_beats_pca, found) == pytest.approx(-0.2, abs=0.03)
    assert study.nested_beats_pca.judge(found).interval.originals == SAMPLES // 2


def by_run(levels, **more):
    """run x seed x sample, of networks that are named by kind and width."""
    places = (np.arange(SAMPLES) + 0.5) / SAMPLES
    values = np.array(list(levels.values()))[:, None, None] + np.array([0, 1 / SAMPLES])[:, None]
    coords = {"run": list(levels), "seed": [0, 1], "sample": np.arange(SAMPLES)}
    return DataArray((places < values).astype(float), coords, ("run", "seed", "sample"))


WIDTHS = {"supervised 16": 0.5, "supervised 256": 0.9, "untrained 16": 0.2, "untrained 256": 0.3}
WIDTHS |= {"SimCLR 16": 0.6, "SimCLR 64": 0.1, "SimCLR 256": 0.7}


def test_the_widest_layer_is_held_against_the_narrowest():
    new = by_run(WIDTHS)
    assert mean(study.width_finds_new_classes, new) == pytest.approx(0.4, abs=0.03)
    assert mean(study.width_finds_new_classes_unlabelled, new) == pytest.approx(0.1, abs=0.03)
    seen = by_run({"supervised 16": 0.8, "supervised 256": 0.9})
    assert mean(study.width_lifts_the_bias, new, seen) == pytest.approx(0.4 - 0.1, abs=0.03)
    assert mean(study.width_is_not_all, new) == pytest.approx(0.4 - 0.1, abs=0.03)


def test_factors_are_judged_by_their_mean():
    both = by_run(WIDTHS).expand_dims(factor=["x", "y"]).copy()
    both[1] = 0
    assert mean(study.width_keeps_factors, both) == pytest.approx(0.2, abs=0.03)
    assert mean(study.width_keeps_factors_unlabelled, both) == pytest.approx(0.05, abs=0.03)


def test_claims_about_layers_are_judged_at_full_strength():
    coords = {"strength": [0.5, 1.0], "seed": [0], "layer": ["backbone", "embedding"]}
    values = np.array([[0.9, 0.9], [0.9, 0.5]])[:, None, None]
    dims = ("strength", "seed", "probe", "layer")
    accuracy = DataArray(values, coords | {"probe": ["all labels"]}, dims)
    assert mean(study.backbone_beats_embedding, accuracy) == pytest.approx(0.4)
    two = np.concatenate([values, values - 0.1], 2)
    fit = DataArray(two, coords | {"factor": ["x", "y"]}, ("strength", "seed", "factor", "layer"))
    assert mean(study.projector_drops_factors, fit) == pytest.approx(0.4)


def test_the_answer_is_a_sentence_whatever_came_out():
    for outcome in (True, False, None):
        line = study.answer({claim.quantity: outcome for claim in study.CLAIMS})
        assert line[0].isupper() and line.endswith(".") and len(line) < 220


@pytest.fixture(scope="module")
def exercises():
    config = Config.at("smoke", optimisation={"steps": 3}, snapshots={"count": 2})
    runs = Runs.of({"strength 1": config})
    factors = DataArray(
        [[[[0.9, 0.8], [0.7, 0.1]]]],
        {"strength": [1.0], "seed": [0], "factor": ["scale", "x"], "layer": ["backbone", "embedding"]},
        ("strength", "seed", "factor", "layer"),
    )
    ways = prefixes([[0.7, 0.7], [0.5, 0.9], [0.5, 0.9], [0.8, 0.9]])
    return study.exercises(runs, prefixes=ways, factors=factors.expand_dims(sample=[0], axis=-1))


def test_right_answers_are_taken_for_right(exercises):
    def by_eigenvectors(h):
        values, vectors = torch.linalg.eigh(h.T.cov())
        return (h - h.mean(0)) @ vectors @ torch.diag(values.rsqrt()) @ vectors.T

    assert exercises["by_hand"].check(by_eigenvectors).right
    assert exercises["enough"].check(8).right
    assert exercises["lost"].check("x").right


def test_wrong_answers_are_not(exercises):
    assert exercises["by_hand"].check(lambda h: h - h.mean(0)).right is False
    assert exercises["enough"].check(64).right is False
    assert exercises["lost"].check("scale").right is False
    assert exercises["directions"].check(1.0).right is False
