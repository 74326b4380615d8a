import base64
import io
import os
import shutil
import time

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

from sslens.figures.theme import PLOTLY
from sslens.headless import png
from sslens.headless.png import add_pictures, require_browser
from sslens.types import InputError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@pytest.fixture
def notebook():
    figure = {"data": [{"type": "scatter", "y": [1, 3, 2]}], "layout": {"height": 320}, "frames": [{"name": "0"}]}
    shown = [new_output("display_data", data={PLOTLY: figure}) for _ in range(2)]
    kept = new_output("display_data", data={PLOTLY: figure, "image/png": "kept"})
    return new_notebook(cells=[new_code_cell("figure", outputs=[*shown, kept])])


@pytest.mark.skipif(not any(map(shutil.which, BROWSERS)), reason="no Chromium or Chrome is installed")
def test_each_figure_without_a_picture_gets_a_small_one(notebook):
    pytest.importorskip("kaleido")
    require_browser()
    before = nbformat.writes(notebook)
    drawn = add_pictures(notebook).cells[0].outputs
    assert nbformat.writes(notebook) == before
    for output in drawn[:2]:
        content = base64.b64decode(output["data"]["image/png"])
        image = Image.open(io.BytesIO(content))
        assert image.size == (760, 320) and image.mode == "P" and len(content) < 20_000
        assert len(image.convert("RGB").getcolors()) > 2
    assert drawn[2]["data"]["image/png"] == "kept"


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\nexec sleep 60\n"])
def test_a_browser_that_fails_or_hangs_is_refused_in_time(notebook, script, tmp_path, monkeypatch):
    pytest.importorskip("kaleido")
    browser = tmp_path / "chromium"
    browser.write_text(script)
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER_PATH", str(browser))
    monkeypatch.setattr(png, "FIRST", 3.0)
    monkeypatch.setattr(png, "EACH", 0.0)
    before = psutil.Process().children(recursive=True)  # earlier tests may have left multiprocessing's tracker
    start = time.monotonic()
    with pytest.raises(InputError, match="browser must be Chromium or Chrome"):
        add_pictures(notebook)
    assert time.monotonic() - start < 20
    assert set(psutil.Process().children(recursive=True)) <= set(before)


def test_without_kaleido_a_picture_is_refused_and_nothing_else(notebook, tmp_path, monkeypatch):
    (tmp_path / "kaleido.py").write_text("raise ModuleNotFoundError('kaleido is not installed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    for drawing in (require_browser, lambda: add_pictures(notebook)):
        with pytest.raises(InputError, match="kaleido is not installed"):
            drawing()
    notebook.cells[0].outputs = notebook.cells[0].outputs[2:]
    assert add_pictures(notebook) == notebook  # there is nothing to draw
