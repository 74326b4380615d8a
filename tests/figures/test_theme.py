"""The look that every figure shares."""

import json

import plotly.graph_objects as go
import plotly.io
import pytest

from sslens.figures import theme


def test_the_template_stays_small():
    assert len(json.dumps(theme.TEMPLATE.to_plotly_json())) < 1500


def test_the_template_is_the_default_of_any_figure():
    assert go.Figure().layout.template.layout.uirevision == "keep"


def test_the_stored_figure_has_no_cloud_button_and_no_logo():
    bundle = plotly.io.renderers["plotly_mimetype"].to_mimebundle(go.Figure(go.Scatter(y=[1])).to_dict())
    config = bundle["application/vnd.plotly.v1+json"]["config"]
    assert (config["showSendToCloud"], config["displaylogo"]) == (False, False)


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
