"""The key of a run moves with whatever decides its numbers, and with nothing else."""

import ast
import functools
import shutil
import subprocess
import sys
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sslens import fingerprint
from sslens.encoders import MLP, Transformer
from sslens.objectives import CrossEntropy, NextCharacter, SimCLR, SimSiam, VICReg
from sslens.train import Config, fit, key
from sslens.train.cache import modules_of
from sslens.types import InputError
from sslens.views import RECIPES
from tests.train.cases import MULTI_CROP, Centred

SHORT = {"optimisation": {"steps": 2, "batch_size": 8}, "snapshots": {"count": 3, "reference": 16}}
CONFIGS = {
    "SimCLR": {"objective": SimCLR()},
    "VICReg on colour images": {"objective": VICReg(), "recipe": RECIPES["natural"]},
    "several crops": {"objective": Centred(), "recipe": MULTI_CROP, "momentum": 0.9},
    "SimSiam with a momentum teacher": {"objective": SimSiam(), "momentum": 0.9},
    "strength by class": {"objective": SimCLR(), "recipe": replace(RECIPES["digits"], class_strength=(0.5,) * 10)},
    "noisy labels, two tasks": {
        "objective": CrossEntropy(nested=True),
        "encoder": MLP(),
        "data": {"name": "digits", "label_noise": 0.5, "tasks": 2},
    },
    "texts": {"objective": NextCharacter(), "encoder": Transformer(width=8, heads=2), "data": {"name": "languages"}},
}
HOME = fingerprint.ROOT
CACHES = ("_reached", "_imported", "_tree", "_code_of", "_path")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the library that fingerprints are taken of; whoever changes a file puts it back."""
    ignored = shutil.ignore_patterns("__pycache__")
    place = Path(shutil.copytree(HOME, tmp_path_factory.mktemp("copy") / fingerprint.HOUSE, ignore=ignored))
    patch = pytest.MonkeyPatch()
    patch.setattr(fingerprint, "ROOT", place)
    patch.setattr(fingerprint, "_code", functools.cache(fingerprint._code))  # the same source many times
    forget(*CACHES)
    yield place
    patch.undo()
    forget(*CACHES)


@contextmanager
def changed(files):
    """Other content in some files for a while."""
    before = {file: file.read_text() for file in files}
    for file, text in files.items():
        file.write_text(text)
    forget("_reached", "_code_of")
    yield
    for file, text in before.items():
        file.write_text(text)
    forget("_reached", "_code_of")


def forget(*names):
    for name in names:
        getattr(fingerprint, name).cache_clear()


def code_of(config):
    return fingerprint.of_modules(*modules_of(config))


def configs():
    return {name: Config.at("smoke", **SHORT).changed(**changes) for name, changes in CONFIGS.items()}


def executed(config):
    """File and first line of every function of the library that training executes, from the first step on."""
    found = set()

    def note(frame, event, _):
        path = Path(frame.f_code.co_filename)
        if event == "call" and HOME in path.parents:
            found.add((path.relative_to(HOME), frame.f_code.co_name, frame.f_code.co_firstlineno))

    training = fit(config)
    next(training)
    sys.setprofile(note)
    try:
        list(training)
    finally:
        sys.setprofile(None)
    return {each for each in found if each[1].isidentifier()}  # comprehensions and lambdas belong to their functions


def mutated(source, name, line):
    """The source with one constant of a function changed; with another statement where it has none."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name]
    node = min(functions, key=lambda each: abs(min([each.lineno, *(d.lineno for d in each.decorator_list)]) - line))
    numbers = [
        each
        for statement in node.body
        for each in ast.walk(statement)
        if isinstance(each, ast.Constant) and isinstance(each.value, int | float)
    ]
    if numbers:
        numbers[0].value = (numbers[0].value or 1) * 3 + 1
    else:
        node.body.append(ast.parse("assert True").body[0])
    return ast.unparse(tree)


def test_a_constant_changed_in_any_function_that_a_step_executes_moves_the_key(copy):
    users = defaultdict(list)
    for name, config in configs().items():
        functions = executed(config)
        assert len(functions) > 10
        for function in functions:
            users[function].append((name, config, code_of(config)))
    missed = []
    for (path, function, line), runs in users.items():
        with changed({copy / path: mutated((copy / path).read_text(), function, line)}):
            missed += [f"{name}: {path} {function}" for name, config, before in runs if code_of(config) == before]
    assert missed == [] and len(users) > 40


UNUSED = {
    "train/loop.py": '"""Another docstring."""\n',
    "objectives/vicreg.py": "# a comment\n\n\n",
    "objectives/__init__.py": "MORE = 3\n",
    "encoders/__init__.py": "MORE = 3\n",
    "datasets/__init__.py": "MORE = 3\n",
    "datasets/stl10.py": "MORE = 3\n",
    "encoders/resnet18.py": "MORE = 3\n",
    "objectives/squared_error.py": "MORE = 3\n",
    "statistics/pairs.py": "MORE = 3\n",
    "train/runs.py": "MORE = 3\n",
    "train/cache.py": "MORE = 3\n",
    "train/workers.py": "MORE = 3\n",
    "progress.py": "MORE = 3\n",
    "claims/judgement.py": "MORE = 3\n",
    "presets.py": "MORE = 3\n",
    "studies/study.py": "MORE = 3\n",
    "measures/collapse.py": "MORE = 3\n",
    "figures/theme.py": "MORE = 3\n",
}
"""Files that no run of ours uses, and words in files that they use, with what is put in front of each."""


