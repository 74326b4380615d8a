"""Objectives with a state, teachers, and predictors that set themselves: trained, moved, saved and resumed to the bit.

The classes are thrown away after the test: a centre (DINO), a queue (MoCo), prototypes that are trained (SwAV), a
momentum teacher (BYOL), a predictor that is set to the data (DirectPred).
"""

from itertools import pairwise

import pytest
import torch

from sslens import trace
from sslens.encoders import Bottleneck
from sslens.objectives import SelfDistillation, SimSiam
from sslens.train import fit, prepare, record, replay
from sslens.train.loop import TrainState
from sslens.train.setup import begin
from tests.train.cases import Centred, DirectPredictor, Prototypes, Queued, same, tiny

STATES = {
    "centre": ({"objective": Centred(), "momentum": 0.9}, "objective.centre"),
    "queue": ({"objective": Queued(), "momentum": 0.9}, "objective.rows"),
    "prototypes": ({"objective": Prototypes()}, "objective.weight"),
    "teacher": ({"objective": SimSiam(), "momentum": 0.9}, "model.target.0.1.weight"),
    "averages": ({"objective": SelfDistillation(), "momentum": 0.9}, "objective.moment"),
    "predictor": ({"objective": SimSiam(), "predictor": DirectPredictor()}, "model.predictor.covariance"),
}
"""What changes in a config, and one tensor of the state that must move."""


@pytest.fixture(params=STATES, ids=str)
def case(request):
    changes, name = STATES[request.param]
    return tiny(**changes, snapshots={"count": 7, "spacing": "linear"}), name


def test_the_state_moves_with_every_step(case):
    config, name = case
    states = [each.state[name] for each in fit(config)]
    assert len(states) == 7
    assert all(not torch.equal(before, after) for before, after in pairwise(states))


def test_going_on_from_any_snapshot_ends_in_the_same_bits(case):
    config, _ = case
    whole = list(fit(config))
    for place, snapshot in enumerate(whole[:-1]):
        same(whole[place + 1 :], list(fit(config, after=snapshot)))


def test_a_run_from_disk_goes_on_where_it_stopped(case, tmp_path, monkeypatch):
    config, _ = case
    monkeypatch.setenv("SSLENS_DATA", str(tmp_path))
    whole = list(fit(config))
    run = record(config)
    run.save(tmp_path / "run")
    (tmp_path / "cut").mkdir()
    for count in (1, 2, 4, 6):
        cut = trace.Trace(run.config, run.reference, run.held_out, (), run.provenance)
        for snapshot in whole[:count]:
            cut = cut.with_snapshot(snapshot)
        cut.save(tmp_path / "cut" / str(count))
        again = record(config, tmp_path / "cut" / str(count))
        same(again, run)
        same([again.snapshots[-1]], [whole[-1]])


def test_what_a_snapshot_does_not_keep_is_replayed_to_the_same_bits(case):
    config, name = case
    run, whole = record(config), list(fit(config))
    assert [each.resumable for each in run.snapshots] == [True, False, False, False, True, False, True]
    for place, snapshot in enumerate(whole):
        assert (name in run.snapshots[place].state) == (run.snapshots[place].resumable or name.startswith("model."))
        same([replay(run, place)], [snapshot])
    same([replay(run, -2)], [whole[-2]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_state_is_in_the_type_and_on_the_device_of_the_run(case, dtype):
    config, name = case
    training = TrainState.of(prepare(config.changed(compute={"dtype": dtype})))
    tensors = {
        f"{part}.{key}": each for part, module in training.parts.items() for key, each in module.state_dict().items()
    }
    assert tensors[name].dtype == getattr(torch, dtype)
    kinds = {each.dtype for each in tensors.values()}
    assert kinds <= {getattr(torch, dtype), torch.int64}  # counters stay whole numbers
    assert {each.device for each in tensors.values()} == {training.train.images.device}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_state_is_moved_to_a_gpu(case):
    config, name = case
    last = list(fit(config.changed(compute={"device": "cuda"})))[-1]
    assert last.state[name].isfinite().all()


def test_two_fits_of_one_config_share_no_tensor(case):
    config, _ = case
    setup = prepare(config)
    first, second = (begin(setup.config, setup.train) for _ in range(2))
    places = [
        {each.data_ptr() for module in modules if module is not None for each in module.state_dict().values()}
        for modules in (first, second)
    ]
    assert not places[0] & places[1]
    going, other = fit(config), fit(config)
    next(other)
    list(going)
    same(list(other), list(fit(config))[1:])


def test_a_seed_decides_the_state_too(case):
    config, name = case
    first, again, other = (list(fit(config.changed(seed=seed)))[-1].state[name] for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_prototypes_reach_the_optimiser_and_a_set_predictor_does_not():
    training = TrainState.of(prepare(tiny(objective=Prototypes())))
    learned = {id(each) for group in training.optimizer.param_groups for each in group["params"]}
    assert {id(each) for each in training.state.parameters()} <= learned
    last = list(fit(tiny(objective=Prototypes())))[-1]
    assert {"optimizer.exp_avg.objective.weight", "optimizer.exp_avg_sq.objective.weight"} <= last.state.keys()
    assert last.state["optimizer.exp_avg.objective.weight"].any()
    teacher = list(fit(tiny(objective=Centred(), momentum=0.9)))[-1]
    assert not any(
        name.startswith(("optimizer.exp_avg.model.target", "optimizer.exp_avg.objective")) for name in teacher.state
    )


def test_the_centre_is_the_moving_mean_of_the_targets():
    """Seen by an objective that writes down what it was given."""
    means = []

    class Noted:
        def __init__(self, objective):
            self.real = objective.after_step

        def __call__(self, _, outputs, state):
            means.append(outputs.target.flatten(0, 1).mean(0))
            assert not torch.is_grad_enabled()
            self.real(outputs, state)

    objective = Centred(momentum=0.5)
    patched = pytest.MonkeyPatch()
    noted = Noted(objective)
    patched.setattr(Centred, "after_step", lambda self, outputs, state: noted(self, outputs, state))
    last = list(fit(tiny(objective=objective, momentum=0.9, optimisation={"steps": 3})))[-1]
    patched.undo()
    first, second, third = means
    torch.testing.assert_close(last.state["objective.centre"], first / 8 + second / 4 + third / 2)


def test_the_queue_holds_the_latest_targets():
    last = list(fit(tiny(objective=Queued(length=48), momentum=0.9, optimisation={"steps": 3})))[-1]
    assert last.state["objective.place"].item() == 3 * 32 % 48
    norms = last.state["objective.rows"].norm(dim=1)
    torch.testing.assert_close(norms, torch.ones(48))


def test_a_predictor_is_built_where_the_objective_needs_one_and_only_there():
    with_, without = (
        tiny(objective=SimSiam(predictor=switch), predictor=Bottleneck(hidden=4)) for switch in (True, False)
    )
    names = [{name for name in next(fit(config)).state if "predictor" in name} for config in (with_, without)]
    assert names[0] and not names[1]
