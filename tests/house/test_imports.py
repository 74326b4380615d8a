"""The floors are kept: by our own rules on the syntax trees, and by import-linter on the import graph."""

import shutil
import subprocess

import pytest

from tests.house import imports
from tests.house.reading import ROOT, TOOLS, Module, house, imported, planted

BREACHES = [
    (imports.no_cycle, planted("def f():\n    from sslens.measures import planted")),
    (imports.no_cycle, [Module("sslens.a", "import sslens.b"), Module("sslens.b", "from sslens.a import x")]),
    (imports.no_cycle, [Module("sslens.p", "from .q import x", package=True), Module("sslens.p.q", "from . import y")]),
    (imports.downward_only, planted("from sslens.measures import spectrum", room="train")),
    (imports.downward_only, planted("from sslens import views", room="encoders")),
    (imports.downward_only, planted("import sslens.claims", room="types")),
    (imports.downward_only, planted("x = 1", room="cellar")),
    (imports.measures_never_draw, planted("def f():\n    import plotly.express")),
    (imports.measures_never_draw, planted("from sslens.figures import theme")),
    (imports.figures_never_compute, planted("from sslens.measures import spectrum", room="figures")),
    (imports.figures_never_compute, planted("import sklearn.decomposition", room="figures")),
    (imports.objectives_never_see_a_model, planted("from sslens.encoders import Model", room="objectives")),
    (imports.the_loop_never_sees_a_measure, planted("from sslens import measures", room="train")),
]


@pytest.mark.parametrize("rule", imports.RULES)
def test_the_house_keeps(rule):
    assert list(rule(house())) == []


@pytest.mark.parametrize(("rule", "modules"), BREACHES)
def test_a_planted_breach_is_caught(rule, modules):
    assert list(rule(modules))


def test_every_rule_has_a_planted_breach():
    assert {rule for rule, _ in BREACHES} == set(imports.RULES)


@pytest.mark.parametrize("rule", imports.RULES)
def test_downward_imports_pass(rule):
    source = "import math\nimport torch\nfrom sslens.types import Features\n"
    for room in ("measures", "figures", "objectives", "train"):
        assert list(rule(planted(source, room=room))) == []


def test_imports_are_read_wherever_they_stand():
    source = "from . import a\nfrom ..types import b\nclass C:\n    def f(self):\n        import torch.nn as d"
    assert list(imported(Module("sslens.figures.x", source))) == ["sslens.figures.a", "sslens.types.b", "torch.nn"]


def lint_imports(folder):
    """import-linter's own word on the layers, for a checkout in ``folder``."""
    command = [TOOLS / "lint-imports", "--no-cache", "--config", folder / "pyproject.toml"]
    environment = {"PYTHONPATH": str(folder / "lib"), "PATH": str(TOOLS)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_import_linter_finds_the_layers_kept():
    answer = lint_imports(ROOT)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize(("planted_import", "status"), [("", 0), ("from sslens import claims\n", 1)])
def test_import_linter_catches_a_planted_upward_import(tmp_path, planted_import, status):
    library = tmp_path / "lib" / "sslens"
    library.mkdir(parents=True)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for room in ["__init__", *imports.HEIGHT]:
        (library / f"{room}.py").write_text(planted_import if room == "types" else "")
    answer = lint_imports(tmp_path)
    assert answer.returncode == status, answer.stdout + answer.stderr
    assert ("sslens.types is not allowed to import sslens.claims" in answer.stdout) == bool(status)
