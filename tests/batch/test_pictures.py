import base64
import io
import logging
import shutil
import time

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

from sslens.batch import pictures
from sslens.batch.pictures import add_pictures
from sslens.figures.theme import PLOTLY

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
def test_a_browser_that_fails_or_hangs_leaves_the_notebook_as_it_is(notebook, script, tmp_path, monkeypatch, caplog):
    pytest.importorskip("kaleido")
    browser = tmp_path / "chromium"
    browser.write_text(script)
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER_PATH", str(browser))
    monkeypatch.setattr(pictures, "FIRST", 3.0)
    monkeypatch.setattr(pictures, "EACH", 0.0)
    start = time.monotonic()
    with caplog.at_level(logging.WARNING):
        assert add_pictures(notebook) is notebook
    assert time.monotonic() - start < 20
    assert "no pictures beside the figures" in caplog.text
    assert not psutil.Process().children(recursive=True)


def test_without_kaleido_the_notebook_stays_as_it_is(notebook, tmp_path, monkeypatch, caplog):
    (tmp_path / "kaleido.py").write_text("raise ModuleNotFoundError('kaleido is not installed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert add_pictures(notebook) is notebook
    assert "kaleido is not installed" in caplog.text
