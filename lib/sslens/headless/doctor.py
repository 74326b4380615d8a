"""What a machine has of what sslens needs, and how to mend what is missing."""

import importlib.metadata
import platform
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

import psutil
import torch
from jupyter_core.paths import jupyter_path
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from sslens import runtime
from sslens.headless.litter import of_version_01
from sslens.types import InputError

INSTALL = 'pip install --editable ".[lab,test]" in the checkout, or make test'
EXTENSIONS = ("@jupyter-widgets/jupyterlab-manager", "jupyterlab-plotly", "anywidget")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
Bad = Literal["missing", "wrong"]
MEMORY = 2.0
"""GiB that a lesson wants to find free."""


@final
@dataclass(frozen=True)
class Row:
    """One line of the doctor's table."""

    what: str
    found: str
    state: Literal["ok", "missing", "wrong"]
    mend: str = ""
    """What to do about it; empty where there is nothing to do."""
    needed: bool = True
    """Whether ``sslens run`` cannot do without."""


def checkup() -> list[Row]:
    """Look at this machine: nothing is changed, nothing is fetched.

    >>> [row.what for row in checkup()][:2]
    ['python', 'packages']
    """
    return [
        _python(),
        *_packages(),
        _device(),
        *_lab(),
        _kernel(),
        _browser(),
        _folder(),
        *_old_caches(),
        _threads(),
        _memory(),
    ]


def _row(good: bool, what: str, *, found: str, mend: str, needed: bool = True, bad: Bad = "wrong") -> Row:
    return Row(what, found, "ok" if good else bad, "" if good else mend, needed)


def _python() -> Row:
    supported = SpecifierSet(importlib.metadata.metadata("sslens")["Requires-Python"])
    version = platform.python_version()
    mend = f"use a Python {supported}: make run PYTHON=PATH sets one up"
    return _row(supported.contains(version, prereleases=True), "python", found=version, mend=mend)


def _packages() -> Iterator[Row]:
    """One row for what runs notebooks, one for each group on top of it."""
    groups: dict[str, list[Requirement]] = {"": [], "lab": [], "test": []}
    for line in importlib.metadata.requires("sslens") or []:
        requirement = Requirement(line)
        marker = requirement.marker
        group = next(
            (g for g in ("lab", "test") if marker and not marker.evaluate({"extra": ""}) and g in str(marker)), ""
        )
        groups[group].append(requirement)
    for group, requirements in groups.items():
        deviations = [found for requirement in requirements if (found := _deviation(requirement))]
        found = f"{len(requirements) - len(deviations)} of {len(requirements)} at their pins"
        what = f"packages: {group}" if group else "packages"
        yield _row(not deviations, what, found="; ".join([found, *deviations]), mend=INSTALL, needed=not group)


def _deviation(requirement: Requirement) -> str:
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return f"{requirement.name} is missing"
    good = requirement.specifier.contains(version, prereleases=True)
    return "" if good else f"{requirement.name} is {version}, not {requirement.specifier}"


def _device() -> Row:
    if torch.cuda.is_available():
        return Row("torch device", f"CUDA: {torch.cuda.get_device_name()}", "ok")
    return Row("torch device", f"CPU ({torch.backends.cpu.get_cpu_capability()})", "ok")


def _lab() -> Iterator[Row]:
    try:
        version = importlib.metadata.version("jupyterlab")
        yield Row("JupyterLab", version, "ok", needed=False)
    except importlib.metadata.PackageNotFoundError:
        yield Row("JupyterLab", "none", "missing", INSTALL, needed=False)
    folders = [Path(folder) for folder in jupyter_path("labextensions")]
    missing = [name for name in EXTENSIONS if not any((folder / name).is_dir() for folder in folders)]
    found = f"{len(EXTENSIONS) - len(missing)} of {len(EXTENSIONS)}" + f", without {', '.join(missing)}" * bool(missing)
    yield _row(not missing, "its widget and plotly extensions", found=found, mend=INSTALL, needed=False, bad="missing")


def _kernel() -> Row:
    version = importlib.metadata.version("ipykernel")
    major, minor = (int(part) for part in version.split(".")[:2])
    mend = "pip install ipykernel==7.3.0: in other versions live controls stop while a cell runs"
    return _row((major, minor) == (7, 3), "ipykernel", found=version, mend=mend, needed=False)


def _browser() -> Row:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), "")
    mend = "install chromium: sslens freeze draws the PNG beside each figure with it"
    return _row(bool(found), "browser for PNG export", found=found or "none", mend=mend, needed=False, bad="missing")


def _old_caches() -> Iterator[Row]:
    if size := sum(each.bytes for each in of_version_01()):
        found = f"{size / 1e6:,.0f} MB of version 0.1, not read any more"
        yield Row("old caches", found, "wrong", "sslens runs clean removes them", needed=False)


def _folder() -> Row:
    root = runtime.data_root()
    mend = "make it writable, or name another folder in SSLENS_DATA"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        return Row("folder of runs and caches", f"{root}: {error.strerror}", "wrong", mend)
    free = shutil.disk_usage(root).free / 2**30
    return _row(free > 1, "folder of runs and caches", found=f"{root}, {free:.0f} GiB free", mend="free some space")


def _threads() -> Row:
    try:
        return Row("cores and threads", f"{runtime.cores()} cores, {runtime.threads()} of them per run", "ok")
    except InputError as error:
        return Row("cores and threads", str(error), "wrong", "unset SSLENS_CORES and SSLENS_THREADS, or set them to 1")


def _memory() -> Row:
    memory = psutil.virtual_memory()
    found = f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free"
    return _row(memory.available > MEMORY * 2**30, "memory", found=found, mend="close other programs", needed=False)
