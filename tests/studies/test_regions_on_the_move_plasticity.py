"""What is left of the ability to learn: losses at the ends of tasks, sharpness at their beginnings."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.autograd.functional import hessian
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from sslens.encoders import MLP
from sslens.measures.network_diagnostics import dead_units
from sslens.objectives import CrossEntropy, SquaredError
from sslens.studies import regions_on_the_move_plasticity as plasticity
from sslens.studies.regions_on_the_move_plasticity import final_losses, sharpness
from sslens.train import Config, Runs, given_labels, learned, record, restore
from sslens.types import InputError

CONFIG = Config.at(
    "smoke",
    data={"name": "digits", "images": 100, "label_noise": 1.0, "tasks": 3},
    encoder=MLP(width=4, depth=1),
    objective=CrossEntropy(),
    recipe="none",
    optimisation={"batch_size": 50, "steps": 12},
    snapshots={"count": 4, "spacing": "linear", "reference": 16},
)


@pytest.fixture(scope="module")
def run():
    return record(CONFIG)


def broken(run, index):
    """The run as it would be had it diverged just before one of its snapshots."""
    bad = run.snapshots[index]
    terms = {name: torch.cat([values[:-1], values.new_full((1,), torch.nan)]) for name, values in bad.terms.items()}
    return replace(run, snapshots=(*run.snapshots[:index], replace(bad, terms=terms)))


def test_the_final_loss_is_the_mean_over_the_last_epoch_of_each_task(run):
    losses = run.loss().tolist()
    right = [(losses[end - 2] + losses[end - 1]) / 2 for end in (4, 8, 12)]  # two steps are an epoch
    assert final_losses(run).tolist() == pytest.approx(right, rel=1e-12)


def test_sharpness_is_the_largest_eigenvalue_of_the_whole_hessian_at_the_start_of_each_task(run):
    found, data = sharpness(run, tolerance=1e-6), learned(CONFIG)
    for task in range(3):
        net, images = restore(run, task, head=True).double(), data.images.double()
        shapes = {name: each.shape for name, each in net.named_parameters()}
        flat = torch.cat([each.detach().flatten() for each in net.parameters()])

        def loss(values, net=net, images=images, shapes=shapes, task=task):
            parts = values.split([shape.numel() for shape in shapes.values()])
            weights = {name: part.view(shapes[name]) for name, part in zip(shapes, parts, strict=True)}
            return cross_entropy(functional_call(net, weights, (images,)), given_labels(CONFIG, data, task=task))

        right = torch.linalg.eigvalsh(hessian(loss, flat))[-1]
        assert float(found[task]) == pytest.approx(float(right), rel=1e-6)


def test_sharpness_of_some_tasks_is_that_of_these_tasks(run):
    assert sharpness(run, of=(1, 3)).tolist() == sharpness(run)[[0, 2]].tolist()
    some = plasticity.sharpness_at_the_start(Runs({"one": (run,)}, (0,)), of=(3, 1))
    assert some["task"].values.tolist() == [1, 3]
    for wrong in ((0, 1), (1, 4)):
        with pytest.raises(InputError, match="tasks from 1 to 3"):
            sharpness(run, of=wrong)


def test_dead_units_are_counted_at_the_ends_of_tasks(run):
    images = learned(CONFIG).images
    found = plasticity.dead_by_task(Runs({"one": (run,)}, (0,)), images)
    right = [dead_units(restore(run, index, head=True), images).share for index in (1, 2, 3)]
    assert found.sel(run="one", seed=0).values.tolist() == right


def test_runs_are_labelled_by_task(run):
    runs = Runs({"one": (run, run)}, (0, 1))
    losses, sharp = plasticity.loss_at_the_end(runs), plasticity.sharpness_at_the_start(runs)
    assert losses.dims == sharp.dims == ("run", "seed", "task")
    assert losses["task"].values.tolist() == [1, 2, 3]
    assert (losses.attrs["unit"], losses.attrs["setting"]) == ("nats", "digits, 12 steps")
    for seed in (0, 1):
        assert losses.sel(run="one", seed=seed).values.tolist() == final_losses(run).tolist()
        assert sharp.sel(run="one", seed=seed).values.tolist() == sharpness(run).tolist()


def test_what_was_measured_at_the_ends_of_tasks_is_what_the_tasks_have_left(run):
    runs = Runs({"one": (run,)}, (0,))

    def size(network):
        return float(next(network.parameters()).detach().norm())

    found = plasticity.after_each_task(runs, runs.networks_along(size, head=True))
    right = [size(restore(run, index, head=True)) for index in (1, 2, 3)]
    assert found.dims == ("run", "seed", "task")
    assert found.sel(run="one", seed=0).values.tolist() == right


def test_a_run_that_diverged_has_no_number_from_there_on(run):
    early = broken(run, 2)  # at step 8, the end of the second task
    assert early.status == "diverged"
    assert final_losses(early).isnan().tolist() == [False, True, True]
    assert sharpness(early).isnan().tolist() == [False, False, True]
    runs = Runs({"one": (run, early)}, (0, 1))
    assert np.isnan(plasticity.loss_at_the_end(runs).values).sum() == 2


def test_a_run_without_what_is_measured_is_refused(run):
    running = replace(run, snapshots=run.snapshots[:-1])
    for measure in (final_losses, sharpness):
        with pytest.raises(InputError, match=r"run must be complete\. Got 'running'"):
            measure(running)
    with pytest.raises(InputError, match="tolerance"):
        sharpness(run, tolerance=0.0)
    with pytest.raises(InputError, match="a snapshot where each task begins"):
        sharpness(replace(run, snapshots=(run.snapshots[0], run.snapshots[-1])))
    for objective in (SquaredError(), CrossEntropy(nested=True)):
        with pytest.raises(InputError, match="classifies by cross-entropy"):
            sharpness(record(CONFIG.changed(objective=objective)))
    with pytest.raises(InputError, match="tasks of equal length"):
        final_losses(record(CONFIG.changed(optimisation={"steps": 13})))
    with pytest.raises(InputError, match="the 2 steps of an epoch"):
        final_losses(record(CONFIG.changed(optimisation={"steps": 3})))


def test_runs_of_different_tasks_are_refused(run):
    fewer = record(CONFIG.changed(data={"tasks": 2}))
    with pytest.raises(InputError, match="as many tasks as each other"):
        plasticity.loss_at_the_end(Runs({"three": (run,), "two": (fewer,)}, (0,)))
