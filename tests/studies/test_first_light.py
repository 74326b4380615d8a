"""The claims of the first notebook, on numbers whose verdicts are known."""

import numpy as np
import pytest
from xarray import DataArray

from sslens.studies import first_light as study
from sslens.studies import of_notebook

RUNS, SEEDS, STEPS = ["healthy", "collapsing"], [0, 1, 2], [0, 10]


def along(ends, spread=0.01):
    """run x seed x step: the same start for both runs, an end for each, seeds a little apart in both and in pairs."""
    values = np.empty((2, 3, 2))
    values[..., 0], values[..., 1] = 1.0, np.array(ends)[:, None] + spread * np.array([[-1, 0, 1], [1, 0, -1]])
    return DataArray(
        values, {"run": RUNS, "seed": SEEDS, "step": STEPS}, ("run", "seed", "step"), attrs={"setting": "s"}
    )


def correct(start, end, samples=300):
    """run x seed x step x sample, three samples of each original."""
    draw = np.random.default_rng(0).random((2, 3, 2, samples))
    values = (draw < np.array([start, end])[:, None]).astype(float)
    coords = {"run": RUNS, "seed": SEEDS, "step": STEPS, "sample": np.arange(samples)}
    coords["origin"] = ("sample", np.arange(samples) // 3)
    return DataArray(values, coords, ("run", "seed", "step", "sample"), attrs={"setting": "s"})


def test_it_is_the_study_of_its_notebook():
    assert of_notebook("00_first_light") is study


@pytest.mark.parametrize(("start", "end", "holds"), [(0.2, 0.6, True), (0.6, 0.2, False), (0.4, 0.4, None)])
def test_learning_is_judged_over_seeds_and_originals(start, end, holds):
    verdict = study.classes_are_learned.judge(correct(start, end))
    assert verdict.holds is holds and (verdict.interval.n, verdict.interval.originals) == (3, 100)
    healthy = correct(start, end).sel(run="healthy").mean("sample")
    assert verdict.interval.mean == pytest.approx(float((healthy.sel(step=10) - healthy.sel(step=0)).mean()))
    assert verdict.setting == "s"


def test_what_a_collapse_shows_is_tested_only_where_there_is_one():
    there, absent = (study.collapses_without_stop_gradient.judge(along([0.9, end])) for end in (0.05, 0.9))
    assert (there.holds, absent.holds) == (True, False)
    left, rank = along([0.7, 0.02]), along([40.0, 2.0])
    for claim, array in ((study.loss_calls_it_a_success, left), (study.rank_sees_it, rank)):
        assert claim.judge(array, premise=there).holds is True
        verdict = claim.judge(array, premise=absent)
        assert verdict.outcome == "not tested here"
        assert verdict.untested == "its premise does not hold: Without stop-gradient, collapse."
