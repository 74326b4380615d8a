"""Freezing is tried on a small checkout: one notebook, its lesson, its reference, a stand-in for the browser."""

import base64
import json
import os
import shutil
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from sslens.figures.theme import PLOTLY
from sslens.headless import freeze as freezing
from sslens.headless.freeze import freeze_notebook, staleness
from sslens.headless.outputs import WIDGET
from sslens.types import InputError

PARAMETERS = 'profile: str = "lesson"  # smoke, lesson or full'
VERDICT = {"sentence": "Rank falls.", "source": "Paper", "quantity": "rank", "holds": True, "n": 1, "mean": 12.91}
VERDICT |= {"low": None, "high": None, "line": "✓ holds: Rank falls."}
# what sslens.claims.receipt does, without the seconds that importing torch takes in every kernel
RECEIPT = f"""attempt = json.load(open(os.environ["SSLENS_ATTEMPT"]))
receipt = {{"nonce": attempt["nonce"], "parameters": {{"profile": profile}}, "execution_count": len(In) - 1}}
verdict = json.loads({json.dumps(VERDICT)!r})
json.dump(receipt | {{"verdicts": [verdict]}}, open(attempt["receipt"], "w"))"""
CELLS = (
    "import base64, json, os, pathlib, struct, sys\nvalue = float(pathlib.Path('value.txt').read_text())",
    "print('rank', value)",
    "print(profile, os.environ.get('SSLENS_PROFILE'), os.environ['SSLENS_LIVE'])\n"
    "print(os.listdir(os.environ['SSLENS_DATA']))",
    "value / 3",
    "curve = {'dtype': 'f8', 'bdata': base64.b64encode(struct.pack('<2d', 1.0, value)).decode()}\n"
    f"display({{'{PLOTLY}': {{'data': [{{'type': 'scatter', 'y': curve}}], 'layout': {{}}}}}}, raw=True)",
    "result = {'values': {'rank': value}, 'tolerance': {'relative': 1e-3}}\n"
    "display({'application/vnd.sslens.result+json': result, 'text/plain': f'rank {value:.4g}'}, raw=True)",
    f"display({{'{WIDGET}': {{'model_id': os.urandom(4).hex()}}, 'text/plain': 'IntSlider()'}}, raw=True)",
    "def show_source(what):\n    return what",
    "show_source('def fit(): ...')",
    RECEIPT,
)


@pytest.fixture
def drawn(monkeypatch):
    """Stand in for the browser: a picture of its own at every call, beside each figure that has none."""
    return without_browser(monkeypatch)


def without_browser(monkeypatch):
    calls = []

    def draw(notebook):
        for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
            if PLOTLY in output.get("data", {}) and "image/png" not in output["data"]:
                calls.append(1)
                output["data"]["image/png"] = base64.b64encode(bytes([len(calls)])).decode()
        return notebook

    monkeypatch.setattr(freezing, "add_pictures", draw)
    monkeypatch.setattr(freezing, "require_browser", lambda: None)
    return calls


def write(path, *sources, parameters=PARAMETERS):
    """A notebook with a question, parameters and these cells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [new_code_cell(parameters, metadata={"tags": ["parameters"]}), *map(new_code_cell, sources)]
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Does rank fall?"), *cells]), path)
    return path


def laid_out(root, monkeypatch):
    """A folder laid out like our checkout, with a data folder that holds something."""
    (root / "tests" / "notebooks").mkdir(parents=True)
    (root / "notebooks").mkdir()
    (root / "notebooks" / "value.txt").write_text("12.91")
    (root / "data" / "stored").mkdir(parents=True)
    monkeypatch.setenv("SSLENS_DATA", str(root / "data"))
    monkeypatch.setenv("SSLENS_PROFILE", "full")
    return root


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    return laid_out(tmp_path / "checkout", monkeypatch)


@pytest.fixture(scope="module")
def frozen(tmp_path_factory):
    """A checkout whose one notebook was frozen."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        without_browser(monkeypatch)
        root = laid_out(tmp_path_factory.mktemp("frozen") / "checkout", monkeypatch)
        path = write(root / "notebooks" / "10_tour.ipynb", *CELLS)
        assert freeze_notebook(path) == [reference(path), path]
        assert os.environ["SSLENS_PROFILE"] == "full" and "SSLENS_ATTEMPT" not in os.environ
    return root


