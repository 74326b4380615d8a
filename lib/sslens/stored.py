"""Stored results: numbers of runs too long for a lesson, computed once and kept beside where they come from.

A study lists its ``Computation``s in ``STORED``. ``sslens store NOTEBOOK NAME`` trains and measures one, and writes
the folder that ``Computation.read`` reads. What is read says by which command, when, at which commit and on what it was
computed, and whether today's code would compute it the same way.
"""

import hashlib
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

from xarray import DataArray

from sslens.fingerprint import of_modules
from sslens.runtime import canonical_json
from sslens.store import CHECKSUM, MANIFEST, checksums, load_arrays, read_sealed, save_arrays, seal
from sslens.train import Config, Runs
from sslens.train.cache import modules_of
from sslens.types import DamagedFile, InputError

ROOT = Path(__file__).parent / "studies" / "stored"
"""Committed with the library and installed with it: a folder for each notebook, in it one for each result."""
RESULTS = "results.json"
SAID = {"command": str, "computed": str, "commit": dict, "python": str, "runs": dict, "seeds": list, "code": str}
"""What the manifest of a stored result says, and as what; ``runs``: config and provenance of each."""


@final
@dataclass(frozen=True)
class Computation:
    """Long runs, and what is measured of them once.

    >>> from sslens.objectives import SimCLR
    >>> runs = {"long": Config(objective=SimCLR(), optimisation={"steps": 100_000})}
    >>> Computation("00_first_light", "to_the_end", runs, 3, lambda runs: {"loss": runs.loss_along()}).command
    'sslens store 00_first_light to_the_end'
    """

    notebook: str
    name: str
    configs: Mapping[str, Config]
    seeds: int
    measured: Callable[[Runs], Mapping[str, DataArray]]
    """Labelled numbers by name, of the runs of all seeds."""

    @property
    def command(self) -> str:
        """What computes and stores it."""
        return f"sslens store {self.notebook} {self.name}"

    @property
    def code(self) -> str:
        """32 hexadecimal digits of all that decides the numbers: configs, seeds, the code of training and measuring.

        The module of ``measured`` counts with all that it imports from this library, as does the loop.
        """
        configs = {name: config.to_json() for name, config in self.configs.items()}
        trained = [module for config in self.configs.values() for module in modules_of(config)]
        code = of_modules(self.measured.__module__, *trained, through_faces=True)
        return hashlib.sha256(canonical_json([configs, self.seeds, code]).encode()).hexdigest()[:32]

    def folder(self, root: Path = ROOT) -> Path:
        """Where it is stored."""
        return root / self.notebook / self.name

    def compute(self) -> tuple[Runs, Mapping[str, DataArray]]:
        """Train what the cache does not hold, and measure."""
        runs = Runs.of(self.configs, seeds=self.seeds, label=self.name)
        return runs, self.measured(runs)

    def store(self, *, commit: Mapping[str, Any], root: Path = ROOT) -> "StoredResult":
        """Compute it and write it down; ``commit`` says what of the library did so.

        Raises:
            InputError: an array that cannot be written, or what ``Runs.of`` refuses.
        """
        code, folder = self.code, self.folder(root)
        runs, arrays = self.compute()
        folder.mkdir(parents=True, exist_ok=True)
        save_arrays(folder / RESULTS, arrays)
        if lost := arrays.keys() - load_arrays(folder / RESULTS).keys():
            raise InputError(f"arrays of {self.name}", sorted(lost), "such that JSON can hold them")
        record = {
            "command": self.command,
            "computed": datetime.now(UTC).date().isoformat(),
            "commit": dict(commit),
            "python": platform.python_version(),
            "runs": {
                name: {"config": config.to_json(), **runs[name][0].provenance} for name, config in self.configs.items()
            },
            "seeds": list(runs.seeds),
            "code": code,
        }
        seal(folder, record | {CHECKSUM: {RESULTS: checksums(folder)[RESULTS]}})
        return self.read(root)

    def read(self, root: Path = ROOT) -> "StoredResult":
        """What was stored, held against its checksums.

        Raises:
            DamagedFile: nothing was stored, it was altered, or it does not say where it comes from.
        """
        folder = self.folder(root)
        try:
            record = read_sealed(folder)
            whole = all(isinstance(record.get(name), kind) for name, kind in SAID.items())
            if not whole:
                raise DamagedFile("stored result", str(folder / MANIFEST), f"a record of {', '.join(SAID)}")
            arrays = load_arrays(folder / RESULTS)
        except DamagedFile as error:
            raise DamagedFile(
                error.field, error.got, error.allowed, f"{error.hint} `{self.command}` computes it."
            ) from error
        return StoredResult(_marked(arrays), record, is_current=record["code"] == self.code)

    def checksum(self, root: Path = ROOT) -> str:
        """The checksum of what is stored, for whatever is made from it.

        Raises:
            DamagedFile: as ``read``.
        """
        return self.read(root).record[CHECKSUM][RESULTS]


@final
@dataclass(frozen=True, eq=False)
class StoredResult:
    """Labelled numbers that were computed once, and where they come from.

    >>> record = {"command": "sslens store 00_first_light to_the_end", "computed": "2026-11-28", "seeds": [0, 1]}
    >>> record |= {"commit": {"hash": "8e283c4d", "changed": False}}
    >>> print(StoredResult({}, record, is_current=False).origin)
    stored result: computed by `sslens store 00_first_light to_the_end` on 2026-11-28, commit 8e283c4, seeds 0 to 1
    (with other code or settings than today's)
    """

    arrays: Mapping[str, DataArray]
    record: Mapping[str, Any]
    is_current: bool
    """Whether the code and the settings of today are those that it was computed with."""

    @property
    def origin(self) -> str:
        """Where the numbers come from, and whether the code has changed since."""
        said, seeds = self.record, self.record["seeds"]
        commit = said["commit"]["hash"][:7] + " with changes" * said["commit"]["changed"]
        many = f"seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"seed {seeds[0]}"
        line = f"stored result: computed by `{said['command']}` on {said['computed']}, commit {commit}, {many}"
        return line + "\n(with other code or settings than today's)" * (not self.is_current)

    def __getitem__(self, name: str) -> DataArray:
        """One of the arrays; its setting says that it was stored.

        Raises:
            KeyError: no such array.
        """
        return self.arrays[name]


def _marked(arrays: Mapping[str, DataArray]) -> dict[str, DataArray]:
    """The arrays with a setting, which verdicts repeat, that says they are stored."""
    return {
        name: array.assign_attrs(setting=", ".join(filter(None, [array.attrs.get("setting"), "stored result"])))
        for name, array in arrays.items()
    }
