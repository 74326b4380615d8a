import base64
import json

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from sslens.batch import freeze as freezing
from sslens.batch.compare import WIDGET
from sslens.batch.freeze import freeze, normalise
from sslens.figures.theme import PLOTLY
from sslens.types import DamagedFile, InputError

CELLS = (
    "import base64, os, pathlib, struct\nvalue = float(pathlib.Path('value.txt').read_text())",
    "print('rank', value)",
    "print(os.environ['SSLENS_PROFILE'], os.environ['SSLENS_LIVE'], os.listdir(os.environ['SSLENS_DATA']))",
    "value / 3",
    "curve = {'dtype': 'f8', 'bdata': base64.b64encode(struct.pack('<2d', 1.0, value)).decode()}\n"
    f"display({{'{PLOTLY}': {{'data': [{{'type': 'scatter', 'y': curve}}], 'layout': {{}}}}}}, raw=True)",
    "result = {'values': {'rank': value}, 'tolerance': {'relative': 1e-3}}\n"
    "display({'application/vnd.sslens.result+json': result, 'text/plain': f'rank {value:.4g}'}, raw=True)",
    f"display({{'{WIDGET}': {{'model_id': os.urandom(4).hex()}}, 'text/plain': 'IntSlider()'}}, raw=True)",
)


@pytest.fixture
def drawn(monkeypatch):
    """Stand in for the browser: a picture of its own at every call, beside each figure that has none."""
    calls = []

    def draw(notebook):
        for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
            if PLOTLY in output.get("data", {}) and "image/png" not in output["data"]:
                calls.append(1)
                output["data"]["image/png"] = base64.b64encode(bytes([len(calls)])).decode()
        return notebook

    monkeypatch.setattr(freezing, "add_pictures", draw)
    return calls


@pytest.fixture
def notebook(tmp_path, drawn, monkeypatch):
    monkeypatch.setenv("SSLENS_PROFILE", "full")
    (tmp_path / "value.txt").write_text("12.91")
    path = tmp_path / "rank.ipynb"
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Rank"), *map(new_code_cell, CELLS)]), path)
    assert freeze(path) is True
    return path


def test_frozen_outputs_are_those_of_a_headless_smoke_run_with_empty_caches(notebook):
    cells = nbformat.read(notebook, 4).cells
    assert [cell.id for cell in cells] == [f"cell-0{place}" for place in range(8)]
    assert [cell.execution_count for cell in cells[1:]] == list(range(1, 8))
    assert cells[3].outputs[0].text == "smoke 0 []\n"
    assert float(cells[4].outputs[0]["data"]["text/plain"]) == pytest.approx(12.91 / 3)
    assert cells[5].outputs[0]["data"]["image/png"].strip() == "AQ=="
    assert cells[7].outputs == []
    assert notebook.read_text().endswith("}\n")


def test_freezing_again_changes_nothing_and_draws_nothing(notebook, drawn):
    before = notebook.read_bytes()
    assert freeze(notebook) is False
    assert notebook.read_bytes() == before and len(drawn) == 1


def test_a_change_within_tolerance_keeps_the_bytes_and_one_of_a_percent_does_not(notebook, drawn):
    before = notebook.read_bytes()
    (notebook.parent / "value.txt").write_text("12.9100012")
    assert freeze(notebook) is False and notebook.read_bytes() == before
    (notebook.parent / "value.txt").write_text("13.04")
    assert freeze(notebook) is True
    cells = nbformat.read(notebook, 4).cells
    assert cells[2].outputs[0].text == "rank 13.04\n"
    assert cells[5].outputs[0]["data"]["image/png"].strip() == "Ag==" and len(drawn) == 2
    assert cells[6].outputs[0]["data"]["application/vnd.sslens.result+json"]["values"]["rank"] == 13.04


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("# halves\n1 / 0", r"Cell 1 \(# halves\).*ZeroDivisionError: division by zero"),
        ("import os; os._exit(0)", r"Cell 1 \(import os; os._exit\(0\)\).*DeadKernelError"),
        ("import sys; sys.exit(0)", r"Cell 1 .*SystemExit"),
    ],
)
def test_a_failing_cell_is_named_with_its_cause_and_the_file_stays(tmp_path, source, cause):
    path = tmp_path / "broken.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("1"), new_markdown_cell("now"), new_code_cell(source)]), path)
    before = path.read_bytes()
    with pytest.raises(InputError, match=f"(?s)broken.ipynb, {cause}"):
        freeze(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["broken.ipynb"]


def test_what_is_no_notebook_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"notebook must be an existing \.ipynb file"):
        freeze(tmp_path / "nowhere.ipynb")
    for name, content in (("text", "not json"), ("list", "[]"), ("cut", '{"cells": [')):
        path = tmp_path / f"{name}.ipynb"
        path.write_text(content)
        with pytest.raises(DamagedFile, match="a Jupyter notebook"):
            freeze(path)


JUNK = {
    "execution": {"iopub.status.busy": "2026-01-01T00:00:00Z"},
    "papermill": {"duration": 0.1},
    "widgets": {"state": {}},
    "collapsed": False,
    "ExecuteTime": {"end_time": "12:00"},
}
junk = st.sets(st.sampled_from(sorted(JUNK))).map(lambda names: {name: JUNK[name] for name in names})
outputs = st.lists(
    st.sampled_from(
        [
            new_output("stream", name="stdout", text="rank 1.0\n"),
            new_output("execute_result", data={"text/plain": "1"}, execution_count=9),
            new_output("display_data", data={WIDGET: {"model_id": "a"}}),
        ]
    ),
    max_size=4,
)
counts = st.none() | st.integers(1, 99)


@settings(deadline=None, max_examples=30)
@given(junk, st.lists(st.tuples(junk, outputs, counts), max_size=4))
def test_normalising_removes_junk_keeps_outputs_and_changes_nothing_twice(metadata, cells):
    made = [
        new_code_cell(outputs=outputs, metadata={**junk, "tags": ["parameters"]}, execution_count=count)
        for junk, outputs, count in cells
    ]
    planted = new_notebook(metadata=metadata, cells=made)
    before = json.dumps(planted)
    once = normalise(planted)
    assert json.dumps(planted) == before
    assert nbformat.writes(normalise(once)) == nbformat.writes(once)
    nbformat.validate(once)
    assert set(once.metadata) == {"kernelspec", "language_info"}
    assert dict(once.metadata.language_info) == {"name": "python"}
    executed = [cell.execution_count for cell in once.cells if cell.execution_count is not None]
    assert executed == list(range(1, len(executed) + 1))
    for old, new in zip(made, once.cells, strict=True):
        assert dict(new.metadata) == {"tags": ["parameters"]}
        kept = [output for output in old.outputs if WIDGET not in output.get("data", {})]
        assert [output.get("text") for output in new.outputs] == [output.get("text") for output in kept]
