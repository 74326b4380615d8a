"""What the tests of training share: a cache of their own for each, and no waiting for the disk."""

import os

import pytest


@pytest.fixture(autouse=True)
def empty(tmp_path, monkeypatch):
    """Runs are recorded from nothing; that a file survives a crash is a matter of the store's own tests."""
    monkeypatch.setenv("SSLENS_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def untrainable(monkeypatch):
    """From here on a run must come from the cache."""

    def forbid():
        monkeypatch.setattr("sslens.train.cache.fit", lambda *_, **__: pytest.fail("trained again"))

    return forbid
