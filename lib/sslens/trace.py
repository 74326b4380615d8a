"""Memory: what a training run went through, kept so that any measure can be taken afterwards."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, final

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from sslens.store import MANIFEST, load_tensors, read_sealed, save_tensors, seal
from sslens.types import DamagedFile, Dataset, Features, InputError

FULL_EVERY = 4
"""Every so many snapshots of a trace one keeps the state of the optimiser, and the last does: a run is resumed from
there, and forked in between after training up to that place again. In all of them it would be two thirds of a trace."""
SAID = {"config": dict, "provenance": dict, "files": dict, "classes": list, "status": str}
"""What the manifest of a trace says, and as what."""
RESUMED_FROM = ("optimizer", "objective")
"""Parts of a state that only further training needs."""


@final
@dataclass(frozen=True, eq=False)
class Snapshot:
    """The features of a fixed reference set at one step, and everything needed to go on training from here.

    >>> h = torch.zeros(5, 3)
    >>> Snapshot(0, h, h, {}, {"model.encoder.bias": torch.ones(2)}).part("model.encoder")
    {'bias': tensor([1., 1.])}
    """

    step: int
    representation: Features
    """Encoder outputs of the reference images, in eval mode and without augmentation."""
    embedding: Float[Tensor, "n k"]
    terms: Mapping[str, Float[Tensor, "t"]]
    """Each term of the loss at every step since the snapshot before."""
    state: Mapping[str, Shaped[Tensor, "..."]]
    """Model, optimiser and objective by dotted name: ``model.encoder.0.0.weight``, ``optimizer...``."""

    @property
    def diverged(self) -> bool:
        """Whether a term of the loss or a feature stopped being finite."""
        numbers = (*self.terms.values(), self.representation, self.embedding)
        return not all(bool(values.isfinite().all()) for values in numbers)

    def part(self, name: str) -> dict[str, Shaped[Tensor, "..."]]:
        """The state of one part (``model.encoder``, ``optimizer``, ...) with the part's name taken off."""
        return _under(name, self.state)

    @property
    def resumable(self) -> bool:
        """Whether training can go on from here: at the start, or with the state of the optimiser."""
        return self.step == 0 or bool(self.part("optimizer"))

    def thin(self) -> "Snapshot":
        """The snapshot without what only further training needs."""
        kept = {name: value for name, value in self.state.items() if name.split(".")[0] not in RESUMED_FROM}
        return replace(self, state=kept)


@final
@dataclass(frozen=True, eq=False)
class Trace:
    """All snapshots of a run along time: it can be measured, scrubbed, restored and continued.

    >>> images = Dataset(torch.zeros(5, 1, 2, 2), torch.zeros(5, dtype=torch.int64), ("only",))
    >>> first = Snapshot(0, torch.ones(5, 3), torch.ones(5, 2), {}, {})
    >>> trace = Trace({"optimisation": {"steps": 0}}, images, torch.ones(5, dtype=torch.bool), (first,), {})
    >>> trace.status, trace.along(lambda h: h.sum())
    ('complete', tensor([15.], dtype=torch.float64))
    """

    config: Mapping[str, Any]
    reference: Dataset
    """The images whose features every snapshot holds."""
    held_out: Bool[Tensor, "n"]
    """Which of them come from the test set; the others were trained on."""
    snapshots: tuple[Snapshot, ...]
    provenance: Mapping[str, Any]
    """Library, torch, device, threads, processor: what decided the digits besides the config."""

    @property
    def steps(self) -> list[int]:
        """The training step of each snapshot."""
        return [snapshot.step for snapshot in self.snapshots]

    @property
    def status(self) -> Literal["running", "complete", "diverged"]:
        """``complete`` when the last step was reached, ``diverged`` when numbers stopped being finite."""
        last = self.snapshots[-1] if self.snapshots else None
        if last is not None and last.diverged:
            return "diverged"
        return "complete" if last is not None and last.step == self.config["optimisation"]["steps"] else "running"

    def along(self, measure: Callable[[Features], float], of: str = "representation") -> Float[Tensor, "t"]:
        """A measure of the features at every snapshot; NaN where the run had diverged.

        Raises:
            InputError: ``of`` is neither representation nor embedding.
        """
        if of not in ("representation", "embedding"):
            raise InputError("of", of, "'representation' or 'embedding'")
        values = [float("nan") if each.diverged else float(measure(getattr(each, of))) for each in self.snapshots]
        return torch.tensor(values, dtype=torch.float64, device="cpu")

    def with_snapshot(self, snapshot: Snapshot) -> "Trace":
        """The trace with one more snapshot; the one before keeps its full state in every fourth place."""
        earlier = self.snapshots
        if earlier and (len(earlier) - 1) % FULL_EVERY:
            earlier = (*earlier[:-1], earlier[-1].thin())
        return replace(self, snapshots=(*earlier, snapshot))

    def terms(self) -> dict[str, Float[Tensor, "t"]]:
        """Each term of the loss at every training step, in the order in which the objective gives them."""
        names = self.snapshots[-1].terms if self.snapshots else ()
        return {name: torch.cat([each.terms[name] for each in self.snapshots if each.terms]) for name in names}

    def loss(self) -> Float[Tensor, "t"]:
        """The sum of the terms at every training step; of a run without steps none."""
        terms = self.terms()
        return torch.stack(list(terms.values())).sum(0) if terms else torch.empty(0, dtype=torch.float32, device="cpu")

    def save(self, path: Path | str) -> None:
        """Write the run into a folder, each file atomically, the sealed manifest with all checksums last.

        Files that stand there already are not written again, so saving after every snapshot costs two small ones; the
        training state that a later snapshot has made superfluous is removed.

        Raises:
            InputError: the folder holds another run.
        """
        folder, identity = Path(path), {"config": dict(self.config), "provenance": dict(self.provenance)}
        manifest = _manifest(folder) if (folder / MANIFEST).is_file() else identity | {"files": {}}
        if any(manifest.get(key) != value for key, value in identity.items()):
            raise InputError("path", str(folder), "an empty folder or one that holds this very run")
        files = self._files()
        checksums = {name: each for name, each in manifest["files"].items() if name in files}
        for name in files.keys() - checksums.keys():
            checksums[name] = save_tensors(folder / name, files[name])
        manifest |= {"classes": self.reference.classes, "status": self.status, "files": checksums}
        seal(folder, manifest)
        for superfluous in {path.name for path in folder.glob("resume-*.safetensors")} - files.keys():
            (folder / superfluous).unlink(missing_ok=True)

    def _files(self) -> dict[str, dict[str, Tensor]]:
        files = {"reference.safetensors": {**self.reference.tensors(), "held_out": self.held_out}}
        for each in self.snapshots:
            features = {"representation": each.representation, "embedding": each.embedding}
            # A file hands its tensors out in the order of their names, and the order decides how a sum is rounded.
            features |= {f"term.{place:03}.{name}": each.terms[name] for place, name in enumerate(each.terms)}
            features |= {f"state.{name}": values for name, values in each.thin().state.items()}
            files[f"snapshot-{each.step:07d}.safetensors"] = features
            resumed = {name: value for name, value in each.state.items() if name.split(".")[0] in RESUMED_FROM}
            if resumed:
                files[f"resume-{each.step:07d}.safetensors"] = resumed
        return files


