"""Supervised runs: labels and their noise, tasks one after another, nested classifiers."""

import pytest
import torch

from sslens.encoders import MLP
from sslens.objectives import CrossEntropy, SquaredError
from sslens.train import Config, fit, record


def small(**changes):
    base = Config(
        data={"name": "digits"},
        recipe="none",
        encoder=MLP(width=32),
        objective=CrossEntropy(),
        optimisation={"steps": 60, "batch_size": 50, "learning_rate": 5e-3},
        snapshots={"count": 4, "reference": 100},
        compute={"device": "cpu"},
    )
    return base.changed(**changes)


def accuracy(run, logits=None):
    logits = run.snapshots[-1].embedding if logits is None else logits
    return (logits.argmax(1) == run.reference.labels)[run.held_out].double().mean()


@pytest.mark.parametrize("objective", [CrossEntropy(), SquaredError()])
def test_a_supervised_run_learns_the_classes(objective):
    run = record(small(objective=objective, optimisation={"steps": 200}))
    assert run.snapshots[-1].embedding.shape == (200, 10)
    assert accuracy(run) > 0.8


def test_with_every_label_redrawn_nothing_is_learned_beyond_the_training_set():
    run = record(small(data={"label_noise": 1.0}))
    assert accuracy(run) < 0.3
    assert run.loss()[-1] > 2


def test_tasks_draw_their_labels_anew_and_one_task_keeps_them():
    """A network that had learned the first task's labels is at a loss when the second begins."""
    shared = {"optimisation": {"steps": 400, "schedule": "constant", "warmup": 0.0}, "snapshots": {"count": 2}}
    kept, anew = (
        record(small(data={"label_noise": 1.0, "images": 50, "tasks": tasks}, **shared)).loss() for tasks in (1, 2)
    )
    assert torch.equal(kept[:200], anew[:200])
    assert anew[200] > 2.0 > 1.0 > kept[200]


def test_a_run_resumed_within_a_task_ends_in_the_same_bits():
    config = small(data={"label_noise": 0.5, "tasks": 3}, snapshots={"spacing": "linear"})
    whole = list(fit(config))
    for place in range(len(whole) - 1):
        again = list(fit(config, after=whole[place]))[-1]
        assert all(torch.equal(again.state[name], value) for name, value in whole[-1].state.items())


def test_nested_heads_order_the_coordinates():
    """Every prefix has logits of its own, and short ones of the nested run beat chance."""
    nested = {"objective": CrossEntropy(nested=True), "encoder": MLP(width=16)}
    run = record(small(**nested, optimisation={"steps": 200}))
    found = [accuracy(run, part) for part in run.snapshots[-1].embedding.chunk(4, 1)]
    assert list(run.terms()) == [f"cross-entropy of {length}" for length in (2, 4, 8, 16)]
    assert found[0] > 0.2 and found[-1] > 0.7
