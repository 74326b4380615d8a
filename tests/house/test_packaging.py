"""One list of dependencies: pyproject, environment.yml and what is installed agree; the commands stay short."""

import re
import tomllib
from importlib import metadata
from itertools import chain

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from tests.house.reading import ROOT

PYPROJECT, ENVIRONMENT = (ROOT / "pyproject.toml").read_text(), (ROOT / "environment.yml").read_text()
MAKEFILE, CI = (ROOT / "Makefile").read_text(), (ROOT / ".ci" / "run").read_text()
TARGETS = {"run", "test", "unit", "soak", "lab", "check", "bench", "lessons", "new", "gpu"}
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
GENERATED = {".git", ".venv", "__pycache__", "runs", "cache", "node_modules", "build", "dist"}
GENERATED |= {f".{tool}_cache" for tool in ("pytest", "ruff", "import_linter")} | {".hypothesis", ".ipynb_checkpoints"}
HOSTS = ["py" + "pi.org", "python" + "hosted.org", "download.py" + "torch.org", "ana" + "conda.org", "npm" + "js.org"]
"""Spelt in two, so that this file passes its own rule."""


def pins(pyproject):
    """Every requirement of the package and of its groups, as ``{name: version}``; None where the pin is not exact."""
    return {name: version for name, version in map(pin, requirements(pyproject))}


def requirements(pyproject):
    """The lines of the package's list and of its groups, as pip reads them."""
    project = tomllib.loads(pyproject)["project"]
    return list(chain(project["dependencies"], *project["optional-dependencies"].values()))


def pin(requirement):
    """Name and exact version of a requirement."""
    found = re.fullmatch(r"([\w-]+)(?:\[[\w,-]+\])?==([\d.]+)", requirement)
    return (found[1], found[2]) if found else (requirement, None)


def conda(environment):
    """What conda is asked for, and what pip is asked for inside it."""
    *plain, inner = yaml.safe_load(environment)["dependencies"]
    return plain, inner["pip"]


def lists_differ(pyproject, environment):
    """Requirements that stand in one of the two lists only, extras and versions compared to the letter."""
    return sorted(set(requirements(pyproject)) ^ (set(conda(environment)[1]) - {"--editable ."}))


def loose_pins(pyproject):
    """Requirements without one exact version."""
    return [name for name, version in pins(pyproject).items() if version is None]


def differs_from_installed(pyproject):
    """Pins that are not what is installed; a local suffix such as ``+cpu`` is the builder's business."""
    found = {name: metadata.version(name).split("+")[0] for name in pins(pyproject)}
    return [f"{name} {found[name]}" for name, version in pins(pyproject).items() if found[name] != version]


def without_comment(text):
    """Dependency lines that do not say what they are for."""
    lines = [line for line in text.splitlines() if re.match(r"""\s+("\w[\w-]*(\[\w+\])?[=<>~]|- (?!pip:))""", line)]
    return [line for line in lines if not re.search(r"\s# \w.{3,}", line)] if lines else ["no dependencies found"]


def asks_for_a_build(text):
    """Words that would keep torch from being the build that fits the machine."""
    return re.findall(r"torch==[\d.]+\+\w+|--(?:extra-)?index-url|--find-links|whl/c(?:pu|u\d+)", text)


def recipes(makefile):
    """Target to its recipe lines."""
    blocks = re.findall(r"^([\w./$()]+):(?!=)[^\n]*\n((?:\t[^\n]*\n?)*)", makefile, re.MULTILINE)
    return {target: body.splitlines() for target, body in blocks}


def long_recipes(makefile):
    """Targets of more than three lines."""
    return [target for target, lines in recipes(makefile).items() if len(lines) > 3]


def more_than_the_test_command(script):
    """What a CI script does beside going to the checkout and calling the README's test command."""
    lines = [line.strip() for line in script.splitlines() if line.strip() and not line.startswith("#")]
    own = [line for line in lines if not re.match(r"set -|cd ", line)]
    return [] if own == ["make test"] else own or ["nothing is called"]


def registry_hosts(text):
    """Names of package registries: mirrors are chosen by the machine, never by the checkout."""
    return [host for host in HOSTS if host in text]


def checkout():
    """Text files of the checkout, without what is generated."""
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        if path.is_file() and not any(generated(part) for part in parts):
            yield path


def generated(part):
    """Whether a folder of this name is made by a tool and holds nothing of ours."""
    return part in GENERATED or part.endswith(".egg-info") or part.startswith(".venv-")


