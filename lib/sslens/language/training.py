"""Training the small language model: a generator of looks, kept on disk and continued where it stopped."""

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, final

import torch
from filelock import FileLock
from jaxtyping import Float, Shaped
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as bytes_of
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim import AdamW

from sslens.language.text import corpus
from sslens.language.transformer import Transformer
from sslens.runtime import (
    canonical,
    data_root,
    initialisation,
    library_version,
    numerics,
    progress,
    settle,
    stream,
    write_atomic,
)
from sslens.types import DamagedFile, OneOf, Range, checked

PER_LANGUAGE, BATCH, RATE, LOOKS = 600, 32, 3e-3, 6
ROOMS = ("types", "runtime", "language")
"""The rooms whose code decides the numbers of a run."""
SCALE: dict[str, dict[str, Any]] = {
    "smoke": {"steps": 50, "dtype": "float64"},
    "lesson": {},
    "full": {"steps": 4000},
}
"""What each profile changes: ``train_language(seed, **SCALE[profile])``."""


@final
@dataclass(frozen=True, eq=False)
class Look:
    """The network at one step of its training, and everything needed to go on from here.

    >>> [look.step for look in fit_language(0, steps=4)]
    [0, 1, 3, 4]
    """

    step: int
    losses: Float[Tensor, "t"]
    """Cross-entropy of the next character at every step since the look before, in nats."""
    state: Mapping[str, Shaped[Tensor, "..."]]
    """Model and optimiser by dotted name: ``model.head.weight``, ``optimizer.exp_avg.head.weight``."""


def fit_language(
    seed: int = 0, *, steps: int = 500, dtype: str = "float32", after: Look | None = None
) -> Iterator[Look]:
    """Train on the next character of ``corpus(seed, 600)``; hand out six looks, closer together early on.

    AdamW, rate 3e-3, batches of 32 texts, on the CPU. Pass ``after`` to go on from a look: the run ends in the same
    bits as one that never stopped, because every batch has a random stream of its own.

    Raises:
        InputError: a seed or a number of steps out of range.
        UnknownName: a dtype other than float32 and float64.

    >>> first = next(fit_language(0, steps=4))
    >>> first.step, len(first.losses)
    (0, 0)
    """
    seed, steps, dtype = _checked(seed, steps, dtype)
    device, ids = settle("cpu"), corpus(seed, PER_LANGUAGE).ids
    with initialisation(seed):
        model = Transformer()
    model = model.to(device, getattr(torch, dtype)).train()
    optimizer = AdamW(model.parameters(), lr=RATE)
    if after is None:
        yield _look(model, optimizer, step=0, losses=[])
    else:
        _resume(model, optimizer, after=after)
    losses: list[Tensor] = []
    for step in range(after.step if after else 0, steps):
        batch = ids[torch.randint(len(ids), (BATCH,), generator=stream(seed, f"language/{step}"))]
        loss = cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
        if step + 1 in _looks(steps):
            yield _look(model, optimizer, step=step + 1, losses=losses)
            losses = []


def train_language(seed: int = 0, *, steps: int = 500, dtype: str = "float32") -> tuple[Look, ...]:
    """All looks of a run: read from the cache where they stand there, otherwise trained, or trained to the end.

    Runs are kept by their arguments, the code of this room, torch, threads and processor, a file per look with its
    checksum inside. Behind a damaged look the run is trained again, with a warning.

    Raises:
        InputError: a seed or a number of steps out of range.
        UnknownName: a dtype other than float32 and float64.

    >>> looks = train_language(0, steps=4)
    >>> untrained, trained = restore_language(looks[0]), restore_language(looks[-1])
    """
    seed, steps, dtype = _checked(seed, steps, dtype)
    identity = [seed, steps, dtype, library_version(ROOMS), numerics(settle("cpu"))]
    name = hashlib.sha256(canonical(identity).encode()).hexdigest()[:24]
    place = data_root() / "cache" / "language" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.with_name(place.name + ".lock")):
        looks = list(_kept(place, steps))
        if not looks or looks[-1].step < steps:
            going = fit_language(seed, steps=steps, dtype=dtype, after=looks[-1] if looks else None)
            for look in progress(going, total=steps, label=f"language, seed {seed}"):
                _save(_path(place, look.step), look)
                looks.append(look)
        return tuple(looks)


def restore_language(look: Look) -> Transformer:
    """The network as it was at a look, in eval mode.

    >>> restore_language(next(fit_language(0))).training
    False
    """
    with initialisation(0):
        model = Transformer()
    model.to(look.state["model.head.weight"].dtype).load_state_dict(_part(look, "model"))
    return model.eval()


def _checked(seed: int, steps: int, dtype: str) -> tuple[int, int, str]:
    return (
        checked("seed", seed, Annotated[int, Range(0, 2**32 - 1)]),
        checked("steps", steps, Annotated[int, Range(0, 10**6)]),
        checked("dtype", dtype, Annotated[str, OneOf(("float32", "float64"))]),
    )


def _looks(steps: int) -> list[int]:
    return sorted({round(steps * (place / (LOOKS - 1)) ** 2) for place in range(LOOKS)})


def _part(look: Look, name: str) -> dict[str, Tensor]:
    return {key[len(name) + 1 :]: value for key, value in look.state.items() if key.startswith(name + ".")}


def _look(model: Transformer, optimizer: AdamW, *, step: int, losses: list[Tensor]) -> Look:
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        state |= {f"optimizer.{key}.{name}": value for key, value in optimizer.state.get(parameter, {}).items()}
    curve = torch.stack(losses) if losses else model.head.weight.new_empty(0)
    return Look(step, curve.detach(), {name: value.detach().clone() for name, value in state.items()})


def _resume(model: Transformer, optimizer: AdamW, *, after: Look) -> None:
    model.load_state_dict(_part(after, "model"))
    moments = _part(after, "optimizer")
    for name, parameter in model.named_parameters():
        if f"step.{name}" in moments:
            keys = ("step", "exp_avg", "exp_avg_sq")
            optimizer.state[parameter] = {key: moments[f"{key}.{name}"].clone() for key in keys}


def _path(place: Path, step: int) -> Path:
    return place / f"look-{step:07d}.safetensors"


def _kept(place: Path, steps: int) -> Iterator[Look]:
    """The looks of an earlier call, up to the first that is missing or damaged."""
    for step in _looks(steps):
        if not _path(place, step).is_file():
            return
        try:
            yield _read(_path(place, step), step)
        except DamagedFile as damage:
            warnings.warn(f"{damage} The run is trained again from the look before.", stacklevel=4)
            return


def _save(path: Path, look: Look) -> None:
    tensors = {"losses": look.losses, **look.state}
    write_atomic(path, bytes_of(tensors, metadata={"sha256": _digest(tensors)}))


def _read(path: Path, step: int) -> Look:
    try:
        with safe_open(path, "pt") as file:
            names, checksum = file.keys(), file.metadata()["sha256"]
            tensors = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, TypeError, KeyError) as error:
        raise DamagedFile("path", str(path), "a safetensors file with a checksum") from error
    if (found := _digest(tensors)) != checksum:
        raise DamagedFile("path", str(path), f"a file with SHA-256 {checksum[:12]}…", f"Found {found[:12]}….")
    return Look(step, tensors.pop("losses"), tensors)


def _digest(tensors: Mapping[str, Tensor]) -> str:
    content = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        content.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode() + tensor.numpy().tobytes())
    return content.hexdigest()
