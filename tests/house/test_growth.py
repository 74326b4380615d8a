"""Adding a thing is one file and a line where things of its kind are listed: nothing else changes, no key moves."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.house.reading import ROOT

FILES = {
    "objectives/thrown_away.py": '''
"""An objective for a test."""

from typing import Annotated, final

import torch
from torch import nn

from sslens.objectives.objective import Objective
from sslens.types import Dimensions, Outputs, Range, Scalar, checked_dataclass


@final
@checked_dataclass
class ThrownAway(Objective):
    """Pull the embedding towards a point that is trained."""

    weight: Annotated[float, Range(0, 10)] = 1.0

    def begin(self, dimensions: Dimensions, generator: torch.Generator) -> nn.Module | None:
        """The point."""
        return nn.Linear(dimensions.embedding, 1, bias=False)

    def terms(self, outputs: Outputs, state: nn.Module | None = None) -> dict[str, Scalar]:
        """One term, ``distance``."""
        assert state is not None
        return {"distance": self.weight * (outputs.embedding - state.weight).square().mean()}
''',
    "encoders/thrown_away.py": '''
"""An encoder for a test."""

from typing import Annotated, final

from torch import nn

from sslens.encoders.encoder import Encoder
from sslens.types import Range, checked_dataclass


@final
@checked_dataclass
class Flat(Encoder):
    """Pixels, mixed once."""

    width: Annotated[int, Range(1, 100)] = 5

    def build(self, shape: tuple[int, ...]) -> nn.Module:
        """One linear layer."""
        return nn.Sequential(nn.Flatten(), nn.LazyLinear(self.width))
''',
    "datasets/thrown_away.py": '''
"""A data set for a test."""

from typing import Annotated

import torch

from sslens.types import Dataset, Range


def load(*, seed: Annotated[int, Range(0, 9)] = 0) -> tuple[Dataset, Dataset]:
    """Noise."""
    images = torch.rand(40, 1, 4, 4, generator=torch.Generator().manual_seed(seed))
    whole = Dataset(images, torch.arange(40) % 2, ("even", "odd"))
    return whole.take(torch.arange(30)), whole.take(torch.arange(30, 40))
''',
    "measures/spectrum/thrown_away.py": '''
"""A measure for a test."""

from sslens.types import Features


def largest(features: Features) -> float:
    """The largest number of all."""
    return float(features.max())
''',
    "studies/thrown_away.py": '''
"""A study for a test."""

from sslens.claims import Claim
from sslens.studies.study import from_namespace
from sslens.train import Config, Runs
from sslens.types import checked_dataclass

NOTEBOOK = "77_thrown_away"
QUESTION = "Is it there?"
CLAIMS = (Claim("It is there.", "ours", quantity="largest number", above=0.0, kind="ours"),)


@checked_dataclass
class Setting:
    """The parameters of the notebook."""

    steps: int
    profile: str = "lesson"


def configs(setting: Setting) -> dict[str, Config]:
    """The one run."""
    return {"run": Config.at(setting.profile, optimisation={"steps": setting.steps})}
''',
}
LINES = {
    "objectives/__init__.py": [
        ("from sslens.objectives.vicreg import VICReg", "from sslens.objectives.thrown_away import ThrownAway"),
        ('    "simclr": SimCLR,', '    "thrown_away": ThrownAway,'),
    ],
    "encoders/__init__.py": [
        ("from sslens.encoders.transformer import", "from sslens.encoders.thrown_away import Flat"),
        ('    "convnet": ConvNet,', '    "flat": Flat,'),
    ],
    "datasets/__init__.py": [
        ("from sslens.datasets.label_noise import", "from sslens.datasets import thrown_away"),
        ('        "digits": digits.load,', '        "thrown_away": thrown_away.load,'),
    ],
    "measures/spectrum/__init__.py": [
        (
            "from sslens.measures.spectrum.stable_rank import",
            "from sslens.measures.spectrum.thrown_away import largest",
        ),
        ('    "stable_rank",', '    "largest",'),
    ],
}
"""For each face, the line that one is put behind, and that one: what is imported, and the name it is listed under."""

KEYS = """
import json, sys
from sslens.encoders import MLP, Transformer
from sslens.objectives import CrossEntropy, NextCharacter, SimCLR
from sslens.train import Config, key

