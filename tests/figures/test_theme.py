"""The look that every figure shares."""

import json
import subprocess
import sys

import plotly.graph_objects as go
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from sslens.figures import theme


def test_the_template_stays_small():
    assert len(json.dumps(theme.TEMPLATE.to_plotly_json())) < 1500


def test_the_template_is_the_default_of_any_figure():
    assert go.Figure().layout.template.layout.uirevision == "keep"


def test_the_stored_figure_has_no_cloud_button_and_no_logo():
    shell = InteractiveShell.instance()
    theme.install()
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


@pytest.mark.parametrize(
    ("name", "objective"),
    [("VICReg", "vicreg"), ("SimSiam without stop-gradient", "simsiam"), ("sim_clr", "simclr"), ("Sim-CLR", "simclr")],
)
def test_a_run_has_the_colour_of_its_objective(name, objective):
    assert theme.colour_of(name) == theme.COLOURS[objective]


def test_no_two_objectives_share_a_colour():
    assert len(set(theme.COLOURS.values())) == len(theme.COLOURS)


def test_an_unknown_name_keeps_its_colour_across_processes():
    assert theme.colour_of("a run of mine") == "#009E73"


def test_colours_within_a_figure_differ_and_so_do_dash_and_symbol_where_they_can():
    styles = list(theme.styles([f"run {seed}" for seed in range(8)]).values())
    assert len({style.colour for style in styles}) == 8
    assert len({style.symbol for style in styles}) == 8
    assert len({style.dash for style in styles}) == 6


def test_more_names_than_colours_still_get_a_style():
    assert len(theme.styles([f"run {seed}" for seed in range(20)])) == 20


def test_the_first_forty_places_of_a_list_look_different():
    assert len({(style.colour, style.symbol) for style in map(theme.style_at, range(40))}) == 40


def test_names_from_data_are_shown_as_they_are():
    assert theme.figure("<a href='x'>cat</a>").layout.title.text == "&lt;a href='x'&gt;cat&lt;/a&gt;"
