"""What is left of the ability to learn: losses at the ends of tasks, sharpness at their beginnings."""

from dataclasses import replace

import pytest
import torch
from torch.autograd.functional import hessian
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from sslens import journeys
from sslens.measures.plasticity import ageing, final_losses, sharpness
from sslens.train import Config, record, restore
from sslens.types import InputError

ASKED = {"dataset": "digits", "encoder": "mlp", "objective": "cross_entropy", "recipe": "none", "width": 4, "depth": 1}
ASKED |= {"images": 100, "batch_size": 50, "label_noise": 1.0, "tasks": 3, "steps": 12, "spacing": "linear"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return record(Config.at("smoke", snapshots=4, **ASKED), tmp_path_factory.mktemp("run") / "0")


def test_the_final_loss_is_the_mean_over_the_last_epoch_of_each_task(run):
    losses = run.loss().tolist()
    right = [(losses[end - 2] + losses[end - 1]) / 2 for end in (4, 8, 12)]  # two steps are an epoch
    assert final_losses(run).tolist() == pytest.approx(right, rel=1e-12)


def test_sharpness_is_the_largest_eigenvalue_of_the_whole_hessian_at_the_start_of_each_task(run):
    found = sharpness(run, tolerance=1e-6)
    for task in range(3):
        net, images = restore(run, task, head=True).double(), journeys.learned(run).images.double()
        shapes = {name: each.shape for name, each in net.named_parameters()}
        flat = torch.cat([each.detach().flatten() for each in net.parameters()])

        def loss(values, net=net, images=images, shapes=shapes, task=task):
            parts = values.split([shape.numel() for shape in shapes.values()])
            weights = {name: part.view(shapes[name]) for name, part in zip(shapes, parts, strict=True)}
            return cross_entropy(functional_call(net, weights, (images,)), journeys.labels(run, task))

        right = torch.linalg.eigvalsh(hessian(loss, flat))[-1]
        assert float(found[task]) == pytest.approx(float(right), rel=1e-6)


def test_ageing_asks_the_networks_that_the_tasks_have_left(run):
    found = ageing([run, run], {"size": lambda net: float(next(net.parameters()).detach().norm())})
    for row in range(2):
        right = [float(next(restore(run, look).parameters()).detach().double().norm()) for look in (1, 2, 3)]
        assert found["size"][row].tolist() == right
        assert found["loss at the end"][row].equal(final_losses(run))
        assert found["sharpness at the start"][row].equal(sharpness(run))


def test_a_run_that_cannot_be_asked_is_refused(run, tmp_path):
    running = replace(run, snapshots=run.snapshots[:-1])
    for measure in (final_losses, sharpness):
        with pytest.raises(InputError, match=r"run must be complete\. Got 'running'"):
            measure(running)
    with pytest.raises(InputError, match="tolerance"):
        sharpness(run, tolerance=0.0)
    with pytest.raises(InputError, match="a snapshot where each task begins"):
        sharpness(replace(run, snapshots=(run.snapshots[0], run.snapshots[-1])))
    with pytest.raises(InputError, match="classifies by cross-entropy"):
        sharpness(
            record(Config.at("smoke", snapshots=4, **ASKED | {"objective": "squared_error"}), tmp_path / "squared")
        )
    with pytest.raises(InputError, match="tasks of equal length"):
        final_losses(record(Config.at("smoke", snapshots=4, **ASKED | {"steps": 13}), tmp_path / "odd"))
    with pytest.raises(InputError, match="the 2 steps of an epoch"):
        final_losses(record(Config.at("smoke", snapshots=2, **ASKED | {"steps": 3}), tmp_path / "short"))
