"""Boosters and pseudo-labels: which runs it trains, what its claims measure, its exercises, how its answer follows."""

import numpy as np
import pytest
from xarray import DataArray

from sslens.presets import SHORT
from sslens.studies import boosters_and_pseudo_labels as study
from sslens.studies import of_notebook
from sslens.studies.boosters_and_pseudo_labels_self_training import ANGLE, METHODS, SKEW
from sslens.types import InputError, UnknownName


def test_the_notebook_finds_its_study():
    assert of_notebook("13_boosters_and_pseudo_labels") is study


def test_networks_see_no_label_and_smoke_ones_are_short():
    for profile, steps in (("lesson", 300), ("smoke", SHORT)):
        (config,) = study.configs(study.Setting(profile=profile, encoder="mlp")).values()
        assert type(config.objective).__name__ == "SimCLR" and type(config.encoder).__name__ == "MLP"
        assert (config.data.name, config.optimisation.steps) == ("digits", steps)


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"seeds": 0}, InputError, "seeds"),
        ({"noise": 0.0}, InputError, "noise"),
        ({"labels_per_class": 0}, InputError, "labels_per_class"),
        ({"encoder": "transformer"}, UnknownName, "encoder"),
        ({"dataset": "digit"}, UnknownName, "Did you mean 'digits'"),
    ],
)
def test_parameters_out_of_range_are_refused(values, error, words):
    with pytest.raises(error, match=words):
        study.Setting(**values)


def test_smoke_boosts_few_examples_at_two_depths():
    found = study.bits(study.Setting(profile="smoke", seeds=1, noise=0.1))
    assert found.sizes["sample"] == 300 and found["depth of the trees"].values.tolist() == [1, 4]
    assert found.run.values.tolist() == ["no noise", "10% flipped"]


def test_lines_are_judged_by_the_smaller_critical_margin_of_each_noise_rate():
    critical = study.critical_margins([0.1, 0.2])
    verdict = study.noise_defeats_lines.judge(critical)
    assert verdict.holds and verdict.interval.low == pytest.approx(0.0571, abs=1e-4)
    assert "over 2 noise rates, each of them exact" in verdict.line()
    assert not study.noise_defeats_lines.judge(critical * 0).holds


def test_trees_are_judged_by_what_they_keep_where_lines_fail():
    assert study.trees_keep_the_points.judge(study.points_kept_below([0.1, 0.3])).interval.mean == 0.5


def of_bits(values):
    coords = {"run": ["no noise", "20% flipped"], "seed": [0, 1], "depth of the trees": [1, 4], "sample": range(4)}
    table = np.array(values, dtype=float)[:, None].repeat(2, 1)
    return DataArray(table, coords, tuple(coords))


def test_what_noise_costs_is_paired_by_sample_and_trees_are_held_against_lines():
    correct = of_bits([[[1, 1, 1, 1], [1, 1, 1, 1]], [[1, 1, 0, 0], [1, 1, 1, 0]]])
    lines = study.noise_costs_lines.judge(correct)
    assert lines.interval.mean == 0.5
    assert study.trees_lose_less.judge(correct, premise=lines).interval.mean == 0.25


def of_pools(kind, by_method):
    """Two seeds, no shift and two shifts, ten samples: the first so many of ten are right."""
    values = np.array([[[np.arange(10) < count for count in counts]] * 2 for counts in by_method], dtype=float)
    coords = {"run": list(METHODS), "seed": [0, 1], kind: [0.0, 1.0, 2.0], "sample": range(10)}
    return DataArray(values, coords, ("run", "seed", kind, "sample"))


def test_pools_are_judged_over_the_shifted_ones_and_without_a_gain_nothing_is():
    counts = [[5, 5, 5], [8, 8, 1], [8, 8, 4], [8, 6, 4], [8, 6, 6]]
    turned, skewed = of_pools(ANGLE, counts), of_pools(SKEW, counts)
    helps = study.pool_helps.judge(turned)
    assert helps.interval.mean == pytest.approx(0.3)
    found = [
        study.shift_harms.judge(turned, premise=helps),
        study.pair_repairs.judge(turned, premise=helps),
        study.useful_when_turned.judge(turned, premise=helps),
        study.useful_when_skewed.judge(skewed, premise=helps),
        study.free_weights_help.judge(turned, skewed, premise=helps),
    ]
    assert [each.interval.mean for each in found] == pytest.approx([-0.05, 0.15, -0.05, -0.05, 0.1])
    useless = study.pool_helps.judge(of_pools(ANGLE, [[8, 5, 5], *counts[1:]]))
    assert study.shift_harms.judge(turned, premise=useless).outcome == "not tested here"


def test_exercises_accept_the_truth_and_refuse_what_is_near():
    flips = [0.0, 0.05, 0.1, 0.15]
    turned = of_pools(ANGLE, [[5, 5, 5], [8, 6, 2], [8, 6, 4], [8, 5, 4], [8, 6, 6]])
    exercises = study.exercises(study.points_kept(flips), study.critical_margins([0.05]), turned=turned)
    assert "✓" in repr(exercises["gives_up"].check(0.1)) and "✗" in repr(exercises["gives_up"].check(0.05))
    assert "✓" in repr(exercises["safe_margin"].check(0.0667)) and "✗" in repr(exercises["safe_margin"].check(0.0402))
    assert "✓" in repr(exercises["turns_against"].check(1)) and "✗" in repr(exercises["turns_against"].check(2))
    assert "✓" in repr(exercises["weights"].check(lambda m, c: c * (-m).exp() / (c * (-m).exp()).sum()))
    assert "✗" in repr(exercises["weights"].check(lambda m, c: (-m).exp() / (-m).exp().sum()))
    assert "✓" in repr(exercises["mean"].check(lambda h, w: (h.T @ w) / w.sum()))
    assert "✗" in repr(exercises["mean"].check(lambda h, w: (h.T @ w) / len(w)))


def test_the_answer_says_what_holds_and_what_does_not():
    found = {claim.quantity: False for claim in study.CLAIMS}
    assert study.answer(found) == (
        "Noise spares boosted lines, trees no less; pseudo-labels of a turned pool do no harm, two predictors do not "
        "make it useful; 6 more fail."
    )
