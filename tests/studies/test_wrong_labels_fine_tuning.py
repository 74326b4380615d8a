"""Fine-tuning: it begins with the other run's encoder and the head of a run from scratch, and goes its own way."""

import pytest
import torch

from sslens.encoders import MLP
from sslens.objectives import CrossEntropy, SimCLR
from sslens.studies.wrong_labels_fine_tuning import Pretrained, fine_tuned
from sslens.train import Config, Runs, restore
from sslens.types import InputError

SHORT = Config.at(
    "smoke", data={"name": "digits"}, encoder=MLP(), recipe="none", optimisation={"steps": 4}, snapshots={"count": 3}
)


@pytest.fixture(scope="module")
def pretrained():
    return Runs.of({"SimCLR": SHORT.changed(objective=SimCLR())}, seeds=2)


@pytest.fixture(scope="module")
def scratch():
    return Runs.of({"noisy": SHORT.changed(objective=CrossEntropy(), data={"label_noise": 0.8})}, seeds=2)


@pytest.fixture(scope="module")
def tuned(pretrained, scratch):
    return fine_tuned(pretrained, scratch)


def test_it_begins_with_the_encoder_of_its_own_seed(pretrained, tuned):
    for before, after in zip(pretrained["SimCLR"], tuned["fine-tuned"], strict=True):
        wanted, begun = before.snapshots[-1].part("model.encoder"), after.snapshots[0].part("model.encoder")
        assert all(begun[name].equal(weights) for name, weights in wanted.items())


def test_head_labels_and_length_are_those_of_the_run_from_scratch(scratch, tuned):
    for plain, after in zip(scratch["noisy"], tuned["fine-tuned"], strict=True):
        heads = [trace.snapshots[0].part("model.projector") for trace in (plain, after)]
        assert all(heads[0][name].equal(heads[1][name]) for name in heads[0])
        first, second = (Config.of_json(trace.config) for trace in (plain, after))
        assert second.changed(encoder=first.encoder) == first


def test_the_whole_network_is_trained(tuned):
    start, end = (tuned["fine-tuned"][0].snapshots[place].part("model.encoder") for place in (0, -1))
    assert all(not start[name].equal(end[name]) for name in start)


def test_it_can_be_restored(tuned):
    trace = tuned["fine-tuned"][1]
    with torch.no_grad():
        h = restore(trace)(trace.reference.images.double())
    assert torch.allclose(h, trace.snapshots[-1].representation, atol=1e-9)


def test_two_pretrained_runs_are_two_encoders(pretrained):
    first, second = (Pretrained.of(trace.config) for trace in pretrained["SimCLR"])
    assert first != second and first == Pretrained.of(pretrained["SimCLR"][0].config)


def test_runs_that_do_not_pair_are_refused(pretrained, scratch):
    with pytest.raises(InputError, match="one run each"):
        fine_tuned(pretrained, Runs({"noisy": scratch["noisy"][:1]}, (0,)))