@pytest.fixture
def tour(frozen, drawn, tmp_path, monkeypatch):
    """A copy of the frozen notebook in a checkout of its own."""
    root = Path(shutil.copytree(frozen, tmp_path / "checkout"))
    monkeypatch.setenv("SSLENS_DATA", str(root / "data"))
    return root / "notebooks" / "10_tour.ipynb"


def reference(path):
    return path.parents[1] / "tests" / "notebooks" / "reference" / path.name


def cell(path, source):
    """The stored cell of this source."""
    (found,) = (cell for cell in nbformat.read(path, 4).cells if cell.source == source)
    return found


def edited(path, change):
    """Change a notebook as a person does in an editor."""
    notebook = nbformat.read(path, 4)
    change(notebook)
    nbformat.write(notebook, path)


def not_run(monkeypatch):
    def run(*_):
        raise AssertionError("a kernel was started")

    monkeypatch.setattr(freezing, "execute", run)


def test_a_notebook_holds_its_lesson_and_a_reference_holds_the_smoke_profile(tour):
    lesson, smoke = nbformat.read(tour, 4), nbformat.read(reference(tour), 4)
    assert [each.id for each in lesson.cells] == [f"cell-{place:02d}" for place in range(12)]
    assert [each.source for each in smoke.cells] == [each.source for each in lesson.cells if "outputs" in each]
    for notebook in (lesson, smoke):
        code = [each for each in notebook.cells if each.cell_type == "code"]
        assert [each.execution_count for each in code] == list(range(1, 12))
    assert cell(tour, CELLS[2]).outputs[0].text == "lesson None 0\n['stored']\n"
    assert cell(reference(tour), CELLS[2]).outputs[0].text == "smoke None 0\n[]\n"
    assert cell(tour, CELLS[4]).outputs[0]["data"]["image/png"].strip() == "AQ=="
    assert "image/png" not in cell(reference(tour), CELLS[4]).outputs[0]["data"]
    assert cell(tour, CELLS[6]).outputs == []
    assert cell(tour, CELLS[8]).outputs and not cell(reference(tour), CELLS[8]).outputs
    assert tour.read_text().endswith("}\n") and reference(tour).read_text().endswith("}\n")


def test_a_lesson_says_what_it_was_made_from_and_what_came_out(tour):
    mark = nbformat.read(tour, 4).metadata["sslens"]
    assert mark["profile"] == "lesson" and len(mark["fingerprint"]) == 64
    assert mark["verdicts"] == [VERDICT]
    assert "sslens" not in nbformat.read(reference(tour), 4).metadata


def test_what_is_up_to_date_is_neither_run_nor_written(tour, monkeypatch):
    before = tour.read_bytes(), reference(tour).read_bytes()
    not_run(monkeypatch)
    assert freeze_notebook(tour) == []
    assert not staleness(tour)
    edited(tour, lambda notebook: notebook.cells[0].update(source="# Does rank fall at all?"))
    assert freeze_notebook(tour) == []  # prose decides no output
    edited(tour, lambda notebook: notebook.cells[10].update(source="show_source('def fit(): return 1')"))
    assert staleness(tour).lesson == ""  # nor does a source that is unfolded
    assert before[1] == reference(tour).read_bytes()


def test_another_source_makes_both_stale_and_both_are_renewed(tour):
    edited(tour, lambda notebook: notebook.cells[3].update(source="print('the rank', value)"))
    stale = staleness(tour)
    assert stale.lesson == "was frozen from other code"
    assert stale.reference == "was made from other sources, from cell 3 (\"print('the rank', value)\") on"
    assert freeze_notebook(tour) == [reference(tour), tour]
    for path in (tour, reference(tour)):
        assert cell(path, "print('the rank', value)").outputs[0].text == "the rank 12.91\n"
    assert not staleness(tour)


