"""The claims of the first notebook on numbers whose verdicts are known; its loop shown by hand; its exercises."""

from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from tests.house.cells import BY_HAND, code
from torch.optim import AdamW
from xarray import DataArray

from sslens import datasets
from sslens.headless.notebook import tags
from sslens.objectives.simclr import alignment, contrast
from sslens.studies import first_light as study
from sslens.studies import of_notebook
from sslens.studies.first_light_exercises import nt_xent, nt_xent_by_hand
from sslens.train import Runs, fit
from sslens.types import InputError

RUNS, SEEDS, STEPS = ["simclr", "vicreg", "simsiam", "byol", study.COLLAPSING], [0, 1, 2], [0, 10]
NOTEBOOK = Path(__file__).parents[2] / "notebooks" / f"{study.NOTEBOOK}.ipynb"


def along(ends, spread=0.01):
    """run x seed x step: the same start for all runs, an end for each, seeds a little apart in all and in pairs."""
    values = np.empty((len(RUNS), 3, 2))
    apart = spread * np.array([[-1, 0, 1], [1, 0, -1], [0, 1, -1], [1, -1, 0], [0, -1, 1]])
    values[..., 0], values[..., 1] = 1.0, np.array(ends)[:, None] + apart
    return DataArray(
        values, {"run": RUNS, "seed": SEEDS, "step": STEPS}, ("run", "seed", "step"), attrs={"setting": "s"}
    )


