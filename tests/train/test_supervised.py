"""Supervised runs: labels and their noise, tasks one after another, subsets, scales, classifiers restored."""

import pytest
import torch

from sslens.train import Config, fit, record, restore
from sslens.train.material import chosen, load_for, model_for
from sslens.types import InputError

SMALL = {"objective": "cross_entropy", "dataset": "digits", "recipe": "none", "encoder": "mlp", "width": 32}
SMALL |= {"steps": 60, "snapshots": 4, "batch_size": 50, "reference": 100, "device": "cpu", "learning_rate": 5e-3}


def last(**values):
    return list(fit(Config(**(SMALL | values))))[-1]


def loss(look):
    return torch.stack(list(look.terms.values())).sum(0)


@pytest.mark.parametrize("objective", ["cross_entropy", "squared_error"])
def test_a_supervised_run_learns_the_classes(objective):
    run = record(Config(**(SMALL | {"objective": objective, "steps": 200})))
    logits, labels = run.snapshots[-1].embedding[run.held_out], run.reference.labels[run.held_out]
    assert logits.shape == (100, 10)
    assert (logits.argmax(1) == labels).double().mean() > 0.8


def test_with_every_label_redrawn_nothing_is_learned_beyond_the_training_set():
    run = record(Config(**(SMALL | {"label_noise": 1.0})))
    right = run.snapshots[-1].embedding[run.held_out].argmax(1) == run.reference.labels[run.held_out]
    assert right.double().mean() < 0.3
    assert loss(run.snapshots[-1])[-1] > 2


def test_tasks_draw_their_labels_anew_and_one_task_keeps_them():
    """A network that had learned the first task's labels is at a loss when the second begins."""
    shared = {"label_noise": 1.0, "images": 50, "steps": 400, "snapshots": 2, "schedule": "constant", "warmup": 0.0}
    kept, anew = (loss(last(**shared, tasks=tasks)) for tasks in (1, 2))
    assert torch.equal(kept[:200], anew[:200])
    assert anew[200] > 2.0 > 1.0 > kept[200]


def test_a_run_resumed_within_a_task_ends_in_the_same_bits():
    config = Config(**(SMALL | {"label_noise": 0.5, "tasks": 3, "spacing": "linear"}))
    whole = list(fit(config))
    for place in range(len(whole) - 1):
        again = list(fit(config, after=whole[place]))[-1]
        assert all(torch.equal(again.state[name], value) for name, value in whole[-1].state.items())


def test_the_subset_of_images_is_the_same_for_every_seed_and_may_not_be_too_large():
    train, _ = load_for(Config(**SMALL))
    first, second = (chosen(Config(**(SMALL | {"images": 70, "seed": seed})), train) for seed in (0, 1))
    assert torch.equal(first.images, second.images) and len(first) == 70
    for wrong, field in ((1201, "Config.images"), (40, "Config.batch_size")):
        with pytest.raises(InputError, match=field):
            chosen(Config(**(SMALL | {"images": wrong})), train)


def test_the_initial_scale_multiplies_every_initial_weight():
    train, _ = load_for(Config(**SMALL))
    plain, large = (model_for(Config(**(SMALL | {"initial_scale": scale})), train) for scale in (1.0, 8.0))
    for one, other in zip(plain.parameters(), large.parameters(), strict=True):
        torch.testing.assert_close(8 * one, other)


def test_spacing_and_schedule_say_what_they_do():
    config = Config(**(SMALL | {"spacing": "linear", "schedule": "constant", "warmup": 0.0}))
    assert config.looks() == [0, 20, 40, 60]
    assert {config.rate(step) for step in range(60)} == {5e-3}


def test_the_classifier_restored_gives_the_recorded_logits():
    run = record(Config(**SMALL))
    for index in (0, -1):
        with torch.no_grad():
            logits = restore(run, index, head=True)(run.reference.images)
        torch.testing.assert_close(logits, run.snapshots[index].embedding)


def test_nested_heads_order_the_coordinates():
    """Every prefix has logits of its own, and short ones of the nested run beat chance."""
    run = record(Config(**(SMALL | {"nested": True, "steps": 200, "width": 16})))
    parts = run.snapshots[-1].embedding[run.held_out].chunk(4, 1)
    right = [(part.argmax(1) == run.reference.labels[run.held_out]).double().mean() for part in parts]
    assert list(run.terms()) == [f"cross-entropy of {length}" for length in (2, 4, 8, 16)]
    assert right[0] > 0.2 and right[-1] > 0.7
