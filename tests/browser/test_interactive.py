"""What a person's hands do: a real JupyterLab and a real browser."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import plotly.io
import pytest
from xarray import DataArray

from sslens.figures import KEYBOARD, lines, scrub, theme

pytestmark = pytest.mark.browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
QUIET += " --disable-component-update --disable-sync"
CELL = """
from sslens.progress import progress

done = list(progress(range(3), total=3, label="three"))
import plotly.graph_objects as go
from sslens.interactive import explore
from sslens.types import InputError

def power(exponent=1, steps=3):
    if exponent == 5:
        raise InputError("exponent", "<img src=x onerror='document.title=1'>", "below 5")
    return go.Figure(go.Scatter(y=[place**exponent for place in range(steps)]), layout_title_text=f"power {exponent}")

panel = explore(power, exponent=(0, 5), steps=(2, 9))
panel
"""
BOX = """
from sslens.interactive import Zoom

def boxed(box=(0.0, 0.0, 0.5)):
    x, y, half = box
    ranges = {"xaxis_range": (x - half, x + half), "yaxis_range": (y - half, y + half)}
    return go.Figure(go.Scatter(x=[x], y=[y]), ranges | {"title_text": f"half-side {half:.4f}"})

explore(boxed, box=Zoom())
"""
CHOICE = """
import time

def slow(seconds=0.0):
    time.sleep(seconds)
    return go.Figure(go.Scatter(y=[seconds]), layout_title_text=f"slow {seconds}")

