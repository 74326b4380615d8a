"""A pytest plugin: nbval runs the notebooks, ``sslens.batch.compare`` judges their outputs.

Notebooks run at the smoke profile, cell by cell in file order, in one kernel each.
"""

import os
import subprocess
import tempfile
import time
from queue import Empty
from typing import final

import pytest
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, RunningKernel, start_new_kernel
from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError

SHOWN = 10
"""Differences of a cell that are told; the rest are counted."""
ENVIRONMENT = pytest.StashKey[dict[str, str]]()


def pytest_configure(config):
    """Give the kernels of this session one fresh data folder, so that no stored run answers for the code."""
    folder = tempfile.TemporaryDirectory(prefix="sslens-notebooks-", ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    chosen = {"SSLENS_PROFILE": "smoke", "OMP_NUM_THREADS": "1", "SSLENS_DATA": folder.name}
    config.stash[ENVIRONMENT] = chosen | os.environ | {"SSLENS_LIVE": "0"}


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    """Put our notebooks in the place of nbval's."""
    found = yield
    return [Notebook.from_parent(parent, path=file_path) if isinstance(node, IPyNbFile) else node for node in found]


@final
class Notebook(IPyNbFile):
    """A notebook whose cells are compared with tolerance."""

    def collect(self):
        """Yield a test for each code cell."""
        for item in super().collect():
            # nbval does not compare cells that were never run: with their outputs cleared they would pass.
            item.cell.execution_count = item.cell.execution_count or 0
            yield Cell.from_parent(self, name=item.name, cell_num=item.cell_num, cell=item.cell, options=item.options)

    def setup(self):
        """Start the kernel, unless the reference holds nothing to compare with."""
        if not any(cell.outputs for cell in self.nb.cells if cell.cell_type == "code"):
            pytest.fail(f"{self.path.name} holds no outputs at all: there is nothing to compare with", pytrace=False)
        patience = self.config.option.nbval_kernel_startup_timeout
        self.kernel = Kernel(str(self.path.parent), patience, self.config.stash[ENVIRONMENT])


@final
class Cell(IPyNbCell):
    """A code cell and its reference outputs."""

    def __init__(self, **options):
        super().__init__(**options)
        # nbval waits 5 s for outputs, which is little on a busy machine; a dead kernel is noticed anyway.
        self.output_timeout = self.config.option.nbval_cell_timeout

    def compare_outputs(self, test, ref, skip_compare=None):
        """Compare with tolerance; what differs is kept for the message."""
        from sslens.batch.compare import differences  # after the import hook that checks shapes is in place

        found = differences(ref, test)
        rest = [f"and {len(found) - SHOWN} more differences"] if len(found) > SHOWN else []
        self.comparison_traceback = found[:SHOWN] + rest
        return not found

    def repr_failure(self, excinfo):
        """Name notebook, cell and what went wrong, without the runner's own frames."""
        error = excinfo.value
        first = next(iter(self.cell.source.strip().splitlines()), "")
        told = str(error) or type(error).__name__
        if isinstance(error, NbCellError) and error.inner_traceback:
            told += "\n" + error.inner_traceback.strip()
        return f"{self.path.name}, Cell {self.cell_num} ({first}): {told}"


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
