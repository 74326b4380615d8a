"""Where and how numbers are computed: device, threads, random streams, profiles, safe files, progress."""

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch

from sslens import __version__
from sslens.types import InputError, UnknownName

DEVICES = ("auto", "cpu", "cuda")
PROFILES = ("smoke", "lesson", "full")
TRAINING = ("types", "runtime", "datasets", "views", "encoders", "objectives", "trace", "config", "train")
"""The rooms whose code decides the numbers of a recorded run."""


def threads() -> int:
    """CPU threads of a run: 1, or what the environment variable ``SSLENS_THREADS`` says.

    Raises:
        InputError: ``SSLENS_THREADS`` is not a positive whole number.

    >>> threads() >= 1
    True
    """
    asked = os.environ.get("SSLENS_THREADS", "1")
    if not asked.isdecimal() or int(asked) < 1:
        raise InputError("SSLENS_THREADS", asked, "a positive whole number")
    return int(asked)


def settle(device: str = "auto", *, deterministic: bool = True) -> torch.device:
    """Fix threads and deterministic switches for this process, and choose the device ("auto": CUDA if there).

    Raises:
        UnknownName: ``device`` is none of auto, cpu, cuda.
        InputError: CUDA was asked for and none is visible.

    >>> settle("cpu")
    device(type='cpu')
    """
    if device not in DEVICES:
        raise UnknownName("device", device, DEVICES)
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise InputError("device", device, "'cpu' or 'auto'", "No CUDA device is visible to torch.")
    torch.set_num_threads(threads())
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined] - 8 % of a CPU step
    torch.backends.cudnn.benchmark = not deterministic
    torch.backends.cudnn.allow_tf32 = False  # snapshots are taken in full float32; training has its own bfloat16
    return torch.device("cuda" if there and device != "cpu" else "cpu")


def seed_of(seed: int, name: str) -> int:
    """The seed of a named random stream: 63 bits of SHA-256 of seed and name, so streams never overlap by accident.

    >>> seed_of(0, "views")
    1273498352537141616
    """
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8]) >> 1


def stream(seed: int, name: str, device: torch.device | str = "cpu") -> torch.Generator:
    """A random generator of its own for every purpose, so that one more draw here never shifts the numbers there.

    >>> torch.rand(1, generator=stream(0, "views")).item() == torch.rand(1, generator=stream(0, "views")).item()
    True
    """
    return torch.Generator(device).manual_seed(seed_of(seed, name))


@contextmanager
def initialisation(seed: int) -> Iterator[None]:
    """Inside, torch's global generator is the stream of initial weights, and layers are made in float64.

    Weights drawn in float32 differ in their last bit between instruction sets, and training makes much of that; cast
    after the drawing they do not. The caller's generator and default type are put back.

    >>> with initialisation(0):
    ...     torch.nn.Linear(1, 1).weight.dtype
    torch.float64
    """
    usual = torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed, "weights"))
        torch.set_default_dtype(torch.float64)
        try:
            yield
        finally:
            torch.set_default_dtype(usual)


def profile(asked: str) -> str:
    """The profile a notebook runs at: ``SSLENS_PROFILE`` where it is set (the checks set it), else the one asked for.

    Raises:
        UnknownName: neither smoke, lesson nor full.

    >>> profile("lesson") in PROFILES
    True
    """
    name = os.environ.get("SSLENS_PROFILE", asked)
    if name not in PROFILES:
        raise UnknownName("profile", name, PROFILES)
    return name


def live() -> bool:
    """Whether a person sits in front of this kernel (JupyterLab, VS Code, Colab) rather than a batch runner.

    ``SSLENS_LIVE`` set to 0 or 1 decides; kernels started by papermill and its kin keep their history in memory.

    >>> live() in (True, False)
    True
    """
    asked = os.environ.get("SSLENS_LIVE")
    if asked in ("0", "1"):
        return asked == "1"
    headless = any("hist_file=:memory:" in argument for argument in sys.argv)
    return not headless and any(name in os.environ for name in ("JPY_SESSION_NAME", "VSCODE_PID", "COLAB_RELEASE_TAG"))


def data_root() -> Path:
    """The folder of caches and runs: ``SSLENS_DATA``, else ``data/`` of the checkout, else one in the home folder.

    >>> data_root().is_absolute()
    True
    """
    if "SSLENS_DATA" in os.environ:
        return Path(os.environ["SSLENS_DATA"]).expanduser().resolve()
    checkout = Path(__file__).resolve().parents[2]
    return checkout / "data" if (checkout / "pyproject.toml").is_file() else Path.home() / ".sslens"


@cache
def library_version(rooms: tuple[str, ...] = TRAINING) -> str:
    """Version and fingerprint of the code that trains, so that a changed library never answers with an old run.

    >>> library_version().startswith(__version__ + "+")
    True
    """
    here, content = Path(__file__).parent, hashlib.sha256()
    for room in rooms:
        for path in sorted([here / f"{room}.py", *(here / room).glob("*.py")]):
            if path.is_file():
                content.update(path.relative_to(here).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{__version__}+{content.hexdigest()[:12]}"


def numerics(device: torch.device) -> dict[str, Any]:
    """What decides the last digits of a run besides its config: torch, device, threads, instruction set.

    >>> sorted(numerics(torch.device("cpu")))
    ['device', 'processor', 'threads', 'torch']
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    return {"torch": torch.__version__, "device": device.type, "processor": name, "threads": threads()}


def canonical(value: object) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text.

    >>> canonical({"b": 1, "a": 0.5})
    '{"a":0.5,"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


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


Item = TypeVar("Item")


def progress(items: Iterable[Item], *, total: int, label: str) -> Iterator[Item]:
    """Pass items on while telling how far along they are: a bar for a person, a small file for a batch runner.

    An item's ``step`` attribute, where it has one, is its position out of ``total``; otherwise items are counted.
    The runner names the file in ``SSLENS_PROGRESS``; with neither person nor runner nothing is shown.

    >>> sum(progress([1, 2, 3], total=3, label="numbers"))
    6
    """
    told = os.environ.get("SSLENS_PROGRESS")
    bar = _bar(total, label) if live() and not told else None
    for count, item in enumerate(items, 1):
        step = getattr(item, "step", count)
        if told:
            write_atomic(Path(told), canonical({"label": label, "step": step, "total": total}))
        if bar is not None:
            bar.update(step - bar.n)
        yield item
    if bar is not None:
        bar.close()


def _bar(total: int, label: str) -> Any:
    from tqdm.auto import tqdm  # a widget in JupyterLab, text elsewhere

    return tqdm(total=total, desc=label, leave=False)
