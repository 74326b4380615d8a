"""Memory: what a training run looked like along the way, kept so that any measure can be asked afterwards."""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import torch
from jaxtyping import Bool, Float, Shaped
from safetensors import SafetensorError
from safetensors.torch import load as tensors_from
from safetensors.torch import save as bytes_of
from torch import Tensor

from sslens.runtime import canonical, write_atomic
from sslens.types import DamagedFile, Dataset, Features, InputError, Interval

MANIFEST = "run.json"


@final
@dataclass(frozen=True, eq=False)
class Snapshot:
    """One look at a fixed reference set, and everything needed to go on training from here.

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
        return {key[len(name) + 1 :]: value for key, value in self.state.items() if key.startswith(name + ".")}


@final
@dataclass(frozen=True, eq=False)
class Trace:
    """All looks of a run along time: it can be measured, scrubbed, restored and continued.

    >>> images = Dataset(torch.zeros(5, 1, 2, 2), torch.zeros(5, dtype=torch.int64), ("only",))
    >>> look = Snapshot(0, torch.ones(5, 3), torch.ones(5, 2), {}, {})
    >>> trace = Trace({"steps": 0}, images, torch.ones(5, dtype=torch.bool), (look,), {})
    >>> trace.status, trace.along(lambda h: h.sum())
    ('complete', tensor([15.], dtype=torch.float64))
    """

    config: Mapping[str, Any]
    reference: Dataset
    """The images every snapshot looked at."""
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
        return "complete" if last is not None and last.step == self.config["steps"] else "running"

    def along(self, measure: Callable[[Features], float], what: str = "representation") -> Float[Tensor, "t"]:
        """A measure of the features at every snapshot; NaN where the run had diverged.

        Raises:
            InputError: ``what`` is neither representation nor embedding.
        """
        if what not in ("representation", "embedding"):
            raise InputError("what", what, "'representation' or 'embedding'")
        values = [float("nan") if look.diverged else float(measure(getattr(look, what))) for look in self.snapshots]
        return torch.tensor(values, dtype=torch.float64)

    def terms(self) -> dict[str, Float[Tensor, "t"]]:
        """Each term of the loss at every training step."""
        names = self.snapshots[-1].terms if self.snapshots else ()
        return {name: torch.cat([look.terms[name] for look in self.snapshots if look.terms]) for name in names}

    def loss(self) -> Float[Tensor, "t"]:
        """The sum of the terms at every training step."""
        return torch.stack(list(self.terms().values())).sum(0)

    def save(self, path: Path | str) -> None:
        """Write the run into a folder, each file atomically, the manifest with all checksums last.

        Snapshots that stand there already are not written again, so saving after every snapshot costs one file.

        Raises:
            InputError: the folder holds another run.
        """
        folder, identity = Path(path), {"config": dict(self.config), "provenance": dict(self.provenance)}
        manifest = _manifest(folder) if (folder / MANIFEST).is_file() else identity | {"files": {}}
        if any(manifest.get(key) != value for key, value in identity.items()):
            raise InputError("path", str(folder), "an empty folder or one that holds this very run")
        for name, tensors in self._files():
            if name not in manifest["files"]:
                content = bytes_of({key: value.detach().cpu().contiguous() for key, value in tensors.items()})
                write_atomic(folder / name, content)
                manifest["files"][name] = hashlib.sha256(content).hexdigest()
        manifest |= {"classes": self.reference.classes, "status": self.status}
        write_atomic(folder / MANIFEST, canonical(manifest))

    def _files(self) -> list[tuple[str, dict[str, Tensor]]]:
        factors = {f"factor.{name}": values for name, values in self.reference.factors.items()}
        images = {"images": self.reference.images, "labels": self.reference.labels, "held_out": self.held_out}
        files: list[tuple[str, dict[str, Tensor]]] = [("reference.safetensors", images | factors)]
        for look in self.snapshots:
            features = {"representation": look.representation, "embedding": look.embedding}
            terms = {f"term.{name}": values for name, values in look.terms.items()}
            state = {f"state.{name}": values for name, values in look.state.items()}
            files.append((f"snapshot-{look.step:07d}.safetensors", features | terms | state))
        return files


def over_seeds(curves: Iterable[Float[Tensor, "t"]]) -> list[Interval]:
    """Student-t intervals, place by place, of curves from runs that differ in their seed; NaN where a run had diverged.

    Raises:
        InputError: no curve, or curves of different lengths.

    >>> [interval.mean for interval in over_seeds([torch.tensor([1.0, 2.0]), torch.tensor([3.0, 2.0])])]
    [2.0, 2.0]
    """
    rows = [curve.tolist() for curve in curves]
    if len({len(row) for row in rows}) != 1:
        raise InputError("curves", [len(row) for row in rows], "at least one curve, all of the same length")
    diverged = Interval(math.nan, math.nan, math.nan, len(rows))
    return [Interval.of(column) if all(map(math.isfinite, column)) else diverged for column in zip(*rows, strict=True)]


def load(path: Path | str) -> Trace:
    """Read a run from its folder, every file held against its checksum.

    Raises:
        InputError: there is no run in the folder.
        DamagedFile: a file is missing, truncated or altered.

    >>> load("/nowhere")
    Traceback (most recent call last):
        ...
    sslens.types.InputError: path must be a folder with a run.json. Got '/nowhere'.
    """
    folder = Path(path)
    if not (folder / MANIFEST).is_file():
        raise InputError("path", str(folder), f"a folder with a {MANIFEST}")
    manifest = _manifest(folder)
    files = {name: _read(folder / name, checksum) for name, checksum in manifest["files"].items()}
    images = files.pop("reference.safetensors")
    reference = Dataset(images["images"], images["labels"], tuple(manifest["classes"]), _under("factor", images))
    looks = tuple(
        Snapshot(
            int(name[9:16]), each["representation"], each["embedding"], _under("term", each), _under("state", each)
        )
        for name, each in sorted(files.items())
    )
    return Trace(manifest["config"], reference, images["held_out"], looks, manifest["provenance"])


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key[len(prefix) + 1 :]: value for key, value in tensors.items() if key.startswith(prefix + ".")}


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        return {key: manifest[key] for key in ("config", "provenance", "files", "classes", "status")}
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFile("path", str(folder / MANIFEST), "a readable manifest", "Delete the folder.") from error


def _read(path: Path, checksum: str) -> dict[str, Tensor]:
    content = path.read_bytes() if path.is_file() else b""
    found = hashlib.sha256(content).hexdigest()
    if found != checksum:
        raise DamagedFile("path", str(path), f"a file with SHA-256 {checksum[:12]}…", f"Found {found[:12]}….")
    try:
        return tensors_from(content)
    except SafetensorError as error:
        raise DamagedFile("path", str(path), "a safetensors file") from error
