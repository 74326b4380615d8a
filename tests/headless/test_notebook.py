"""What counts as a cell, under which number, and what of its outputs lasts."""

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from sslens.headless.notebook import code_cells, is_compared, is_folded_source, may_raise, question


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


@pytest.mark.parametrize(
    ("source", "tags", "raises", "compared"),
    [("1", [], False, True), ("1", ["raises-exception"], True, True), ("1", ["nbval-raises-exception"], True, True),
     ("1", ["nbval-ignore-output"], False, False), ("1", ["nbval-skip", "note"], False, False),
     ("# NBVAL_IGNORE_OUTPUT\n1", [], False, False), ("x\n  #  NBVAL_RAISES_EXCEPTION", [], True, True),
     ("# nbval_skip", [], False, True), ("'NBVAL_SKIP'", [], False, True)],
)  # fmt: skip
def test_marks_of_nbval_are_tags_or_comments_in_capitals(source, tags, raises, compared):
    cell = new_code_cell(source, metadata={"tags": tags})
    assert (may_raise(cell), is_compared(cell)) == (raises, compared)
