"""Everything on disk: whole files or none, tensors under a checksum, labelled numbers as JSON. Nobody else writes."""

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as bytes_of
from torch import Tensor
from xarray import DataArray

from sslens.runtime import canonical_json
from sslens.types import DamagedFile

CHECKSUM = "sha256"


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a file so that a reader, a crash or a full disk sees the old content or the new, never a mixture.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomic(Path(folder) / "new" / "note.txt", "kept")
    ...     (Path(folder) / "new" / "note.txt").read_text()
    'kept'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def save_tensors(
    path: Path, tensors: Mapping[str, Shaped[Tensor, "..."]], *, meta: Mapping[str, str] | None = None
) -> str:
    """Write tensors and a few words about them into a safetensors file; the checksum of both, which stands in it too.

    >>> import torch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checksum = save_tensors(Path(folder) / "one.safetensors", {"x": torch.ones(2)}, meta={"unit": "m"})
    ...     load_tensors(Path(folder) / "one.safetensors", checksum)
    ({'x': tensor([1., 1.])}, {'unit': 'm'})
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    checksum = _checksum(plain, meta or {})
    write_atomic(path, bytes_of(plain, metadata={**(meta or {}), CHECKSUM: checksum}))
    return checksum


def load_tensors(path: Path, checksum: str | None = None) -> tuple[dict[str, Shaped[Tensor, "..."]], dict[str, str]]:
    """The tensors and words of a file that ``save_tensors`` wrote, held against its checksum and the one expected.

    Raises:
        DamagedFile: missing, truncated, altered, or another file than expected.

    >>> load_tensors(Path("/nowhere.safetensors"))
    Traceback (most recent call last):
        ...
    sslens.types.DamagedFile: path must be a safetensors file. Got '/nowhere.safetensors'.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            meta = dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise DamagedFile("path", str(path), "a safetensors file") from error
    wanted = meta.pop(CHECKSUM, "none")
    found = _checksum(tensors, meta)
    for expected in {wanted, checksum or wanted}:
        if found != expected:
            raise DamagedFile("path", str(path), f"a file with SHA-256 {expected[:12]}…", f"Found {found[:12]}….")
    return tensors, meta


def save_arrays(path: Path, arrays: Mapping[str, DataArray]) -> None:
    """Write labelled numbers by name as JSON: dims, coordinates, name, unit and values; NaN becomes null.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_arrays(Path(folder) / "results.json", {"rank": DataArray([1.0, 2.0], {"seed": [0, 1]}, name="RankMe")})
    ...     load_arrays(Path(folder) / "results.json")["rank"].sel(seed=1).item()
    2.0
    """
    content = {name: _finite(array.to_dict()) | {"shape": list(array.shape)} for name, array in arrays.items()}
    write_atomic(path, canonical_json(content))


def load_arrays(path: Path) -> dict[str, DataArray]:
    """The labelled numbers that ``save_arrays`` wrote.

    Raises:
        DamagedFile: missing, or not what was written.

    >>> load_arrays(Path("/nowhere.json"))
    Traceback (most recent call last):
        ...
    sslens.types.DamagedFile: path must be a file of labelled numbers. Got '/nowhere.json'.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: _array(values) for name, values in content.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFile("path", str(path), "a file of labelled numbers") from error


def _array(values: dict[str, Any]) -> DataArray:
    """The array of its JSON; the shape stands beside the numbers because lists of nothing do not tell it."""
    data = np.array(values["data"]).reshape(values["shape"])
    return DataArray.from_dict(values | {"data": data.astype(float) if data.dtype == object else data})


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _checksum(tensors: Mapping[str, Tensor], meta: Mapping[str, str]) -> str:
    content = hashlib.sha256(canonical_json(dict(meta)).encode())
    for name, tensor in sorted(tensors.items()):
        content.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        content.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return content.hexdigest()
