"""A pytest plugin: nbval runs the notebooks, ``sslens.headless.compare`` judges their outputs.

Notebooks run at the smoke profile, cell by cell in file order, in one kernel each. One of the checkout is compared
with its reference beside these tests, any other with the outputs it holds itself.
"""

import os
import subprocess
import tempfile
import time
from queue import Empty
from typing import final

import joblib
import pytest
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, RunningKernel, start_new_kernel
from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError

SHOWN = 10
"""Differences of a cell that are shown; the rest are counted."""
SHARED = "SSLENS_TEST_DATA"
"""Names the data folder that everything in one session shares, the workers and the processes they start included."""
REFERENCES = ("tests", "notebooks", "reference")
ENVIRONMENT = pytest.StashKey[dict[str, str]]()


def pytest_configure(config):
    """Give this session one data folder that begins empty, so that no stored run answers for the code.

    What a worker starts shares the worker's processors: runs are trained in the test's or notebook's own process.
    """
    if SHARED not in os.environ:
        folder = tempfile.TemporaryDirectory(prefix="sslens-tests-", ignore_cleanup_errors=True)
        os.environ[SHARED] = folder.name
        config.add_cleanup(folder.cleanup)
        config.add_cleanup(lambda: os.environ.pop(SHARED))
    if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
        os.environ["SSLENS_CORES"] = str(max(1, joblib.cpu_count() // int(workers)))
    chosen = {"SSLENS_PROFILE": "smoke", "OMP_NUM_THREADS": "1"}
    config.stash[ENVIRONMENT] = chosen | os.environ | {"SSLENS_LIVE": "0", "SSLENS_DATA": os.environ[SHARED]}


def pytest_ignore_collect(collection_path):
    """Leave references alone: they are what is compared with, and stand in no folder to run in."""
    return collection_path.parts[-4:-1] == REFERENCES or None


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    """Put our notebooks in the place of nbval's."""
    found = yield
    return [Notebook.from_parent(parent, path=file_path) if isinstance(node, IPyNbFile) else node for node in found]


@final
class Notebook(IPyNbFile):
    """A notebook whose cells are compared with tolerance."""

    def collect(self):
        """Yield a test for each code cell that holds something, numbered from 1."""
        from sslens.headless.notebook import is_code, is_folded_source

        items = [item for item in super().collect() if is_code(item.cell)]
        self.reference = self._reference()
        for number, item in enumerate(items, 1):
            item.options["check"] = item.options["check"] and not is_folded_source(item.cell)
            item.cell = self._compared_with(item.cell, number)
            yield Cell.from_parent(self, name=f"Cell {number}", cell_num=number, cell=item.cell, options=item.options)

    def _reference(self):
        """The cells to compare with; None where there are none."""
        from sslens.headless.lesson import reference_of, stale_reference
        from sslens.headless.notebook import code_cells, read_notebook

        path = reference_of(self.path)
        self.trouble = stale_reference(self.nb, path) if path else ""
        if self.trouble:
            return None
        return code_cells(read_notebook(path) if path else self.nb)

    def _compared_with(self, cell, number):
        stored = self.reference[number - 1] if self.reference else cell
        # nbval does not compare cells that were never run: with their outputs cleared they would pass
        cell.update(outputs=stored.outputs, execution_count=stored.execution_count or 0)
        return cell

    def setup(self):
        """Start the kernel, unless there is nothing to compare with."""
        if self.trouble:
            remedy = f"sslens freeze --reference {self.path.stem}"
            pytest.fail(f"the reference of {self.path.name} {self.trouble}: {remedy}", pytrace=False)
        if not any(cell.outputs for cell in self.reference):
            pytest.fail(f"{self.path.name} holds no outputs at all: there is nothing to compare with", pytrace=False)
        patience = self.config.option.nbval_kernel_startup_timeout
        self.kernel = Kernel(str(self.path.parent), patience, self.config.stash[ENVIRONMENT])


@final
class Cell(IPyNbCell):
    """A code cell and its reference outputs."""

    def __init__(self, **options):
        super().__init__(**options)
        # nbval waits 5 s for outputs, which is little on a busy machine; a dead kernel is noticed anyway
        self.output_timeout = self.config.option.nbval_cell_timeout

    def compare_outputs(self, test, ref, skip_compare=None):
        """Compare with tolerance; what differs is kept for the message."""
        from sslens.headless.compare import differences  # after the import hook that checks shapes is in place

        found = differences(ref, test)
        rest = [f"and {len(found) - SHOWN} more differences"] if len(found) > SHOWN else []
        self.comparison_traceback = found[:SHOWN] + rest
        return not found

    def repr_failure(self, excinfo):
        """Name notebook, cell and what went wrong, without the runner's own frames."""
        from sslens.headless.notebook import cell_name

        error = excinfo.value
        cause = str(error) or type(error).__name__
        if isinstance(error, NbCellError) and error.inner_traceback:
            cause += "\n" + error.inner_traceback.strip()
        return f"{self.path.name}, {cell_name(self.cell_num, self.cell.source)}: {cause}"


@final
class Kernel(RunningKernel):
    """A kernel with an environment of its own, whose death ends the waiting."""

    def __init__(self, folder, patience, environment):
        self.km, self.kc = start_new_kernel(
            startup_timeout=patience,
            kernel_name=CURRENT_ENV_KERNEL_NAME,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=environment,
        )
        self._ensure_iopub_up()

    def get_message(self, stream, timeout=None):
        """Wait for a message as long as there is somebody to send one."""
        end = float("inf") if timeout is None else time.monotonic() + timeout
        while True:
            try:
                return super().get_message(stream, timeout=max(0.0, min(0.5, end - time.monotonic())))
            except Empty:
                if not self.is_alive():
                    raise RuntimeError("the kernel died while running this cell") from None
                if time.monotonic() >= end:
                    raise