def test_a_missing_reference_is_made_and_the_lesson_left_alone(tour):
    before = tour.read_bytes()
    reference(tour).unlink()
    assert (staleness(tour).lesson, staleness(tour).reference) == ("", "is missing")
    assert freeze_notebook(tour) == [reference(tour)]
    assert tour.read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda notebook: notebook.cells[3].update(outputs=[], execution_count=None),
        lambda notebook: notebook.cells[3].update(execution_count=7),
        lambda notebook: notebook.cells[3].outputs.append(
            nbformat.v4.new_output("display_data", data={WIDGET: {"model_id": "a"}})
        ),
    ],
)
def test_outputs_that_a_session_left_behind_are_no_lesson(tour, change):
    edited(tour, change)
    assert staleness(tour).lesson == "does not hold the outputs of a frozen lesson"


def test_a_renewed_reference_keeps_what_agrees_within_tolerance(tour, drawn):
    before, lesson = reference(tour).read_bytes(), tour.read_bytes()
    (tour.parent / "value.txt").write_text("12.9100012")
    assert freeze_notebook(tour, lesson=False) == [] and reference(tour).read_bytes() == before
    (tour.parent / "value.txt").write_text("13.04")
    assert freeze_notebook(tour, lesson=False) == [reference(tour)]
    assert cell(reference(tour), CELLS[1]).outputs[0].text == "rank 13.04\n"
    result = cell(reference(tour), CELLS[5]).outputs[0]["data"]["application/vnd.sslens.result+json"]
    assert result["values"]["rank"] == 13.04
    assert drawn == [] and tour.read_bytes() == lesson


def test_what_a_person_wrote_into_metadata_stays_and_what_tools_left_goes(checkout, drawn):
    slide, grade = {"slide_type": "slide"}, {"grade": True, "grade_id": "a", "points": 1}
    path = write(checkout / "notebooks" / "10_tour.ipynb", "import json, os", RECEIPT)

    def by_person_and_tool(notebook):
        notebook.metadata.update(authors=[{"name": "someone"}], title="Rank", widgets={"state": {}}, papermill={"a": 1})
        notebook.metadata.update(language_info={"name": "python", "version": "3.11.2"})
        notebook.cells[2].metadata.update(slideshow=slide, nbgrader=grade, tags=["note"], collapsed=True)
        notebook.cells[2].metadata.update(execution={"a": "b"}, ExecuteTime={"a": "b"}, jupyter={"source_hidden": True})

    edited(path, by_person_and_tool)
    freeze_notebook(path)
    notebook = nbformat.read(path, 4)
    assert set(notebook.metadata) == {"authors", "title", "kernelspec", "language_info", "sslens"}
    assert dict(notebook.metadata.language_info) == {"name": "python"}
    assert notebook.metadata.authors == [{"name": "someone"}]
    kept = {"slideshow": slide, "nbgrader": grade, "tags": ["note"], "jupyter": {"source_hidden": True}}
    kept["collapsed"] = True
    assert dict(notebook.cells[2].metadata) == kept
    assert dict(notebook.cells[3].metadata) == {}


def test_without_a_browser_a_lesson_is_refused_before_anything_is_run(checkout, monkeypatch):
    path = write(checkout / "notebooks" / "10_tour.ipynb", "import json, os", RECEIPT)

    def missing():
        raise InputError("browser", "none", "Chromium")

    monkeypatch.setattr(freezing, "require_browser", missing)
    not_run(monkeypatch)
    with pytest.raises(InputError, match="browser"):
        freeze_notebook(path)
    assert not reference(path).exists()


def test_without_a_browser_a_reference_is_still_made(checkout, monkeypatch):
    path = write(checkout / "notebooks" / "10_tour.ipynb", "import json, os", RECEIPT)
    monkeypatch.setattr(freezing, "require_browser", lambda: pytest.fail("the browser was called"))
    assert freeze_notebook(path, lesson=False) == [reference(path)]