def test_words_and_what_a_run_does_not_use_leave_the_key(copy):
    before = {name: code_of(config) for name, config in configs().items()}
    with changed({copy / path: text + (copy / path).read_text() for path, text in UNUSED.items()}):
        forget(*CACHES)
        assert {name: code_of(config) for name, config in configs().items()} == before
    forget(*CACHES)


def test_a_docstring_where_there_was_none_leaves_the_key(copy):
    before, file = code_of(Config()), copy / "train" / "loop.py"
    tree = ast.parse(file.read_text())
    bare = [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef) and not ast.get_docstring(each)]
    assert bare
    for function in bare:
        function.body.insert(0, ast.parse("'What it does.'").body[0])
    with changed({file: ast.unparse(tree)}):
        assert code_of(Config()) == before


def test_another_objective_moves_its_own_runs_only(copy):
    runs = {name: Config(objective=kind()) for name, kind in {"simclr": SimCLR, "vicreg": VICReg}.items()}
    before, file = {name: code_of(config) for name, config in runs.items()}, copy / "objectives" / "vicreg.py"
    with changed({file: file.read_text().replace("1e-4", "1e-3")}):
        moved = {name: code_of(config) != before[name] for name, config in runs.items()}
    assert moved == {"simclr": False, "vicreg": True}


def test_every_field_of_a_config_moves_the_key():
    keys = {key(Config())}
    changes = [
        {"data": {"images": 1000}}, {"data": {"label_noise": 0.1}}, {"recipe": "none"}, {"encoder": MLP()},
        {"projector": {"hidden": 64}}, {"predictor": {"hidden": 32}}, {"momentum": 0.9}, {"objective": SimCLR()},
        {"optimisation": {"steps": 10}}, {"snapshots": {"count": 4}}, {"compute": {"autocast": True}}, {"seed": 1},
    ]  # fmt: skip
    for change in changes:
        keys.add(key(Config().changed(**change)))
    assert len(keys) == len(changes) + 1


MINE = '''
from typing import final
import torch
from sslens.objectives import Objective
from sslens.types import checked_dataclass

FACTOR = 1.0
UNUSED = 1.0


class Memory(torch.nn.Module):
    """A state."""
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))


def size(z):
    return FACTOR * z.square().mean()


def unused():
    return 1


@final
@checked_dataclass
class Shrink(Objective):
    """Pull everything to the origin."""
    weight: float = 1.0

    def begin(self, dimensions, generator):
        return Memory()

    def terms(self, outputs, state=None):
        return {"size": self.weight * size(outputs.embedding)}
'''
MOVES = {
    "the class": ("self.weight * size", "2 * self.weight * size"),
    "a function that it calls": ("z.square().mean()", "z.abs().mean()"),
    "a constant behind that": ("FACTOR = 1.0", "FACTOR = 2.0"),
    "the module of its state": ("torch.zeros(())", "torch.ones(())"),
}
STAYS = {
    "nothing": ("", ""),
    "a docstring": ("Pull everything", "Draw all"),
    "a function beside it": ("return 1\n", "return 2\n"),
    "a constant beside it": ("UNUSED = 1.0", "UNUSED = 2.0"),
}


def keyed(folder, name, source):
    """The key of a run whose objective was written in this module."""
    (folder / f"{name}.py").write_text(source)
    config = Config(objective=__import__(name).Shrink())
    assert Config.of_json(config.to_json()) == config
    return key(config)


def test_a_class_written_elsewhere_is_known_by_its_source_and_what_it_uses(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    before = keyed(tmp_path, "mine", MINE)
    for place, (what, change) in enumerate((MOVES | STAYS).items()):
        moved = keyed(tmp_path, f"mine_{place}", MINE.replace(*change)) != before
        assert moved == (what in MOVES), what


CELLS = """
import os
from IPython.core.interactiveshell import InteractiveShell

def run(cell):
    shell.run_cell(cell).raise_error()

shell = InteractiveShell.instance()
run("from sslens.encoders import MLP; from sslens.train import Config, key, record, restore, Runs")
for source in (open("mine.py").read(), open("other.py").read(), open("mine.py").read()):
    run(source)
    run("base = Config.at('smoke', data={'name': 'digits'}, encoder=MLP(width=8), snapshots={'count': 2})")
    run("config = base.changed(objective=Shrink(), optimisation={'steps': 2, 'batch_size': 8})")
    run("assert Config.of_json(config.to_json()) == config; print(key(config))")
run("trace = record(config); assert trace.status == 'complete' and record(config).steps == trace.steps")
run("assert restore(trace) is not None")
run("runs = Runs.of({'a': config, 'b': config.changed(objective={'weight': 2.0})}, seeds=2)")
run("assert runs.along(lambda z: 1.0).shape == (2, 2, 2), runs")
"""


def test_a_class_of_a_notebook_trains_there_keyed_by_its_cell(tmp_path):
    """IPython compiles cells that no file holds."""
    (tmp_path / "cells.py").write_text(CELLS)
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "other.py").write_text(MINE.replace(*MOVES["the class"]))
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(HOME.parent), "SSLENS_LIVE": "0"}
    environment |= {"SSLENS_DATA": str(tmp_path / "data"), "OMP_NUM_THREADS": "1"}
    found = subprocess.run([sys.executable, "cells.py"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
    first, other, again = found.stdout.split()[:3]
    assert first == again != other


def test_a_class_without_a_source_is_refused():
    namespace = {"__name__": "nowhere"}
    exec(MINE, namespace)
    sys.modules["nowhere"] = type(sys)("nowhere")
    try:
        with pytest.raises(InputError, match=r"one whose source can be read.*Shrink"):
            key(Config(objective=namespace["Shrink"]()))
    finally:
        del sys.modules["nowhere"]
