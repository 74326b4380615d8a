"""What a notebook loses when it is stored, and what it never loses."""

import json
import random
import re

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook, new_output
from xarray import DataArray

from sslens.figures.theme import PLOTLY
from sslens.headless.normalise import fitted, normalise, written
from sslens.headless.outputs import WIDGET
from sslens.types import InputError

JUNK = {
    "execution": {"iopub.status.busy": "2026-01-01T00:00:00Z"},
    "papermill": {"duration": 0.1},
    "widgets": {"state": {}},
    "collapsed": False,
    "ExecuteTime": {"end_time": "12:00"},
}
KEPT = {"slideshow": {"slide_type": "slide"}, "nbgrader": {"points": 1}, "tags": ["parameters"], "jupyter": {"a": 1}}
junk = st.sets(st.sampled_from(sorted(JUNK))).map(lambda names: {name: JUNK[name] for name in names})
kept = st.sets(st.sampled_from(sorted(KEPT))).map(lambda names: {name: KEPT[name] for name in names})
outputs = st.lists(
    st.sampled_from(
        [
            new_output("stream", name="stdout", text="rank 1.0\n"),
            new_output("stream", name="stderr", text="careful\n"),
            new_output("execute_result", data={"text/plain": "1"}, execution_count=9),
            new_output("display_data", data={WIDGET: {"model_id": "a"}}),
        ]
    ),
    max_size=4,
)
counts = st.none() | st.integers(1, 99)


def shown(outputs):
    """What an output says besides text: a reader sees as much of it before as after."""
    return [output["data"] for output in outputs if "data" in output and WIDGET not in output["data"]]


def said(outputs, stream):
    return "".join(output["text"] for output in outputs if output.get("name") == stream)


@settings(deadline=None, max_examples=30)
@given(junk, kept, st.lists(st.tuples(junk, kept, outputs, counts), max_size=4))
def test_normalising_removes_junk_keeps_the_rest_and_changes_nothing_twice(metadata, wanted, cells):
    made = [
        new_code_cell(outputs=outputs, metadata=junk | kept, execution_count=count)
        for junk, kept, outputs, count in cells
    ]
    planted = new_notebook(metadata=metadata | wanted, cells=made)
    before = json.dumps(planted)
    once = normalise(planted)
    assert json.dumps(planted) == before
    assert nbformat.writes(normalise(once)) == nbformat.writes(once)
    nbformat.validate(once)
    assert set(once.metadata) == {"kernelspec", "language_info", *wanted}
    assert dict(once.metadata.language_info) == {"name": "python"}
    executed = [cell.execution_count for cell in once.cells if cell.execution_count is not None]
    assert executed == list(range(1, len(executed) + 1))
    for (_, kept, *_), old, new in zip(cells, made, once.cells, strict=True):
        assert dict(new.metadata) == kept
        assert shown(new.outputs) == shown(old.outputs)
        for stream in ("stdout", "stderr"):
            assert said(new.outputs, stream) == said(old.outputs, stream)


def test_a_stream_cut_anywhere_is_stored_the_same():
    lines = "".join(f"step {step}\n" for step in range(40))
    display = new_output("display_data", data={"text/plain": "between"})
    stored = set()
    for seed in range(20):
        cuts = sorted(random.Random(seed).sample(range(len(lines)), 5))
        pieces = [lines[low:high] for low, high in zip([0, *cuts], [*cuts, None], strict=True)]
        outputs = [new_output("stream", name="stdout", text=piece) for piece in pieces]
        outputs.insert(seed % 7, new_output("stream", name="stderr", text="careful\n"))
        cell = new_code_cell("fit()", outputs=[*outputs, display, *outputs], id="a")
        stored.add(written(normalise(new_notebook(cells=[cell]))))
    assert len(stored) == 1


