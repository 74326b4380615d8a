"""Notebooks as other programs write them: a small one of each, with the habits that make it differ from ours."""

import json

import nbformat
import pytest

from sslens.headless.notebook import code_cells, read_notebook
from sslens.types import InputError

PARAMETERS = 'profile: str = "lesson"'
KERNEL = {"display_name": "Python 3", "name": "python3"}


def code(source, **more):
    return {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None} | more


def notebook(*cells, minor=5, metadata=None):
    return {"nbformat": 4, "nbformat_minor": minor, "metadata": metadata or {}, "cells": list(cells)}


def without(properties, *names):
    return {name: value for name, value in properties.items() if name not in names}


VS_CODE = notebook(
    code("x = 1\r\ny = 2\r\n", metadata={"vscode": {"languageId": "python"}}, outputs=[]),
    minor=2,
    metadata={"kernelspec": KERNEL, "orig_nbformat": 4, "vscode": {"interpreter": {"hash": "31f2aee4e71d"}}},
)
COLAB = notebook(
    code(
        ["x = 1\n", "y = 2"],
        metadata={"id": "Xq1", "colab": {"height": 34}, "executionInfo": {"elapsed": 7}, "tags": None},
        outputs=[{"output_type": "stream", "name": "stdout", "text": ["a\n"], "metadata": {"tags": None}}],
    ),
    minor=0,
    metadata={
        "kernelspec": KERNEL,
        "colab": {"provenance": []},
        "accelerator": "GPU",
        "language_info": {},
        "widgets": {"application/vnd.jupyter.widget-state+json": {"abc": {"model_name": "HBoxModel"}}},
    },
)
DEEPNOTE = notebook(
    code("x = 1\ny = 2", metadata={"cell_id": "00-1", "deepnote_cell_type": "code"}, block_group="a1"),
    minor=0,
    metadata={"deepnote": {}, "deepnote_notebook_id": "b2", "orig_nbformat": 2},
)
OUTPUTS_OF_3 = [
    {"output_type": "stream", "stream": "stdout", "text": ["a\n"]},
    {"output_type": "pyout", "prompt_number": 1, "text": ["1"], "metadata": {}},
    {"output_type": "pyerr", "ename": "E", "evalue": "v", "traceback": ["t"]},
]
CELLS_OF_3 = [
    {"cell_type": "heading", "level": 2, "source": ["Why?"], "metadata": {}},
    {"cell_type": "code", "input": ["x = 1\n", "y = 2"], "language": "python", "outputs": OUTPUTS_OF_3},
]
FORMAT_3 = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": CELLS_OF_3}]}
SAMPLES = {
    "VS Code": VS_CODE,
    "Colab": COLAB,
    "Deepnote": DEEPNOTE,
    "format 3": FORMAT_3,
    "no metadata": without(notebook(without(code("x = 1\ny = 2"), "metadata")), "metadata"),
    "no outputs": notebook(without(code("x = 1\ny = 2"), "outputs", "execution_count")),
    "a kernel without its title": notebook(code("x = 1\ny = 2"), metadata={"kernelspec": {"name": "python3"}}),
    "ids in 4.4": notebook(code("x = 1\ny = 2", id="dfe98cb0"), minor=4),
    "a later minor format": notebook(code("x = 1\ny = 2", id="dfe98cb0"), minor=6),
}


def read(folder, content, encoding="utf-8"):
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "a.ipynb").write_text(text, encoding=encoding)
    return read_notebook(folder / "a.ipynb")


@pytest.mark.parametrize("program", SAMPLES)
def test_a_notebook_of_another_program_is_read_as_one_of_today(program, tmp_path):
    found = read(tmp_path, SAMPLES[program])
    assert [cell.source.rstrip() for cell in code_cells(found)] == ["x = 1\ny = 2"]
    assert (found.nbformat, found.nbformat_minor) == (4, 5)
    nbformat.validate(found, relax_add_props=True)
    assert read(tmp_path, nbformat.writes(found)) == found  # and stays what it was read as