def supported(requires):
    """Which of Python's versions a range like ``>=3.11,<3.15`` lets in, from 3.8 to 3.19."""
    return [version for version in (f"3.{minor}" for minor in range(8, 20)) if version in SpecifierSet(requires)]


def found_by_make(makefile):
    """The range that the Makefile searches for, as pyproject spells it."""
    lowest, above = re.search(r"\((\d+, \d+)\) <= sys.version_info < \((\d+, \d+)\)", makefile).groups()
    return f">={lowest.replace(', ', '.')},<{above.replace(', ', '.')}"


def test_environment_repeats_the_pins():
    assert lists_differ(PYPROJECT, ENVIRONMENT) == []
    assert "--editable ." in conda(ENVIRONMENT)[1]


def test_conda_brings_python_and_pip_only():
    assert conda(ENVIRONMENT)[0] in [[f"python={version}", "pip"] for version in PYTHONS]
    assert yaml.safe_load(ENVIRONMENT)["channels"] == ["conda-forge"]


def test_what_is_installed_is_what_is_pinned():
    assert loose_pins(PYPROJECT) == []
    assert differs_from_installed(PYPROJECT) == []


def test_four_pythons_are_supported_and_make_searches_for_the_same():
    requires = tomllib.loads(PYPROJECT)["project"]["requires-python"]
    assert supported(requires) == PYTHONS
    assert found_by_make(MAKEFILE) == requires


def test_types_are_checked_for_the_oldest_python():
    assert tomllib.loads(PYPROJECT)["tool"]["pyright"]["pythonVersion"] == PYTHONS[0]


@pytest.mark.parametrize("text", [PYPROJECT, ENVIRONMENT], ids=["pyproject", "environment"])
def test_every_dependency_says_what_it_is_for(text):
    assert without_comment(text) == []


@pytest.mark.parametrize("text", [PYPROJECT, ENVIRONMENT, MAKEFILE], ids=["pyproject", "environment", "makefile"])
def test_torch_is_required_plainly(text):
    assert asks_for_a_build(text) == []


def test_torch_is_pinned():
    assert pins(PYPROJECT)["torch"] == "2.13.0"


def test_make_targets_are_there_and_short():
    assert set(recipes(MAKEFILE)) >= TARGETS
    assert long_recipes(MAKEFILE) == []


def test_ci_calls_the_test_command_and_nothing_else():
    assert more_than_the_test_command(CI) == []


def test_no_registry_is_named_anywhere():
    named = {path: registry_hosts(path.read_bytes().decode(errors="replace")) for path in checkout()}
    assert len(named) > 20
    assert {path: hosts for path, hosts in named.items() if hosts} == {}


def test_warnings_are_errors():
    assert tomllib.loads(PYPROJECT)["tool"]["pytest"]["ini_options"]["filterwarnings"] == ["error"]


def test_planted_differences_are_caught():
    assert lists_differ(PYPROJECT, ENVIRONMENT.replace("scipy==", "scipy==9.")) != []
    assert lists_differ(PYPROJECT, ENVIRONMENT + "      - requests==2.0  # planted\n") == ["requests==2.0"]
    assert loose_pins(PYPROJECT.replace("scipy==", "scipy>=")) != []
    assert differs_from_installed(re.sub(r"scipy==[\d.]+", "scipy==0.1", PYPROJECT)) != []


def test_planted_silent_dependencies_are_caught():
    assert without_comment(re.sub(r'("scipy[^#]*)#.*', r"\1", PYPROJECT)) != []
    assert without_comment(re.sub(r"(- scipy[^#]*)#.*", r"\1", ENVIRONMENT)) != []
    assert without_comment("") != []


@pytest.mark.parametrize(
    "line", ["torch==2.13.0+cpu", "pip install --index-url x", "--extra-index-url x", "/whl/cu128"]
)
def test_planted_torch_builds_are_caught(line):
    assert asks_for_a_build(line) != []


def test_planted_long_recipe_and_busy_ci_are_caught():
    assert long_recipes("run: x\n\ta\n\tb\n\tc\n\td\nlab:\n\te\n") == ["run"]
    assert more_than_the_test_command(CI.replace("make test", "pip install x\nmake test")) != []
    assert more_than_the_test_command("set -e\n") != []


def test_planted_registry_is_caught():
    assert registry_hosts(f"see {HOSTS[0]} there") == HOSTS[:1]
