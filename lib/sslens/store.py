"""Everything on disk: whole files or none, tensors under a checksum, labelled numbers as JSON. Nobody else writes."""

import hashlib
import json
import math
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping
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
LEFT_OUT = "left_out"
"""Where a file of labelled numbers says why it does not hold an array."""
INFINITE = {"Infinity": math.inf, "-Infinity": -math.inf}
"""JSON has no such numbers: they are written as these words."""


def write_atomic(path: Path, content: bytes | str, *, last: Callable[[], None] = lambda: None) -> None:
    """Write a file so that a reader, a crash or a full disk sees the old content or the new, never a mixture.

    ``last`` is called when nothing is left to do but to rename; what it raises leaves the old content.

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
        last()
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
    """Write labelled numbers by name as JSON: dims, coordinates, name, unit and values.

    NaN becomes null, an infinite number the word ``Infinity`` or ``-Infinity``, also in attributes. An array that JSON
    cannot hold (dates, complex numbers, attributes that are objects) is left out: the file says why under its name,
    and one warning names them all.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_arrays(Path(folder) / "results.json", {"rank": DataArray([1.0, 2.0], {"seed": [0, 1]}, name="RankMe")})
    ...     load_arrays(Path(folder) / "results.json")["rank"].sel(seed=1).item()
    2.0
    """
    content = {name: _written(array) for name, array in arrays.items()}
    write_atomic(path, canonical_json(content))
    if left_out := [f"{name} ({values[LEFT_OUT]})" for name, values in content.items() if LEFT_OUT in values]:
        warnings.warn(f"{path.name} leaves out what cannot be written: {', '.join(left_out)}", stacklevel=3)


def load_arrays(path: Path) -> dict[str, DataArray]:
    """The labelled numbers that ``save_arrays`` wrote, without those it left out.

    Raises:
        DamagedFile: missing, or not what was written.

    >>> load_arrays(Path("/nowhere.json"))
    Traceback (most recent call last):
        ...
    sslens.types.DamagedFile: path must be a file of labelled numbers. Got '/nowhere.json'.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: _array(values) for name, values in content.items() if LEFT_OUT not in values}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise DamagedFile("path", str(path), "a file of labelled numbers") from error


def _written(array: DataArray) -> dict[str, Any]:
    """An array as JSON values from which it comes back as it is, or why there are none."""
    try:
        content = json.loads(canonical_json(_content(array)))
        return content if _array(content).equals(array) else {LEFT_OUT: "it would not come back as it is"}
    except Exception as error:  # hours of computing are not to be lost because one of many arrays is no JSON
        return {LEFT_OUT: f"{type(error).__name__}: {error}"}


def _content(array: DataArray) -> dict[str, Any]:
    """The array as JSON values; type and shape stand beside numbers because lists of them do not tell either."""
    content = array.to_dict()
    each = [(array, content), *((array.coords[name], values) for name, values in content["coords"].items())]
    for labelled, values in each:
        values |= {"shape": list(labelled.shape), "dtype": str(labelled.values.dtype)}
    return _plain(content)


def _array(content: dict[str, Any]) -> DataArray:
    """The array of its JSON."""
    coords = {name: _variable(values) for name, values in content["coords"].items()}
    return DataArray.from_dict(content | _variable(content) | {"coords": coords})


def _variable(content: dict[str, Any]) -> dict[str, Any]:
    """Dims, values and attributes of an array or a coordinate; files of an earlier version do not tell the type."""
    data = np.array(content["data"], content.get("dtype"))
    data = data.astype(float) if data.dtype == object and "dtype" not in content else data
    shape, attrs = content.get("shape", data.shape), _numbers(content["attrs"])
    return {"dims": content["dims"], "data": data.reshape(shape), "attrs": attrs}


def _plain(value: Any) -> Any:
    """Numbers that JSON does not have, replaced by what stands for them."""
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _numbers(value: Any) -> Any:
    """The reverse of ``_plain``, for attributes, in which null may be anything and stays."""
    if isinstance(value, dict):
        return {name: _numbers(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_numbers(each) for each in value]
    return INFINITE.get(value, value) if isinstance(value, str) else value


def _checksum(tensors: Mapping[str, Tensor], meta: Mapping[str, str]) -> str:
    content = hashlib.sha256(canonical_json(dict(meta)).encode())
    for name, tensor in sorted(tensors.items()):
        content.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        content.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return content.hexdigest()