def test_the_number_of_the_kernels_process_is_not_stored():
    text = "/tmp/ipykernel_4711/1234567.py:2: UserWarning: careful\n/home/me/a.py:3: UserWarning: kept\n"
    cell = new_code_cell("warn()", outputs=[new_output("stream", name="stderr", text=text)])
    (output,) = normalise(new_notebook(cells=[cell])).cells[0].outputs
    assert output.text == "ipykernel/cell.py:2: UserWarning: careful\n/home/me/a.py:3: UserWarning: kept\n"


def test_an_array_shown_as_a_table_is_stored_the_same_and_stays_a_table():
    array = DataArray([1.0], {"seed": [0]}, attrs={"key": "'id='a-bceacf9a-8d07-4c4f-9f0f-0a5b7d2c1e3f"})
    stored = []
    for _ in range(2):
        bundles = [{"text/plain": repr(array), "text/html": array._repr_html_()} for _ in range(3)]
        shown = [new_output("display_data", data=bundle) for bundle in bundles]
        cells = [new_code_cell("array", outputs=shown[:2]), new_code_cell("array", outputs=shown[2:])]
        stored.append(normalise(new_notebook(cells=cells)))
        assert shown[0].data["text/html"] == bundles[0]["text/html"]
    assert written(stored[0]) == written(stored[1]) == written(normalise(stored[0]))
    html = "".join(output.data["text/html"] for cell in stored[0].cells for output in cell.outputs)
    names, labels = (re.findall(rf"\b{word}='([^']*)'", html) for word in ("input id", "for"))
    assert sorted(names) == sorted(labels) and len(set(names)) == len(names) > 9  # each label folds its own part


def test_long_outputs_are_normalised_in_no_time():
    cell = new_code_cell("", outputs=[new_output("stream", text=letter * 10**6) for letter in ("a", "/", "/a")])
    assert len(normalise(new_notebook(cells=[cell])).cells[0].outputs) == 1


def scrub(frames, letters=1000):
    """A figure with a slider through frames of so many letters, and a button that does something else."""
    steps = [{"method": "animate", "args": [[str(step)]]} for step in range(frames)]
    buttons = [{"buttons": [{"method": "restyle"}]}, {"buttons": [{"method": "animate"}]}]
    layout = {"sliders": [{"steps": steps}], "updatemenus": buttons}
    moving = [{"name": str(step), "data": ["x" * letters]} for step in range(frames)]
    return {"data": [{"y": [1, 2]}], "layout": layout, "frames": moving}


def of_figures(*figures):
    cells = [new_code_cell(f"figure({n})", outputs=[new_output("display_data", data={PLOTLY: figure})], id=f"cell-{n}")
             for n, figure in enumerate(figures)]  # fmt: skip
    return new_notebook(cells=cells)


def frames_kept(text):
    cells = nbformat.reads(text, 4).cells
    return [len(cell.outputs[0].data[PLOTLY].get("frames", [])) for cell in cells]


def test_frames_go_only_where_the_size_asks_for_it_and_from_the_largest_figure_first():
    notebook = of_figures(scrub(5), scrub(20), scrub(20), scrub(2, letters=10))
    before = written(notebook)
    size = len(before.encode())
    assert fitted(notebook, size, name="a") == before
    assert frames_kept(fitted(notebook, size - 1, name="a")) == [5, 0, 20, 2]
    assert frames_kept(fitted(notebook, size - 25_000, name="a")) == [5, 0, 0, 2]
    assert frames_kept(fitted(notebook, size - 42_000 - 8_000, name="a")) == [0, 0, 0, 2]
    assert written(notebook) == before


def test_a_figure_without_its_frames_has_no_slider_that_would_move_them():
    (cell,) = nbformat.reads(fitted(of_figures(scrub(20)), 3000, name="a"), 4).cells
    figure = cell.outputs[0].data[PLOTLY]
    assert figure == {"data": [{"y": [1, 2]}], "layout": {"updatemenus": [{"buttons": [{"method": "restyle"}]}]}}


def test_what_is_too_large_without_frames_is_refused():
    with pytest.raises(InputError, match=r"size of a\.ipynb must be at most 300 bytes\. Got [0-9]+\. Show less"):
        fitted(of_figures(scrub(20)), 300, name="a.ipynb")
