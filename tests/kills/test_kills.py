"""Nothing finished is lost and nothing half is taken for a result, whatever moment a process dies at."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KEPT = ("runs", "traces", "cache")


def killed(store, folder, how, kills=0, seed=0):
    """Kills of a store in a process without threads, which can be forked at any moment."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "lib"), str(ROOT)]), "SSLENS_CORES": "1"}
    command = [sys.executable, "-m", "tests.kills.driver", store, str(folder), how, str(kills), str(seed)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("store", KEPT)
def test_a_kill_at_every_step_loses_nothing_and_tears_nothing(store, tmp_path):
    found = killed(store, tmp_path, "every")
    assert found["wrong"] == [] and found["kills"] > 30


def test_a_store_that_writes_in_place_fails_the_same_kills(tmp_path):
    """So the kills find what they are to find."""
    found = killed("naive", tmp_path, "every")
    assert len(found["wrong"]) >= found["kills"] // 4 > 2
    assert any("half a result" in line for line in found["wrong"])


@pytest.mark.parametrize("store", KEPT)
def test_kills_at_random_moments_lose_nothing_and_tear_nothing(store, tmp_path):
    found = killed(store, tmp_path, "random", 15)
    assert found["wrong"] == [] and found["kills"] == 15  # and results were finished between them


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("store", KEPT)
@pytest.mark.parametrize("seed", range(1, 3))
def test_two_hundred_kills_of_each_store_lose_nothing_and_tear_nothing(store, seed, tmp_path):
    found = killed(store, tmp_path, "random", 100, seed)
    assert found["wrong"] == [] and found["kills"] == 100
