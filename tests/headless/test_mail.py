"""A run that is there gives a report that can be mailed, wherever one asks for it."""

import json

import nbformat
import plotly.graph_objects as go
import pytest
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_notebook, new_output
from plotly.offline import get_plotlyjs

from sslens.figures.theme import PLOTLY
from sslens.headless.cli import main
from sslens.headless.mail import mailable
from sslens.headless.record import RunRecord
from sslens.store import checksums, seal
from sslens.types import DamagedFile, InputError


@pytest.fixture
def run(tmp_path):
    """The folder of a run whose report shares its plotly with others."""
    folder = tmp_path / "run"
    folder.mkdir()
    shown = new_output("display_data", {PLOTLY: json.loads(go.Figure(go.Bar(y=[1])).to_json())})
    nbformat.write(new_notebook(cells=[new_code_cell("figure", outputs=[shown])]), folder / "10_tour.ipynb")
    (folder / "10_tour.html").write_text("shared")
    facts = {"notebook": "10_tour.ipynb", "profile": "lesson", "parameters": {}, "verdicts": [], "reason": ""}
    times = {"started": "2030-01-01T00:00:00+00:00", "seconds": 1.0, "cell_seconds": [], "nonce": "a"}
    record = RunRecord(status="complete", folder=folder, **facts, **times)
    seal(folder, record.sidecar() | {"sha256": checksums(folder)})
    return folder


@pytest.mark.parametrize("name", ["", "run.json", "10_tour.ipynb"])
def test_a_run_gives_one_file_and_stays_as_it_was(run, name, tmp_path, monkeypatch):
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for _ in range(2):  # a report that is there is replaced
        result = CliRunner().invoke(main, ["report", str(run / name)])
        assert result.exit_code == 0 and result.output.startswith("10_tour.html: one file, ")
    assert get_plotlyjs() in (tmp_path / "here" / "10_tour.html").read_text()
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_a_file_that_is_no_report_is_not_replaced(run):
    with pytest.raises(InputError, match="no other file"):
        mailable(str(run), run)
    assert (run / "10_tour.html").read_text() == "shared"


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"notebook": 3}', "[" * 100_000])
def test_what_is_no_run_is_refused(content, tmp_path, monkeypatch):
    monkeypatch.setenv("SSLENS_DATA", str(tmp_path / "data"))
    (tmp_path / "run.json").write_text(content)
    for place in (tmp_path, tmp_path / "run.json"):
        with pytest.raises(DamagedFile, match="a manifest that sslens wrote"):
            mailable(str(place), tmp_path)
    with pytest.raises(InputError, match=r"RUN must be a run in .*, which has none"):
        mailable(str(tmp_path / "no" / "run"), tmp_path)


def test_a_run_whose_notebook_was_altered_is_refused(run, tmp_path):
    (run / "10_tour.ipynb").write_text("{}")
    with pytest.raises(DamagedFile, match="SHA-256"):
        mailable(str(run), tmp_path)