SAVE = """import json, os, pathlib
path = pathlib.Path("10_tour.ipynb")
path.write_text(path.read_text().replace("Does rank fall?", "Who saved this?")) if profile == PROFILE else None"""


@pytest.mark.parametrize(("profile", "made"), [("smoke", False), ("lesson", True)])
def test_an_edit_saved_meanwhile_is_not_overwritten(profile, made, checkout, drawn):
    path = write(checkout / "notebooks" / "10_tour.ipynb", SAVE.replace("PROFILE", repr(profile)), RECEIPT)
    with pytest.raises(InputError, match=r"(?s)10_tour\.ipynb must be left alone while .* Freeze it again"):
        freeze_notebook(path)
    assert "Who saved this?" in path.read_text() and "sslens" not in nbformat.read(path, 4).metadata
    assert reference(path).exists() == made


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("# halves\n1 / 0", r"cell 3 \('# halves'\) raised ZeroDivisionError: division by zero"),
        ("import os; os._exit(0)", r"the kernel died in cell 3 \('import os; os._exit\(0\)'\)"),
        ("import sys; sys.exit(0)", r"cell 3 \('import sys; sys.exit\(0\)'\) left the kernel with exit"),
    ],
)
def test_a_failing_cell_is_named_with_its_cause_and_the_files_stay(checkout, drawn, source, cause):
    path = write(checkout / "notebooks" / "10_tour.ipynb", "import json, os", source, RECEIPT)
    before = path.read_bytes()
    with pytest.raises(InputError, match=f"(?s)10_tour.ipynb must be a notebook that runs to its end.*{cause}"):
        freeze_notebook(path)
    assert path.read_bytes() == before and not reference(path).exists()


def test_outputs_too_large_to_store_are_refused(checkout, drawn):
    path = write(checkout / "notebooks" / "10_tour.ipynb", "import json, os\nprint('a' * 300_001)", RECEIPT)
    with pytest.raises(InputError, match=r"size of 10_tour.ipynb at smoke must be at most 300000 bytes"):
        freeze_notebook(path)
    assert not reference(path).exists()


def test_what_is_no_notebook_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"notebook must be a readable \.ipynb file"):
        freeze_notebook(tmp_path / "nowhere.ipynb")
    for name, content in (("text", "not json"), ("list", "[]"), ("cut", '{"cells": [')):
        path = tmp_path / f"{name}.ipynb"
        path.write_text(content)
        with pytest.raises(InputError, match="holds no valid notebook"):
            freeze_notebook(path)


def test_a_notebook_outside_a_checkout_is_its_own_reference(tmp_path, drawn):
    (tmp_path / "value.txt").write_text("12.91")
    path = write(tmp_path / "mine.ipynb", *CELLS)
    assert freeze_notebook(path) == [path]
    assert cell(path, CELLS[2]).outputs[0].text == "smoke None 0\n[]\n"
    assert cell(path, CELLS[4]).outputs[0]["data"]["image/png"].strip() == "AQ=="
    before = path.read_bytes()
    assert freeze_notebook(path) == [] and path.read_bytes() == before and len(drawn) == 1
    with pytest.raises(InputError, match="folder notebooks of a checkout"):
        staleness(path)


def test_without_a_browser_a_notebook_outside_a_checkout_is_frozen_without_pictures(tmp_path, monkeypatch, caplog):
    def missing(notebook):
        raise InputError("browser", "none", "Chromium")

    monkeypatch.setattr(freezing, "add_pictures", missing)
    path = write(tmp_path / "mine.ipynb", "import json, os", RECEIPT)
    assert freeze_notebook(path) == [path]
    assert "no pictures beside the figures" in caplog.text


UNSTABLE = (
    "import json, os, sys, time, warnings",
    "%%time\nx = 1",
    "object()",
    "# NBVAL_IGNORE_OUTPUT\nprint(time.perf_counter())",
    "print(time.perf_counter_ns())",
    "warnings.warn('careful')",
    "for step in range(20):\n    sys.stdout.write(f'\\rstep {step}')\n    sys.stdout.flush()",
    "1 / 0",
    "print('a', flush=True); print('b', flush=True)",
    RECEIPT,
)


