"""Modules are collected as Python imports them."""

import importlib
from pathlib import Path

LIBRARY = Path(__file__).parent


def pytest_collect_file(file_path: Path) -> None:
    """Import the package of a file before pytest imports the file.

    Of a package that is not imported yet pytest would run the file once more and put that module in the place of the
    function of its name: ``spectrum.cka`` would be a module for every test that follows.
    """
    package = file_path.parent.relative_to(LIBRARY).parts
    if file_path.suffix == ".py" and package:
        importlib.import_module(".".join(package))
