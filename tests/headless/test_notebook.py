"""What counts as a cell, under which number, and what of its outputs lasts."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from sslens.headless.notebook import WIDGET, code_cells, is_folded_source, lasting_outputs, question, read_notebook


def test_cells_that_hold_nothing_and_the_one_of_a_run_have_no_number():
    put_in = new_code_cell("steps = 3", metadata={"tags": ["injected-parameters"]})
    cells = [new_markdown_cell("# Why?"), new_code_cell("a"), put_in, new_code_cell("\n  "), new_code_cell("b")]
    assert [cell.source for cell in code_cells(new_notebook(cells=cells))] == ["a", "b"]


@pytest.mark.parametrize(
    ("source", "folded"),
    [("show_source(fit)", True), ("interactive.show_source(objectives.SimCLR)  # unfold", True), ("# x", False),
     ("x = show_source(fit)", False), ("show_source(fit)\nshow_source(fit)", False), ("show_source", False),
     ("show_sources(fit)", False), ("%%time\nshow_source(fit)", False)],
)  # fmt: skip
def test_a_cell_that_unfolds_a_source_is_one_call(source, folded):
    assert is_folded_source(new_code_cell(source)) is folded
    assert is_folded_source(new_code_cell(source, metadata={"tags": ["show-source"]})) is True


@pytest.mark.parametrize(
    ("first", "title"),
    [("# Why?\n\nBecause.", "Why?"), ("\n## Why?", "Why?"), ("Why?", "Why?"), ("", "")],
)
def test_the_title_is_the_question(first, title):
    assert question(new_notebook(cells=[new_markdown_cell(first)])) == title
    assert question(new_notebook()) == ""


def test_streams_are_joined_between_displays_and_widgets_go():
    def piece(text, name="stdout"):
        return new_output("stream", name=name, text=text)

    shown, widget = new_output("display_data", data={"text/plain": "1"}), new_output("display_data", data={WIDGET: {}})
    outputs = [piece("c", "stderr"), piece("a"), widget, piece("b"), shown, piece("d"), piece("e", "other")]
    lasting = lasting_outputs(outputs)
    said = [(output.name, output.text) if "name" in output else "display" for output in lasting]
    assert said == [("stdout", "ab"), ("stderr", "c"), "display", ("stdout", "d"), ("other", "e")]
    assert lasting_outputs(lasting) == lasting and len(outputs) == 7


@pytest.mark.parametrize("minor", [0, 4, 5])
def test_a_notebook_of_an_older_format_whose_cells_have_names_is_read(minor, tmp_path):
    notebook = new_notebook(cells=[new_code_cell("a", id="mine"), new_code_cell("b", id="other")])
    notebook.nbformat_minor = 4
    if minor == 0:
        for cell in notebook.cells:
            del cell["id"]
    (tmp_path / "a.ipynb").write_text(nbformat.v4.writes(notebook, split_lines=False))
    read = read_notebook(tmp_path / "a.ipynb")
    assert [cell.id for cell in read.cells] == (["mine", "other"] if minor else ["cell-00", "cell-01"])
