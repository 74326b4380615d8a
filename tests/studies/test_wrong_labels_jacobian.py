"""Jacobians of beginnings: modes against a plain decomposition, ranks of spectra that are known, energies of labels."""

import numpy as np
import pytest
import torch
from torch import nn
from xarray import DataArray

from sslens.encoders import MLP
from sslens.measures.network_diagnostics import jacobian, jacobian_spectrum
from sslens.objectives import CrossEntropy, SimCLR
from sslens.runtime import stream
from sslens.studies import wrong_labels_jacobian as study
from sslens.studies.wrong_labels_fine_tuning import fine_tuned
from sslens.train import Config, Runs, learned, restore

SHORT = Config.at(
    "smoke", data={"name": "digits"}, encoder=MLP(), recipe="none", optimisation={"steps": 4}, snapshots={"count": 3}
)


def spectra(*values):
    return DataArray(np.array([[values]]), {"run": ["one"], "seed": [0]}, ("run", "seed", "rank"))


def test_modes_take_the_jacobian_apart():
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 5), nn.ReLU(), nn.Linear(5, 3)).double()
    images = torch.randn(4, 1, 4, 4, generator=stream(0, "images"), dtype=torch.float64)
    left, values = study.modes(net, images)
    assert torch.allclose(values, jacobian_spectrum(net, images))
    kernel = jacobian(net, images).flatten(0, 1)
    kernel = kernel @ kernel.T
    assert torch.allclose(left @ values.square().diag() @ left.T, kernel, atol=1e-10)
    assert torch.allclose(left.T @ left, torch.eye(12).double(), atol=1e-10)


def test_three_ranks_of_spectra_that_are_known():
    flat = study.ranks(spectra(*[3.0] * 20))
    assert flat.values.ravel() == pytest.approx([20, 20, 18])
    steep = study.ranks(spectra(1.0, *[0.1] * 30))  # 0.77 of the energy in the first of 31
    assert steep.sel(measure="stable rank").item() == pytest.approx(1.3)
    assert steep.sel(measure="directions for 90%").item() == 1 + 17  # 0.17 of 1.3 is wanted beside the first
    shares = np.array([1.0, *[0.01] * 30]) / 1.3
    assert steep.sel(measure="entropy rank").item() == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
    assert np.isnan(study.ranks(spectra(np.nan, np.nan))).all()


def test_ranks_of_one_spectrum_can_point_apart():
    first, second = study.ranks(spectra(1.0, *[0.2] * 100)), study.ranks(spectra(*[1.0] * 6))
    assert first.sel(measure="stable rank").item() < second.sel(measure="stable rank").item()
    assert first.sel(measure="entropy rank").item() > second.sel(measure="entropy rank").item()


def test_energy_of_labels_is_theirs_alone_and_none_where_all_are_alike():
    left = torch.linalg.qr(torch.randn(30, 30, generator=stream(0, "left"), dtype=torch.float64)).Q
    labels = torch.arange(10) % 3
    assert study.energy_along(left, labels, classes=3).sum().item() == pytest.approx(1)
    y = torch.nn.functional.one_hot(labels, 3).double()
    y = (y - y.mean(0)).flatten()
    along = torch.linalg.qr(torch.cat([y[:, None], left], 1)).Q[:, :30]
    assert study.energy_along(along, labels, classes=3)[0].item() == pytest.approx(1)
    assert not study.energy_along(left, torch.zeros(10, dtype=torch.int64), classes=3).any()


@pytest.fixture(scope="module")
def beginnings():
    pretrained = Runs.of({"SimCLR": SHORT.changed(objective=SimCLR())}, seeds=2)
    shares = {"0% redrawn": 0.0, "80% redrawn": 0.8}
    base = SHORT.changed(objective=CrossEntropy())
    supervised = Runs.of({name: base.changed(data={"label_noise": share}) for name, share in shares.items()}, seeds=2)
    return fine_tuned(pretrained, supervised.select("80% redrawn")), supervised


def test_beginnings_are_those_of_the_two_runs_and_the_control_is_an_end(beginnings):
    tuned, supervised = beginnings
    found = study.jacobians(pretrained=tuned, supervised=supervised, profile="smoke")
    traces = {
        "pre-trained with SimCLR": (tuned["fine-tuned"][1], 0),
        "freshly drawn": (supervised["80% redrawn"][1], 0),
        "trained on true labels": (supervised["0% redrawn"][1], -1),
    }
    assert found.spectra.run.values.tolist() == list(traces)
    for run, (trace, index) in traces.items():
        images = learned(Config.of_json(trace.config)).images[:4]  # 40 logits of ten classes
        values = jacobian_spectrum(restore(trace, index, head=True), images)
        assert found.spectra.sel(run=run, seed=1).values == pytest.approx((values / values[0]).numpy(), abs=1e-9)
    cumulative = found.energy.sel(run="freshly drawn", labels="true labels", seed=0).values
    assert (np.diff(cumulative) >= 0).all() and cumulative[-1] == pytest.approx(1)


def test_the_leading_tenth_is_a_tenth():
    coords = {"labels": ["true labels"], "share of directions": np.arange(1, 41) / 40}
    energy = DataArray(np.arange(1, 41)[None] / 40, coords, tuple(coords))
    assert study.in_leading(energy).item() == 0.1