def correct(start, ends, samples=600):
    """run x seed x step x sample, three samples of each original."""
    draw = np.random.default_rng(0).random((len(RUNS), 3, 2, samples))
    shares = np.array([[start, end] for end in ends])[:, None, :, None]
    coords = {"run": RUNS, "seed": SEEDS, "step": STEPS, "sample": np.arange(samples)}
    coords["origin"] = ("sample", np.arange(samples) // 3)
    return DataArray((draw < shares).astype(float), coords, ("run", "seed", "step", "sample"), attrs={"setting": "s"})


def test_it_is_the_study_of_its_notebook():
    assert of_notebook("00_first_light") is study


@pytest.mark.parametrize(("start", "end", "holds"), [(0.2, 0.6, True), (0.6, 0.2, False), (0.4, 0.4, None)])
def test_learning_is_judged_over_seeds_and_originals(start, end, holds):
    found = correct(start, [end] + [0.5] * 4)
    verdict = study.classes_are_learned.judge(found)
    assert verdict.holds is holds and (verdict.interval.n, verdict.interval.originals) == (3, 200)
    simclr = found.sel(run="simclr").mean("sample")
    assert verdict.interval.mean == pytest.approx(float((simclr.sel(step=10) - simclr.sel(step=0)).mean()))
    assert verdict.setting == "s"


def test_a_family_learns_if_it_gains_half_of_what_simclr_gains():
    found = correct(0.2, [0.6, 0.55, 0.4, 0.21, 0.2])
    learned = study.classes_are_learned.judge(found)
    verdicts = [claim.judge(found, premise=learned) for claim in study.FAMILIES_LEARN]
    assert [each.holds for each in verdicts] == [True, None, False]
    mean = found.mean(("sample", "seed"))
    gain = mean.sel(step=10) - mean.sel(step=0)
    for name, verdict in zip(("vicreg", "simsiam", "byol"), verdicts, strict=True):
        assert verdict.interval.mean == pytest.approx(float(gain.sel(run=name) - gain.sel(run="simclr") / 2))
    unlearned = study.classes_are_learned.judge(correct(0.4, [0.4] * 5))
    assert study.byol_learns.judge(found, premise=unlearned).outcome == "not tested here"


def test_what_a_collapse_shows_is_tested_only_where_there_is_one():
    there, absent = (study.collapses_without_stop_gradient.judge(along([9.0] * 4 + [end])) for end in (1.2, 9.0))
    assert (there.holds, absent.holds) == (True, False)
    left, rank = along([0.7] * 4 + [0.02]), along([40.0] * 4 + [2.0])
    found = correct(0.2, [0.6, 0.6, 0.5, 0.6, 0.2])
    for claim, array in (
        (study.loss_calls_it_a_success, left),
        (study.rank_sees_it, rank),
        (study.stop_gradient_helps, found),
    ):
        assert claim.judge(array, premise=there).holds is True
        verdict = claim.judge(array, premise=absent)
        assert verdict.outcome == "not tested here"
        assert verdict.untested.startswith("its premise does not hold: Without stop-gradient, SimSiam collapses")
    assert [study.stop_gradient_keeps_it.judge(along([1.0, 1.0, end, 1.0, 1.0])).holds for end in (9.0, 2.0)] == [
        True,
        False,
    ]


def test_all_runs_see_the_same_views_and_as_many_images_but_for_the_changes_of_their_family():
    configs = study.configs(study.Setting(strength=0.5, temperature=0.3))
    assert list(configs) == RUNS and configs["simclr"].objective.temperature == 0.3
    assert len({(each.recipe, each.encoder, each.optimisation.steps) for each in configs.values()}) == 1
    assert {each.recipe.strength for each in configs.values()} == {0.5}
    twin, collapsing = configs["simsiam"], configs[study.COLLAPSING]
    assert collapsing == twin.changed(objective={"stop_gradient": False}) != twin
    with pytest.raises(InputError, match=r"Setting\.healthy"):
        study.Setting(healthy="mae")


def test_the_loop_shown_by_hand_ends_in_the_weights_of_fit():
    """The cell as it stands in the notebook, run at smoke; then without its contrast, which must not do as well."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    (cell,) = (cell for _, cell in code(notebook) if BY_HAND in tags(cell))
    assert len(cell.source.splitlines()) <= 12
    setting = study.Setting(profile="smoke", temperature=0.3)
    names = {"study": study, "setting": setting, "temperature": 0.3, "AdamW": AdamW}
    names |= {"alignment": alignment, "contrast": contrast}
    exec(cell.source, names)
    config, model = names["config"], names["model"]
    assert (config.optimisation.steps, config.objective.temperature) == (20, 0.3)
    *_, last = fit(config)
    for name, value in last.part("model").items():
        assert torch.equal(model.state_dict()[name], value)
    assert study.largest_difference(model, config) == 0
    exec(cell.source.replace("loss + contrast", "loss + 0 * contrast"), names)
    assert study.largest_difference(names["model"], config) > 1e-3


def test_batches_are_those_of_fit_over_epochs_and_of_sets_smaller_than_a_batch():
    config = study.by_hand(study.Setting(profile="smoke")).changed(
        data={"images": 100}, optimisation={"steps": 5, "batch_size": 40}
    )
    found = [images for _, images in study.batches(config)]
    assert [tuple(each.shape[:1]) for each in found] == [(40,)] * 5
    assert not torch.equal(found[0], found[2])  # another epoch has another order
    small = config.changed(optimisation={"batch_size": 256})
    assert {len(images) for _, images in study.batches(small)} == {100}


@pytest.mark.parametrize(("function", "right"), [(nt_xent_by_hand, True), (lambda *z: nt_xent(*z) + 1, False)])
def test_nt_xent_by_hand_is_the_librarys(function, right, exercises):
    assert exercises["by_hand"].check(function).right is right


@pytest.fixture(scope="module")
def exercises():
    """Of two tiny runs."""
    base = study.configs(study.Setting(profile="smoke"))
    tiny = {name: base[name].changed(optimisation={"steps": 2}, snapshots={"count": 2}) for name in RUNS}
    runs = Runs.of({name: tiny[name] for name in ("simclr", study.COLLAPSING)}, seeds=1)
    eigenvalues = DataArray(
        [[[[1.0, 0.5, 0.02, 0.001]]]],
        {"run": [study.COLLAPSING], "seed": [0], "step": [2]},
        ("run", "seed", "step", "rank"),
    )
    names = datasets.load("scattered_digits")[1].classes
    by_class = DataArray(
        np.tile(np.linspace(0, 0.9, 10), (3, 1, 1)),
        {"run": ["untrained", "simclr", study.COLLAPSING], "seed": [0], "class": list(names)},
        ("run", "seed", "class"),
    )
    return study.exercises(runs, eigenvalues=eigenvalues, by_class=by_class, collapsing=study.COLLAPSING)


def test_the_questions_follow_the_figures(exercises):
    assert exercises["scaled"].check(1.0).right is True and exercises["scaled"].check(100).right is False
    assert exercises["left"].check(3).right is True
    assert exercises["easiest"].check("9").right is True