def test_what_such_programs_note_is_kept(tmp_path):
    assert read(tmp_path, VS_CODE).cells[0].metadata.vscode == {"languageId": "python"}
    assert read(tmp_path, COLAB).metadata.accelerator == "GPU"
    assert read(tmp_path, COLAB).cells[0].metadata.id == "Xq1"
    deepnote = read(tmp_path, DEEPNOTE).cells[0]
    assert (deepnote.metadata.cell_id, deepnote.block_group) == ("00-1", "a1")
    old = read(tmp_path, FORMAT_3)
    assert old.cells[0].source == "## Why?"
    assert [output.output_type for output in old.cells[1].outputs] == ["stream", "execute_result", "error"]


def test_a_byte_order_mark_is_no_part_of_a_notebook(tmp_path):
    assert read(tmp_path, notebook(code("x = 'é'")), encoding="utf-8-sig").cells[0].source == "x = 'é'"


@pytest.mark.parametrize(
    ("ids", "read_as"),
    [
        (["a", "a", "a"], ["a", "cell-01", "cell-02"]),
        ([None, "b", None], ["cell-00", "b", "cell-02"]),
        (["a b", "x" * 65, ""], ["cell-00", "cell-01", "cell-02"]),
        (["cell-01", "a", "a"], ["cell-01", "a", "cell-02"]),
        (["cell-01", "cell-01", "a"], ["cell-01", "cell-01-1", "a"]),
    ],
)
def test_every_cell_has_an_id_of_its_own_the_same_each_time(ids, read_as, tmp_path):
    cells = [code("x") | ({"id": name} if name is not None else {}) for name in ids]
    assert [cell.id for cell in read(tmp_path, notebook(*cells)).cells] == read_as


def nested(depth):
    return [nested(depth - 1)] if depth else []


STREAM = {"output_type": "stream", "name": "stdout"}
FIRST = notebook(code("x"))["cells"][0]
REFUSED = {
    "cell 2 of 2 ('y = 2'), execution_count: 'seven' is not": notebook(FIRST, code("y = 2", execution_count="seven")),
    "cell 1 of 1 ('x'), outputs[0]: 'text' is a required": notebook(code("x", outputs=[STREAM])),
    "cell 1 of 1 ('x'), outputs[0]: {'output_type': 'foo'} is": notebook(code("x", outputs=[{"output_type": "foo"}])),
    "cell 1, outputs: 'none' is no list": notebook(code("x", outputs="none")),
    "cell 1, metadata: ['a'] is no dict": notebook(code("x", metadata=["a"])),
    "'source' is a required property": notebook(without(code("x"), "source")),
    "cell 1 of 1 ('3'), source: 3 is not": notebook(code(3)),
    "cell_type: 'sql' is none of ('code', 'markdown', 'raw')": notebook(code("x", cell_type="sql")),
    "outputs[0].data.text/plain is no text": notebook(
        code("x", outputs=[{"output_type": "display_data", "metadata": {}, "data": {"text/plain": 3}}])
    ),
    "nested more than 100 deep": notebook(code("x"), metadata={"a": nested(300)}),
    "half a letter": notebook(code("\ud800")),
    "Unsupported nbformat version 7": {"nbformat": 7, "nbformat_minor": 0, "metadata": {}, "cells": []},
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_cannot_be_understood_is_refused_by_cell_and_property(reason, tmp_path):
    with pytest.raises(InputError) as refused:
        read(tmp_path, REFUSED[reason])
    assert reason in str(refused.value) and len(str(refused.value)) < 600


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "{}", '{"nbformat": 4, "cells": 3}', '{"nbformat": 4, "cells": [3]}']
)
def test_json_that_is_no_notebook_is_refused(text, tmp_path):
    with pytest.raises(InputError, match="it holds no valid notebook"):
        read(tmp_path, text)
