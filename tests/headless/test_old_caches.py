"""Caches of version 0.1 are announced, and removed on request; those of today stay."""

import pytest
from click.testing import CliRunner

from sslens.headless.cli import main
from sslens.headless.doctor import checkup
from sslens.headless.old_caches import announcement, clean, old_caches


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLENS_DATA", str(tmp_path))
    for name, count in {"runs": 3000, "language": 2000, "traces": 5}.items():
        folder = tmp_path / "cache" / name / "a"
        folder.mkdir(parents=True)
        (folder / "run.json").write_bytes(b"0" * count * 1000)
    return tmp_path


def test_they_are_announced_with_their_size(root):
    assert set(old_caches().values()) == {3_000_000, 2_000_000}
    assert announcement().startswith("caches of version 0.1 take 5 MB")
    (row,) = (row for row in checkup() if row.what == "old caches")
    assert (row.state, row.needed) == ("wrong", False) and "5 MB" in row.found and "sslens clean" in row.mend


def test_cleaning_removes_them_and_leaves_the_runs_of_today(root):
    done = CliRunner().invoke(main, ["clean"])
    assert done.exit_code == 0 and "5 MB" in done.output
    assert [path.name for path in (root / "cache").iterdir()] == ["traces"]
    assert announcement() == "" and clean() == {}
    assert not [row for row in checkup() if row.what == "old caches"]
    assert "nothing" in CliRunner().invoke(main, ["clean"]).output