explore(slow, seconds=[0.0, 0.01, 2.0])
"""
HEIGHTS = "() => { const plot = document.querySelector('.js-plotly-plot'); return Array.from(plot._fullData[0].y); }"

FITS = """() => Array.from(document.querySelectorAll('.js-plotly-plot')).every(plot => {
  const [drawn, place] = [plot.querySelector('.main-svg').getBoundingClientRect(), plot.closest('.sslens-panel')];
  return Math.abs(drawn.width - place.clientWidth) < 2 && place.scrollWidth <= place.clientWidth;
})"""
SEEN = """() => {
  const plot = document.querySelectorAll('.js-plotly-plot')[2], tops = new Set();
  const place = plot.closest('.sslens-panel');
  window.seen = {shown: false, tops: 0};
  const look = () => {
    const message = place.querySelector('[role=status]');
    window.seen.shown ||= Boolean(message) && getComputedStyle(message).visibility === 'visible';
    tops.add(plot.offsetTop);
    window.seen.tops = tops.size;
    requestAnimationFrame(look);
  };
  look();
}"""
HALF = "() => Number(document.querySelectorAll('.js-plotly-plot')[1].layout.title.text.split(' ')[1])"


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET.split())
        yield started
        started.close()


@pytest.fixture
def page(browser):
    opened = browser.new_page(viewport={"width": 1100, "height": 900})
    opened.set_default_timeout(120_000)  # patience for a machine that others use as well
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab with one notebook, and nothing of this user's settings."""
    home = tmp_path_factory.mktemp("lab")
    sources = [CELL, "panel.children[0].children[0].value = 2", BOX, CHOICE]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), home / "hands.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name != "SSLENS_LIVE"}
    environment |= {f"JUPYTER_{kind}_DIR": str(home / kind) for kind in ("CONFIG", "RUNTIME", "DATA")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.port={port}"]
    command += ["--IdentityProvider.token=hands", f"--ServerApp.root_dir={home}", "--LabApp.news_url=None"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--ServerApp.port_retries=0"]
    command += ["--LabApp.expose_app_in_browser=True"]
    with (home / "log.txt").open("w") as log:
        server = subprocess.Popen(command, env=environment, cwd=home, stdout=log, stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{port}/api/status?token=hands", server, home / "log.txt")
            yield f"http://127.0.0.1:{port}/lab/tree/hands.ipynb?token=hands"
        finally:
            server.terminate()
            server.wait(20)


def wait_for(address, server, log):
    for _ in range(200):
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())


def run_all(page, address):
    page.goto(address)
    kernel = "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel"
    page.wait_for_function(f"() => {kernel}?.status === 'idle'")
    page.evaluate("() => void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_selector(".js-plotly-plot .main-svg")


def heights(page, expected):
    page.wait_for_function(f"expected => JSON.stringify(({HEIGHTS})()) === JSON.stringify(expected)", arg=expected)


def test_a_slider_turned_by_keyboard_changes_the_figure_in_the_page(lab, page, tmp_path):
    run_all(page, lab)
    heights(page, [0, 1, 4])  # a value set while plotly's script was still on its way is not lost
    page.screenshot(path=tmp_path / "before.png")
    page.locator(".widget-slider .noUi-handle").first.focus()
    page.keyboard.press("ArrowRight")
    heights(page, [0, 1, 8])
    assert page.evaluate("() => document.querySelector('.js-plotly-plot').layout.title.text") == "power 3"
    page.locator(".widget-slider .noUi-handle").nth(1).focus()
    page.keyboard.press("ArrowRight")
    heights(page, [0, 1, 8, 27])
    page.screenshot(path=tmp_path / "after.png")
    no_cloud_button(page)
    page.locator(".widget-slider .noUi-handle").first.focus()
    page.keyboard.press("End")
    page.wait_for_selector(".jp-Notebook [role=alert]")
    assert "<img src=x" in page.locator(".jp-Notebook [role=alert]").inner_text()
    assert page.title() != "1"
    heights(page, [0, 1, 8, 27])
    page.screenshot(path=tmp_path / "error.png")


def test_a_page_that_is_opened_again_shows_the_same_and_complains_of_nothing(lab, page):
    said = []
    run_all(page, lab)
    page.wait_for_function("() => document.querySelectorAll('.js-plotly-plot').length === 3")
    page.wait_for_function("() => !document.querySelector('.jp-Notebook .progress')?.offsetParent")
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.reload()
    page.wait_for_function("() => document.querySelectorAll('.js-plotly-plot').length === 3")
    page.wait_for_timeout(2000)
    assert "Error displaying widget" not in page.locator(".jp-Notebook").inner_text()
    assert said == []


def test_a_box_drawn_by_mouse_is_computed_anew_and_a_double_click_goes_back(lab, page, tmp_path):
    run_all(page, lab)
    plot = page.locator(".js-plotly-plot").nth(1)
    plot.scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelectorAll('.js-plotly-plot')[1]?._fullLayout")
    assert page.evaluate(HALF) == 0.5
    rail = plot.locator(".nsewdrag").bounding_box()
    page.mouse.move(rail["x"] + rail["width"] * 0.5, rail["y"] + rail["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(rail["x"] + rail["width"] * 0.7, rail["y"] + rail["height"] * 0.3, steps=5)
    page.mouse.up()
    page.wait_for_function(f"() => Math.abs(({HALF})() - 0.1) < 0.005")
    shown = page.evaluate("() => document.querySelectorAll('.js-plotly-plot')[1].layout.xaxis.range")
    assert shown == pytest.approx([0, 0.2], abs=0.01)
    page.screenshot(path=tmp_path / "box.png")
    sliders = page.locator(".jp-Notebook .widget-slider")
    assert "0.1" in sliders.nth(4).inner_text()
    page.wait_for_timeout(500)  # within 300 ms plotly counts the press that drew the box as a click of the double one
    page.mouse.dblclick(rail["x"] + rail["width"] * 0.5, rail["y"] + rail["height"] * 0.5)
    page.wait_for_function(f"() => ({HALF})() >= 0.5")


def chosen(page):
    """The dropdown, its figure on the page and the focus on it."""
    page.wait_for_function("() => document.querySelectorAll('.js-plotly-plot')[2]?._fullLayout")
    dropdown = page.locator(".jp-Notebook .widget-dropdown select")
    dropdown.scroll_into_view_if_needed()
    dropdown.focus()
    return dropdown


def titled(page, title):
    page.wait_for_function(
        "title => document.querySelectorAll('.js-plotly-plot')[2].layout.title.text === title", arg=title
    )


def test_keys_on_a_dropdown_choose_and_do_not_reach_the_notebook(lab, page):
    run_all(page, lab)
    dropdown, cells = chosen(page), "() => window.jupyterapp.shell.currentWidget.content.widgets.length"
    before = page.evaluate(cells)
    page.keyboard.press("ArrowDown")
    titled(page, "slow 0.01")
    for key in "xddab":
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    assert page.evaluate(cells) == before
    assert dropdown.evaluate("select => select === document.activeElement")
    assert dropdown.input_value() == "0.01"
    page.keyboard.press("Tab")
    assert not dropdown.evaluate("select => select === document.activeElement")


def test_a_slow_computation_says_so_and_a_fast_one_does_not(lab, page):
    run_all(page, lab)
    chosen(page)
    page.evaluate(SEEN)
    page.keyboard.press("ArrowDown")
    titled(page, "slow 0.01")
    page.wait_for_timeout(300)
    assert page.evaluate("() => window.seen") == {"shown": False, "tops": 1}  # nor did the figure jump
    page.keyboard.press("ArrowDown")
    page.wait_for_function("() => window.seen.shown")
    titled(page, "slow 2.0")
    page.wait_for_function("() => !document.querySelector('.sslens-panel [role=status]')")


def test_a_figure_is_as_wide_as_its_place_whatever_becomes_of_the_window(lab, page):
    run_all(page, lab)
    page.wait_for_function("() => document.querySelectorAll('.js-plotly-plot').length === 3")
    for width in (1100, 800, 1400):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(500)
        page.wait_for_function(FITS)
    # A place may change where the window does not.
    page.evaluate("() => { document.querySelector('.sslens-panel').style.width = '500px'; }")
    page.wait_for_function(f"() => ({FITS})() && document.querySelector('.js-plotly-plot').clientWidth <= 500")


def no_cloud_button(page):
    labels = page.locator(".modebar-btn").evaluate_all("all => all.map(each => each.dataset.title || '')")
    assert labels
    assert not [label for label in labels if "share" in label.lower() or "cloud" in label.lower()]


@pytest.fixture
def exported(tmp_path):
    labels = {"run": ["vicreg"], "step": [0, 1]}
    losses = [DataArray([[1.0, last]], labels, ("run", "step"), "loss") for last in (2.0, 3.0, 4.0)]
    path = tmp_path / "scrub.html"
    figure = scrub([lines(loss, title="Loss") for loss in losses], [0, 10, 20])
    page = {"include_plotlyjs": "directory", "auto_play": False, "post_script": KEYBOARD}
    plotly.io.write_html(figure, path, config=theme.CONFIG, **page)
    return path


def test_the_slider_of_a_static_page_works_by_mouse_and_by_keyboard(exported, page, tmp_path):
    page.goto(exported.as_uri())
    heights(page, [1, 4])
    rail = page.locator(".slider-rail-touch-rect").bounding_box()
    page.mouse.click(rail["x"] + 4, rail["y"] + rail["height"] / 2)
    heights(page, [1, 2])
    page.wait_for_selector(".js-plotly-plot[aria-valuetext='0']")
    page.locator(".js-plotly-plot").focus()
    page.keyboard.press("ArrowRight")
    heights(page, [1, 3])
    page.wait_for_selector(".js-plotly-plot[aria-valuetext='10']")
    no_cloud_button(page)
    page.screenshot(path=tmp_path / "scrub.png")
