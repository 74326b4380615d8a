"""Where and how numbers are computed: device, threads, cores, random streams, profiles."""

import hashlib
import json
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from sslens.types import InputError, UnknownName

DEVICES = ("auto", "cpu", "cuda")
PROFILES = ("smoke", "lesson", "full")


def threads() -> int:
    """CPU threads of a run: 1, or what the environment variable ``SSLENS_THREADS`` says.

    Raises:
        InputError: ``SSLENS_THREADS`` is not a positive whole number.

    >>> threads() >= 1
    True
    """
    given = os.environ.get("SSLENS_THREADS", "1")
    if not given.isdecimal() or int(given) < 1:
        raise InputError("SSLENS_THREADS", given, "a positive whole number")
    return int(given)


def cores() -> int:
    """Processors this process may keep busy: ``SSLENS_CORES`` where a runner shares them out, else all it is allowed.

    Allowed by its affinity and by the quota of the container it runs in.

    Raises:
        InputError: ``SSLENS_CORES`` is not a positive whole number.

    >>> cores() >= 1
    True
    """
    from joblib import cpu_count  # takes a tenth of a second, and is asked only where something is to be trained

    given = os.environ.get("SSLENS_CORES", str(cpu_count()))
    if not given.isdecimal() or int(given) < 1:
        raise InputError("SSLENS_CORES", given, "a positive whole number")
    return int(given)


def configure_torch(device: str = "auto", *, deterministic: bool = True) -> torch.device:
    """Fix threads and deterministic switches for this process, and choose the device ("auto": CUDA if there).

    Raises:
        UnknownName: ``device`` is none of auto, cpu, cuda.
        InputError: CUDA is wanted and none is visible.

    >>> configure_torch("cpu")
    device(type='cpu')
    """
    if device not in DEVICES:
        raise UnknownName("device", device, DEVICES)
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise InputError("device", device, "'cpu' or 'auto'", "No CUDA device is visible to torch.")
    torch.set_num_threads(threads())
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # the same as use_deterministic_algorithms(deterministic, warn_only=True), which imports torch's compiler: seconds
    torch.set_deterministic_debug_mode("warn" if deterministic else "default")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined] - 8 % of a CPU step
    torch.backends.cudnn.benchmark = not deterministic
    torch.set_float32_matmul_precision("highest")  # a notebook may have lowered it, which would be in no key
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


def profile(name: str) -> str:
    """The profile a notebook runs at: ``SSLENS_PROFILE`` where it is set (the checks set it), else the one given.

    A person whose notebook says another is told so.

    Raises:
        UnknownName: neither smoke, lesson nor full.

    >>> profile("lesson") in PROFILES
    True
    """
    chosen = os.environ.get("SSLENS_PROFILE", name)
    if chosen not in PROFILES:
        raise UnknownName("profile", chosen, PROFILES)
    if chosen != name and is_interactive():
        warnings.warn(f"Profile {chosen}, as SSLENS_PROFILE in the environment says, not {name}.", stacklevel=3)
    return chosen


def is_interactive() -> bool:
    """Whether a person sits in front of this kernel (JupyterLab, VS Code, Colab) rather than a batch runner.

    ``SSLENS_LIVE`` set to 0 or 1 decides; kernels started by papermill and its kin keep their history in memory.

    >>> is_interactive() in (True, False)
    True
    """
    decided = os.environ.get("SSLENS_LIVE")
    if decided in ("0", "1"):
        return decided == "1"
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


def numerics(device: torch.device) -> dict[str, Any]:
    """What decides the last digits of a run besides its config: torch, device, threads, instruction set.

    >>> sorted(numerics(torch.device("cpu")))
    ['device', 'processor', 'threads', 'torch']
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    return {"torch": torch.__version__, "device": device.type, "processor": name, "threads": threads()}


def canonical_json(value: object) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text.

    >>> canonical_json({"b": 1, "a": 0.5})
    '{"a":0.5,"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
