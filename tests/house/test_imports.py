"""The floors are kept: by our own rules on the syntax trees, and by import-linter on the import graph."""

import shutil
import subprocess

import pytest

from tests.house import imports
from tests.house.reading import ROOT, TOOLS, Module, house, imported, planted

STUDY = "NOTEBOOK = '12_some_question'"


def studies(**sources):
    """A house of these studies and their frame."""
    return [Module(f"sslens.studies.{name}", source) for name, source in {"study": "", **sources}.items()]


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
    (imports.nobody_imports_a_study, planted("from sslens.studies import first_light", room="headless")),
    (imports.nobody_imports_a_study, planted("import sslens.studies.first_light", room="interactive")),
    (imports.nobody_imports_a_study, planted("from sslens.studies import of_notebook", room="measures")),
    (imports.nobody_imports_a_study, planted("from sslens import studies\nstudies.first_light", room="headless")),
    (imports.nobody_imports_a_study, planted("import_module('sslens.studies.first_light')", room="headless")),
    (imports.nobody_imports_a_study, planted("import_module(f'sslens.studies.{name}')", room="train")),
    (imports.studies_stand_alone, studies(a=STUDY, b=f"{STUDY}; from sslens.studies import a")),
    (imports.studies_stand_alone, studies(a=STUDY, b=f"{STUDY}; from sslens.studies.a_trees import grow", a_trees="")),
    (imports.studies_stand_alone, studies(a=STUDY, ab="", a_trees="from sslens.studies.ab import grow")),
    (imports.studies_stand_alone, studies(trees="")),
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


def test_a_study_uses_its_own_files_and_headless_finds_it_by_name():
    own = "from sslens.studies.study import stated\nfrom sslens.studies.a_trees import grow"
    frame = "from sslens.studies.study import stated"
    kept = [
        *studies(a=f"{STUDY}\n{own}", a_trees=frame, ab=STUDY),
        *planted("from sslens import studies", room="headless"),
    ]
    for rule in (imports.studies_stand_alone, imports.nobody_imports_a_study):
        assert list(rule(kept)) == []
    assert list(imports.nobody_imports_a_study(planted("studies.of_notebook('12_a')", room="headless"))) == []


@pytest.mark.parametrize("name", imports.WHERE_STUDIES_ARE_NAMED)
def test_an_allowance_is_still_needed(name):
    (module,) = (module for module in house() if module.name == name)
    renamed = Module("sslens.headless.planted", module.source)
    assert any("names sslens.studies." in line for line in imports.nobody_imports_a_study([renamed]))


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
