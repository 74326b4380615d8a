"""Questions to networks along training."""

from dataclasses import replace

import pytest
import torch

from sslens.measures.networks import along, side_by_side
from sslens.train import Config, record, restore
from sslens.types import InputError


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    asked = {"dataset": "digits", "encoder": "mlp", "objective": "cross_entropy", "steps": 4, "snapshots": 3}
    return [record(Config.at("smoke", seed=seed, **asked), folder / str(seed)) for seed in (0, 1)]


def size(net):
    return sum(float(weights.detach().square().sum()) for weights in net.parameters())


def test_every_network_is_asked_every_question(runs):
    found = along(runs, {"size": size, "twice": lambda net: 2 * size(net)})
    for row, run in enumerate(runs):
        right = [size(restore(run, look, head=True).double()) for look in range(3)]
        assert found["size"][row].tolist() == right
    torch.testing.assert_close(found["twice"], 2 * found["size"])
    assert found["size"].dtype == torch.float64


def test_it_is_restored_once_in_double_precision_and_eval_mode(runs):
    met = []
    along(runs[:1], {"first": lambda net: met.append(net) or 0.0, "second": lambda net: met.append(net) or 0.0})
    assert [one is other for one, other in zip(met[::2], met[1::2], strict=True)] == [True] * 3
    assert not any(net.training for net in met)
    assert {weights.dtype for net in met for weights in net.parameters()} == {torch.float64}


def test_without_its_head_it_answers_with_the_representation(runs):
    images = runs[0].reference.images.double()

    def distance(net):
        return float((net(images) - runs[0].snapshots[-1].representation).detach().abs().max())

    assert along(runs[:1], {"distance": distance}, head=False)["distance"][0, -1] < 1e-5


def test_a_diverged_look_is_a_gap(runs):
    last = replace(runs[0].snapshots[-1], embedding=runs[0].snapshots[-1].embedding * torch.nan)
    broken = replace(runs[0], snapshots=(*runs[0].snapshots[:-1], last))
    found = along([broken], {"one": lambda net: 1.0})["one"]
    assert found.isnan().tolist() == [[False, False, True]]


def test_runs_that_do_not_match_are_refused(runs):
    shorter = replace(runs[0], snapshots=runs[0].snapshots[:2])
    for each in ([], [runs[0], shorter]):
        with pytest.raises(InputError, match="runs must be"):
            along(each, {"size": size})


def test_side_by_side_turns_runs_of_quantities_into_quantities_of_runs():
    rows = torch.tensor([[1.0, 4.0], [3.0, 8.0]], dtype=torch.float64)
    panels = side_by_side({"one": {"folds": rows}, "two": {"loss": 2 * rows, "folds": rows + 1}})
    assert {told: list(each) for told, each in panels.items()} == {"folds": ["one", "two"], "loss": ["two"]}
    assert [interval.mean for interval in panels["loss"]["two"]] == [4, 12]
    assert panels["folds"]["one"][0].n == 2
