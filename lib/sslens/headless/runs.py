"""Headless runs on disk: found by name, read back, held against each other."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from sslens.claims import NOT_TESTED, UNDER_REVIEW, WORDS
from sslens.headless.record import FAILED, LATEST, RunRecord, stored_run
from sslens.runtime import data_root
from sslens.store import MANIFEST
from sslens.types import DamagedFile, InputError, UnknownName


@final
@dataclass(frozen=True)
class Listed:
    """A folder among runs: the run that it holds, or what is wrong with it."""

    folder: Path
    run: RunRecord | None
    trouble: str = ""


def runs_folder(place: Path | None = None) -> Path:
    """Where runs lie: the folder given, else ``runs`` of the data root.

    Raises:
        InputError: the folder given is none.

    >>> runs_folder(Path("/nowhere"))
    Traceback (most recent call last):
        ...
    sslens.types.InputError: DIR must be a folder of runs. Got '/nowhere'.
    """
    if place is not None and not place.is_dir():
        raise InputError("DIR", str(place), "a folder of runs")
    return place if place is not None else data_root() / "runs"


def listed(runs: Path) -> list[Listed]:
    """All runs in a folder, the failed ones too, the newest first; manifests are verified, files when a run is read.

    >>> listed(Path("/nowhere"))
    []
    """
    found = [_listed(folder) for folder in _folders(runs)]
    return sorted(found, key=lambda each: (each.run.started if each.run else "", each.folder.name), reverse=True)


def _folders(runs: Path) -> Iterator[Path]:
    for place in (runs, runs / FAILED):
        folders = sorted(place.iterdir()) if place.is_dir() else []
        yield from (each for each in folders if (each / MANIFEST).is_file() and not _is_other(each))


def _is_other(folder: Path) -> bool:
    return folder.is_symlink() or folder.name.startswith(".") or ".damaged-" in folder.name


def _listed(folder: Path) -> Listed:
    try:
        return Listed(folder, stored_run(folder, files=False))
    except DamagedFile as damage:
        return Listed(folder, None, damage.hint or "It is damaged.")


def found_run(name: str, runs: Path) -> RunRecord:
    """A run by the path of its folder, by its name, by the beginning of its name or its key, or by ``latest``.

    Everything of it is verified.

    Raises:
        UnknownName: there is no such run.
        InputError: several runs have such a name, or there is no run at all.
        DamagedFile: the run is not what was written.

    >>> found_run("none", Path("/nowhere"))
    Traceback (most recent call last):
        ...
    sslens.types.InputError: RUN must be a run in /nowhere, which has none, or the path of one. Got 'none'. ...
    """
    given = Path(name).expanduser() if name.startswith("~/") else Path(name)
    for place in (given, given.parent):  # the folder, or a file of it
        if len(given.parts) > 1 and (place / MANIFEST).is_file():
            return stored_run(place.resolve() if place.is_symlink() else place)
    folders = list(_folders(runs))
    if name == LATEST and (runs / LATEST / MANIFEST).is_file():
        return stored_run((runs / LATEST).resolve())
    exact = [folder for folder in folders if folder.name == name]
    fitting = exact or [folder for folder in folders if name and _is_meant(folder, name)]
    if len(fitting) == 1:
        return stored_run(fitting[0])
    if fitting:
        raise InputError("RUN", name, "the beginning of one run's name or key", _names(fitting))
    if not folders:
        raise InputError("RUN", name, f"a run in {runs}, which has none, or the path of one", "sslens run makes one.")
    raise UnknownName("RUN", name, [each.name for each in folders])


def _is_meant(folder: Path, name: str) -> bool:
    if folder.name.startswith(name):
        return True
    run = _listed(folder).run
    return run is not None and len(name) >= 4 and str(run.identity.get("key", "")).startswith(name)


def _names(folders: list[Path]) -> str:
    return f"It fits {', '.join(folder.name for folder in folders)}."


def differences(first: RunRecord, second: RunRecord) -> dict[str, list[tuple[str, Any, Any]]]:
    """What two runs differ in, by subject: name, value in the first, value in the second; None where there is none."""
    subjects = {
        "notebook": ({"name": first.notebook, **_source(first)}, {"name": second.notebook, **_source(second)}),
        "parameters": (first.parameters, second.parameters),
        "data": (first.identity.get("data", {}), second.identity.get("data", {})),
        "versions": (first.versions, second.versions),
        "numerics": (first.numerics, second.numerics),
        "commit": (first.commit or {}, second.commit or {}),
        "outcome": (
            {"status": first.status, "reason": first.reason},
            {"status": second.status, "reason": second.reason},
        ),
        "verdicts": (_verdicts(first), _verdicts(second)),
    }
    changed = {subject: list(_changed(*pair)) for subject, pair in subjects.items()}
    return {subject: rows for subject, rows in changed.items() if rows}


def _source(run: RunRecord) -> dict[str, Any]:
    return {name: run.identity.get(name) for name in ("source", "library")}


def _verdicts(run: RunRecord) -> dict[str, str]:
    """What was found for each quantity, to the last digit that is kept."""
    return {f"{each.get('quantity')}": outcome(each) for each in run.verdicts}


def outcome(verdict: Mapping[str, Any]) -> str:
    """The outcome of a recorded verdict in one line: word, mean, interval and number of repetitions.

    >>> outcome({"holds": True, "mean": 0.25, "low": 0.2, "high": 0.3, "n": 3})
    'holds: 0.25 [0.2, 0.3], n 3'
    """
    word = NOT_TESTED if verdict.get("untested") else WORDS.get(verdict.get("holds"), WORDS[None])
    word = f"{UNDER_REVIEW} (now {word})" if verdict.get("under_review") else word
    mean, low, high = (verdict.get(name) for name in ("mean", "low", "high"))
    spread = "" if low is None or high is None else f" [{low!r}, {high!r}]"
    return f"{word}: {mean!r}{spread}, n {verdict.get('n')}"


def _changed(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name in [*first, *(name for name in second if name not in first)]:
        if first.get(name) != second.get(name):
            yield name, first.get(name), second.get(name)
