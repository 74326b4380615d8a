"""The style that every figure shares: colours, titles, legends, and how a notebook shows it."""

import hashlib
import json
import subprocess
import sys
from itertools import combinations

import numpy as np
import plotly.graph_objects as go
import plotly.io
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from sslens.figures import theme


def test_the_template_stays_small():
    assert len(json.dumps(theme.TEMPLATE.to_plotly_json())) < 1500


def test_a_figure_carries_its_style_and_changes_no_other():
    code = "import plotly.io as io; at = io.templates.default; import sslens.figures as f; "
    code += "assert io.templates.default == at and not f.show_in_notebooks(); "
    code += "assert f.theme.figure('T').layout.template.layout.uirevision == 'keep'"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_inside_ipython_importing_the_figures_shows_them_and_styles_any_figure():
    code = "from IPython.core.interactiveshell import InteractiveShell; shell = InteractiveShell.instance(); "
    code += "import plotly.graph_objects as go; import sslens.figures; "
    code += "assert go.Figure in shell.display_formatter.ipython_display_formatter.type_printers; "
    code += "assert go.Figure().layout.template.layout.uirevision == 'keep'"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_stored_figure_has_no_cloud_button_and_no_logo(monkeypatch):
    monkeypatch.setattr(plotly.io.templates, "default", plotly.io.templates.default)
    shell = InteractiveShell.instance()
    assert theme.show_in_notebooks()
    with capture_output() as captured:
        shell.display_formatter.format(go.Figure(go.Scatter(y=[1.5])))
    (shown,) = captured.outputs
    assert shown.data[theme.PLOTLY]["data"][0]["y"] == [1.5]
    assert shown.data[theme.PLOTLY]["config"] == theme.CONFIG
    assert not theme.CONFIG["showSendToCloud"] and not theme.CONFIG["displaylogo"]
    InteractiveShell.clear_instance()


def test_importing_the_figures_does_not_bring_plotlys_renderers():
    """They import a schema validator, which takes longer than torch."""
    code = "import sys, sslens.figures; sys.exit('plotly.io._renderers' in sys.modules or 'jsonschema' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def colour(*names):
    return [style.colour for style in theme.styles(names).values()]


@pytest.mark.parametrize(
    ("name", "objective"),
    [("VICReg", "vicreg"), ("SimSiam without stop-gradient", "simsiam"), ("sim_clr", "simclr"), ("Sim-CLR", "simclr")],
)
def test_a_run_has_the_colour_of_its_objective(name, objective):
    assert colour(name, "another") == colour(objective, "another")


def test_well_known_kinds_keep_their_colour_beside_others():
    names = [f"run {letter}" for letter in "abcdefg"]
    assert theme.styles([*names, "simclr"])["simclr"] == theme.styles(["simclr", "other"])["simclr"]


def test_an_unknown_name_keeps_its_colour_across_processes():
    assert colour("a run of mine", "simclr")[0] == "#2A1A9E"


def test_a_sweep_takes_the_colours_in_order():
    assert colour("temperature 0.1", "temperature 5", "temperature 1e-3") == list(theme.PALETTE[:3])
    assert colour("10% redrawn", "90% redrawn") == list(theme.PALETTE[:2])


def test_colours_within_a_figure_differ_and_so_do_dash_and_symbol_where_they_can():
    found = list(theme.styles([f"run {seed}" for seed in range(10)]).values())
    assert len({style.colour for style in found}) == 10
    assert len({style.symbol for style in found}) == 10
    assert len({style.dash for style in found}) == len(theme.DASHES) == 7


def test_any_number_of_names_gets_a_style_and_the_first_many_differ():
    assert len(theme.styles([f"run {seed}" for seed in range(200)])) == 200
    words = theme.styles([hashlib.sha256(bytes([place])).hexdigest() for place in range(40)]).values()
    assert len({(style.colour, style.symbol) for style in words}) == 40
    assert len({(style.colour, style.dash) for style in map(theme.style_at, range(70))}) == 70
    assert len({(style.colour, style.symbol) for style in map(theme.style_at, range(110))}) == 110


SIGHT = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
"""How light arrives, linear in red, green and blue (Machado, Oliveira, Fernandes 2009, severity 1)."""


def lab(colour, sight):
    """CIELAB under D65, of a colour as it is seen."""
    light = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    linear = np.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4)
    seen = (np.array(sight) @ linear).clip(0, 1)
    matrix = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
    x, y, z = np.cbrt(np.array(matrix) @ seen / [0.95047, 1, 1.08883])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHT)
def test_the_colours_keep_apart_for_every_kind_of_sight(sight):
    seen = [lab(colour, SIGHT[sight]) for colour in theme.PALETTE]
    nearest = min(np.linalg.norm(one - other) for one, other in combinations(seen, 2))
    assert nearest > 15  # the eight of Okabe and Ito with a grey: 12


def test_names_from_data_are_shown_as_they_are():
    figure = theme.figure("<a href='x'>cat</a>", notes=["<b>", ""])
    assert figure.layout.title.text.startswith("&lt;a href='x'&gt;cat&lt;/a&gt;<br>")
    assert "&lt;b&gt;</span>" in figure.layout.title.text


def test_long_titles_and_remarks_are_broken_where_a_phone_ends():
    title = "Which of the two runs brings its loss closer to the best possible value?"
    figure = theme.figure(title, notes=["thin lines: 3 seeds, bold: their mean", "✕ no finite value beyond"])
    heading, _, remarks = figure.layout.title.text.partition("<span")
    lines = heading.strip("<br>").split("<br>")
    assert len(lines) == 2 and " ".join(lines) == title and max(map(len, lines)) <= theme.TITLE
    assert "their mean<br>✕ no" in remarks


def test_title_above_and_legend_below_hang_on_the_edges_and_leave_the_panels_their_height():
    for title in ("Short", "A title that is much too long for a single line on a telephone"):
        layout = theme.figure(title, notes=["remark"], height=300).layout
        assert layout.height - layout.margin.t == 300 + 30
    shared = theme.TEMPLATE.layout
    assert (shared.title.yref, shared.title.y, shared.legend.yref, shared.legend.y) == ("container", 1, "container", 0)
