"""What is free, as Linux says it."""

from types import SimpleNamespace

import psutil
import pytest

from sslens import memory


@pytest.mark.parametrize(
    ("limit", "stat", "free"),
    [("1000", "anon 700\ninactive_file 150\n", 350), ("1000", "total_inactive_file 900\n", 800), ("max", "", 800)],
)
def test_free_memory_is_what_the_container_leaves_and_its_cache_is_free(monkeypatch, tmp_path, limit, stat, free):
    for name, text in {"memory.max": limit, "memory.current": "800", "memory.stat": stat}.items():
        (tmp_path / name).write_text(text + "\n" * (name != "memory.stat"))
    nowhere = (tmp_path / "nowhere", "memory.limit_in_bytes", "memory.usage_in_bytes")
    monkeypatch.setattr(memory, "CONTAINERS", (nowhere, (tmp_path, "memory.max", "memory.current")))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=800))
    assert memory.free_memory() == free
