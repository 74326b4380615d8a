"""``python -m tests.benchmarks.before CHECKOUT``: this build beside an earlier one, each from an empty cache.

CHECKOUT is a clone at an earlier commit; both are run by this interpreter, one after the other: the first notebook at
the same seeds, or with ``--lessons`` all notebooks, each build with the seeds that it has chosen, which takes an hour.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]
SAME_SEEDS = ("-p", "seeds", "3")


def main() -> None:
    """Print seconds of both builds for each notebook, from an empty cache and from a full one, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--lessons", action="store_true")
    given = parser.parse_args()
    names = sorted(path.name for path in (given.checkout / "notebooks").glob("[0-9]*.ipynb"))
    for name in names if given.lessons else names[:1]:
        chosen = () if given.lessons else SAME_SEEDS
        with tempfile.TemporaryDirectory() as old, tempfile.TemporaryDirectory() as new:
            for state in ("empty cache", "full cache"):
                before = _seconds(given.checkout, old, name, chosen)
                now = _seconds(HERE, new, name, chosen)
                print(f"{name}, {state}: {before:.0f} s before, {now:.0f} s now, ratio {now / before:.2f}", flush=True)


def _seconds(checkout: Path, data: str, name: str, chosen: tuple[str, ...]) -> float:
    environment = os.environ | {"PYTHONPATH": str(checkout / "lib"), "SSLENS_DATA": data, "OMP_NUM_THREADS": "1"}
    shutil.rmtree(Path(data) / "runs", ignore_errors=True)  # a run that is there already would not be executed
    command = [sys.executable, "-m", "sslens", "run", f"notebooks/{name}", *chosen]
    start = time.monotonic()
    subprocess.run(command, cwd=checkout, env=environment, check=True, capture_output=True)
    return time.monotonic() - start


if __name__ == "__main__":
    main()
