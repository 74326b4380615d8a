"""Installed as a user installs it. Needs a package registry and minutes, so it runs when it is wanted: ``-m slow``."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

from tests.house.reading import ROOT

GENERATED = shutil.ignore_patterns(".git", ".venv*", "build", "data", "*.egg-info", "__pycache__", ".*_cache")
PATIENCE = 3600
"""Seconds: torch may come as a build of several GB."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(PATIENCE)]


@pytest.fixture
def copy(tmp_path):
    """A copy of the checkout, so that nothing is built in this one."""
    return Path(shutil.copytree(ROOT, tmp_path / "checkout", ignore=GENERATED))


@pytest.fixture
def environment(tmp_path):
    """The programs of an empty virtual environment."""
    call(sys.executable, "-m", "venv", tmp_path / "environment", folder=tmp_path)
    return tmp_path / "environment" / "bin"


def call(*command, folder):
    """What a command prints, from a folder and without the variables that point it at this checkout."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SSLENS_"))}
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_pip_part_of_the_environment_installs_as_conda_does_it(copy, environment):
    """Conda writes the list to a file beside environment.yml and gives that to pip."""
    *_, inner = yaml.safe_load((copy / "environment.yml").read_text())["dependencies"]
    (copy / "condaenv.requirements.txt").write_text("\n".join(inner["pip"]) + "\n")
    pip = (environment / "python", "-m", "pip", "install")
    call(*pip, "--upgrade", "--requirement", "condaenv.requirements.txt", "--exists-action=b", folder=copy)
    call(environment / "python", "-m", "pip", "check", folder=copy)
    table = call(
        environment / "python", "-c", "from sslens.headless.doctor import checkup; print(checkup())", folder=copy
    )
    assert re.findall(r"what='(?:python|packages[^']*)', found='[^']*', state='(\w+)'", table) == ["ok"] * 4


def test_the_wheel_carries_the_notebooks_and_no_tests(copy, environment, tmp_path):
    """The dependencies are those of this environment, lent through a path file."""
    call(environment / "python", "-m", "pip", "wheel", "--no-deps", "--wheel-dir", tmp_path, copy, folder=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    call(environment / "python", "-m", "pip", "install", "--no-deps", wheel, folder=tmp_path)
    (packages,) = (environment.parent / "lib").glob("python*/site-packages")
    (packages / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    assert not list(environment.parent.rglob("*/tests/house"))

    empty = tmp_path / "empty"
    empty.mkdir()
    call(environment / "sslens", "notebooks", "--to", "mine", folder=empty)
    copies = {path.name: path.read_bytes() for path in (empty / "mine").iterdir()}
    assert copies == {path.name: path.read_bytes() for path in (copy / "notebooks").glob("[0-9]*.ipynb")}
    code = "import sslens; print(sslens.__file__)"
    assert call(environment / "python", "-c", code, folder=empty).startswith(str(environment.parent))
