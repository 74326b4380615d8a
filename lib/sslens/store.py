"""Everything on disk: whole files or none, folders under a seal, tensors under a checksum, labelled numbers as JSON.

Nobody else writes; ``places`` has what is done to whole folders.
"""

import hashlib
import json
import math
import os
import secrets
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
"""Under this name a file of tensors holds its checksum, and a manifest that of each file beside it, by name."""
MANIFEST, SEAL = "run.json", "seal"
"""The file that says what a folder holds, and under which name it holds its own checksum."""
PART = ".part"
"""How a file is called while it is written, after the number of the process that writes it."""
LEFT_OUT = "left_out"
"""Where a file of labelled numbers says why it does not hold an array."""
INFINITE = {"Infinity": math.inf, "-Infinity": -math.inf}
"""JSON has no such numbers: they are written as these words."""


def write_atomic(path: Path, content: bytes | str, *, last: Callable[[], None] = lambda: None) -> None:
    """Write a file so that a reader, a crash or a full disk sees the old content or the new, never a mixture.

    ``last`` is called when nothing is left to do but to rename; what it raises leaves the old content.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomic(Path(folder) / "new" / "note.txt", "kept")
    ...     (Path(folder) / "new" / "note.txt").read_text()
    'kept'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path.parent)
    try:
        _write(temporary, content.encode() if isinstance(content, str) else content)
        last()
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def temporary_name(folder: Path) -> Path:
    """A name in a folder that is nobody's, and tells which process is at it.

    >>> temporary_name(Path("runs")).name.startswith(f".{os.getpid()}-")
    True
    """
    return folder / f".{os.getpid()}-{secrets.token_hex(6)}{PART}"


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)  # less what the user's umask takes away
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def sync(folder: Path) -> None:
    """Wait until the names in a folder are on disk, without which the files behind them are not found.

    >>> sync(Path())
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def seal(folder: Path, record: Mapping[str, Any]) -> None:
    """Write a folder's manifest, after all other files: what it holds, and the checksum of that.

    Under ``sha256`` the record may hold the checksum of files by name (``checksums``); they are checked when it is
    read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     seal(Path(folder), {"status": "complete"})
    ...     read_sealed(Path(folder))
    {'status': 'complete'}
    """
    plain = json.loads(canonical_json(dict(record)))
    text = json.dumps(plain | {SEAL: _seal(plain)}, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomic(folder / MANIFEST, (text + "\n").encode(errors="backslashreplace"))


def read_sealed(folder: Path, *, files: bool = True) -> dict[str, Any]:
    """What ``seal`` wrote, held against its checksum, and the files it names against theirs, unless ``files`` is False.

    Raises:
        DamagedFile: the manifest or a file is missing, truncated, altered or foreign.

    >>> read_sealed(Path("/nowhere"))
    Traceback (most recent call last):
        ...
    sslens.types.DamagedFile: path must be a manifest that sslens wrote. Got '/nowhere/run.json'.
    """
    path, hint = folder / MANIFEST, ""
    try:
        record = json.loads(path.read_bytes())
        hint = "" if SEAL in record else "It has no seal: it was written by an earlier version, or by others."
        whole = record.pop(SEAL) == _seal(record)
        names = dict(record.get(CHECKSUM, {}))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedFile("path", str(path), "a manifest that sslens wrote", hint) from error
    if not whole:
        raise DamagedFile("path", str(path), "a manifest as it was written", "Its content was altered.")
    for name, expected in names.items() if files else ():
        _check_file(folder / name, expected)
    return record


def checksums(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file in a folder and below it, by its name there, the manifest left out.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomic(Path(folder) / "empty", b"")
    ...     checksums(Path(folder))["empty"][:8]
    'e3b0c442'
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    return {path.relative_to(folder).as_posix(): _file_checksum(path) for path in files}


def _seal(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(dict(record)).encode()).hexdigest()


def _file_checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_file(path: Path, expected: str) -> None:
    try:
        found = _file_checksum(path)
    except (OSError, ValueError) as error:
        raise DamagedFile("path", str(path), "a file of this run", "It cannot be read.") from error
    if found != expected:
        raise DamagedFile("path", str(path), f"a file with SHA-256 {expected[:12]}…", f"Found {found[:12]}….")


def save_tensors(
    path: Path, tensors: Mapping[str, Shaped[Tensor, "..."]], *, meta: Mapping[str, str] | None = None
) -> str:
    """Write tensors and a few words about them into a safetensors file; the checksum of both, which stands in it too.

    >>> import torch
    >>> import tempfile
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

    >>> import tempfile
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
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
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
