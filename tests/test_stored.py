"""Stored results: what is written comes back with where it comes from; the committed ones are whole."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from xarray import DataArray

from sslens import stored, studies
from sslens.encoders import MLP
from sslens.headless.cli import main
from sslens.objectives import CrossEntropy
from sslens.store import MANIFEST
from sslens.stored import RESULTS, SAID, Computation
from sslens.studies.regions_on_the_move_full import measured
from sslens.train import Config
from sslens.types import DamagedFile, InputError
from tests.house.reading import ROOT

COMMIT = {"hash": "0123456789abcdef", "changed": False}
STUDIES = [studies.of_notebook(path.stem) for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))]
COMMITTED = [each for study in STUDIES for each in getattr(study, "STORED", ())]


TINY = Computation(
    "99_nowhere",
    "tiny",
    {
        "short": Config.at(
            "smoke",
            data={"name": "digits", "images": 200},
            recipe="none",
            encoder=MLP(width=4, depth=1),
            objective=CrossEntropy(),
            optimisation={"steps": 3, "batch_size": 20},
            snapshots={"count": 2, "reference": 16},
        )
    },
    seeds=2,
    measured=measured,
)


@pytest.fixture
def folder(tmp_path):
    TINY.store(commit=COMMIT, root=tmp_path)
    return TINY.folder(tmp_path)


def test_what_is_stored_comes_back_with_where_it_comes_from(tmp_path):
    written, read = TINY.store(commit=COMMIT, root=tmp_path), TINY.read(tmp_path)
    runs, arrays = TINY.compute()
    assert read["accuracy"].equals(arrays["accuracy"]) and read["accuracy"].equals(written["accuracy"])
    assert read["accuracy"].attrs["setting"] == f"{runs.setting}, stored result"
    assert read.is_current and read.record["commit"] == COMMIT and read.record["seeds"] == [0, 1]
    provenance = read.record["runs"]["short"]
    assert Config.of_json(provenance["config"]) == TINY.configs["short"]
    assert {"torch", "device", "threads", "code", "data"} <= provenance.keys()
    assert "99_nowhere tiny" in read.origin and "seeds 0 to 1" in read.origin and "other code" not in read.origin


def test_other_code_or_settings_are_named_and_the_numbers_are_still_there(tmp_path, folder, monkeypatch):
    longer = {name: config.changed(optimisation={"steps": 4}) for name, config in TINY.configs.items()}
    for other in (replace(TINY, seeds=3), replace(TINY, configs=longer)):
        found = other.read(tmp_path)
        assert not found.is_current and found.origin.endswith("(with other code or settings than today's)")
        assert np.isfinite(found["accuracy"]).all()
    assert TINY.read(tmp_path).is_current
    monkeypatch.setattr(stored, "of_modules", lambda *names, through_faces: "0" * 32)
    assert not TINY.read(tmp_path).is_current


def test_the_code_of_a_result_is_that_of_its_runs_and_of_its_measure(monkeypatch):
    calls = []
    monkeypatch.setattr(stored, "of_modules", lambda *names, through_faces: calls.append(names) or "0" * 32)
    assert len(TINY.code) == 32
    wanted = {measured.__module__, "sslens.train.loop", "sslens.encoders.mlp", "sslens.objectives.cross_entropy"}
    assert wanted <= set(calls[0])


@pytest.mark.parametrize("file", [RESULTS, MANIFEST])
def test_a_result_that_was_altered_is_none(tmp_path, folder, file):
    text = (folder / file).read_text()
    (folder / file).write_text(text.replace("0", "1", 1))
    with pytest.raises(DamagedFile, match="`sslens store 99_nowhere tiny` computes it"):
        TINY.read(tmp_path)
    (folder / file).unlink()
    with pytest.raises(DamagedFile):
        TINY.read(tmp_path)


def test_a_result_that_does_not_say_where_it_comes_from_is_none(tmp_path, folder):
    record = json.loads((folder / MANIFEST).read_text())
    checksum = record["sha256"]
    stored.seal(folder, {"sha256": checksum, "command": TINY.command})
    with pytest.raises(DamagedFile, match="a record of command, computed, commit"):
        TINY.read(tmp_path)


def test_numbers_that_cannot_be_stored_are_refused(tmp_path):
    def complex_numbers(runs):
        return {"complex": DataArray(np.ones(2, complex), dims="x")}

    complex_numbers.__module__ = measured.__module__
    vague = replace(TINY, measured=complex_numbers)
    with pytest.warns(UserWarning, match="leaves out"), pytest.raises(InputError, match="complex"):
        vague.store(commit=COMMIT, root=tmp_path)


@pytest.mark.parametrize("computation", COMMITTED, ids=lambda each: each.command)
def test_every_committed_result_is_whole_and_of_its_study(computation):
    found = computation.read()
    assert all(found.record[name] for name in SAID)
    assert found.record["command"] == computation.command
    assert found.record["seeds"] == list(range(computation.seeds)) and set(found.record["runs"]) == set(
        computation.configs
    )
    for name, array in found.arrays.items():
        assert array["seed"].values.tolist() == found.record["seeds"], name
        assert array["run"].values.tolist() == list(computation.configs), name
        for run, config in computation.configs.items():
            last = array.sel(run=run, step=config.optimisation.steps)
            assert np.isfinite(last).all(), f"{name} of {run}"
        assert array.attrs["setting"].endswith("stored result")
    assert sum(path.stat().st_size for path in computation.folder().iterdir()) < 200_000


@pytest.mark.parametrize("computation", COMMITTED, ids=lambda each: each.command)
def test_the_command_of_a_committed_result_stores_it(computation, tmp_path, monkeypatch):
    calls = []

    def store(self, *, commit, root):
        calls.append((self.notebook, self.name, set(commit)))
        return self.read()

    monkeypatch.setattr(Computation, "store", store)
    monkeypatch.setattr("sslens.headless.storing.of_the_checkout", lambda: COMMIT)
    said = CliRunner().invoke(main, computation.command.split()[1:], catch_exceptions=False)
    assert said.exit_code == 0 and computation.command in said.output
    assert calls == [(computation.notebook, computation.name, set(COMMIT))]


@pytest.mark.parametrize("notebook, name", [("99_nowhere", "tiny"), ("31_regions_on_the_move", "long_rum")])
def test_what_no_study_computes_is_refused(notebook, name):
    said = CliRunner().invoke(main, ["store", notebook, name])
    assert said.exit_code == 2 and ("NOTEBOOK" in said.output or "Did you mean 'long_run'" in said.output)


def test_outside_a_checkout_nothing_is_computed(monkeypatch):
    monkeypatch.setattr("sslens.headless.storing.of_the_checkout", lambda: None)
    said = CliRunner().invoke(main, ["store", "31_regions_on_the_move", "long_run"])
    assert said.exit_code == 2 and "git checkout" in said.output