configs = [
    Config(),
    Config.at("smoke", objective=SimCLR(), recipe="natural", momentum=0.9),
    Config(data={"name": "digits", "label_noise": 0.5}, objective=CrossEntropy(nested=True), encoder=MLP()),
    Config(data={"name": "languages"}, objective=NextCharacter(), encoder=Transformer()),
]
print(json.dumps([key(config) for config in configs]))
"""
USE = (
    KEYS
    + """
from sslens import datasets, encoders, objectives, studies
from sslens.measures import spectrum
from sslens.train import Runs

assert "thrown_away" in objectives.OBJECTIVES and "flat" in encoders.ENCODERS and "thrown_away" in datasets.LOADERS
study = studies.of_notebook("77_thrown_away")
assert study.configs(study.Setting(steps=2))["run"].optimisation.steps == 2 and study.CLAIMS[0].above == 0
changes = {
    "data": {"name": "thrown_away", "options": {"seed": 3}},
    "objective": objectives.OBJECTIVES["thrown_away"](weight=2.0),
    "encoder": encoders.ENCODERS["flat"](width=3),
    "optimisation": {"steps": 2, "batch_size": 8},
    "snapshots": {"count": 2, "reference": 16},
}
config = Config.at("smoke", **changes)
assert config.to_json()["objective"] == {"kind": "thrown_away", "weight": 2.0}
assert Config.of_json(json.loads(json.dumps(config.to_json()))) == config
runs = Runs.of({"run": config}, seeds=2)
assert "objective.weight" in runs["run"][0].snapshots[-1].state
largest = runs.along(spectrum.largest, of="embedding")
assert largest.name == "largest" and largest.shape == (1, 2, 2)
assert study.CLAIMS[0].judge(largest.isel(run=0, step=-1)).interval.n == 2
"""
)


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """A copy of the library in which each file and each line has been put."""
    place = tmp_path_factory.mktemp("grown")
    shutil.copytree(ROOT / "lib", place / "lib", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "pyproject.toml", place)
    library = place / "lib" / "sslens"
    for path, text in FILES.items():
        (library / path).write_text(text.lstrip())
    for path, lines in LINES.items():
        text = (library / path).read_text()
        for anchor, line in lines:
            (found,) = [each for each in text.splitlines(keepends=True) if each.startswith(anchor)]
            text = text.replace(found, found + line + "\n")
        (library / path).write_text(text)
    return place


def run(place, script, data):
    environment = os.environ | {"PYTHONPATH": str(place / "lib"), "SSLENS_DATA": str(data), "SSLENS_CORES": "1"}
    given = {"env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", script], **given)


def test_a_thing_of_every_kind_is_one_file_and_its_lines_and_moves_no_key(grown, tmp_path):
    before, after = (run(ROOT, KEYS, tmp_path / "before"), run(grown, USE, tmp_path / "after"))
    found = []
    for process in (before, after):
        out, errors = process.communicate()
        assert process.returncode == 0, errors
        found.append(json.loads(out))
    assert found[0] == found[1] and len(set(found[0])) == 4


def contents(place):
    files = (
        path for path in (place / "lib" / "sslens").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )
    return {path.relative_to(place / "lib" / "sslens").as_posix(): path.read_bytes() for path in files}


def test_nothing_else_had_to_change(grown):
    before, after = contents(ROOT), contents(grown)
    assert after.keys() - before.keys() == FILES.keys() and not before.keys() - after.keys()
    assert {path for path in before if before[path] != after[path]} == LINES.keys()
    for path, lines in LINES.items():
        added = [line for line in after[path].decode().splitlines() if line not in before[path].decode().splitlines()]
        assert sorted(added) == sorted(line for _, line in lines) and len(added) <= 2


def test_what_was_added_keeps_the_layers(grown):
    """The contract is in pyproject.toml, and was not touched."""
    contract = tomllib.loads(Path(grown / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert contract == tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    environment = os.environ | {"PYTHONPATH": str(grown / "lib")}
    found = subprocess.run(command, cwd=grown, env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout
