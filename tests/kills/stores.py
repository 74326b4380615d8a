"""What keeps results, each in the same four words: keep one, read one, and what a finished and a new one are."""

import json
import os
from pathlib import Path

import nbformat
import torch
from nbformat.v4 import new_code_cell, new_notebook, new_output

from sslens import trace
from sslens.headless import run as running
from sslens.headless.attempt import Attempt, Request
from sslens.headless.identity import Identity
from sslens.headless.record import stored_run
from sslens.places import alone
from sslens.store import write_atomic
from sslens.trace import Snapshot, Trace
from sslens.train import cache, prepare
from sslens.types import DamagedFile, Dataset, InputError
from tests.train.cases import tiny

IDENTITY = Identity("s", {}, "l", {}, {}, {})


class Runs:
    """Headless runs: a finished notebook and what its last cell left become a folder."""

    def __init__(self, root):
        self.root = root
        running.write_report = lambda notebook, path: write_atomic(path, "page")  # a real one takes seconds
        running.of_the_checkout = lambda: None
        cell = new_code_cell('profile: str = "smoke"', metadata={"tags": ["parameters"]}, execution_count=1)
        cell.outputs = [new_output("stream", text="0.25" * 100)]
        source = new_notebook(cells=[cell])
        self.request, self.content = Request(Path("tour.ipynb"), source, {"profile": "smoke"}), nbformat.writes(source)

    def keep(self, number):
        place = self.root / f"tour-{number}"
        with alone(self.root / f".{place.name}.lock", patience=0):
            if running._found(place)[0] is not None:
                return
            with running._staging(place) as staging:
                attempt = Attempt(self.request, staging, nonce=f"{number:016x}")
                attempt.work.mkdir()
                attempt.executed.write_text(self.content)
                attempt.receipt.write_text(json.dumps({"verdicts": [{"quantity": "rank", "mean": number}]}))
                attempt.results.write_text("{}")
                record = running._kept(attempt, "", place=place, known={"identity": IDENTITY, "note": ""})
                assert record.status == "complete"

    def read(self, number):
        """What is found under the number: its content, or None."""
        try:
            run = stored_run(self.root / f"tour-{number}")
        except DamagedFile:
            return None
        return run.nonce, run.verdicts, sorted(path.name for path in run.folder.iterdir())

    def is_whole(self, number):
        found = self.read(number)
        return found is not None and found[:2] == (f"{number:016x}", [{"quantity": "rank", "mean": number}])


def snapshot(step, number):
    values = torch.full((3, 2), float(number))
    state = {"model.weight": values + step} | ({"optimizer.step": torch.ones(2)} if step else {})
    return Snapshot(step, values, -values, {"term": torch.ones(1)} if step else {}, state)


class Traces:
    """Traces in folders, saved after every snapshot, as a recording does."""

    def __init__(self, root):
        self.root = root
        self.images = Dataset(torch.zeros(3, 1, 2, 2), torch.arange(3), ("a", "b", "c"))

    def trace(self, number):
        held_out, config = torch.zeros(3, dtype=torch.bool), {"optimisation": {"steps": 2}}
        return Trace(config, self.images, held_out, (), {"number": number})

    def keep(self, number):
        growing = self.read(number) or self.trace(number)  # as a recording goes on from what stands there
        for step in range(len(growing.snapshots), 3):
            growing = growing.with_snapshot(snapshot(step, number))
            growing.save(self.root / f"{number}")

    def read(self, number):
        """The steps that stand there: all, some, or None."""
        try:
            return trace.load(self.root / f"{number}")
        except InputError:
            return None

    def is_whole(self, number):
        found = self.read(number)
        return found is not None and found.steps == [0, 1, 2] and self.is_right(number, found)

    def is_right(self, number, found):
        """Whether each snapshot that was accepted holds what was saved, the last one all that training goes on from."""
        wanted = [snapshot(step, number).state["model.weight"] for step in found.steps]
        held = [each.state["model.weight"] for each in found.snapshots]
        return all(map(torch.equal, wanted, held)) and (not found.snapshots or found.snapshots[-1].resumable)


class Cache:
    """The cache of trained runs, without the training."""

    def __init__(self, root):
        os.environ["SSLENS_DATA"] = str(root)
        self.setups = [prepare(tiny(seed=seed)) for seed in range(3)]
        self.snapshots = [[snapshot(step, seed) for step in (0, 1, 6)] for seed in range(3)]
        cache.fit = lambda setup, after: iter(
            each for each in self.snapshots[setup.config.seed] if after is None or each.step > after.step
        )

    def keep(self, number):
        cache._recorded(self.setups[number])

    def read(self, number):
        try:
            return trace.load(cache._place(self.setups[number]))
        except InputError:
            return None

    def is_whole(self, number):
        found = self.read(number)
        return found is not None and found.status == "complete" and self.is_right(number, found)

    def is_right(self, number, found):
        wanted = [each.state["model.weight"] for each in self.snapshots[number][: len(found.snapshots)]]
        return all(map(torch.equal, wanted, [each.state["model.weight"] for each in found.snapshots]))


class Naive:
    """What one writes first: in place, the manifest before the files, and believed because it is there."""

    def __init__(self, root):
        self.root = root

    def keep(self, number):
        folder = self.root / f"{number}"
        if not folder.exists():
            folder.mkdir()
        for name in ("run.json", "notebook.ipynb", "results.json"):
            handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.write(handle, json.dumps({"number": number}).encode())
            os.close(handle)

    def read(self, number):
        folder = self.root / f"{number}"
        if not (folder / "run.json").exists():
            return None
        return {path.name: path.read_text() for path in folder.iterdir()}

    def is_whole(self, number):
        wanted = json.dumps({"number": number})
        return self.read(number) == dict.fromkeys(("run.json", "notebook.ipynb", "results.json"), wanted)


STORES = {"runs": Runs, "traces": Traces, "cache": Cache, "naive": Naive}
