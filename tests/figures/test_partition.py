"""The picture of a partition: pixels against polygons, lines, pointer, and what it says it leaves out."""

import base64
import io
import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from sslens.figures import _raster, beside, partition, scrub
from sslens.figures.partition import BOUNDARY, DETAIL, EXACT, LEVELS, POINTED, SHADES
from sslens.types import Cells, InputError

COARSE = DETAIL - 1
"""Detail that asks for a picture, however few the cells."""


def chequered(n, half=1.0, centre=(0.0, 0.0)):
    """n x n equal squares."""
    along = torch.linspace(-half, half, n + 1, dtype=torch.float64)
    vertices = torch.stack(torch.meshgrid(along, along, indexing="xy"), -1).reshape(-1, 2) + torch.tensor(centre)
    corner = (torch.arange(n)[:, None] * (n + 1) + torch.arange(n)).flatten()
    corners = torch.stack([corner, corner + 1, corner + n + 2, corner + n + 1], 1)
    edges = torch.stack([corners, corners.roll(-1, 1)], -1).reshape(-1, 2).sort(1).values.unique(dim=0)
    return Cells(vertices, torch.arange(n * n + 1) * 4, corners.flatten(), edges)


def fan(n=7):
    """Triangles around a point: no side is level, and the domain is no rectangle."""
    angle = 0.3 + torch.arange(n, dtype=torch.float64) * 2 * math.pi / n
    vertices = torch.cat([torch.tensor([[0.1, 0.05]]).double(), torch.stack([angle.cos(), angle.sin()], 1)])
    rim = torch.arange(1, n + 1)
    corners = torch.stack([torch.zeros_like(rim), rim, rim.roll(-1)], 1)
    edges = torch.cat([corners[:, :2], torch.stack([rim, rim.roll(-1)], 1)])
    return Cells(vertices, torch.arange(n + 1) * 3, corners.flatten(), edges)


