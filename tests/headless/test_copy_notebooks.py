import importlib.metadata
from pathlib import Path, PurePosixPath

import pytest
from click.testing import CliRunner

from sslens.headless import copy_notebooks as module
from sslens.headless.cli import main
from sslens.headless.copy_notebooks import copy_notebooks
from sslens.types import InputError

CHECKOUT = sorted((Path(__file__).parents[2] / "notebooks").glob("[0-9][0-9]_*.ipynb"))


class Installed(PurePosixPath):
    """A file in an installed package's record."""

    def locate(self):
        return Path(self)


def test_a_checkout_gives_its_own(tmp_path):
    copies = copy_notebooks(tmp_path / "some" / "folder")
    assert [path.name for path in copies] == [path.name for path in CHECKOUT]
    assert [path.read_bytes() for path in copies] == [path.read_bytes() for path in CHECKOUT]
    assert not list(tmp_path.rglob("_template.ipynb"))


def test_an_installed_package_gives_what_it_carries(tmp_path, monkeypatch):
    carried = tmp_path / "share" / "sslens" / "notebooks" / "10_one_number.ipynb"
    carried.parent.mkdir(parents=True)
    carried.write_text("carried")
    record = [Installed(carried), Installed(carried.with_name("notes.txt")), Installed("sslens/runtime.py")]
    monkeypatch.setattr(importlib.metadata, "files", lambda _: record)
    monkeypatch.setattr(module, "_checkout", list)
    copies = copy_notebooks(tmp_path / "mine")
    assert copies == [tmp_path / "mine" / "10_one_number.ipynb"] and copies[0].read_text() == "carried"


@pytest.mark.parametrize("record", [None, []])
def test_a_package_without_notebooks_says_so(record, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.metadata, "files", lambda _: record)
    monkeypatch.setattr(module, "_checkout", list)
    with pytest.raises(InputError, match="Install sslens anew"):
        copy_notebooks(tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_no_file_is_overwritten_and_none_is_copied_beside_it(tmp_path):
    mine = tmp_path / CHECKOUT[-1].name
    mine.write_text("my answers")
    with pytest.raises(InputError, match=rf"It has {mine.name}; nothing was copied"):
        copy_notebooks(tmp_path)
    assert list(tmp_path.iterdir()) == [mine] and mine.read_text() == "my answers"


def test_a_dangling_link_is_not_written_through(tmp_path):
    (tmp_path / CHECKOUT[0].name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="nothing was copied"):
        copy_notebooks(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="a folder that can be written to"):
        copy_notebooks(tmp_path / "file")


def test_the_command_names_what_it_did(tmp_path):
    arguments = ["notebooks", "--to", str(tmp_path / "mine")]
    result = CliRunner().invoke(main, arguments)
    *paths, last = result.stdout.splitlines()
    assert result.exit_code == 0 and paths == [str(tmp_path / "mine" / path.name) for path in CHECKOUT]
    assert last.startswith(f"{len(CHECKOUT)} notebooks are yours; sslens run {paths[0]} ")
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 2 and "nothing was copied" in again.stderr


def test_the_command_wants_a_folder():
    result = CliRunner().invoke(main, ["notebooks"])
    assert result.exit_code == 2 and "--to" in result.stderr
