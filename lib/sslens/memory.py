"""How much memory is left: on this machine, in its container, on a GPU."""

from pathlib import Path

import psutil
import torch

CONTAINERS = (
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"),
)
"""Where Linux tells a process the memory of its container and what of it is taken, in the second and the first way."""


def free_memory(device: torch.device | str = "cpu") -> int:
    """Bytes that are left on a device; of the CPU those of this machine and, where it is known, of the container.

    >>> free_memory() > 0
    True
    """
    if torch.device(device).type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    free = psutil.virtual_memory().available
    for folder, limit, used in CONTAINERS:
        try:
            most, taken = (int((folder / name).read_text()) for name in (limit, used))
            held = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):  # no such limit, or "max"
            continue
        cached = int(held.get("total_inactive_file", held.get("inactive_file", 0)))  # given back when it is needed
        free = min(free, max(0, most - taken + cached))
    return free
