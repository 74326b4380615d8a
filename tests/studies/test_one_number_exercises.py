"""The exercises: answers that are known from elsewhere, and the task's own solution passes."""

import pytest
import torch
from tests.studies.test_one_number_claims import orders

from sslens.measures import spectrum
from sslens.studies.one_number_exercises import exercises, rankme_by_hand
from sslens.train import Config, Runs


@pytest.fixture(scope="module")
def found():
    runs = Runs.of({"short": Config.at("smoke", optimisation={"steps": 2}, snapshots={"count": 2})})
    order = orders(0.5)
    order.loc["RankMe, embedding", "VICReg covariance"] = -0.2
    order.loc["RankMe, embedding", "all sweeps"] = -0.9
    return exercises(runs, order)


def test_answers_are_what_was_measured(found):
    assert found["white"].answer == pytest.approx(20, rel=1e-3)
    assert found["doubled"].answer == pytest.approx(1, abs=1e-3)
    assert found["worst"].answer == "VICReg covariance"


def test_the_solution_passes_and_usual_mistakes_do_not(found):
    def of_eigenvalues(z):
        values = torch.linalg.svdvals(z.double()) ** 2
        return torch.exp(torch.special.entr(values / values.sum()).sum())

    def without_exponential(z):
        values = torch.linalg.svdvals(z.double())
        return torch.special.entr(values / values.sum()).sum()

    assert found["by_hand"].check(rankme_by_hand).right is True
    for wrong in (of_eigenvalues, without_exponential, lambda z: len(z)):
        assert found["by_hand"].check(wrong).right is False


def test_by_hand_is_the_librarys_own():
    z = torch.randn(400, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert rankme_by_hand(z) == pytest.approx(spectrum.rankme(z), rel=1e-12)