def load(path: Path | str) -> Trace:
    """Read a run from its folder, every file held against its checksum; another process may be writing it.

    Raises:
        InputError: there is no run in the folder.
        DamagedFile: a file is missing, truncated or altered.

    >>> load("/nowhere")
    Traceback (most recent call last):
        ...
    sslens.types.InputError: path must be a folder with a run.json. Got '/nowhere'.
    """
    folder = Path(path)
    if not (folder / MANIFEST).exists():
        raise InputError("path", str(folder), f"a folder with a {MANIFEST}")
    while True:
        manifest = _manifest(folder)
        try:
            return _read(folder, manifest)
        except DamagedFile:
            if _manifest(folder) == manifest:  # else a writer has gone on, and removed what a new snapshot replaces
                raise


def _read(folder: Path, manifest: Mapping[str, Any]) -> Trace:
    try:
        return _of_files(folder, manifest)
    except DamagedFile:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # files that fit neither each other nor a trace
        raise DamagedFile("path", str(folder), "a folder that a trace was saved in") from error


def _of_files(folder: Path, manifest: Mapping[str, Any]) -> Trace:
    files = {name: load_tensors(folder / name, checksum)[0] for name, checksum in manifest["files"].items()}
    images = files.pop("reference.safetensors")
    held_out = images.pop("held_out")
    reference = Dataset.of_tensors(images, tuple(manifest["classes"]))
    snapshots = tuple(_snapshot(files, name) for name in sorted(name for name in files if name.startswith("snapshot-")))
    return Trace(manifest["config"], reference, held_out, snapshots, manifest["provenance"])


def _snapshot(files: Mapping[str, Mapping[str, Tensor]], name: str) -> Snapshot:
    features, resumed = files[name], files.get(name.replace("snapshot-", "resume-"), {})
    state = _under("state", features) | dict(resumed)
    step = int(name.removeprefix("snapshot-").partition(".")[0])
    terms = {numbered[4:]: values for numbered, values in sorted(_under("term", features).items())}
    return Snapshot(step, features["representation"], features["embedding"], terms, state)


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key[len(prefix) + 1 :]: value for key, value in tensors.items() if key.startswith(prefix + ".")}


def _manifest(folder: Path) -> dict[str, Any]:
    manifest = read_sealed(folder)
    if any(not isinstance(manifest.get(name), kind) for name, kind in SAID.items()):
        raise DamagedFile("path", str(folder / MANIFEST), "the manifest of a trace")
    return {name: manifest[name] for name in SAID}
