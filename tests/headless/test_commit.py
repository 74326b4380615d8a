"""A run says which commit the library was at, where there is a checkout and a git to look into it."""

import shutil
import subprocess

import pytest

from sslens.headless.commit import of_the_checkout

AUTHOR = ["-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]


@pytest.fixture
def checkout(tmp_path):
    if shutil.which("git") is None:
        pytest.skip("no git")
    (tmp_path / "file").write_text("1")
    for words in (["init", "-q"], ["add", "file"], [*AUTHOR, "commit", "-qm", "One"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    return tmp_path


def test_the_commit_and_whether_there_is_more(checkout):
    head = subprocess.check_output(["git", "-C", str(checkout), "rev-parse", "HEAD"], text=True).strip()
    (checkout / "beside").write_text("of no commit")
    assert of_the_checkout(checkout) == {"hash": head, "changed": False}
    (checkout / "file").write_text("2")
    assert of_the_checkout(checkout) == {"hash": head, "changed": True}


def test_without_a_commit_a_checkout_or_git_there_is_none(checkout, monkeypatch, tmp_path):
    (tmp_path / "empty").mkdir()
    assert of_the_checkout(tmp_path / "empty") is None
    subprocess.run(["git", "-C", str(tmp_path / "empty"), "init", "-q"], check=True)
    assert of_the_checkout(tmp_path / "empty") is None
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert of_the_checkout(checkout) is None