def test_what_clock_and_process_decide_is_stored_once_and_then_left_as_it_was(tmp_path, drawn):
    path = write(tmp_path / "mine.ipynb", *UNSTABLE)

    def marked(notebook):
        notebook.cells[6].metadata["tags"] = ["nbval-skip"]
        notebook.cells[9].metadata["tags"] = ["raises-exception"]

    edited(path, marked)
    assert freeze_notebook(path) == [path]
    before = path.read_bytes()
    assert freeze_notebook(path) == [] and path.read_bytes() == before
    assert "Wall time" in cell(path, UNSTABLE[1]).outputs[0].text  # a reader sees what it took that day
    assert cell(path, UNSTABLE[2]).outputs[0].data["text/plain"] == "<object at 0x…>"
    assert cell(path, UNSTABLE[3]).outputs and cell(path, UNSTABLE[4]).outputs
    assert cell(path, UNSTABLE[5]).outputs[0].text.startswith("ipykernel/cell.py:1: UserWarning: careful")
    assert cell(path, UNSTABLE[6]).outputs[0].text == "step 19"
    assert cell(path, UNSTABLE[7]).outputs[0].ename == "ZeroDivisionError"


def test_cells_of_one_source_keep_their_own_outputs(tmp_path, drawn):
    twice = "print(next(numbers))"
    path = write(tmp_path / "mine.ipynb", "import json, os\nnumbers = iter('ab')", twice, twice, RECEIPT)
    freeze_notebook(path)
    before = path.read_bytes()
    assert freeze_notebook(path) == [] and path.read_bytes() == before
    shown = [each.outputs[0].text for each in nbformat.read(path, 4).cells if each.source == twice]
    assert shown == ["a\n", "b\n"]


STRANGE = f"""import json, os
for figure in ({{"data": [{{"y": [10**30, 10**400, float("nan")]}}]}}, "no figure", [3], {{"data": 3, "layout": []}}):
    display({{"{PLOTLY}": figure}}, raw=True)"""


def test_figures_that_plotly_never_made_are_stored_as_they_are(tmp_path, drawn):
    path = write(tmp_path / "mine.ipynb", STRANGE.replace("10**400", "2**70"), RECEIPT)
    assert freeze_notebook(path) == [path]
    before = path.read_bytes()
    assert freeze_notebook(path) == [] and path.read_bytes() == before


DEEP = """import json, os
deep = []
for _ in range(200):
    deep = [deep]
display({"application/json": deep}, raw=True)"""


def test_outputs_that_no_notebook_can_hold_are_refused(tmp_path, drawn):
    path = write(tmp_path / "mine.ipynb", DEEP, RECEIPT)
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"what the notebook shows cannot be stored \(it is nested more"):
        freeze_notebook(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("path", ["a" * 5000 + ".ipynb", "a/" * 3000, "\ud800.ipynb", "a\0b.ipynb"])
def test_a_path_that_no_file_can_have_is_refused(path):
    with pytest.raises(InputError, match="notebook must be a readable"):
        freeze_notebook(Path(path))


def test_an_edit_saved_while_the_new_file_was_being_written_is_not_overwritten(tmp_path, drawn, monkeypatch):
    path = write(tmp_path / "mine.ipynb", "import json, os", RECEIPT)
    sync = os.fsync

    def saved_now(handle):
        if list(tmp_path.glob(".*.part")):
            path.write_text(path.read_text().replace("Does rank fall?", "Who saved this?"))
        sync(handle)

    monkeypatch.setattr(
        os, "fsync", lambda handle: saved_now(handle) if list(tmp_path.glob(".*.part")) else sync(handle)
    )
    with pytest.raises(InputError, match="Freeze it again"):
        freeze_notebook(path)
    assert "Who saved this?" in path.read_text() and list(tmp_path.iterdir()) == [path]