def picture(figure):
    """The shades of the fill as places in the palette."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(figure.data[0].source.partition(",")[2]))))


def named(figure, name):
    return next(trace for trace in figure.data if trace.name == name)


@pytest.mark.parametrize("cells", [fan(), fan(3), chequered(4), chequered(1)], ids=["fan", "triangle", "4x4", "square"])
def test_every_pixel_has_the_shade_of_the_cell_that_holds_its_centre(cells):
    values = torch.arange(cells.count).double()
    figure = partition(cells, {"number": values}, title="Cells", detail=COARSE)
    shades, image = picture(figure), figure.data[0]
    for row in range(3, shades.shape[0], 23):
        for column in range(1, shades.shape[1], 17):
            point = np.array([image.x0 + column * image.dx, image.y0 + row * image.dy])
            polygons = cells.vertices[cells.corners].numpy().reshape(cells.count, -1, 2)
            sides = np.roll(polygons, -1, 1) - polygons
            away = point - polygons
            inside = (sides[..., 0] * away[..., 1] - sides[..., 1] * away[..., 0]).min(1)
            if inside.max() < -1e-9:
                assert shades[row, column] == len(SHADES) - 1
            elif inside.max() > 1e-9:
                expected = inside.argmax() / max(cells.count - 1, 1) * (LEVELS - 1)
                assert shades[row, column] == round(expected)


def test_the_picture_lies_on_the_cells_whatever_their_place_and_size():
    cells = chequered(3, half=1e-3, centre=(40.0, -7.0))
    figure = partition(cells, {"number": torch.arange(9.0)}, title="Cells", detail=COARSE)
    image, (height, width) = figure.data[0], picture(figure).shape
    assert (height, width) == (_raster.COARSE, _raster.COARSE)
    assert image.x0 - image.dx / 2 == pytest.approx(40 - 1e-3, abs=1e-9)
    assert image.y0 + image.dy * (height - 0.5) == pytest.approx(-7 + 1e-3, abs=1e-9)


def test_the_picture_is_stored_upwards_for_pages_and_pngs_to_draw_it_alike():
    image = partition(fan(), {"number": torch.arange(7.0)}, title="Cells", detail=COARSE).data[0]
    assert image.dx == image.dy > 0


def test_lines_cover_every_edge_once_and_straight_ones_have_two_ends():
    cells = fan(9)
    edges = named(partition(cells, {"number": torch.arange(9.0)}, title="Cells"), "edges")
    ends = np.stack([edges.x, edges.y], 1)
    length = np.nansum(np.linalg.norm(np.diff(ends, axis=0), axis=1))
    steps = cells.vertices[cells.edges[:, 1]] - cells.vertices[cells.edges[:, 0]]
    assert length == pytest.approx(float(steps.norm(dim=1).sum()), rel=1e-5)
    lines = named(partition(chequered(5), {"number": torch.arange(25.0)}, title="Cells"), "edges")
    assert len(lines.x) < 2 * 3 * 12


def test_places_far_from_zero_keep_their_precision():
    near, far = (
        named(partition(chequered(3, 1e-6, (c, c)), {"number": torch.rand(9)}, title=""), "edges") for c in (0, 1)
    )
    assert (near.x.dtype, far.x.dtype) == (np.float32, np.float64)
    assert len(np.unique(far.x[np.isfinite(far.x)])) == 4


def test_the_pointer_hears_every_value_and_the_colours_are_the_first():
    cells = chequered(2)
    values = {"slope": torch.tensor([1.0, 2, 3, 4]), "area": torch.full((4,), 0.25), "pattern": ["a", "b", "c", "<d>"]}
    pointer = named(partition(cells, values, title="Cells"), "pointer")
    order = np.argsort(pointer.marker.color)
    assert np.array(pointer.customdata)[order].tolist() == [[1, 0.25], [2, 0.25], [3, 0.25], [4, 0.25]]
    assert [pointer.text[place] for place in order][::3] == ["pattern: a", "pattern: &lt;d&gt;"]
    assert np.stack([pointer.x, pointer.y], 1)[order].tolist() == [[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]]
    assert "slope: %{customdata[0]" in pointer.hovertemplate and "%{text}" in pointer.hovertemplate
    assert (pointer.marker.colorbar.title.text, pointer.marker.cmin, pointer.marker.cmax) == ("slope", 1, 4)


def test_too_many_edges_become_pixels_and_the_title_says_so():
    figure = partition(chequered(20), {"number": torch.zeros(400)}, title="Cells", detail=100)
    assert len(named(figure, "edges").x) == 0
    assert len(named(figure, "pointer").x) == 5
    assert "400 regions · edges in pixels" in figure.layout.title.text
    assert "values under the pointer: the 5 largest" in figure.layout.title.text
    shades = picture(figure)
    darker = shades > LEVELS
    assert (shades[darker] == LEVELS + 1).all()
    assert darker.mean() == pytest.approx(2 * 20 / _raster.COARSE, rel=0.15)  # one pixel for each line, both ways


def test_edges_that_pixels_cannot_part_are_left_out_and_the_title_says_so():
    figure = partition(chequered(140), {"number": torch.zeros(140**2)}, title="Cells")
    assert "closer than pixels, not drawn" in figure.layout.title.text
    assert (picture(figure) == 0).all()


def test_a_live_figure_draws_more_by_webgl():
    figure = partition(chequered(60), {"number": torch.rand(3600)}, title="Cells", detail=10**6)
    assert {trace.type for trace in figure.data} == {"image", "scattergl", "scatter"}
    assert len(named(figure, "edges").x) == 3 * 2 * 60 * 61
    assert len(named(figure, "pointer").x) == POINTED


@pytest.mark.parametrize("n", [1, 30, 48, 120, 300])
def test_a_figure_for_a_notebook_is_small_however_many_cells_it_shows(n):
    slope = torch.linspace(0, 1, n * n) + 0.1 * torch.rand(n * n, generator=torch.Generator().manual_seed(0))
    values = {"slope": slope, "area": torch.rand(n * n), "pattern": ["0123456789abcdef"] * (n * n)}
    assert len(partition(chequered(n), values, title="Cells").to_json()) < 60_000


def test_the_decision_boundary_and_the_samples_are_in_the_legend():
    cells = chequered(2)
    cells = Cells(cells.vertices, cells.starts, cells.corners, cells.edges, torch.tensor([[[-1.0, 0], [1, 0.5]]]))
    samples = {"digit 3": torch.tensor([[0.5, 0.5]]), "<b>7": torch.zeros(2, 2)}
    figure = partition(cells, {"slope": torch.rand(4)}, title="Cells", samples=samples)
    assert [trace.name for trace in figure.data if trace.to_plotly_json().get("showlegend", trace.type != "image")] == [
        "decision boundary", "digit 3", "&lt;b&gt;7"
    ]  # fmt: skip
    boundary, three, seven = named(figure, "decision boundary"), figure.data[-2], figure.data[-1]
    assert boundary.x.tolist()[:2] == [-1, 1] and boundary.line.color == BOUNDARY
    assert three.marker.symbol != seven.marker.symbol and figure.layout.showlegend


def test_axes_are_equal_and_hold_the_domain():
    layout = partition(chequered(2, 3.0), {"slope": torch.rand(4)}, title="Cells").layout
    assert (layout.xaxis.range, layout.yaxis.range) == ((-3, 3), (-3, 3))
    assert layout.yaxis.scaleanchor == "x"


def test_equal_values_and_missing_ones_are_drawn():
    assert (picture(partition(chequered(2), {"slope": torch.ones(4)}, title="Cells", detail=COARSE)) == 0).all()
    values = torch.tensor([math.nan, 1.0, math.inf, 2.0])
    figure = partition(chequered(2), {"slope": values}, title="", detail=COARSE)
    assert set(np.unique(picture(figure))) == {0, 49, 50}


def polygons(figure):
    return [trace for trace in figure.data if trace.name == "cells"]


def test_few_cells_are_polygons_of_their_shade():
    values = torch.tensor([0.0, 1.0, 1.0, math.nan])
    first, both, missing = polygons(partition(chequered(2), {"slope": values}, title="Cells"))
    assert [trace.legendgroup for trace in (first, both, missing)] == ["0", str(LEVELS - 1), str(LEVELS)]
    assert first.fillcolor == f"rgb{tuple(SHADES[0])}" and first.fill == "toself"
    square = np.array([[-1, -1], [0, -1], [0, 0], [-1, 0], [-1, -1], [np.nan, np.nan]])
    assert np.array_equal(np.stack([first.x, first.y], 1), square, equal_nan=True)
    assert len(both.x) == 2 * 6


def test_many_cells_and_those_of_one_of_many_pictures_are_pixels():
    side = math.isqrt(EXACT)
    for n, detail, kind in ((side, DETAIL, "scatter"), (side + 1, DETAIL, "image"), (2, COARSE, "image")):
        assert partition(chequered(n), {"slope": torch.rand(n * n)}, title="", detail=detail).data[0].type == kind


def test_a_common_span_gives_equal_values_equal_shades():
    low, high = (
        picture(partition(chequered(1), {"slope": torch.tensor([5.0])}, title="", span=span, detail=COARSE))
        for span in ((0, 10), (5, 9))
    )
    assert (low == 24).all() and (high == 0).all()


DIGIT = {"digit 3": torch.rand(3, 2)}


def test_a_series_can_be_scrubbed():
    series = [
        partition(chequered(n), {"slope": torch.rand(n * n)}, title=f"step {n}", samples=DIGIT, detail=COARSE)
        for n in (1, 3, 60)
    ]
    scrubbed = scrub(series, [0, 10, 100])
    assert [len(frame.data) for frame in scrubbed.frames] == [len(series[0].data)] * 3
    assert all(trace.visible for frame in scrubbed.frames for trace in frame.data)
    sources = [frame.data[0].source for frame in scrubbed.frames]
    assert sources == [figure.data[0].source for figure in series]
    assert json.loads(scrubbed.to_json())["layout"]["xaxis"]["range"] == [-1, 1]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"slope": torch.zeros(3)},
        {"slope": torch.zeros(4), "area": torch.zeros(5)},
        {"slope": torch.full((4,), math.nan)},
        {"pattern": ["a", "b", "c", "d"]},
    ],
    ids=["none", "too few", "too many", "not finite", "words"],
)
def test_values_that_colour_nothing_are_refused(values):
    with pytest.raises(InputError, match="values"):
        partition(chequered(2), values, title="Cells")


def test_a_span_that_does_not_rise_is_refused():
    with pytest.raises(InputError, match="span"):
        partition(chequered(2), {"slope": torch.rand(4)}, title="Cells", span=(1.0, 1.0))


def side_by_side(*sizes, centre=(0.0, 0.0), span=(0.0, 1.0)):
    """Chequered squares of these half-widths."""
    shown = {f"half-width {half:g}": (chequered(3, half, centre), {"slope": torch.rand(9)}) for half in sizes}
    return beside({name: partition(*each, title="one", span=span) for name, each in shown.items()}, title="Together")


def test_pictures_side_by_side_have_names_axes_of_their_own_and_one_bar():
    figure = side_by_side(1.0, 2.0, 3.0)
    assert [note.text for note in figure.layout.annotations] == ["half-width 1", "half-width 2", "half-width 3"]
    assert {axis.tickangle for axis in (*figure.select_xaxes(), *figure.select_yaxes())} == {0}
    axes = [(figure.layout[f"xaxis{n}"].range, figure.layout[f"yaxis{n}"].scaleanchor) for n in ("", 2, 3)]
    assert axes == [((-1, 1), "x"), ((-2, 2), "x2"), ((-3, 3), "x3")]
    pointers = [trace for trace in figure.data if trace.name == "pointer"]
    assert [mark.marker.showscale for mark in pointers] == [False, False, True]
    assert [mark.xaxis for mark in pointers] == ["x", "x2", "x3"]
    assert figure.layout.title.text == "Together"


def test_a_part_that_the_next_picture_shows_is_framed():
    frames = [
        (s.x0, s.x1, s.y0, s.y1, s.xref, s.yref) for s in side_by_side(1.0, 0.5, 0.5, centre=(2, 3)).layout.shapes
    ]
    assert frames == [(1.5, 2.5, 2.5, 3.5, "x", "y")]


def test_pictures_of_different_spans_or_none_are_refused():
    with pytest.raises(InputError, match="same span"):
        beside({}, title="")
    with pytest.raises(InputError, match="same span"):
        one, other = (partition(chequered(2), {"slope": torch.rand(4)}, title="", span=(0, top)) for top in (1, 2))
        beside({"one": one, "other": other}, title="")
